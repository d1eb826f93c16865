//! In what portions a form is run: what stays in which cache, and what the threads share.
//!
//! The sums of a tile stay in registers while a panel of weights, in the first-level cache, goes over a strip of the
//! source, in the second-level cache, unless it is so short that all panels go over it while it is in the first. As many
//! strips as fit in the second, of as many source channels, are packed at a time; where not all channels fit, sums of a
//! block of channels wait in the same cache for the next block.

use std::ops::Range;
use std::sync::Arc;

use lucid_kernels::{Element, Isa};

use super::MAX_WINDOW_LEN;
use super::by_row::TAPS_LEN;
use super::form::{Filtering, Form};
use super::place::Portions;
use super::strips::Layout;
use super::tiling::{MAX_COLUMNS, Tiling};
use super::transform::Transform;
use super::weights::{Panels, is_whole};
use crate::geometry::Geometry;
use crate::plan::Pass;

/// Vectors of the source that are packed at a time: three quarters of a second-level cache, of 1 MiB where vectors have 64 bytes and
/// of 512 KiB where they have 32; or a third of it with minimal filtering, whose sums are more.
const SOURCE_VECTORS: usize = 12 * 1024;
const SOURCE_VECTORS_MINIMAL: usize = 5 * 1024;
/// Elements that the columns of a place hold where vectors run over rows, one per source channel and term.
const VALUES_LEN: usize = 576 * 1024;
/// Columns of a place there, at most: weights that are made on the way are paid back, and threads share the places.
const MAX_COLUMNS_BY_ROW: usize = 128;
/// Columns that a panel of weights is used for, at least, even if that takes blocks of source channels.
const MIN_COLUMNS: usize = 128;
/// Columns of a place, at least, for each column that its taps reach beyond them: the next place packs those once more.
const MIN_PER_REACH: usize = 4;
/// Terms that enter a tile's sums before they are put away, at least.
const MIN_TERMS: usize = 256;
/// Positions of a place, at most, unless one row of the grid has more.
const MAX_POSITIONS: usize = 1024;
/// Elements of a short vector, by which others are padded.
pub(super) const CHUNK: usize = 8;
/// A cache line of `f32`.
pub(super) const LINE: usize = 16;
/// Elements of sums that are stored as soon as they are there.
const SUMS_LEN: usize = 16 * 1024;
/// Elements of sums that wait for further blocks of source channels.
const WAITING_LEN: usize = 48 * 1024;
/// Elements of the source and of the sums where items are abreast: a set of many items has more than a second-level cache holds of
/// either, and every panel of a sum goes over what it reads of the source before those of the next one do.
pub(crate) const SOURCE_LEN_ABREAST: usize = 512 * 1024;
const SUMS_LEN_ABREAST: usize = 384 * 1024;
/// Elements of weights that a task packs there: each of them packs the source once more.
const PANELS_LEN_ABREAST: usize = 336 * 1024;
/// Elements of weights up to which all of them are packed at once, and that a task packs otherwise.
const PANELS_LEN: usize = 256 * 1024;
/// Elements of weights that a task packs at most, even if it has few rows then.
pub(super) const MAX_PANELS_LEN: usize = 768 * 1024;
/// Tasks to make, so that several threads share a pass evenly.
const TASKS: usize = 8;
/// Rows that a task has at least: each task packs its source.
const MIN_TASK_ROWS: usize = 96;

/// Where the weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Packed beforehand, all of them.
    Before,
    /// By each task, those of its channels.
    ByTask,
    /// At each place, those of a block of source channels: where a single channel of the result has too many for a task, as
    /// one of hundreds of phases does.
    ByBlock,
}

/// How a form is run.
#[derive(Debug)]
pub(crate) struct Schedule<T: 'static, const N: usize> {
    pub(crate) form: Form<N>,
    pub(crate) isa: Isa,
    pub(crate) layout: Layout<N>,
    pub(crate) tiling: Tiling,
    /// By class, then by sum.
    pub(crate) panels: Vec<Panels<T, N>>,
    /// Of each of them: where its terms read.
    pub(crate) offsets: Vec<Vec<usize>>,
    /// By class, with minimal filtering.
    pub(crate) transforms: Vec<Transform>,
    /// Whether vectors run over rows, and the phases of a channel lie together in one panel as they do in the result.
    pub(crate) is_by_column: bool,
    pub(crate) portions: Portions,
    pub(crate) packing: Packing,
    /// Source channels that are packed at a time.
    pub(crate) reduction: usize,
    /// Result channels whose sums are stored together.
    pub(crate) chunk: usize,
    /// Strips of a place.
    strips: usize,
    /// From a row of sums to the next one.
    pub(crate) row_stride: usize,
}

/// What a pass looks at to find out whether all that it multiplies is finite: a product with an entry that does not exist, of value 0,
/// is 0 only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Examined {
    /// The weights, as they are packed.
    Weights,
    /// The results, where they are fewer, and the weights only if those are not finite: what is not makes a NaN or an infinity of
    /// every sum that it is part of.
    Results,
    /// Neither: prepared weights are finite, and minimal filtering looks at its sums.
    Nothing,
}

impl Examined {
    /// What a pass has to look at.
    pub(crate) fn of<const N: usize>(
        g: &Geometry<N>,
        pass: Pass,
        filtering: Filtering,
        is_prepared: bool,
    ) -> Self {
        let results = g.batch() * g.channels_of(pass.result()) * g.len_of(pass.result());
        let weights = g.weight_sizes().product::<usize>();
        if is_prepared || filtering == Filtering::Minimal {
            Examined::Nothing
        } else if results < weights {
            Examined::Results
        } else {
            Examined::Weights
        }
    }
}

impl<T: Element, const N: usize> Schedule<T, N> {
    /// `prepared` says that the weights are packed already, for the tiling.
    pub(crate) fn new(g: &Geometry<N>, form: Form<N>, isa: Isa, tiling: Tiling, prepared: bool) -> Self {
        let panels: Vec<Panels<T, N>> = form
            .classes
            .iter()
            .flat_map(|class| {
                let tile = tiling.tile(&form, isa, class.phases.len());
                let form = &form;
                (0..class.sums.len())
                    .map(move |sum| Panels::new(form, Arc::clone(class), sum, (tiling, tile)))
            })
            .collect();
        let minimal = panels.iter().filter(|panels| form.unit > 1 && panels.sum == 0);
        let transform = |panels: &Panels<T, N>| {
            Transform::new(&panels.class, is_whole(&form, &panels.class), panels.rows)
        };
        let transforms = minimal.map(transform).collect();
        let main = panels.iter().max_by_key(|panels| panels.class.phases.len() * panels.terms().len());
        let num_terms: usize = panels.iter().map(|panels| panels.terms().len()).sum();
        let of_column = form.source_channels.saturating_mul(num_terms).max(1);
        let most_by_row = (VALUES_LEN / of_column).clamp(MAX_COLUMNS, MAX_COLUMNS_BY_ROW);
        let columns = match tiling {
            Tiling::Positions { .. } => {
                main.map_or(1, |panels| panels.kernel.max_vectors() * panels.kernel.lanes())
            }
            Tiling::Rows => {
                let all = form.num_columns(form.axes[0].len);
                all.div_ceil(all.div_ceil(most_by_row)).next_multiple_of(CHUNK)
            }
        };
        // With minimal filtering most terms read from where a line begins: no vector of theirs lies in two cache lines, if the buffer
        // begins with one.
        let align = match (tiling, main) {
            (Tiling::Positions { .. }, Some(panels)) if form.unit > 1 => panels.kernel.lanes().max(CHUNK),
            _ => CHUNK,
        };
        let layout = Layout::new(&form, columns, align);
        let layout = match main {
            Some(panels) if form.is_signal() && form.unit == 1 => even(&form, layout, panels.kernel.lanes()),
            _ => layout,
        };
        let width = layout.width;

        // Panels end where a chunk of channels does.
        let align = panels
            .iter()
            .fold(1, |align, panels| lcm(align, panels.rows / gcd(panels.rows, panels.class.phases.len())));
        // As many strips as fit with all channels, or at least some with as many channels as fit.
        let (channels, per_channel) = (form.source_channels, layout.per_channel().max(1));
        let vectors = if form.unit == 1 { SOURCE_VECTORS } else { SOURCE_VECTORS_MINIMAL };
        let (source_len, panels_len) = match form.abreast {
            1 => (vectors * main.map_or(1, |panels| panels.kernel.lanes()), PANELS_LEN),
            _ => (SOURCE_LEN_ABREAST, PANELS_LEN_ABREAST),
        };
        let least_rows = form.num_sums() * align.min(form.result_channels);
        let most = MAX_POSITIONS.min(WAITING_LEN / least_rows);
        // All phases of a signal are de-interleaved together.
        let of_column = if N == 1 { form.axes[0].source_step * form.unit } else { 1 };
        let most = (most.min(MAX_WINDOW_LEN / of_column) / width).max(1);
        let least = match form.abreast {
            1 => MIN_COLUMNS.max(MIN_PER_REACH * layout.reach).div_ceil(width),
            _ => 1,
        };
        let strips = match tiling {
            Tiling::Positions { .. } => (source_len / (channels * per_channel)).max(least).min(most),
            Tiling::Rows => (most_by_row / width.min(form.num_columns(form.axes[0].len)))
                .max((MIN_PER_REACH * layout.reach).div_ceil(width))
                .clamp(1, most),
        };
        let len = form.axes[0].len;
        // Columns of a position of the first axis; of a signal, positions of one.
        let rows = match N {
            1 if form.is_signal() => strips * width * form.unit,
            // Signals abreast are short.
            1 => len,
            _ => strips * width / (form.num_columns(2) - form.num_columns(1)),
        };
        let rows = rows.clamp(1, len);
        let parts = len.div_ceil(rows);
        // In parts as equal as whole strips allow.
        let rows = len.div_ceil(parts);
        let rows = if form.is_signal() { whole_strips(rows, width, &form).min(len) } else { rows };
        let per_set = form.num_columns(rows).div_ceil(width);
        let num_sets = g.batch().max(1).div_ceil(form.abreast);
        let sets = if rows == len { (strips / per_set).clamp(1, num_sets) } else { 1 };
        let (strips, items) = (per_set * sets, sets * form.abreast);
        let max_terms = panels.iter().map(|panels| panels.terms().len()).max().unwrap_or(1);
        let reduction = (source_len / (strips * per_channel)).max(MIN_TERMS.div_ceil(max_terms.max(1)));
        let reduction = match tiling {
            Tiling::Positions { .. } => channels.div_ceil(channels.div_ceil(reduction.min(channels))),
            Tiling::Rows => reduction.min(channels),
        };

        let aligned = |channels: usize| channels.max(1).next_multiple_of(align).min(form.result_channels);
        let phases = form.num_phases();
        let packed_len: usize = panels.iter().map(|panels| panels.len(form.result_channels)).sum();
        let of_least = packed_len * aligned(1) / form.result_channels.max(1);
        let packing = if prepared || packed_len.saturating_mul(g.groups) <= PANELS_LEN {
            Packing::Before
        } else if of_least <= MAX_PANELS_LEN || tiling == Tiling::Rows {
            Packing::ByTask
        } else {
            Packing::ByBlock
        };
        let reduction = match packing {
            Packing::ByBlock => reduction.min((channels * PANELS_LEN / of_least).max(1)),
            Packing::Before | Packing::ByTask => reduction,
        };
        let places = g.batch().max(1).div_ceil(items).saturating_mul(len.div_ceil(rows));
        // Each task packs what it reads, so channels are shared out only where there are too few places.
        let (of_task, run) = match packing {
            // A place packs its weights itself.
            Packing::ByBlock => (1, 1),
            Packing::ByTask => {
                let fitting = (form.result_channels * panels_len / packed_len.max(1)).max(1);
                // Of about equal size.
                let tasks = form.result_channels.div_ceil(fitting).max(TASKS.div_ceil(g.groups));
                (form.result_channels.div_ceil(tasks), places)
            }
            Packing::Before => {
                let independent = g.groups.saturating_mul(places);
                if independent >= TASKS / 2 {
                    (form.result_channels, (independent / TASKS).clamp(1, places))
                } else {
                    (form.result_channels.div_ceil(TASKS.div_ceil(independent)), 1)
                }
            }
        };
        let least = match tiling {
            // Signals abreast are short: packing them once more takes little beside the products of so many weights.
            Tiling::Positions { .. } if N > 1 || form.abreast == 1 => MIN_TASK_ROWS.div_ceil(phases),
            _ => 1,
        };
        let fitting = match packing {
            Packing::ByTask => (form.result_channels * MAX_PANELS_LEN / packed_len.max(1)).max(1),
            Packing::ByBlock => 1,
            Packing::Before => form.result_channels,
        };
        let of_task = of_task.max(least).min(fitting).min(form.result_channels);
        let of_task = aligned(of_task);
        // An odd number of cache lines: rows that are read together do not share a few sets of a cache.
        let row_stride = (((strips * width).div_ceil(LINE) + 1) | 1) * LINE;
        let sums_len = match form.abreast {
            1 if reduction == channels => SUMS_LEN,
            1 => WAITING_LEN,
            _ => SUMS_LEN_ABREAST,
        };
        let chunk = aligned(sums_len / (row_stride * form.num_sums())).min(of_task);
        let portions = Portions { items, rows, channels: of_task, run };
        let offsets = panels
            .iter()
            .map(|panels| panels.terms().iter().map(|term| layout.offset(&form, term)).collect())
            .collect();
        let is_by_column = tiling == Tiling::Rows
            && form.has_neighbouring_phases()
            && panels.iter().all(|panels| panels.rows.is_multiple_of(phases));
        Schedule {
            form,
            isa,
            layout,
            tiling,
            panels,
            offsets,
            transforms,
            is_by_column,
            portions,
            packing,
            reduction,
            chunk,
            strips,
            row_stride,
        }
    }

    /// Rows of sums of so many channels, by class: the last panel may have more rows than are needed.
    pub(crate) fn num_rows(&self, channels: usize) -> usize {
        self.panels.iter().map(|panels| panels.num_panels(channels) * panels.rows).sum()
    }

    /// The terms of some panels.
    pub(crate) fn num_terms(&self, panels: Range<usize>) -> usize {
        self.offsets[panels].iter().map(Vec::len).sum()
    }

    /// The panels of each class.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &[Panels<T, N>]> {
        self.panels.chunk_by(|_, next| next.sum > 0)
    }

    /// Elements of a panel buffer for so many channels.
    pub(crate) fn panels_len(&self, channels: usize) -> usize {
        self.panels.iter().map(|panels| panels.len(channels)).sum()
    }

    /// Elements of workspace of a thread.
    pub(crate) fn workspace_len(&self) -> usize {
        let source = self.strips * self.layout.strip_len(self.reduction);
        let panels = match self.packing {
            Packing::Before => 0,
            Packing::ByTask => self.panels_len(self.portions.channels),
            Packing::ByBlock => {
                self.panels_len(self.portions.channels) / self.form.source_channels * self.reduction
            }
        };
        let sums = self.num_rows(self.chunk) * self.row_stride;
        let on_the_way = match self.tiling {
            Tiling::Positions { .. } => 0,
            Tiling::Rows => {
                let columns = self.strips * self.layout.width;
                let values = columns * self.form.source_channels * self.num_terms(0..self.offsets.len());
                values
                    + self.num_rows(self.chunk) * columns
                    + if self.form.unit > 1 { 2 * TAPS_LEN } else { 0 }
            }
        };
        source + sums + panels + on_the_way
    }
}

/// The layout, or one with two strips of about equal width where it would have two or three that are not: then two threads have
/// as much to do.
fn even<const N: usize>(form: &Form<N>, layout: Layout<N>, lanes: usize) -> Layout<N> {
    let (len, strips) = (form.axes[0].len, form.axes[0].len.div_ceil(layout.width));
    let rest = len - (strips.max(1) - 1) * layout.width;
    if (2..=3).contains(&strips) && 2 * rest < layout.width {
        return Layout::new(form, len.div_ceil(2).next_multiple_of(lanes), CHUNK);
    }
    layout
}

/// At least so many positions of one axis as whole strips, or a little less where columns take turns whose number the width
/// is no multiple of.
fn whole_strips<const N: usize>(rows: usize, width: usize, form: &Form<N>) -> usize {
    let turns = form.unit * form.apart;
    let rows = rows.next_multiple_of(width * form.unit);
    (rows - rows % turns).max(turns)
}

pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: usize, b: usize) -> usize {
    a / gcd(a, b) * b
}
