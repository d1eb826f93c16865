//! Weights in the order in which a tile kernel reads them.
//!
//! A weight that learns is another one at each step, so it is packed for every call. What a panel reads of it is gathered
//! tap by tap first, a row per channel and phase. Plain sums read it so; with minimal filtering the values at all points
//! are made of it, as many rows at a time as a tile has.

use std::ops::Range;
use std::sync::Arc;

use lucid_kernels::{Element, Isa, TileKernel, WINOGRAD_POINTS};

use super::form::{Class, Form, Term, WeightStrides};
use super::gradient::{CHUNK, Lines, Rows, transpose};
use super::schedule::Schedule;
use super::transform::Transform;

/// One sum of a class, with the kernel of its panels.
#[derive(Debug)]
pub(crate) struct Panels<T: 'static, const N: usize> {
    pub(crate) class: Arc<Class<N>>,
    /// Which sum of the class.
    pub(crate) sum: usize,
    pub(crate) kernel: TileKernel<T>,
    /// Elements of a panel: all terms of a tile's rows.
    pub(crate) panel_len: usize,
}

impl<T: Element, const N: usize> Panels<T, N> {
    pub(crate) fn new(form: &Form<N>, class: Arc<Class<N>>, sum: usize, kernel: TileKernel<T>) -> Self {
        let panel_len = form.source_channels * class.sums[sum].len() * kernel.rows();
        Panels { class, sum, kernel, panel_len }
    }

    /// The products of one column.
    pub(crate) fn terms(&self) -> &[Term<N>] {
        &self.class.sums[self.sum]
    }

    /// The panels that so many channels take.
    pub(crate) fn num_panels(&self, channels: usize) -> usize {
        (channels * self.class.phases.len()).div_ceil(self.kernel.rows())
    }

    /// Elements of the panels of so many channels.
    pub(crate) fn len(&self, channels: usize) -> usize {
        self.num_panels(channels) * self.panel_len
    }
}

/// Packs the weights of some channels of a group as panels of `[source channel][term][row]`, by class and sum, with a row
/// per channel and phase. Rows beyond the last repeat it, and their sums are dropped.
pub(crate) fn pack<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    group: usize,
    channels: Range<usize>,
    weight: &[T],
    values: &mut [T],
) {
    let Schedule { form, isa, .. } = schedule;
    let weight = &weight[group * form.weight_strides.group..][..form.weight_strides.group];
    let mut rest = values;
    for sums in schedule.classes() {
        let len = sums.iter().map(|panels| panels.len(channels.len())).sum();
        let (own, others) = rest.split_at_mut(len);
        rest = others;
        if len > 0 {
            Packer::new(form, *isa, sums, &channels).pack(weight, own);
        }
    }
}

/// Sources that are packed into one panel before the next. Where the rows of a source are neighbours, its successor may
/// be a multiple of pages away, and no more of those stay in a first-level cache together.
const SOURCES: usize = 8;

/// Packs the sums of a class.
struct Packer<T> {
    isa: Isa,
    strides: WeightStrides,
    num_sources: usize,
    channels: Range<usize>,
    /// Rows of a panel.
    num_rows: usize,
    num_phases: usize,
    num_panels: usize,
    /// Taps of a row.
    num_taps: usize,
    /// By phase of the result, then by tap: which of the kernel.
    taps: Vec<usize>,
    /// Whether a row of all sources is a stretch of the weight.
    is_whole: bool,
    /// `None` where the only sum has the taps as they are.
    transform: Option<Transform<T>>,
    /// Elements of a panel, by sum.
    panel_lens: Vec<usize>,
}

/// What is on its way.
struct Buffers<T> {
    /// The taps of some sources, as `[source][tap][row]`.
    gathered: Vec<T>,
    /// Lines on their way there.
    lines: Vec<T>,
    /// By tap and row of a panel: where it is, from the panel's first channel on.
    places: Vec<usize>,
}

impl<T: Element> Packer<T> {
    fn new<const N: usize>(form: &Form<N>, isa: Isa, sums: &[Panels<T, N>], channels: &Range<usize>) -> Self {
        let (class, num_rows) = (&*sums[0].class, sums[0].kernel.rows());
        let strides = form.weight_strides;
        let (num_phases, num_taps) = (class.phases.len(), class.phases[0].taps.len());
        let is_whole = num_phases == 1 && strides.source == num_taps;
        let transform = (form.unit > 1).then(|| Transform::new(class));
        Packer {
            isa,
            strides,
            num_sources: form.source_channels,
            channels: channels.clone(),
            num_rows,
            num_phases,
            num_panels: sums[0].num_panels(channels.len()),
            num_taps,
            taps: class.phases.iter().flat_map(|phase| &phase.taps).copied().collect(),
            is_whole,
            transform,
            panel_lens: sums.iter().map(|panels| panels.panel_len).collect(),
        }
    }

    /// Packs all panels of all sums, one sum after the other.
    fn pack(&self, weight: &[T], values: &mut [T]) {
        let room =
            |is_needed: bool, len: usize| vec![T::zero(); if is_needed { len * self.num_rows } else { 0 }];
        let mut buffers = Buffers {
            gathered: room(self.transform.is_some(), SOURCES * self.num_taps),
            lines: room(self.is_whole, CHUNK),
            places: Vec::with_capacity(self.num_taps * self.num_rows),
        };
        // What is near in the weight comes first: sources, or the channels of some sources.
        let (panels, sources) = (self.num_panels, self.num_sources);
        let (panels_at_once, sources_at_once) = if self.is_whole { (1, sources) } else { (panels, SOURCES) };
        for first_panel in (0..panels).step_by(panels_at_once) {
            for first_source in (0..sources).step_by(sources_at_once) {
                let end = (first_source + sources_at_once).min(sources);
                for panel in first_panel..first_panel + panels_at_once {
                    self.find_places(panel, &mut buffers.places);
                    for start in (first_source..end).step_by(SOURCES) {
                        let block = start..(start + SOURCES).min(end);
                        self.pack_block(panel, block, weight, values, &mut buffers);
                    }
                }
            }
        }
    }

    fn first_channel(&self, panel: usize) -> usize {
        self.channels.start + panel * self.num_rows / self.num_phases
    }

    fn find_places(&self, panel: usize, places: &mut Vec<usize>) {
        let &Packer { num_rows, num_phases, num_taps, .. } = self;
        let first = panel * num_rows;
        let (last, first_channel) = (self.channels.len() * num_phases - 1, first / num_phases);
        places.clear();
        for tap in 0..num_taps {
            places.extend((first..first + num_rows).map(|row| {
                let (channel, phase) = (row.min(last) / num_phases, row.min(last) % num_phases);
                (channel - first_channel) * self.strides.result + self.taps[phase * num_taps + tap]
            }));
        }
    }

    /// Packs some sources of a panel.
    fn pack_block(
        &self,
        panel: usize,
        sources: Range<usize>,
        weight: &[T],
        values: &mut [T],
        buffers: &mut Buffers<T>,
    ) {
        let (pitch, source_len) = (self.num_rows, self.num_taps * self.num_rows);
        let weight = &weight[self.first_channel(panel) * self.strides.result..];
        let weight = &weight[sources.start * self.strides.source..];
        let is_full = (panel + 1) * self.num_rows <= self.channels.len() * self.num_phases;
        let is_whole = self.is_whole && is_full;
        let Buffers { gathered, lines, places } = buffers;
        let Some(transform) = &self.transform else {
            let panel = &mut values[panel * self.panel_lens[0]..][..self.panel_lens[0]];
            let to = &mut panel[sources.start * source_len..sources.end * source_len];
            return self.gather(is_whole, places, weight, Lines { values: to, pitch, buffer: lines });
        };
        let taps = &mut gathered[..sources.len() * source_len];
        self.gather(is_whole, places, weight, Lines { values: taps, pitch, buffer: lines });
        // Stretches have the taps in the order of the kernel.
        let order = is_whole.then_some(&self.taps[..]);
        let (mut rest, mut sums) = (values, Vec::with_capacity(WINOGRAD_POINTS));
        for &len in &self.panel_lens {
            let (own, others) = rest.split_at_mut(len * self.num_panels);
            let source_len = len / self.num_sources;
            sums.push(&mut own[panel * len..][sources.start * source_len..sources.end * source_len]);
            rest = others;
        }
        transform.run(pitch, taps, order, sources.len(), &mut sums);
    }

    /// Writes the taps of some sources, the first of which begins the weight, as `[source][tap][row]`.
    fn gather(&self, is_whole: bool, places: &[usize], weight: &[T], to: Lines<'_, T>) {
        let &Packer { num_rows, num_taps, strides, .. } = self;
        if is_whole {
            let len = to.values.len() / num_rows;
            let rows = Rows { values: weight, row_stride: strides.result, num_rows, len };
            return transpose(self.isa, &rows, to);
        }
        for (source, to) in to.values.chunks_mut(num_taps * num_rows).enumerate() {
            let from = &weight[source * strides.source..];
            for (to, &place) in to.iter_mut().zip(places) {
                *to = from[place];
            }
        }
    }
}
