//! Where the sums of a form belong: interleaving the phases of a result.

use std::ops::Range;

use lucid_kernels::{
    CopyShape, Element, Isa, Repeats, copy_rows, deinterleave, interleave_each, interleave_runs,
};

use super::form::Form;
use super::place::Place;
use super::steps::Steps;
use crate::runs::multi_indices;

/// The sums of some channels at the positions of one batch item of a place.
pub(crate) struct Sums<'a, T> {
    pub(crate) values: &'a [T],
    /// Of each position of a column and each phase of a channel, phases row-major.
    pub(crate) phases: &'a [PhaseSums],
}

/// Where the sums of a phase of a channel are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PhaseSums {
    pub(crate) start: usize,
    /// From there to those of the next channel.
    pub(crate) of_channel: usize,
}

/// Where the results of a place are in the part of a plane that belongs to it: the same for every channel.
///
/// The results of a row of the last axis take turns: number `(unit q + j) phases + phase` is from column `q`, its position `j`.
/// So a column has a group of results for each phase of the outer axes. Where the positions of a column are some entries
/// apart, as many columns take turns together: there is one phase then, and number `(unit i + j) apart + v` is from
/// column `i apart + v`.
#[derive(Debug)]
pub(crate) struct Placement<T> {
    /// By phase of the outer axes.
    rows: Vec<Rows>,
    /// Phases of the outer axes.
    outer_phases: usize,
    /// Where in a row of results the first one is that belongs to the place, and how many do.
    begin: usize,
    count: usize,
    /// Results of the first columns that do not exist.
    skipped: usize,
    /// Those of a column, and of the row: how many end a column that begins before them, and how many whole columns follow.
    group: usize,
    head: usize,
    whole: usize,
    unit: usize,
    apart: usize,
    /// Phases of the last axis.
    phases: usize,
    /// A buffer: where the rows of sums begin that are interleaved.
    starts: Vec<usize>,
    /// Buffers: the results of a channel of items abreast, in turn, and item by item.
    in_turn: Vec<T>,
    of_items: Vec<T>,
}

/// The sums of one channel by column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByColumn<'a, T> {
    /// `[position of a column][column][..]`, all phases of the channel first.
    pub(crate) values: &'a [T],
    /// From one column to the next one.
    pub(crate) column_stride: usize,
    /// From one position of a column to the next one.
    pub(crate) position_stride: usize,
}

/// Rows of results at equal distances.
#[derive(Debug)]
struct Rows {
    /// The phase of the outer axes.
    phase: usize,
    /// The column of the first position of each, and where it begins in the plane.
    steps: Steps,
}

impl<T: Element> Placement<T> {
    /// That of no place.
    pub(crate) fn new() -> Self {
        Placement {
            rows: Vec::new(),
            outer_phases: 1,
            begin: 0,
            count: 0,
            skipped: 0,
            group: 1,
            head: 0,
            whole: 0,
            unit: 1,
            apart: 1,
            phases: 1,
            starts: Vec::new(),
            in_turn: Vec::new(),
            of_items: Vec::new(),
        }
    }

    /// Finds out where the results of another place belong.
    pub(crate) fn find<const N: usize>(&mut self, form: &Form<N>, place: &Place) {
        const { assert!(N >= 1) };
        let last = N - 1;
        let lattice = &form.axes[last];
        let pitch = form.pitches.columns;
        let mut positions = form.axes.each_ref().map(|axis| axis.len);
        positions[0] = place.rows.len();
        let start = if last == 0 { place.rows.start } else { 0 };
        let range = start..start + positions[last];
        // Result r of the place's row is number `r - origin`; below 0 and from `end` on there are none.
        let step = lattice.result_step;
        let origin = lattice.result_start + (range.start * step) as isize;
        let end = lattice.result_start + (range.end * step) as isize;
        let (begin, end) = (origin.max(0), end.clamp(0, lattice.result_len as isize));
        let mut first = [0; N];
        first[0] = form.first_result(place.rows.start);
        positions[last] = 1;
        let mut outer_phases = form.axes.each_ref().map(|axis| axis.phases.len());
        outer_phases[last] = 1;
        self.rows.clear();
        for (number, phase) in multi_indices(outer_phases).enumerate() {
            for outer in multi_indices(positions) {
                let Some(row) = form.outer_result(place, outer, phase, first) else { continue };
                let (column, at) = (form.outer_column(outer, pitch), row * lattice.result_len * form.abreast);
                let last = self.rows.last_mut().filter(|last| last.phase == number);
                if !last.is_some_and(|last| last.steps.takes(column, at)) {
                    self.rows.push(Rows { phase: number, steps: Steps::one(column, at) });
                }
            }
        }
        self.outer_phases = outer_phases.iter().product();
        self.begin = (begin as usize - first[last]) * form.abreast;
        self.count = (end - begin).max(0) as usize * form.abreast;
        self.skipped = (begin - origin) as usize;
        (self.unit, self.apart, self.phases) = (form.unit, form.apart, lattice.phases.len());
        self.group = self.phases * self.unit;
        self.head = (self.skipped.next_multiple_of(self.group) - self.skipped).min(self.count);
        self.whole = (self.count - self.head) / self.group;
    }

    /// Writes the sums of a channel to where they belong in a plane, which has the results of the place only, of items abreast
    /// those of all of them in turn.
    pub(crate) fn store(&mut self, isa: Isa, sums: &Sums<'_, T>, plane: &mut [T]) {
        let &mut Placement { group, head, whole, begin, count, .. } = self;
        let tail = head + whole * group;
        // The first whole column, and how many results the one before has that do not exist.
        let (whole_from, missing) = (self.skipped.div_ceil(group), self.skipped % group);
        let Placement { rows, starts, .. } = self;
        for Rows { phase, steps } in rows {
            starts.clear();
            for member in 0..self.unit {
                let first = (member * self.outer_phases + *phase) * self.phases;
                starts.extend(sums.phases[first..][..self.phases].iter().map(|sums| sums.start));
            }
            if self.apart > 1 {
                // The stride is 1, or items are abreast, so that every position has a result.
                for (column, at) in steps.each() {
                    let to = &mut plane[at + begin..][..count];
                    interleave_runs(isa, &sums.values[column..], (starts, self.apart), to);
                }
                continue;
            }
            for (column, at) in steps.each().filter(|_| head > 0 || tail < count) {
                let to = &mut plane[at + begin..][..count];
                for (to, start) in to.iter_mut().zip(&starts[missing..][..head]) {
                    *to = sums.values[start + column + whole_from - 1];
                }
                for (to, start) in to[tail..].iter_mut().zip(&*starts) {
                    *to = sums.values[start + column + whole_from + whole];
                }
            }
            if whole > 0 {
                let first = whole_from + steps.from;
                let repeats = Repeats { count: steps.count, rows: steps.from_stride, out: steps.to_stride };
                let to = &mut plane[steps.to + begin + head..];
                interleave_each(isa, &sums.values[first..], (starts, whole), repeats, to);
            }
        }
    }
}

impl<T: Element> Placement<T> {
    /// As [`store`](Self::store), for so many items abreast: what [`of_item`](Self::of_item) has then are the `len` results of each.
    pub(crate) fn take_apart(&mut self, isa: Isa, sums: &Sums<'_, T>, (abreast, len): (usize, usize)) {
        let mut in_turn = std::mem::take(&mut self.in_turn);
        in_turn.resize((len * abreast).max(in_turn.len()), T::zero());
        self.store(isa, sums, &mut in_turn[..len * abreast]);
        self.of_items.resize((len * abreast).max(self.of_items.len()), T::zero());
        deinterleave(isa, &in_turn[..len * abreast], abreast, len, &mut self.of_items, len);
        self.in_turn = in_turn;
    }

    /// The results of one of the items, so many of each, that were taken apart last.
    pub(crate) fn of_item(&self, item: usize, len: usize) -> &[T] {
        &self.of_items[item * len..][..len]
    }

    /// As [`store`](Self::store), for results along one axis, of neighbouring positions: the phases of one follow one another on
    /// both sides.
    pub(crate) fn store_by_column(&self, isa: Isa, sums: ByColumn<'_, T>, plane: &mut [T]) {
        let &Placement { ref rows, begin, count, skipped, unit, phases, .. } = self;
        let ByColumn { values, column_stride, position_stride } = sums;
        let Some(Rows { steps: row, .. }) = rows.first() else { return };
        let to = &mut plane[row.to + begin..][..count];
        let start = |position: usize| {
            position % unit * position_stride + (position / unit + row.from) * column_stride
        };
        // Positions all of whose phases are results.
        let (first, end) = (skipped.div_ceil(phases), (skipped + count) / phases);
        for position in first..end.min(first + unit) {
            let shape = CopyShape {
                len: phases,
                num_rows: (end - position).div_ceil(unit),
                from_stride: column_stride,
                to_stride: unit * phases,
            };
            copy_rows(isa, &values[start(position)..], &mut to[position * phases - skipped..], shape);
        }
        let mut partial = |position: usize, own: Range<usize>| {
            if own.is_empty() {
                return;
            }
            let at = position * phases + own.start - skipped;
            to[at..at + own.len()].copy_from_slice(&values[start(position)..][own]);
        };
        if first > end {
            partial(end, skipped % phases..(skipped + count) % phases);
            return;
        }
        if !skipped.is_multiple_of(phases) {
            partial(first - 1, skipped % phases..phases);
        }
        partial(end, 0..(skipped + count) % phases);
    }
}

impl<const N: usize> Form<N> {
    /// Whether the sums of a channel at a position are results that follow one another.
    pub(crate) fn has_neighbouring_phases(&self) -> bool {
        let [class] = &self.classes[..] else { return false };
        let in_order = class.phases.iter().enumerate().all(|(number, phase)| phase.index[N - 1] == number);
        N == 1 && self.apart == 1 && in_order && class.phases.len() == self.axes[0].phases.len()
    }

    /// Which row of the last axis the results of a phase at a position of the outer axes are in, if there are any.
    fn outer_result(
        &self,
        place: &Place,
        mut position: [usize; N],
        phase: [usize; N],
        first: [usize; N],
    ) -> Option<usize> {
        if N > 1 {
            position[0] += place.rows.start;
        }
        let mut at = 0;
        for axis in 0..N - 1 {
            let (found, result) = self.axes[axis].results(phase[axis], position[axis]..position[axis] + 1);
            if found.is_empty() {
                return None;
            }
            at = at * self.axes[axis].result_len + result - first[axis];
        }
        Some(at)
    }
}
