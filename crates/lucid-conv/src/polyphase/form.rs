//! A pass in polyphase form: all axes together, flattened so that every tap is a single shift.
//!
//! The buffer of one source channel and phase is a box of `len + reach` entries per axis, row-major. Position `q` of the
//! result reads entry `q + offset`, and both flatten with the same pitches, so the flat shift of a tap does not depend
//! on `q`. Flat positions between two rows of results are computed and dropped; they are `reach` of `len + reach`. The
//! buffer is never in memory as a whole: strips of it are.
//!
//! Phases of the result whose taps have the same shifts form a class: one sum with a row per (channel, phase). With
//! minimal filtering it is five or six sums, each of a column of four positions: see `minimal.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use lucid_kernels::{WINOGRAD_OUTPUTS, WINOGRAD_POINTS};

use super::lattice::{AxisTap, Lattice};
use super::minimal::{MIN_ROW, chunks};
use super::place::Place;
use super::schedule::SOURCE_LEN_ABREAST;
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::runs::multi_indices;

/// What a strip holds of one source phase, at one offset of the outer axes (0 on the last one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line<const N: usize> {
    pub(crate) slot: usize,
    pub(crate) outer: [usize; N],
    pub(crate) view: View,
}

/// How the entries are put down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// As they are.
    Entries,
    /// As the lines of [`lucid_kernels::winograd_lines`], from one of the four entries of a column on.
    Winograd { shift: usize },
}

/// One product of a sum: which line it reads, and how far after the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term<const N: usize> {
    pub(crate) line: Line<N>,
    /// Which of the lines of a [`View::Winograd`].
    pub(crate) member: usize,
    pub(crate) offset: usize,
    /// Which of the class's filters it belongs to.
    pub(crate) filter: usize,
}

/// Some taps of one phase whose products are taken together: one as it is, or up to three neighbours with
/// [`View::Winograd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Filter<const N: usize> {
    pub(crate) line: Line<N>,
    pub(crate) offset: usize,
    /// Which of three taps is the first that there is.
    pub(crate) first: usize,
    pub(crate) num_taps: usize,
}

/// Phases of the result with the same filters, and so with the same terms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Class<const N: usize> {
    pub(crate) filters: Vec<Filter<N>>,
    /// One, or one per point of [`lucid_kernels::winograd_outputs`]; infinity only if it has any terms.
    pub(crate) sums: Vec<Vec<Term<N>>>,
    pub(crate) phases: Vec<Phase<N>>,
}

/// One phase of the result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phase<const N: usize> {
    pub(crate) index: [usize; N],
    /// The taps of the class's filters, one after the other: numbers within the kernel, row-major.
    pub(crate) taps: Vec<usize>,
}

impl<const N: usize> Class<N> {
    fn new(filtering: Filtering, filters: Vec<Filter<N>>, phases: Vec<Phase<N>>) -> Self {
        let num_sums = match filtering {
            Filtering::Plain => 1,
            Filtering::Minimal => WINOGRAD_POINTS,
        };
        let terms_of = |sum: usize| {
            let numbered = filters.iter().enumerate();
            let found = numbered.filter(|(_, filter)| filter.has_product(sum));
            found.map(|(number, filter)| filter.term(sum, number)).collect()
        };
        let mut sums: Vec<Vec<Term<N>>> = (0..num_sums).map(terms_of).collect();
        if num_sums > 1 && sums[num_sums - 1].is_empty() {
            sums.pop();
        }
        Class { filters, sums, phases }
    }
}

impl<const N: usize> Filter<N> {
    fn term(&self, member: usize, filter: usize) -> Term<N> {
        Term { line: self.line, member, offset: self.offset, filter }
    }
}

/// How one pass reads its source and writes its result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form<const N: usize> {
    pub(crate) axes: [Lattice; N],
    /// The phases of the source that some tap reads.
    pub(crate) slots: Vec<[usize; N]>,
    pub(crate) classes: Vec<Arc<Class<N>>>,
    /// Flat positions that a column of sums stands for: 1, or 4 with minimal filtering.
    pub(crate) unit: usize,
    /// Entries between the positions of a column, and columns whose positions follow one another: the items abreast, and with
    /// minimal filtering the dilation times as many. Column `i apart + v` has positions `(unit i + j) apart + v`.
    pub(crate) apart: usize,
    /// Batch items whose entries take turns, number `p abreast + v` for position `p` of item `v` along the last axis: 1, or, where
    /// rows are short, as many as make whole vectors of a few positions.
    pub(crate) abreast: usize,
    /// How far rows of the last axis are apart.
    pub(crate) pitches: Pitches,
    /// Per axis: entries that do not exist at the end of a row, and are those at the beginning of the next one.
    shared: [usize; N],
    pub(crate) groups: usize,
    /// Of a group.
    pub(crate) source_channels: usize,
    /// Of a group.
    pub(crate) result_channels: usize,
    pub(crate) weight_strides: WeightStrides,
    /// Whether phases are counted from the result's first position: then their classes may be others.
    pub(crate) is_trimmed: bool,
}

/// Distances within the weight: from one source channel of a group, one result channel and one group to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WeightStrides {
    pub(crate) source: usize,
    pub(crate) result: usize,
    pub(crate) group: usize,
}

/// Whether products are shared between neighbouring outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filtering {
    Plain,
    Minimal,
}

impl<const N: usize> Form<N> {
    pub(crate) fn new(g: &Geometry<N>, pass: Pass, filtering: Filtering) -> Self {
        let onto_fine = pass == Pass::BackwardData;
        if onto_fine {
            let from_start = g.axes.each_ref().map(Lattice::onto_fine_from_start);
            if items_abreast(g, pass, &from_start, filtering) > 1 {
                return Form::with_phases(g, pass, filtering, true);
            }
        }
        let plain = Form::with_phases(g, pass, filtering, false);
        // With minimal filtering, more phases of a trimmed one read lines of their own.
        if !onto_fine || filtering == Filtering::Minimal {
            return plain;
        }
        let trimmed = Form::with_phases(g, pass, filtering, true);
        // Tiles have a vector of 8 or 16 columns at least.
        let columns = |form: &Form<N>| form.num_columns(form.axes[0].len).next_multiple_of(8);
        if columns(&trimmed) * 20 <= columns(&plain) * 19 { trimmed } else { plain }
    }

    /// The form with the phases that a weight was packed for, whatever the length.
    pub(crate) fn with_phases(g: &Geometry<N>, pass: Pass, filtering: Filtering, is_trimmed: bool) -> Self {
        let fine = if is_trimmed { Lattice::onto_fine_from_start } else { Lattice::onto_fine };
        let axes = g.axes.map(|axis| match pass {
            Pass::BackwardData => fine(&axis),
            Pass::Forward | Pass::BackwardWeight => Lattice::onto_coarse(&axis),
        });
        let abreast = items_abreast(g, pass, &axes, filtering);
        Form::of(g, pass, filtering, (axes, is_trimmed), abreast)
    }

    /// The form onto the coarse grid of which a gradient takes the products, item by item.
    pub(crate) fn of_gradient(g: &Geometry<N>, filtering: Filtering) -> Self {
        let axes = g.axes.map(|axis| Lattice::onto_coarse(&axis));
        Form::of(g, Pass::BackwardWeight, filtering, (axes, false), 1)
    }

    fn of(
        g: &Geometry<N>,
        pass: Pass,
        filtering: Filtering,
        (axes, is_trimmed): ([Lattice; N], bool),
        abreast: usize,
    ) -> Self {
        let onto_fine = pass == Pass::BackwardData;
        let last = &g.axes[N - 1];
        let dilation = if last.stride == 1 { last.dilation } else { 1 };
        let unit = if filtering == Filtering::Plain { 1 } else { WINOGRAD_OUTPUTS };
        let apart = if unit == 1 { abreast } else { dilation * abreast };
        let (mut slots, mut slot_of) = (Vec::new(), BTreeMap::new());
        let mut classes: BTreeMap<Vec<Filter<N>>, Vec<Phase<N>>> = BTreeMap::new();
        for index in multi_indices(axes.each_ref().map(|axis| axis.phases.len())) {
            let of_axis: [&[AxisTap]; N] =
                std::array::from_fn(|axis| axes[axis].phases[index[axis]].as_slice());
            let mut counts = of_axis.map(<[AxisTap]>::len);
            let num_taps = counts.iter().product();
            let (mut filters, mut taps) = (Vec::with_capacity(num_taps), Vec::with_capacity(num_taps));
            let mut of_last = of_axis[N - 1].to_vec();
            of_last.iter_mut().for_each(|tap| tap.offset *= abreast);
            let chunks = match filtering {
                Filtering::Plain => Vec::new(),
                Filtering::Minimal => chunks(&mut of_last, apart),
            };
            counts[N - 1] = 1;
            for choice in multi_indices(counts) {
                let chosen: [Option<&AxisTap>; N] =
                    std::array::from_fn(|axis| of_axis[axis].get(choice[axis]));
                let tap = |last: &AxisTap| {
                    (0..N).fold(0, |flat, axis| {
                        let tap =
                            if axis == N - 1 { last.tap } else { chosen[axis].map_or(0, |tap| tap.tap) };
                        flat * g.axes[axis].taps + tap
                    })
                };
                let mut outer = chosen.map(|tap| tap.map_or(0, |tap| tap.offset));
                outer[N - 1] = 0;
                let mut slot = |last: &AxisTap| {
                    let mut phase = chosen.map(|tap| tap.map_or(0, |tap| tap.source_phase));
                    phase[N - 1] = last.source_phase;
                    *slot_of.entry(phase).or_insert_with(|| {
                        slots.push(phase);
                        slots.len() - 1
                    })
                };
                if filtering == Filtering::Plain {
                    for last in of_axis[N - 1] {
                        let line = Line { slot: slot(last), outer, view: View::Entries };
                        filters.push(Filter { line, offset: last.offset * abreast, first: 0, num_taps: 1 });
                        taps.push(tap(last));
                    }
                } else {
                    for chunk in &chunks {
                        filters.push(chunk.filter(slot(&chunk.taps[0]), outer, apart));
                        taps.extend(chunk.taps.iter().map(tap));
                    }
                }
            }
            classes.entry(filters).or_default().push(Phase { index, taps });
        }
        let classes =
            classes.into_iter().map(|(filters, phases)| Arc::new(Class::new(filtering, filters, phases)));
        let classes = classes.collect();
        let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
        // The weight is [coarse][fine of the group][tap].
        let (coarse, fine) = (fine_g * taps, taps);
        let group = coarse_g * coarse;
        let (source_channels, result_channels) =
            if onto_fine { (coarse_g, fine_g) } else { (fine_g, coarse_g) };
        let weight_strides = if onto_fine {
            WeightStrides { source: coarse, result: fine, group }
        } else {
            WeightStrides { source: fine, result: coarse, group }
        };
        let mut shared = [0; N];
        for axis in 1..N {
            let lattice = &axes[axis];
            let len = lattice.len + lattice.reach;
            let missing = slots.iter().map(|slot| {
                let (found, _) = lattice.existing(slot[axis], 0, len);
                found.start.min(len - found.end)
            });
            shared[axis] = missing.min().unwrap_or(0).min(lattice.reach);
        }
        let mut form = Form {
            axes,
            slots,
            classes,
            unit,
            apart,
            abreast,
            shared,
            groups: g.groups,
            source_channels,
            result_channels,
            weight_strides,
            is_trimmed,
            pitches: Pitches { entries: 0, columns: 0 },
        };
        form.pitches = form.find_pitches();
        form
    }

    /// Entries of an item's buffer per axis, for `rows` positions of the first axis. Rows of the last axis are whole columns.
    pub(crate) fn extents(&self, rows: usize) -> [usize; N] {
        let mut extents = self.axes.each_ref().map(|axis| axis.len + axis.reach);
        extents[0] = rows + self.axes[0].reach;
        for (extent, shared) in extents.iter_mut().zip(self.shared) {
            *extent -= shared;
        }
        extents[N - 1] = extents[N - 1].next_multiple_of(self.unit * self.apart / self.abreast);
        extents
    }

    /// The column that has a position of a row, which begins whole columns or is of the last ones that there are.
    fn column(&self, position: usize) -> usize {
        let Form { unit, apart, .. } = *self;
        position / (unit * apart) * apart + (position % (unit * apart)).min(apart - 1)
    }

    /// Columns from one row of the last axis to the next: those of the entries, and those of the lines that are made of them.
    /// Where items are abreast, lines have no columns of the last entries of a row, which only results before them read.
    fn find_pitches(&self) -> Pitches {
        let entries = self.extents(1)[N - 1] / self.unit * self.abreast;
        if self.abreast == 1 {
            return Pitches { entries, columns: entries };
        }
        let reach = self.terms().map(|term| term.offset).max().unwrap_or(0);
        Pitches { entries, columns: (self.columns_of_row(self.axes[N - 1].len) + reach).min(entries) }
    }

    /// Columns of so many positions of the last axis.
    pub(crate) fn columns_of_row(&self, positions: usize) -> usize {
        self.column(positions * self.abreast - 1) + 1
    }

    /// How many sets of items abreast a place has.
    pub(crate) fn num_sets(&self, place: &Place) -> usize {
        place.batch.len() / self.abreast
    }

    /// The flat column of a position of the outer axes, where the rows of the last one are `pitch` columns apart.
    pub(crate) fn outer_column(&self, mut position: [usize; N], pitch: usize) -> usize {
        let mut extents = self.extents(1);
        (position[N - 1], extents[N - 1]) = (0, pitch);
        flatten(position, extents)
    }

    /// Columns of sums of `rows` positions of the first axis, of a set of items.
    pub(crate) fn num_columns(&self, rows: usize) -> usize {
        let mut last = self.axes.each_ref().map(|axis| axis.len - 1);
        last[0] = rows - 1;
        self.outer_column(last, self.pitches.columns) + self.columns_of_row(last[N - 1] + 1)
    }

    /// Phases of the result, all classes together.
    pub(crate) fn num_phases(&self) -> usize {
        self.classes.iter().map(|class| class.phases.len()).sum()
    }

    /// Rows of sums per channel of the result.
    pub(crate) fn num_sums(&self) -> usize {
        self.classes.iter().map(|class| class.phases.len() * class.sums.len()).sum()
    }

    /// All terms of all sums.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &Term<N>> {
        self.classes.iter().flat_map(|class| &class.sums).flatten()
    }

    /// Whether a place is one row of a signal, read where it lies: not several axes, nor items abreast.
    pub(crate) fn is_signal(&self) -> bool {
        N == 1 && self.abreast == 1
    }

    /// Whether terms read from elsewhere than where their columns are.
    pub(crate) fn has_shifts(&self) -> bool {
        self.terms().any(|term| term.offset > 0 || term.line.outer != [0; N])
    }

    /// Products of one source channel, one result channel and `unit` positions, of all phases.
    pub(crate) fn num_products(&self) -> usize {
        let of_class =
            |class: &Arc<Class<N>>| class.phases.len() * class.sums.iter().map(Vec::len).sum::<usize>();
        self.classes.iter().map(of_class).sum()
    }

    /// Elements of a source plane.
    pub(crate) fn source_plane_len(&self) -> usize {
        self.axes.iter().map(|axis| axis.source_len).product()
    }

    /// The number of the source plane that item `item` of a place reads for a channel of its group.
    pub(crate) fn source_plane(&self, place: &Place, item: usize, channel: usize) -> usize {
        let item = place.batch.start + item;
        (item * self.groups + place.group) * self.source_channels + channel
    }

    /// Which of `len` entries of an item's buffer, from flat entry `entry` on and all in one row, exist: how many come
    /// before the first, how many there are, and where in the source plane the first is.
    pub(crate) fn source(
        &self,
        place: &Place,
        slot: usize,
        entry: usize,
        len: usize,
    ) -> Option<(usize, usize, usize)> {
        let phase = self.slots[slot];
        let extents = self.extents(place.rows.len());
        let mut index = [0; N];
        let mut outer = entry;
        for axis in (1..N).rev() {
            index[axis] = outer % extents[axis];
            outer /= extents[axis];
        }
        // Beyond the box, the first axis simply goes on.
        index[0] = outer + place.rows.start;
        let mut at = 0;
        for axis in 0..N - 1 {
            let (found, position) = self.axes[axis].existing(phase[axis], index[axis], 1);
            if found.is_empty() {
                return None;
            }
            at = at * self.axes[axis].source_len + position;
        }
        let last = &self.axes[N - 1];
        let (found, position) = last.existing(phase[N - 1], index[N - 1], len);
        (!found.is_empty()).then(|| (found.start, found.len(), at * last.source_len + position))
    }

    /// The first result position of the first axis that belongs to position `q` or a later one.
    pub(crate) fn first_result(&self, q: usize) -> usize {
        let axis = &self.axes[0];
        let at = axis.result_start + (q * axis.result_step) as isize;
        (at.max(0) as usize).min(axis.result_len)
    }
}

/// How many items are abreast, the best first: whole vectors are copied, others are shuffled.
const ABREAST: [usize; 9] = [16, 8, 15, 14, 13, 12, 11, 10, 9];

/// How many items take turns: a divisor of the batch, for images of minimal filtering and signals of plain sums, with short rows that
/// begin with a whole group of phases; of signals, no more than are packed at a time with all channels.
fn items_abreast<const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    axes: &[Lattice; N],
    filtering: Filtering,
) -> usize {
    let last = &axes[N - 1];
    let are_signals = N == 1;
    if are_signals != (filtering == Filtering::Plain) || last.len >= MIN_ROW || last.result_start != 0 {
        return 1;
    }
    let channels = if pass == Pass::BackwardData { g.coarse_per_group() } else { g.fine_per_group() };
    let source_len = channels.saturating_mul((last.len + last.reach).saturating_mul(last.source_step));
    let fits = |items: usize| !are_signals || source_len.saturating_mul(items) <= SOURCE_LEN_ABREAST;
    let divides = |items: usize| g.batch().is_multiple_of(items);
    ABREAST.into_iter().find(|&items| divides(items) && fits(items)).unwrap_or(1)
}

/// How many columns rows of the last axis are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pitches {
    pub(crate) entries: usize,
    pub(crate) columns: usize,
}

impl Pitches {
    /// Where among those of the entries a column of the lines is.
    pub(crate) fn entry(self, column: usize) -> usize {
        if self.entries == self.columns {
            return column;
        }
        column / self.columns * self.entries + column % self.columns
    }

    /// How many columns from one on are neighbours among those of the entries as well, at least.
    pub(crate) fn together(self, column: usize) -> usize {
        if self.entries == self.columns { usize::MAX } else { self.columns - column % self.columns }
    }
}

/// The flat index of `index` in a box of `extents`.
pub(crate) fn flatten<const N: usize>(index: [usize; N], extents: [usize; N]) -> usize {
    (0..N).fold(0, |flat, axis| flat * extents[axis] + index[axis])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Shapes;
    use crate::options::Options;

    /// Of so many items of 16 positions of 1024 channels and 64 of 512.
    fn abreast(batch: usize, pass: Pass, filtering: Filtering) -> usize {
        let options = Options::<1>::conv_transpose().stride(4).padding(11).output_padding(1);
        let g = options.resolve(Shapes { x: &[batch, 1024, 16], w: &[1024, 512, 25] }).unwrap();
        Form::new(&g, pass, filtering).abreast
    }

    #[test]
    fn short_signals_of_a_batch_are_abreast_where_they_fit() {
        assert_eq!(abreast(16, Pass::BackwardData, Filtering::Plain), 16);
        assert_eq!(abreast(20, Pass::BackwardData, Filtering::Plain), 10);
        assert_eq!(abreast(17, Pass::BackwardData, Filtering::Plain), 1);
        assert_eq!(abreast(16, Pass::BackwardData, Filtering::Minimal), 1);
        // Four phases of the source.
        assert_eq!(abreast(16, Pass::Forward, Filtering::Plain), 8);
    }
}
