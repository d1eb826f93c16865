//! Weights in the order in which a tile kernel reads them.
//!
//! A weight that learns is another one at each step, so it is packed for every call. What a panel reads of it is gathered
//! tap by tap first, a row per channel and phase. Plain sums read it so; with minimal filtering the values at all points
//! are made of it, as many rows at a time as a tile has.

use std::ops::Range;
use std::sync::Arc;

use lucid_kernels::{Element, Isa, TileKernel, WINOGRAD_POINTS, all_finite};

use super::form::{Class, Form, Term, WeightStrides};
use super::gradient::{CHUNK, Lines, Rows, transpose};
use super::schedule::{Examined, Schedule};
use super::tiling::{Tile, Tiling};
use super::transform::Transform;

/// One sum of a class, with the kernel of its panels.
#[derive(Debug)]
pub(crate) struct Panels<T: 'static, const N: usize> {
    pub(crate) class: Arc<Class<N>>,
    /// Which sum of the class.
    pub(crate) sum: usize,
    pub(crate) kernel: TileKernel<T>,
    /// Rows of a panel.
    pub(crate) rows: usize,
    /// Elements of a panel per source channel: all terms of its rows; or their taps with the first sum of the class, if the
    /// terms are made of them on the way.
    pub(crate) of_source: usize,
    /// Elements of a panel.
    pub(crate) panel_len: usize,
}

impl<T: Element, const N: usize> Panels<T, N> {
    pub(crate) fn new(
        form: &Form<N>,
        class: Arc<Class<N>>,
        sum: usize,
        (tiling, tile): (Tiling, Tile<T>),
    ) -> Self {
        let Tile { kernel, rows } = tile;
        let of_row = match tiling {
            Tiling::Rows if form.unit > 1 && sum > 0 => 0,
            Tiling::Rows if form.unit > 1 => class.phases[0].taps.len(),
            _ => class.sums[sum].len(),
        };
        let of_source = of_row * rows;
        Panels { class, sum, kernel, rows, of_source, panel_len: form.source_channels * of_source }
    }

    /// The products of one column.
    pub(crate) fn terms(&self) -> &[Term<N>] {
        &self.class.sums[self.sum]
    }

    /// The panels that so many channels take.
    pub(crate) fn num_panels(&self, channels: usize) -> usize {
        (channels * self.class.phases.len()).div_ceil(self.rows)
    }

    /// Elements of the panels of so many channels.
    pub(crate) fn len(&self, channels: usize) -> usize {
        self.num_panels(channels) * self.panel_len
    }

    /// The same for some of the source channels only.
    pub(crate) fn len_of(&self, channels: usize, sources: usize) -> usize {
        self.num_panels(channels) * self.of_source * sources
    }
}

/// Packs the weights of some channels of a group, for some source channels, as panels of `[source channel][term][row]`, by
/// class and sum, with a row per channel and phase. Rows beyond the last repeat it, and their sums are dropped. Returns whether all of the weights are
/// finite, if they are examined.
pub(crate) fn pack<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    group: usize,
    (channels, sources): (Range<usize>, Range<usize>),
    (weight, examined): (&[T], Examined),
    values: &mut [T],
) -> bool {
    let form = &schedule.form;
    let weight = &weight[group * form.weight_strides.group..][..form.weight_strides.group];
    // The first of the sources begins it.
    let weight = &weight[sources.start * form.weight_strides.source..];
    let (mut rest, mut are_finite) = (values, true);
    for (number, sums) in schedule.classes().enumerate() {
        let of_sources = |panels: &Panels<T, N>| panels.len_of(channels.len(), sources.len());
        let len = sums.iter().map(of_sources).sum();
        let (own, others) = rest.split_at_mut(len);
        rest = others;
        if len > 0 {
            // What is made on the way is packed as taps.
            let transform = schedule.transforms.get(number).filter(|_| schedule.tiling != Tiling::Rows);
            let all = (&channels, sources.len());
            are_finite &= Packer::new(schedule, (sums, transform), all).pack((weight, examined), own);
        }
    }
    are_finite
}

/// Whether a row of all sources is a stretch of the weight.
pub(super) fn is_whole<const N: usize>(form: &Form<N>, class: &Class<N>) -> bool {
    class.phases.len() == 1 && form.weight_strides.source == class.phases[0].taps.len()
}

/// Sources that are packed into one panel before the next. Where the rows of a source are neighbours, its successor may
/// be a multiple of pages away, and no more of those stay in a first-level cache together.
const SOURCES: usize = 8;

/// Packs the sums of a class.
struct Packer<'a> {
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
    /// By phase of the result, then by tap: which of the kernel; where rows are whole, in its order.
    taps: Vec<usize>,
    /// Whether a row of all sources is a stretch of the weight.
    is_whole: bool,
    /// `None` where the only sum has the taps as they are.
    transform: Option<&'a Transform>,
    /// Elements of a panel, by sum.
    panel_lens: Vec<usize>,
}

/// What is on its way.
struct Buffers<T> {
    /// The taps of some sources, as `[source][tap][row]`.
    gathered: Vec<T>,
    /// Lines on their way there.
    lines: Vec<T>,
}

/// Where the taps of a panel are, from its first channel on.
#[derive(Default)]
struct Places {
    /// By tap and row.
    all: Vec<usize>,
    /// Where neighbours begin, up to [`RUN`] each: in the weight, and among the taps and rows.
    runs: Vec<(usize, usize)>,
    /// After the last that is read.
    end: usize,
}

/// Neighbours that are copied together, though some of them may belong elsewhere.
const RUN: usize = 8;

impl<'a> Packer<'a> {
    fn new<T: Element, const N: usize>(
        schedule: &Schedule<T, N>,
        (sums, transform): (&[Panels<T, N>], Option<&'a Transform>),
        (channels, num_sources): (&Range<usize>, usize),
    ) -> Self {
        let form = &schedule.form;
        let (class, num_rows) = (&*sums[0].class, sums[0].rows);
        let strides = form.weight_strides;
        let (num_phases, num_taps) = (class.phases.len(), class.phases[0].taps.len());
        let is_whole = is_whole(form, class);
        let of_panel = sums.iter().map(|panels| panels.of_source * num_sources);
        Packer {
            isa: schedule.isa,
            strides,
            num_sources,
            channels: channels.clone(),
            num_rows,
            num_phases,
            num_panels: sums[0].num_panels(channels.len()),
            num_taps,
            taps: if is_whole {
                (0..num_taps).collect()
            } else {
                class.phases.iter().flat_map(|phase| &phase.taps).copied().collect()
            },
            is_whole,
            transform,
            panel_lens: of_panel.collect(),
        }
    }

    /// Packs all panels of all sums, one sum after the other. Returns whether all of the weights are finite, if they are
    /// examined.
    fn pack<T: Element>(&self, (weight, examined): (&[T], Examined), values: &mut [T]) -> bool {
        let room =
            |is_needed: bool, len: usize| vec![T::zero(); if is_needed { len * self.num_rows } else { 0 }];
        let mut buffers = Buffers {
            gathered: room(self.transform.is_some(), SOURCES * self.num_taps),
            lines: room(self.is_whole, CHUNK),
        };
        // What is near in the weight comes first: sources, or the channels of some sources.
        let (panels, sources) = (self.num_panels, self.num_sources);
        // Panels that begin with the same phase differ by whole channels, but the last may end early.
        let period = (1..panels).find(|panel| (panel * self.num_rows).is_multiple_of(self.num_phases));
        let period = period.unwrap_or(panels);
        // Whole rows need none, but those of a panel that is not full.
        let places: Vec<Places> = match self.is_whole {
            true => Vec::new(),
            false => (0..period).map(|panel| self.places(panel)).collect(),
        };
        let last = if self.is_whole && self.is_full(panels - 1) {
            Places::default()
        } else {
            self.places(panels - 1)
        };
        let (panels_at_once, sources_at_once) = if self.is_whole { (1, sources) } else { (panels, SOURCES) };
        let mut are_finite = true;
        for first_panel in (0..panels).step_by(panels_at_once) {
            for first_source in (0..sources).step_by(sources_at_once) {
                let end = (first_source + sources_at_once).min(sources);
                let panels_here = first_panel..first_panel + panels_at_once;
                if examined == Examined::Weights {
                    are_finite &= self.are_finite(weight, panels_here.clone(), first_source..end);
                }
                for panel in panels_here {
                    let of_panel = places.get(panel % period).filter(|_| panel + 1 < panels);
                    let places = of_panel.unwrap_or(&last);
                    for start in (first_source..end).step_by(SOURCES) {
                        let block = start..(start + SOURCES).min(end);
                        self.pack_block(panel, places, block, weight, values, &mut buffers);
                    }
                }
            }
        }
        are_finite
    }

    /// Whether what some panels read of some sources is finite. It is in a near cache then.
    fn are_finite<T: Element>(&self, weight: &[T], panels: Range<usize>, sources: Range<usize>) -> bool {
        let end = self.channels.end.min(self.first_channel(panels.end - 1) + self.num_rows);
        let channels = self.first_channel(panels.start)..end;
        let WeightStrides { source, result, .. } = self.strides;
        let (outer, inner) = if source > result { (sources, channels) } else { (channels, sources) };
        let (far, near) = (source.max(result), source.min(result));
        let mut stretches =
            outer.map(|at| &weight[at * far + inner.start * near..at * far + inner.end * near]);
        stretches.all(|stretch| all_finite(self.isa, stretch))
    }

    /// Whether every row of a panel exists.
    fn is_full(&self, panel: usize) -> bool {
        (panel + 1) * self.num_rows <= self.channels.len() * self.num_phases
    }

    fn first_channel(&self, panel: usize) -> usize {
        self.channels.start + panel * self.num_rows / self.num_phases
    }

    fn places(&self, panel: usize) -> Places {
        let &Packer { num_rows, num_phases, num_taps, .. } = self;
        let first = panel * num_rows;
        let (last, first_channel) = (self.channels.len() * num_phases - 1, first / num_phases);
        let place = |tap: usize, row: usize| {
            let (channel, phase) = (row.min(last) / num_phases, row.min(last) % num_phases);
            (channel - first_channel) * self.strides.result + self.taps[phase * num_taps + tap]
        };
        let rows = first..first + num_rows;
        let all = (0..num_taps).flat_map(|tap| rows.clone().map(move |row| (tap, row)));
        let all: Vec<usize> = all.map(|(tap, row)| place(tap, row)).collect();
        let (mut runs, mut to) = (Vec::new(), 0);
        for run in all.chunk_by(|place, next| place + 1 == *next) {
            runs.extend((0..run.len()).step_by(RUN).map(|at| (run[at], to + at)));
            to += run.len();
        }
        let end = all.iter().max().map_or(0, |last| last + 1);
        Places { all, runs, end }
    }

    /// Packs some sources of a panel.
    fn pack_block<T: Element>(
        &self,
        panel: usize,
        places: &Places,
        sources: Range<usize>,
        weight: &[T],
        values: &mut [T],
        buffers: &mut Buffers<T>,
    ) {
        let (pitch, source_len) = (self.num_rows, self.num_taps * self.num_rows);
        let weight = &weight[self.first_channel(panel) * self.strides.result..];
        let weight = &weight[sources.start * self.strides.source..];
        let is_whole = self.is_whole && self.is_full(panel);
        let Buffers { gathered, lines } = buffers;
        let Some(transform) = self.transform else {
            let panel = &mut values[panel * self.panel_lens[0]..][..self.panel_lens[0]];
            let to = &mut panel[sources.start * source_len..sources.end * source_len];
            return self.gather(is_whole, places, weight, Lines { values: to, pitch, buffer: lines });
        };
        let taps = &mut gathered[..sources.len() * source_len];
        self.gather(is_whole, places, weight, Lines { values: &mut *taps, pitch, buffer: lines });
        let (mut first, mut starts) = (0, [0; WINOGRAD_POINTS]);
        for (start, &len) in starts.iter_mut().zip(&self.panel_lens) {
            *start = first + panel * len + sources.start * (len / self.num_sources);
            first += len * self.num_panels;
        }
        transform.run(self.isa, 0..WINOGRAD_POINTS, (taps, sources.len()), (values, &starts));
    }

    /// Writes the taps of some sources, the first of which begins the weight, as `[source][tap][row]`.
    fn gather<T: Element>(&self, is_whole: bool, places: &Places, weight: &[T], to: Lines<'_, T>) {
        let &Packer { num_rows, num_taps, strides, .. } = self;
        if is_whole {
            let len = to.values.len() / num_rows;
            let rows = Rows { values: weight, row_stride: strides.result, num_rows, len };
            return transpose(self.isa, &rows, to);
        }
        let source_len = num_taps * num_rows;
        let has_runs = places.runs.len() * 3 <= source_len;
        for source in 0..to.values.len() / source_len {
            let from = &weight[source * strides.source..];
            let to = &mut to.values[source * source_len..];
            // What a run writes too much is overwritten by the next ones, so the last source is copied one by one.
            let room = from.len() >= places.end + RUN && to.len() >= source_len + RUN;
            if has_runs && room {
                for &(place, at) in &places.runs {
                    to[at..at + RUN].copy_from_slice(&from[place..place + RUN]);
                }
            } else {
                for (to, &place) in to.iter_mut().zip(&places.all) {
                    *to = from[place];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lucid_kernels::winograd_weights;

    use super::super::form::{Filtering, View};
    use super::*;
    use crate::geometry::Shapes;
    use crate::options::Options;
    use crate::plan::Pass;

    /// What a term of a row is by definition.
    fn value(panels: &Panels<f64, 1>, term: usize, phase: usize, tap: impl Fn(usize) -> f64) -> f64 {
        let class = &panels.class;
        let number = class.sums[panels.sum][term].filter;
        let filter = &class.filters[number];
        let first: usize = class.filters[..number].iter().map(|filter| filter.num_taps).sum();
        let taps = &class.phases[phase].taps[first..][..filter.num_taps];
        let factors = match filter.line.view {
            View::Entries => [1.0; 3],
            View::Winograd { .. } => winograd_weights(panels.sum),
        };
        taps.iter().zip(&factors[filter.first..]).map(|(&number, factor)| factor * tap(number)).sum()
    }

    fn check(
        options: Options<1>,
        sizes: ([usize; 3], [usize; 3]),
        pass: Pass,
        (filtering, tiling): (Filtering, Tiling),
        isa: Isa,
    ) {
        let g = options.resolve(Shapes { x: &sizes.0, w: &sizes.1 }).unwrap();
        let schedule = Schedule::<f64, 1>::new(&g, Form::new(&g, pass, filtering), isa, tiling, true);
        let form = &schedule.form;
        let WeightStrides { source, result, group } = form.weight_strides;
        let mut weight: Vec<f64> = (0..group * g.groups).map(|at| (at * at % 101) as f64 - 50.0).collect();
        let most = form.result_channels;
        for channels in [0..most, most / 3..most, most / 3..most / 3 + 1] {
            let mut values = vec![f64::NAN; schedule.panels_len(channels.len())];
            let own = g.groups - 1;
            let all = (channels.clone(), 0..form.source_channels);
            assert!(pack(&schedule, own, all.clone(), (&weight, Examined::Weights), &mut values));
            let mut rest = &values[..];
            for panels in &schedule.panels {
                let (m, phases, terms) = (panels.rows, panels.class.phases.len(), panels.terms().len());
                for panel in 0..panels.num_panels(channels.len()) {
                    for at in 0..panels.panel_len {
                        let (s, term, row) = (at / m / terms, at / m % terms, panel * m + at % m);
                        let row = row.min(channels.len() * phases - 1);
                        let channel = channels.start + row / phases;
                        let tap = |tap: usize| weight[own * group + s * source + channel * result + tap];
                        let expected = value(panels, term, row % phases, tap);
                        let found = rest[panel * panels.panel_len + at];
                        assert!(
                            (found - expected).abs() <= 1e-12,
                            "{options:?} {pass} {filtering:?} {channels:?}: sum {} source {s} term {term} row {row}: {found} {expected}",
                            panels.sum
                        );
                    }
                }
                rest = &rest[panels.len(channels.len())..];
            }
            // Every weight of the channels is looked at, whichever panel it is in.
            for s in [0, form.source_channels - 1] {
                for channel in [channels.start, channels.end - 1] {
                    let at = (g.groups - 1) * group + s * source + channel * result;
                    let held = std::mem::replace(&mut weight[at], f64::INFINITY);
                    assert!(
                        !pack(&schedule, own, all.clone(), (&weight, Examined::Weights), &mut values),
                        "{s} {channel}"
                    );
                    weight[at] = held;
                }
            }
        }
    }

    /// Numbers of channels that fill no panel and no block of sources; runs of one to seven neighbours, and taps that phases
    /// share unequally.
    #[test]
    fn panels_hold_what_the_definition_says() {
        for (taps, stride, dilation) in
            [(16, 8, 1), (14, 7, 1), (4, 2, 1), (5, 2, 1), (7, 1, 3), (3, 1, 1), (2, 3, 1)]
        {
            for groups in [1, 2] {
                let options =
                    Options::conv_transpose().stride(stride).padding(1).dilation(dilation).groups(groups);
                let sizes = ([1, 21 * groups, 40], [21 * groups, 19, taps]);
                for isa in Isa::available() {
                    for form in [
                        (Filtering::Plain, Tiling::Positions { columns: 40, has_shifts: true }),
                        (Filtering::Plain, Tiling::Rows),
                        (Filtering::Minimal, Tiling::Positions { columns: 10, has_shifts: false }),
                    ] {
                        for pass in [Pass::Forward, Pass::BackwardData] {
                            check(options, sizes, pass, form, isa);
                        }
                    }
                }
            }
        }
    }
}
