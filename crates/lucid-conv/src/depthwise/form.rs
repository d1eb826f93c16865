//! The taps of the last axis, by phase of the result; and how large the chunks are that a result is cut into.
//!
//! With `fine = coarse * s + tap * d - p` along the last axis:
//!
//! - onto the fine grid, position `q s + r` has the taps with `r + p - tap d = 0 (mod s)`, and reads the coarse row at
//!   `q + (r + p - tap d) / s`;
//! - onto the coarse grid, position `q` reads phase `(tap d - p) mod s` of the fine row at `q + floor((tap d - p) / s)`.
//!
//! A chunk is some neighbouring rows of a plane, or a piece of one long row. What it reads is buffered together, so that
//! each row of the source is padded and de-interleaved once, whatever the number of taps across rows.

use lucid_kernels::SignalTap;

use super::signals;
use crate::axis::Axis;
use crate::geometry::Geometry;
use crate::plan::Pass;

/// Channels that one channel of the other side is linked to, up to which filters beat packing.
const MAX_MULTIPLIER: usize = 8;
/// Phases of the result and taps of the kernel that are worth a table.
const MAX_PHASES: usize = 1024;
const MAX_TAPS: usize = 1 << 14;
/// How far apart taps may read along a row, and across rows: so much around a chunk is buffered with it.
const MAX_REACH: usize = 1 << 12;
const MAX_ROWS: usize = 1 << 6;

/// Positions of a piece of a row: with what it reads it stays in a core's first-level cache.
const MAX_PIECE_LEN: usize = 512;
const MIN_PIECE_LEN: usize = 32;
/// Elements that a chunk reads, where its taps do not reach very far.
const BUFFER_LEN: usize = 8192;

/// One tap of the last axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    /// Which tap of the axis.
    pub(crate) tap: usize,
    /// The phase of the source row that it reads, as numbered in the buffer.
    pub(crate) slot: usize,
    /// How far it reads after the one that reads first.
    pub(crate) offset: usize,
}

/// How one pass reads rows of its source and writes rows of its result.
#[derive(Clone, Debug)]
pub(crate) struct Form<const N: usize> {
    pub(crate) onto_fine: bool,
    /// Sizes of both sides.
    pub(crate) source: [usize; N],
    pub(crate) result: [usize; N],
    /// Channels per group of both sides.
    pub(crate) source_channels: usize,
    pub(crate) result_channels: usize,
    /// The axis before the last; of a signal, one of a single position.
    pub(crate) row_axis: Axis,
    /// Taps of the last axis.
    pub(crate) last_taps: usize,
    /// From one position of the source row to the next of the same phase.
    pub(crate) step: usize,
    /// The phases of the source row that some tap reads; all of them in order where they are de-interleaved at once.
    pub(crate) slots: Vec<usize>,
    pub(crate) is_deinterleaved: bool,
    /// The taps by phase of the result.
    pub(crate) phases: Vec<Vec<Tap>>,
    /// Where the first of the taps reads for `q = 0`.
    pub(crate) low: isize,
    /// The largest offset.
    pub(crate) reach: usize,
    /// Planes of rows that a chunk reads, at most.
    num_bands: usize,
    /// Positions `q` of a piece, and rows of a chunk: one where a row has several pieces.
    pub(crate) piece_len: usize,
    pub(super) rows_per_chunk: usize,
    /// Positions `q` of a row of the result, and of the source, in steps.
    pub(super) result_steps: usize,
    pub(crate) source_steps: usize,
    /// Links of a phase and a tap of the last axis.
    pub(crate) num_links: usize,
    /// The taps by phase of signals that are read in place; none of others.
    pub(crate) signal_taps: Vec<Vec<SignalTap>>,
}

/// The last axis but one, or one along which nothing moves.
fn row_axis<const N: usize>(g: &Geometry<N>) -> Axis {
    let single = Axis { fine: 1, coarse: 1, taps: 1, stride: 1, dilation: 1, pad_before: 0 };
    g.axes.iter().rev().nth(1).copied().unwrap_or(single)
}

/// Phases of the result: those of a stride longer than the row are not all there.
pub(super) fn num_phases<const N: usize>(g: &Geometry<N>, pass: Pass) -> usize {
    let axis = &g.axes[N - 1];
    if pass == Pass::BackwardData { axis.stride.min(axis.fine) } else { 1 }
}

/// Whether channels mix little enough for filters, and the filters are worth their tables and buffers.
pub(crate) fn accepts<const N: usize>(g: &Geometry<N>, pass: Pass) -> bool {
    let (coarse, fine) = (g.coarse_per_group(), g.fine_per_group());
    let (row, last) = (row_axis(g), g.axes[N - 1]);
    coarse.min(fine) == 1
        && coarse.max(fine) <= MAX_MULTIPLIER
        && num_phases(g, pass) <= MAX_PHASES
        && g.num_taps() <= MAX_TAPS
        && (last.taps - 1) * last.dilation / last.stride < MAX_REACH
        && (row.taps - 1) * row.dilation < MAX_ROWS
}

impl<const N: usize> Form<N> {
    pub(crate) fn new(g: &Geometry<N>, pass: Pass) -> Self {
        let onto_fine = pass == Pass::BackwardData;
        let axis = &g.axes[N - 1];
        let (s, d, p) = (axis.stride as isize, axis.dilation as isize, axis.pad_before as isize);
        // (phase of the result, tap, phase of the source, position that it reads for q = 0)
        let mut links = Vec::new();
        for phase in 0..num_phases(g, pass) {
            for tap in 0..axis.taps {
                let shift =
                    if onto_fine { phase as isize + p - tap as isize * d } else { tap as isize * d - p };
                let source_phase = if onto_fine { 0 } else { shift.rem_euclid(s) as usize };
                if !onto_fine || shift % s == 0 {
                    links.push((phase, tap, source_phase, shift.div_euclid(s)));
                }
            }
        }
        let low = links.iter().map(|link| link.3).min().unwrap_or(0);
        let reach = links.iter().map(|link| link.3 - low).max().unwrap_or(0) as usize;
        let step = if onto_fine { 1 } else { axis.stride };
        let mut slots: Vec<usize> = links.iter().map(|link| link.2).collect();
        slots.sort_unstable();
        slots.dedup();
        let is_deinterleaved = step > 1 && slots.len() >= step.div_ceil(2);
        if is_deinterleaved {
            slots = (0..step).collect();
        }
        let mut phases = vec![Vec::new(); num_phases(g, pass)];
        let num_links = links.len();
        for (phase, tap, source_phase, position) in links {
            let slot = slots.binary_search(&source_phase).expect("a slot per phase that is read");
            phases[phase].push(Tap { tap, slot, offset: (position - low) as usize });
        }
        let (coarse, fine) = (g.coarse(), g.fine());
        let (source, result) = if onto_fine { (coarse, fine) } else { (fine, coarse) };
        let (source_channels, result_channels) = match pass {
            Pass::Forward => (g.fine_per_group(), g.coarse_per_group()),
            Pass::BackwardData => (g.coarse_per_group(), g.fine_per_group()),
            // A pair of channels at a time.
            Pass::BackwardWeight => (1, 1),
        };
        let result_steps = result[N - 1].div_ceil(phases.len());
        let row_axis = row_axis(g);
        let num_bands = source_channels * (g.num_taps() / axis.taps / row_axis.taps);
        let mut form = Form {
            onto_fine,
            source,
            result,
            source_channels,
            result_channels,
            row_axis,
            last_taps: axis.taps,
            step,
            slots,
            is_deinterleaved,
            phases,
            low,
            reach,
            num_bands,
            piece_len: 1,
            rows_per_chunk: 1,
            result_steps,
            source_steps: source[N - 1].div_ceil(step),
            num_links,
            signal_taps: Vec::new(),
        };
        form.signal_taps = signals::taps(g, pass, &form);
        form.cut();
        form
    }

    /// Chooses the size of chunks: pieces of a row where it is long, else as many rows as the buffer holds.
    fn cut(&mut self) {
        if !self.signal_taps.is_empty() {
            self.piece_len = self.result_steps.min(signals::TASK_LEN / self.phases.len());
            return;
        }
        let per_position = self.phases.len().max(self.buffered_rows() * self.slots.len());
        let most = (BUFFER_LEN / per_position).clamp(MIN_PIECE_LEN, MAX_PIECE_LEN);
        let positions = self.result_steps;
        self.piece_len = positions.div_ceil(positions.div_ceil(most));
        if self.piece_len < positions {
            return;
        }
        let per_row = self.num_bands * self.slots.len() * (self.piece_len + self.reach);
        let fitting = BUFFER_LEN / per_row.max(1);
        let Axis { taps, stride, dilation, .. } = self.row_axis;
        let span = (taps - 1) * dilation;
        // (rows - 1) stride + span + 1 <= fitting, and (rows - 1 + span) / stride + 2 <= fitting
        let rows = if self.onto_fine {
            (fitting.saturating_sub(2 + span / stride)).saturating_mul(stride)
        } else {
            fitting.saturating_sub(span + 1) / stride + 1
        };
        let all = self.result_rows();
        let rows = rows.clamp(1, all);
        self.rows_per_chunk = all.div_ceil(all.div_ceil(rows));
    }

    /// Rows along the axis before the last.
    pub(crate) fn result_rows(&self) -> usize {
        self.result.iter().rev().nth(1).copied().unwrap_or(1)
    }

    pub(crate) fn source_rows(&self) -> usize {
        self.source.iter().rev().nth(1).copied().unwrap_or(1)
    }

    /// Rows of the source that a chunk buffers: those of each band.
    fn buffered_rows(&self) -> usize {
        self.num_bands * self.source_span(0, self.rows_per_chunk).1
    }

    /// The rows of the source that some tap links to `num_rows` rows of the result from `first` on: the first of them,
    /// and how many there are, whether or not they exist.
    pub(crate) fn source_span(&self, first: usize, num_rows: usize) -> (isize, usize) {
        if N == 1 {
            return (0, 1);
        }
        let Axis { taps, stride, dilation, pad_before, .. } = self.row_axis;
        let (first, padding, span) = (first as isize, pad_before as isize, ((taps - 1) * dilation) as isize);
        let (stride, more) = (stride as isize, num_rows as isize - 1);
        let (start, end) = if self.onto_fine {
            ((first + padding - span).div_euclid(stride), (first + more + padding).div_euclid(stride))
        } else {
            (first * stride - padding, (first + more) * stride - padding + span)
        };
        (start, (end - start + 1) as usize)
    }

    /// Whether all rows of the result have the same taps.
    pub(crate) fn is_uniform(&self) -> bool {
        !self.onto_fine || self.row_axis.stride == 1
    }

    /// Elements of what a chunk buffers, and its taps and sums.
    pub(crate) fn workspace_len(&self) -> usize {
        if !self.signal_taps.is_empty() {
            return 0;
        }
        let rows = self.buffered_rows() * self.slots.len() * (self.piece_len + self.reach);
        rows + self.phases.len() * self.piece_len + 3 * self.num_bands * self.row_axis.taps * self.num_links
    }
}
