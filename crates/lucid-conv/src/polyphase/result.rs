//! Where the sums of a form belong: interleaving the phases of a result.

use std::ops::Range;

use lucid_kernels::{CopyShape, Element, Isa, Repeats, copy_rows, deinterleave, interleave, interleave_each};

use super::form::Form;
use super::moves::interleave_runs;
use super::place::Place;
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
    unit: usize,
    apart: usize,
    /// Phases of the last axis.
    phases: usize,
    /// A buffer: where the rows of sums begin that are interleaved.
    starts: Vec<usize>,
    /// A buffer: rows of several classes, brought together, or runs of several rows.
    gathered: Vec<T>,
    /// Buffers: the results of a channel with items abreast, and the same item by item.
    abreast: Vec<T>,
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
    /// The column of the first one's first position.
    column: usize,
    /// Where the first one begins in the plane.
    at: usize,
    /// How many there are, and from one to the next.
    count: usize,
    columns: usize,
    ats: usize,
}

impl Rows {
    /// Takes in another row if it is the next one.
    fn takes(&mut self, next: &Rows) -> bool {
        let (columns, ats) = (next.column - self.column, next.at - self.at);
        if self.count == 1 {
            (self.columns, self.ats) = (columns, ats);
        }
        let is_next = columns == self.count * self.columns && ats == self.count * self.ats;
        self.count += usize::from(is_next);
        is_next
    }

    /// The column of each row, and where it begins in the plane.
    fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.count).map(|number| (self.column + number * self.columns, self.at + number * self.ats))
    }
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
            unit: 1,
            apart: 1,
            phases: 1,
            starts: Vec::new(),
            gathered: Vec::new(),
            abreast: Vec::new(),
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
                let (column, at) = (form.outer_column(outer, pitch), row * lattice.result_len);
                let row = Rows { phase: number, column, at, count: 1, columns: 0, ats: 0 };
                let taken = self.rows.last_mut().is_some_and(|last| last.phase == number && last.takes(&row));
                if !taken {
                    self.rows.push(row);
                }
            }
        }
        self.outer_phases = outer_phases.iter().product();
        self.begin = begin as usize - first[last];
        self.count = (end - begin).max(0) as usize;
        self.skipped = (begin - origin) as usize;
        (self.unit, self.apart, self.phases) = (form.unit, form.apart, lattice.phases.len());
    }

    /// Writes the sums of a channel to where they belong in a plane, which has the results of the place only.
    pub(crate) fn store(&mut self, isa: Isa, sums: &Sums<'_, T>, plane: &mut [T]) {
        let group = self.phases * self.unit;
        let head = ((group - self.skipped % group) % group).min(self.count);
        let whole = (self.count - head) / group;
        let tail = head + whole * group;
        let Placement { rows, starts, gathered, .. } = self;
        for rows in rows {
            find_starts(sums, (group, self.phases), (rows.phase, self.outer_phases), starts);
            if self.apart > 1 {
                // The stride is 1, so that every position has a result.
                for (column, at) in rows.each() {
                    let to = &mut plane[at + self.begin..][..self.count];
                    interleave_runs(isa, &sums.values[column..], starts, self.apart, to, gathered);
                }
                continue;
            }
            for (column, at) in rows.each() {
                let to = &mut plane[at + self.begin..][..self.count];
                let value = |number: usize| {
                    let number = self.skipped + number;
                    sums.values[starts[number % group] + number / group + column]
                };
                for (number, to) in to[..head].iter_mut().enumerate() {
                    *to = value(number);
                }
                for (number, to) in to.iter_mut().enumerate().skip(tail) {
                    *to = value(number);
                }
            }
            if whole > 0 {
                let first = (self.skipped + head) / group + rows.column;
                let repeats = Repeats { count: rows.count, rows: rows.columns, out: rows.ats };
                let to = &mut plane[rows.at + self.begin + head..];
                interleave_from(isa, &sums.values[first..], (starts, whole), repeats, to, gathered);
            }
        }
    }
}

impl<T: Element> Placement<T> {
    /// Takes the sums of a channel with so many items abreast apart: what [`of_item`](Self::of_item) has then are the results of
    /// the place. Every position has one, but perhaps the last.
    pub(crate) fn take_apart(&mut self, isa: Isa, sums: &Sums<'_, T>, abreast: usize) {
        let ends = self.rows.iter().flat_map(Rows::each).map(|(_, at)| at + self.count);
        let len = ends.max().unwrap_or(0);
        self.abreast.resize((len * abreast).max(self.abreast.len()), T::zero());
        self.of_items.resize((len * abreast).max(self.of_items.len()), T::zero());
        let group = self.phases * self.unit;
        let Placement { rows, starts, gathered, abreast: taking_turns, of_items, .. } = self;
        for rows in rows {
            find_starts(sums, (group, self.phases), (rows.phase, self.outer_phases), starts);
            for (column, at) in rows.each() {
                let to = &mut taking_turns[at * abreast..][..self.count * abreast];
                interleave_runs(isa, &sums.values[column..], starts, self.apart, to, gathered);
            }
        }
        deinterleave(isa, &taking_turns[..len * abreast], abreast, len, of_items, len);
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
        let Some(row) = rows.first() else { return };
        let to = &mut plane[row.at + begin..][..count];
        let start = |position: usize| {
            position % unit * position_stride + (position / unit + row.column) * column_stride
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

/// Where the sums begin that take turns in a row of a phase of the outer axes.
fn find_starts<T>(
    sums: &Sums<'_, T>,
    (group, phases): (usize, usize),
    (outer_phase, outer_phases): (usize, usize),
    starts: &mut Vec<usize>,
) {
    starts.clear();
    starts.extend((0..group).map(|number| {
        let (member, phase) = (number / phases, number % phases);
        sums.phases[(member * outer_phases + outer_phase) * phases + phase].start
    }));
}

/// For each of the repeats: `to[q * starts.len() + r] = values[starts[r] + q]` for `q < len`.
fn interleave_from<T: Element>(
    isa: Isa,
    values: &[T],
    (starts, len): (&[usize], usize),
    repeats: Repeats,
    to: &mut [T],
    gathered: &mut Vec<T>,
) {
    let (first, num_rows) = (starts[0], starts.len());
    let row_stride = starts.get(1).map_or(0, |&second| second.saturating_sub(first));
    if starts.iter().enumerate().all(|(r, &start)| start == first + r * row_stride) {
        return interleave_each(isa, &values[first..], (row_stride, num_rows, len), repeats, to);
    }
    // Phases of several classes: bring together a few hundred positions at a time.
    const BLOCK: usize = 256;
    gathered.resize((num_rows * BLOCK).max(gathered.len()), T::zero());
    for k in 0..repeats.count {
        let (values, to) = (&values[k * repeats.rows..], &mut to[k * repeats.out..][..num_rows * len]);
        for (block, to) in to.chunks_mut(BLOCK * num_rows).enumerate() {
            let len = to.len() / num_rows;
            for (row, start) in gathered.chunks_mut(BLOCK).zip(starts) {
                row[..len].copy_from_slice(&values[start + block * BLOCK..][..len]);
            }
            interleave(isa, gathered, BLOCK, num_rows, len, to);
        }
    }
}
