//! Running a form, task by task.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use lucid_kernels::{Bias, Blank, Element, Isa, WINOGRAD_POINTS, winograd_outputs};

use super::ahead::{self, NextSource};
use super::by_position::{TileOfStrip, add_sources};
use super::by_row::Columns;
use super::form::{Filtering, Form, flatten};
use super::packed::Packed;
use super::place::{Place, Task};
use super::planes::{Cut, Parts, Planes, Whole};
use super::result::{PhaseSums, Placement, Sums};
use super::schedule::{Examined, Packing, Schedule};
use super::strips::Strip;
use super::tiling::Tiling;
use super::weights::pack;
use crate::fused::Fused;
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::run::Operands;
use crate::tasks::{run_all, threads_for};
use crate::workspace::Pool;

/// Multiplications above which threads share a pass.
const SHARED: f64 = 200_000.0;

/// A thread's own workspace.
#[derive(Debug)]
pub(crate) struct Scratch<T: 'static> {
    pub(super) packed: Packed<T>,
    pub(super) strips: Vec<Strip>,
    /// Those of the strips that a panel goes over.
    pub(super) tiles: Vec<TileOfStrip>,
    /// Place and source channels that are packed.
    holds: Option<(Place, Range<usize>)>,
    panels: Vec<T>,
    /// Panels of a block of source channels.
    of_block: Vec<T>,
    pub(super) sums: Vec<T>,
    /// What the sums of a tile begin with.
    pub(super) starts: Vec<T>,
    columns: Columns<T>,
    /// Of each panels of the schedule: its first row of sums.
    first_rows: Vec<usize>,
    /// Where the outputs of each phase of a channel begin.
    phases: Vec<PhaseSums>,
    placement: Placement<T>,
}

impl<T: Element> Default for Scratch<T> {
    fn default() -> Self {
        Scratch {
            packed: Packed::new(),
            strips: Vec::new(),
            tiles: Vec::new(),
            holds: None,
            panels: Vec::new(),
            of_block: Vec::new(),
            sums: Vec::new(),
            starts: Vec::new(),
            columns: Columns::new(),
            first_rows: Vec::new(),
            phases: Vec::new(),
            placement: Placement::new(),
        }
    }
}

/// A weight packed for many inputs.
#[derive(Clone, Debug)]
pub(crate) struct Panels<T> {
    pub(crate) shape: PanelShape,
    /// By group, then by class.
    pub(crate) values: Vec<T>,
}

/// What panels depend on, beside the weight and the instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PanelShape {
    pub(crate) filtering: Filtering,
    /// Of the form.
    pub(crate) is_trimmed: bool,
    pub(crate) tiling: Tiling,
}

impl PanelShape {
    /// The best one for a form.
    pub(crate) fn of<const N: usize>(g: &Geometry<N>, form: &Form<N>, isa: Isa) -> Self {
        let filtering = if form.unit == 1 { Filtering::Plain } else { Filtering::Minimal };
        PanelShape { filtering, is_trimmed: form.is_trimmed, tiling: Tiling::of(g, form, isa) }
    }

    /// Whether panels of this shape are as good as those of another, and give the same bits: of any but the shortest results
    /// they are.
    pub(crate) fn serves(&self, other: &PanelShape) -> bool {
        self.filtering == other.filtering
            && (self.tiling == Tiling::Rows) == (other.tiling == Tiling::Rows)
            && (self.filtering == Filtering::Plain || self.is_trimmed == other.is_trimmed)
    }
}

/// Every panel of a weight.
pub(crate) fn prepare<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    shape: PanelShape,
    isa: Isa,
    weight: &[T],
) -> Panels<T> {
    let form = Form::with_phases(g, pass, shape.filtering, shape.is_trimmed);
    let (values, _) =
        prepare_form(&Schedule::new(g, form, isa, shape.tiling, true), (weight, Examined::Nothing));
    Panels { shape, values }
}

/// The panels, and whether the weight is finite, if it is examined.
fn prepare_form<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    weight: (&[T], Examined),
) -> (Vec<T>, bool) {
    let form = &schedule.form;
    let mut panels = vec![T::zero(); schedule.panels_len(form.result_channels) * form.groups];
    let (mut rest, mut are_finite) = (panels.as_mut_slice(), true);
    for group in 0..form.groups {
        let (own, others) = rest.split_at_mut(schedule.panels_len(form.result_channels));
        are_finite &= pack(schedule, group, (0..form.result_channels, 0..form.source_channels), weight, own);
        rest = others;
    }
    (panels, are_finite)
}

/// `result = after(bias + the pass of before(source) and weight + skips)`; returns whether every weight is finite, if they are
/// examined, and with minimal filtering every sum. Where one is not, terms that do not exist count as NaN
/// instead of nothing, or those of neighbours are, and the result is void.
pub(crate) fn pass<T: Element, const N: usize>(
    g: &Geometry<N>,
    (schedule, examined): (&Schedule<T, N>, Examined),
    (operands, fused): (&Operands<'_, T>, &Fused<'_, T>),
    result: Blank<'_, T>,
    pool: &Pool<Scratch<T>>,
) -> bool {
    let Schedule { form, portions, .. } = schedule;
    let packed_here;
    let (panels, finite) = match operands.panels {
        None if schedule.packing == Packing::Before => {
            let are_finite;
            (packed_here, are_finite) = prepare_form(schedule, (operands.weight, examined));
            (Some(&packed_here[..]), are_finite)
        }
        panels => (panels.map(|panels| &panels.values[..]), true),
    };
    let finite = AtomicBool::new(finite);
    let run = Run { schedule, operands, fused, panels, examined, finite };
    let lend = || {
        let mut scratch = pool.lend();
        scratch.holds = None;
        scratch
    };
    let num_threads = threads_for(g.multiplications(), SHARED);
    if num_threads > 1 || !result.are_elements() {
        let tasks = portions.tasks(form, g.batch(), g.groups, result);
        run_all(tasks.into_iter(), num_threads, lend, |scratch, Task { channels, targets }| {
            let Some(group) = targets.first().map(|target| target.place.group) else { return };
            let planes = targets
                .into_iter()
                .map(|target| (target.place.clone(), Cut { target, channels: channels.clone() }));
            let mut packed = std::mem::take(&mut scratch.panels);
            let panels = run.panels(group, &channels, &mut packed);
            for (place, mut own) in planes {
                run.at_place(&channels, &place, &panels, &mut own, scratch);
            }
            scratch.panels = packed;
        });
    } else {
        // The same portions of the result where it lies: nothing has to be cut, or remembered, beforehand.
        let (result, mut scratch) = (result.elements(), lend());
        // Where weights are packed already, a place is packed once for all channels.
        let of_task = if run.panels.is_some() { form.result_channels } else { portions.channels };
        for group in 0..g.groups {
            for start in (0..form.result_channels).step_by(of_task) {
                let channels = start..(start + of_task).min(form.result_channels);
                let mut packed = std::mem::take(&mut scratch.panels);
                let panels = run.panels(group, &channels, &mut packed);
                for place in portions.places(form, group, g.batch()) {
                    let mut planes = Whole { parts: Parts::new(form, &place), result };
                    run.at_place(&channels, &place, &panels, &mut planes, &mut scratch);
                }
                scratch.panels = packed;
            }
        }
    }
    run.finite.into_inner()
}

/// What all tasks of a pass read.
struct Run<'a, 'f, T: 'static, const N: usize> {
    schedule: &'a Schedule<T, N>,
    operands: &'a Operands<'a, T>,
    fused: &'a Fused<'f, T>,
    /// Those of all channels, where they were packed beforehand.
    panels: Option<&'a [T]>,
    examined: Examined,
    finite: AtomicBool,
}

/// Packed panels, and which channels of the result they are for.
pub(super) struct PanelView<'a, T> {
    pub(super) values: &'a [T],
    pub(super) first: usize,
    pub(super) channels: usize,
    /// Source channels.
    pub(super) sources: Range<usize>,
}

impl<T: Element, const N: usize> Run<'_, '_, T, N> {
    /// The panels of some channels of a group: packed beforehand, or now.
    fn panels<'p>(&'p self, group: usize, channels: &Range<usize>, own: &'p mut Vec<T>) -> PanelView<'p, T> {
        let form = &self.schedule.form;
        if let Some(packed) = self.panels {
            let of_group = self.schedule.panels_len(form.result_channels);
            let values = &packed[group * of_group..][..of_group];
            return PanelView {
                values,
                first: 0,
                channels: form.result_channels,
                sources: 0..form.source_channels,
            };
        }
        let all = match self.schedule.packing {
            Packing::ByBlock => 0..0,
            Packing::Before | Packing::ByTask => 0..form.source_channels,
        };
        self.panels_of(group, (channels, all), own)
    }

    /// The panels of some channels for some source channels, packed now.
    fn panels_of<'p>(
        &self,
        group: usize,
        (channels, sources): (&Range<usize>, Range<usize>),
        own: &'p mut Vec<T>,
    ) -> PanelView<'p, T> {
        let of_source = self.schedule.panels_len(channels.len()) / self.schedule.form.source_channels;
        own.resize(of_source * sources.len(), T::zero());
        let both = (channels.clone(), sources.clone());
        if !pack(self.schedule, group, both, (self.operands.weight, self.examined), own) {
            self.finite.store(false, Ordering::Relaxed);
        }
        PanelView { values: own, first: channels.start, channels: channels.len(), sources }
    }

    /// All channels of a task at one place, a chunk at a time.
    fn at_place(
        &self,
        channels: &Range<usize>,
        place: &Place,
        panels: &PanelView<'_, T>,
        planes: &mut impl Planes<T>,
        scratch: &mut Scratch<T>,
    ) {
        let schedule = self.schedule;
        let Schedule { form, layout, row_stride, .. } = schedule;
        if scratch.holds.as_ref().is_none_or(|(held, _)| held != place) {
            let Scratch { packed, strips, placement, .. } = scratch;
            placement.find(form, place);
            strips.clear();
            strips.extend(layout.strips(form, place));
            packed.visit(form, layout, place);
            scratch.holds = None;
        }
        let num_sets = form.num_sets(place);
        let parts = Parts::new(form, place);
        let mut start = channels.start;
        while start < channels.end {
            let chunk = start..(start + schedule.chunk).min(channels.end);
            if !schedule.is_by_column {
                let len = schedule.num_rows(chunk.len()) * row_stride;
                scratch.sums.resize(len.max(scratch.sums.len()), T::zero());
            }
            match schedule.tiling {
                Tiling::Positions { .. } => {
                    let is_last = chunk.end == channels.end;
                    self.add_by_position((place, &parts), (&chunk, is_last), panels, scratch);
                }
                Tiling::Rows => {
                    let block = Block { place, chunk: chunk.clone(), sources: 0..form.source_channels };
                    self.add_by_row(&block, panels, scratch);
                }
            }
            let Scratch { strips, sums, first_rows, phases, placement, columns, .. } = scratch;
            find_first_rows(schedule, chunk.len(), first_rows);
            let of_set = strips.len() / num_sets * layout.width;
            if form.unit > 1 && schedule.tiling != Tiling::Rows {
                let columns = form.num_columns(place.rows.len());
                let sets = (0..num_sets).map(|set| (set * of_set, columns));
                let channels = place.group * form.result_channels + chunk.start..;
                let bias = |channel: usize| {
                    self.operands.bias.map_or(T::zero(), |bias| bias[channels.start + channel])
                };
                if !combine(schedule, first_rows, chunk.len(), sets, bias, sums) {
                    self.finite.store(false, Ordering::Relaxed);
                }
            }
            for set in 0..num_sets {
                if !schedule.is_by_column {
                    find_phases(schedule, first_rows, set * of_set, phases);
                }
                for channel in chunk.clone() {
                    let channel_of_result = place.group * form.result_channels + channel;
                    let own = Sums { values: sums, phases };
                    if form.abreast > 1 {
                        let len = parts.range(set * form.abreast, channel).len();
                        placement.take_apart(schedule.isa, &own, (form.abreast, len));
                    }
                    for v in 0..form.abreast {
                        let item = set * form.abreast + v;
                        let plane = planes.plane(item, channel);
                        if schedule.is_by_column {
                            let column = set * form.num_columns(place.rows.len());
                            let own = columns.of_channel(schedule, channel - chunk.start, column);
                            placement.store_by_column(schedule.isa, own, plane);
                        } else if form.abreast > 1 {
                            plane.copy_from_slice(placement.of_item(v, plane.len()));
                        } else {
                            placement.store(schedule.isa, &own, plane);
                        }
                        let start = parts.range(item, channel).start;
                        self.fused.finish_part(schedule.isa, plane, start, channel_of_result);
                    }
                    phases.iter_mut().for_each(|phase| phase.start += phase.of_channel);
                }
            }
            start = chunk.end;
        }
    }

    /// The sums of a chunk of channels, a block of source channels at a time, with vectors that run over positions.
    fn add_by_position(
        &self,
        (place, parts): (&Place, &Parts),
        (chunk, is_last): (&Range<usize>, bool),
        panels: &PanelView<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let schedule = self.schedule;
        let num_sources = schedule.form.source_channels;
        for start in (0..num_sources).step_by(schedule.reduction) {
            let sources = start..(start + schedule.reduction).min(num_sources);
            let held = scratch.holds.as_ref().is_some_and(|(_, held)| *held == sources);
            if !held {
                let Scratch { packed, strips, .. } = scratch;
                let source = (self.operands.source, self.fused.before);
                packed.fill(schedule, place, strips, sources.clone(), source);
                scratch.holds = Some((place.clone(), sources.clone()));
            }
            let block = Block { place, chunk: chunk.clone(), sources };
            let begin = |channels: Range<usize>| {
                if block.sources.end == num_sources {
                    ahead::skips(self.fused, place, parts, channels);
                }
            };
            let mut own = std::mem::take(&mut scratch.of_block);
            let of_block;
            let panels = if self.panels.is_none() && schedule.packing == Packing::ByBlock {
                of_block = self.panels_of(place.group, (chunk, block.sources.clone()), &mut own);
                &of_block
            } else {
                panels
            };
            let next = NextSource::of(schedule, (place, &block.sources, is_last), self.operands.source);
            add_sources(schedule, &block, (self.operands.bias, next), panels, scratch, begin);
            scratch.of_block = own;
        }
    }

    /// The sums of a block of all source channels, with vectors that run over rows.
    fn add_by_row(&self, block: &Block<'_>, panels: &PanelView<'_, T>, scratch: &mut Scratch<T>) {
        let (schedule, place) = (self.schedule, block.place);
        let Scratch { packed, strips, holds, columns, sums, .. } = scratch;
        if holds.is_none() {
            columns.visit(schedule, strips);
            let source = (self.operands.source, self.fused.before);
            for start in block.sources.clone().step_by(schedule.reduction) {
                let some = start..(start + schedule.reduction).min(block.sources.end);
                packed.fill(schedule, place, strips, some.clone(), source);
                columns.gather(schedule, (strips, some), &packed.values);
            }
            *holds = Some((place.clone(), block.sources.clone()));
        }
        if !columns.add(schedule, block, self.operands.bias, panels) {
            self.finite.store(false, Ordering::Relaxed);
        }
        if !schedule.is_by_column {
            columns.spread(schedule, block.chunk.len(), strips, sums);
        }
    }
}

/// The first row of sums of every panels of a schedule, for so many channels.
fn find_first_rows<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    channels: usize,
    rows: &mut Vec<usize>,
) {
    rows.clear();
    rows.extend(schedule.panels.iter().scan(0, |next, panels| {
        let first = *next;
        *next += panels.num_panels(channels) * panels.rows;
        Some(first)
    }));
}

/// Turns the sums of products into outputs, by set of items: its first column and how many there are. Returns whether all of them
/// are finite, as they are not if something was not that they are made of.
fn combine<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    first_rows: &[usize],
    channels: usize,
    sets: impl Iterator<Item = (usize, usize)> + Clone,
    bias: impl Fn(usize) -> T,
    sums: &mut [T],
) -> bool {
    let mut are_finite = true;
    let mut first_rows = first_rows;
    for (panels, class) in schedule.classes().zip(&schedule.form.classes) {
        let (rows, others) = first_rows.split_at(panels.len());
        first_rows = others;
        let num_phases = class.phases.len();
        for row in 0..channels * num_phases {
            for (column, columns) in sets.clone() {
                let mut starts = [0; WINOGRAD_POINTS];
                for (start, first) in starts.iter_mut().zip(rows) {
                    *start = (first + row) * schedule.row_stride + column;
                }
                let starts = &starts[..rows.len()];
                are_finite &=
                    winograd_outputs(schedule.isa, sums, starts, columns, Bias::Same(bias(row / num_phases)));
            }
        }
    }
    are_finite
}

/// Where the outputs of each phase of the first channel begin, from column `column` on: by number of the position in the column, then
/// by phase, row-major.
fn find_phases<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    first_rows: &[usize],
    column: usize,
    starts: &mut Vec<PhaseSums>,
) {
    let form = &schedule.form;
    let counts = form.axes.each_ref().map(|axis| axis.phases.len());
    let num_phases = form.num_phases();
    starts.clear();
    starts.resize(num_phases * form.unit, PhaseSums::default());
    let mut first_rows = first_rows;
    for (panels, class) in schedule.classes().zip(&form.classes) {
        for (number, phase) in class.phases.iter().enumerate() {
            for member in 0..form.unit {
                // The outputs take the places of the first four sums.
                let start = (first_rows[member] + number) * schedule.row_stride + column;
                let of_channel = class.phases.len() * schedule.row_stride;
                starts[member * num_phases + flatten(phase.index, counts)] = PhaseSums { start, of_channel };
            }
        }
        first_rows = &first_rows[panels.len()..];
    }
}

/// What is computed at a time.
pub(super) struct Block<'a> {
    place: &'a Place,
    /// Channels of the result.
    pub(super) chunk: Range<usize>,
    /// Channels of the source.
    pub(super) sources: Range<usize>,
}

impl Block<'_> {
    /// The bias of a channel of the chunk, or of the last one for what is beyond it.
    pub(super) fn bias<T: Element, const N: usize>(
        &self,
        form: &Form<N>,
        bias: Option<&[T]>,
        channel: usize,
    ) -> T {
        let channel = (self.chunk.start + channel).min(self.chunk.end - 1);
        bias.map_or(T::zero(), |bias| bias[self.place.group * form.result_channels + channel])
    }
}
