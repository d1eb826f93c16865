//! Running a form, task by task.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use lucid_kernels::{Element, Isa, SignalLayout, Start, Terms, all_finite, pair_outputs};

use super::form::{Filtering, Form, flatten};
use super::packed::Packed;
use super::place::{Place, Target, Task};
use super::result::Sums;
use super::schedule::{Packing, Schedule};
use super::strips::Strip;
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::tasks::{run_all, threads_for};

/// Multiplications above which threads share a pass.
const SHARED: f64 = 200_000.0;

/// The source, the weight and the bias of a pass.
pub(crate) struct Operands<'a, T> {
    pub(crate) source: &'a [T],
    pub(crate) weight: Weight<'a, T>,
    pub(crate) bias: Option<&'a [T]>,
}

/// A weight as it is, or packed by [`prepare`].
#[derive(Clone, Copy)]
pub(crate) enum Weight<'a, T> {
    Plain(&'a [T]),
    Prepared(&'a [T]),
}

/// A thread's own workspace.
struct Scratch<T> {
    packed: Packed<T>,
    /// Place and source channels that are packed.
    holds: Option<(Place, Range<usize>)>,
    panels: Vec<T>,
    sums: Vec<T>,
    starts: Vec<T>,
}

/// Every panel of a weight: by group, then by class.
pub(crate) fn prepare<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    filtering: Filtering,
    isa: Isa,
    weight: &[T],
) -> Vec<T> {
    let form = Form::new(g, pass, filtering);
    prepare_form(&Schedule::new(g, &form, isa, true), weight)
}

fn prepare_form<T: Element, const N: usize>(schedule: &Schedule<'_, T, N>, weight: &[T]) -> Vec<T> {
    let form = schedule.form;
    let mut panels = vec![T::zero(); schedule.panels_len(form.result_channels) * form.groups];
    let mut rest = panels.as_mut_slice();
    for group in 0..form.groups {
        for class in &schedule.panels {
            let (own, others) = rest.split_at_mut(class.len(form.result_channels));
            class.pack(form, group, 0..form.result_channels, weight, own);
            rest = others;
        }
    }
    panels
}

/// `result = bias + the pass of source and weight`; returns whether every weight is finite, and with minimal filtering
/// every element of the source. Where one is not, terms that do not exist count as NaN instead of nothing, or those of
/// neighbours are, and the result is void.
pub(crate) fn pass<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    filtering: Filtering,
    isa: Isa,
    operands: &Operands<'_, T>,
    result: &mut [T],
) -> bool {
    let form = Form::new(g, pass, filtering);
    let is_prepared = matches!(operands.weight, Weight::Prepared(_));
    let schedule = Schedule::<T, N>::new(g, &form, isa, is_prepared);
    let tasks = schedule.portions.tasks(&form, g.batch(), g.groups, result);
    let prepared;
    let (weight, finite) = match operands.weight {
        Weight::Plain(weight) if schedule.packing == Packing::Before => {
            prepared = prepare_form(&schedule, weight);
            (Weight::Prepared(&prepared), all_finite(isa, &prepared))
        }
        other => (other, true),
    };
    let scratch = || Scratch {
        packed: Packed::new(),
        holds: None,
        panels: Vec::new(),
        sums: Vec::new(),
        starts: Vec::new(),
    };
    let finite = AtomicBool::new(finite);
    run_all(tasks, threads_for(g.multiplications(), SHARED), scratch, |scratch, task: Task<'_, T>| {
        let Task { channels, targets } = task;
        let Some(group) = targets.first().map(|target| target.place.group) else { return };
        let mut own = std::mem::take(&mut scratch.panels);
        let panels = match weight {
            Weight::Prepared(panels) => {
                let of_group = schedule.panels_len(form.result_channels);
                &panels[group * of_group..][..of_group]
            }
            Weight::Plain(weight) => {
                own.resize(schedule.panels_len(channels.len()), T::zero());
                let mut rest = own.as_mut_slice();
                for class in &schedule.panels {
                    let (own, others) = rest.split_at_mut(class.len(channels.len()));
                    class.pack(&form, group, channels.clone(), weight, own);
                    rest = others;
                }
                if !all_finite(isa, &own) {
                    finite.store(false, Ordering::Relaxed);
                }
                &own
            }
        };
        let first_packed = if matches!(weight, Weight::Prepared(_)) { 0 } else { channels.start };
        let packed_channels =
            if matches!(weight, Weight::Prepared(_)) { form.result_channels } else { channels.len() };
        for target in targets {
            let view = PanelView { values: panels, first: first_packed, channels: packed_channels };
            at_place(&schedule, &channels, target, operands, &view, scratch);
        }
        scratch.panels = own;
        if !scratch.packed.finite {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

/// Packed panels, and which channels of the result they are for.
struct PanelView<'a, T> {
    values: &'a [T],
    first: usize,
    channels: usize,
}

/// All channels of a task at one place, a chunk at a time.
fn at_place<T: Element, const N: usize>(
    schedule: &Schedule<'_, T, N>,
    channels: &Range<usize>,
    target: Target<'_, T>,
    operands: &Operands<'_, T>,
    panels: &PanelView<'_, T>,
    scratch: &mut Scratch<T>,
) {
    let Schedule { form, layout, row_stride, .. } = schedule;
    let Target { place, mut planes } = target;
    let strips = layout.strips(form, &place);
    let per_item = strips.len() / form.num_items(&place);
    let placement = form.placement(&place);
    if scratch.holds.as_ref().is_none_or(|(held, _)| *held != place) {
        scratch.packed.visit(form, layout, &place, &strips);
        scratch.holds = None;
    }
    let mut start = channels.start;
    while start < channels.end {
        let chunk = start..(start + schedule.chunk).min(channels.end);
        let num_rows = schedule.num_rows(chunk.len());
        scratch.sums.resize(num_rows * row_stride, T::zero());
        let mut first_source = 0;
        while first_source < form.source_channels {
            let sources = first_source..(first_source + schedule.reduction).min(form.source_channels);
            let held = scratch.holds.as_ref().is_some_and(|(_, held)| *held == sources);
            if !held {
                scratch.packed.fill(schedule, &place, &strips, sources.clone(), operands.source);
                scratch.holds = Some((place.clone(), sources.clone()));
            }
            let block =
                Block { place: &place, strips: &strips, chunk: chunk.clone(), sources: sources.clone() };
            add_sources(schedule, &block, operands.bias, panels, scratch);
            first_source = sources.end;
        }
        let rows = Rows::new(schedule, chunk.len());
        if form.unit == 2 {
            rows.combine(schedule, &mut scratch.sums);
        }
        let of_item = per_item * layout.width;
        for item in 0..place.batch.len() {
            for channel in chunk.clone() {
                let sums = Sums {
                    values: &scratch.sums,
                    phases: &rows.of_channel(schedule, channel - chunk.start, item * form.residues * of_item),
                    of_item,
                };
                let plane = &mut planes[item * channels.len() + channel - channels.start];
                placement.store(schedule.isa, &sums, plane);
            }
        }
        start = chunk.end;
    }
}

/// Where the rows of sums of a chunk are.
struct Rows {
    channels: usize,
    /// Of each class: the first row of each of its sums.
    first: Vec<Vec<usize>>,
}

impl Rows {
    fn new<T: Element, const N: usize>(schedule: &Schedule<'_, T, N>, channels: usize) -> Self {
        let mut first = vec![Vec::new(); schedule.form.classes.len()];
        let mut row = 0;
        let mut class = 0;
        for panels in &schedule.panels {
            if panels.sum == 0 && row > 0 {
                class += 1;
            }
            first[class].push(row);
            row += panels.num_panels(channels) * panels.kernel.rows();
        }
        Rows { channels, first }
    }

    /// Turns the sums of products into even and odd outputs.
    fn combine<T: Element, const N: usize>(&self, schedule: &Schedule<'_, T, N>, sums: &mut [T]) {
        let mut rest = sums;
        let mut taken = 0;
        for (first, class) in self.first.iter().zip(&schedule.form.classes) {
            let len = self.channels * class.phases.len() * schedule.row_stride;
            let mut parts: Vec<&mut [T]> = Vec::new();
            for row in first {
                let (_, from) = rest.split_at_mut(row * schedule.row_stride - taken);
                let (own, others) = from.split_at_mut(len);
                parts.push(own);
                taken = row * schedule.row_stride + len;
                rest = others;
            }
            match &mut parts[..] {
                [even, both, odd] => pair_outputs(even, both, odd, &[]),
                [even, both, odd, opposite] => pair_outputs(even, both, odd, opposite),
                _ => unreachable!("minimal filtering has three or four sums"),
            }
        }
    }

    /// Where the outputs of each phase of a channel begin, from column `column` on: by parity of the position, then by
    /// phase, row-major.
    fn of_channel<T: Element, const N: usize>(
        &self,
        schedule: &Schedule<'_, T, N>,
        channel: usize,
        column: usize,
    ) -> Vec<usize> {
        let form = schedule.form;
        let counts = form.axes.each_ref().map(|axis| axis.phases.len());
        let num_phases = form.num_phases();
        let mut starts = vec![0; num_phases * form.unit];
        for (first, class) in self.first.iter().zip(&form.classes) {
            for (number, phase) in class.phases.iter().enumerate() {
                for parity in 0..form.unit {
                    // Even outputs are in the first sum, odd ones in the third.
                    let row = first[2 * parity] + channel * class.phases.len() + number;
                    starts[parity * num_phases + flatten(phase.index, counts)] =
                        row * schedule.row_stride + column;
                }
            }
        }
        starts
    }
}

/// What is computed at a time.
struct Block<'a> {
    place: &'a Place,
    strips: &'a [Strip],
    /// Channels of the result.
    chunk: Range<usize>,
    /// Channels of the source.
    sources: Range<usize>,
}

/// Adds the terms of some source channels to the sums of a chunk; the first ones begin with the bias.
fn add_sources<T: Element, const N: usize>(
    schedule: &Schedule<'_, T, N>,
    block: &Block<'_>,
    bias: Option<&[T]>,
    panels: &PanelView<'_, T>,
    scratch: &mut Scratch<T>,
) {
    let Schedule { form, layout, row_stride, .. } = schedule;
    let Block { place, strips, chunk, sources } = block;
    let strip_len = layout.strip_len(sources.len());
    let (mut first_row, mut first_panel) = (0, 0);
    // Both outputs of a pair have the bias.
    let of_bias = if form.unit == 2 { 1 } else { 0 };
    for class in &schedule.panels {
        let kernel = &class.kernel;
        let (m, lanes, num_phases) = (kernel.rows(), kernel.lanes(), class.class.phases.len());
        let offsets: Vec<usize> = class.terms().iter().map(|term| layout.offset(form, term)).collect();
        let part = layout.part(class.sum, sources.len());
        let signal = SignalLayout::new(&offsets, layout.channel_stride(class.sum), sources.len())
            .expect("the strips were packed by the same layout");
        let term_len = offsets.len() * m;
        let skipped = (chunk.start - panels.first) * num_phases / m;
        for panel in 0..class.num_panels(chunk.len()) {
            let weights =
                &panels.values[first_panel + (skipped + panel) * class.panel_len..][..class.panel_len];
            let weights = &weights[sources.start * term_len..sources.end * term_len];
            let row = first_row + panel * m;
            scratch.starts.clear();
            scratch.starts.extend((0..m).map(|m_| {
                let channel = (panel * m + m_) / num_phases;
                let channel = place.group * form.result_channels + (chunk.start + channel).min(chunk.end - 1);
                bias.filter(|_| class.sum == of_bias).map_or(T::zero(), |bias| bias[channel])
            }));
            let start = if sources.start == 0 { Start::Rows(&scratch.starts[..]) } else { Start::Sums };
            for (number, strip) in strips.iter().enumerate() {
                let values = &scratch.packed.values[number * strip_len..][..strip_len][part..];
                let terms = Terms::new(weights, m, values, signal).expect(
                    "the panel has a weight per term and row, and the strip every entry that a term reads",
                );
                let mut position = 0;
                while position < strip.len {
                    let vectors = (strip.len - position).div_ceil(lanes).min(kernel.max_vectors());
                    let to = &mut scratch.sums[row * row_stride + number * layout.width + position..];
                    let sums = lucid_kernels::Sums { values: to, row_stride: *row_stride };
                    kernel.run(&terms, position, vectors, start, sums);
                    position += vectors * lanes;
                }
            }
        }
        first_row += class.num_panels(chunk.len()) * m;
        first_panel += class.len(panels.channels);
    }
}
