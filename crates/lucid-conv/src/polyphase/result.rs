//! Where the sums of a form belong: interleaving the phases of a result.

use lucid_kernels::{Element, Isa, interleave};

use super::form::{Form, flatten};
use super::place::Place;
use crate::runs::multi_indices;

/// The sums of some channels at the positions of one batch item of a place.
pub(crate) struct Sums<'a, T> {
    pub(crate) values: &'a [T],
    /// Where the sums of each parity of the position and each phase of a channel begin, phases row-major.
    pub(crate) phases: &'a [usize],
    /// From an item's sums to the next one's: residues are items of their own.
    pub(crate) of_item: usize,
}

/// A thread's buffers for [`Form::store`].
#[derive(Debug)]
pub(crate) struct Rows<T> {
    /// Where the rows of sums begin that are interleaved.
    starts: Vec<usize>,
    /// Rows of several classes, brought together.
    gathered: Vec<T>,
}

impl<T> Rows<T> {
    pub(crate) fn new() -> Self {
        Rows { starts: Vec::new(), gathered: Vec::new() }
    }
}

impl<const N: usize> Form<N> {
    /// Writes the sums of a channel to where they belong in a plane, which has the results of the place only.
    pub(crate) fn store<T: Element>(
        &self,
        isa: Isa,
        place: &Place,
        sums: &Sums<'_, T>,
        rows: &mut Rows<T>,
        plane: &mut [T],
    ) {
        const { assert!(N >= 1) };
        let last = N - 1;
        let extents = self.extents(place.rows.len());
        let mut positions = self.axes.each_ref().map(|axis| axis.len);
        positions[0] = place.rows.len();
        // The range of the last axis, and what its results are counted from.
        let mut first = [0; N];
        first[0] = self.first_result(place.rows.start);
        let start = if last == 0 { place.rows.start } else { 0 };
        let range = start..start + positions[last];
        positions[last] = 1;
        let lattice = &self.axes[last];
        let of_item = sums.of_item;
        let num_last = lattice.phases.len();
        // One row of sums holds a result in `group`: they go by residue, parity and phase.
        let group = num_last * self.residues * self.unit;
        let mut outer_phases = self.axes.each_ref().map(|axis| axis.phases.len());
        outer_phases[last] = 1;
        let Rows { starts, gathered } = rows;
        starts.clear();
        starts.resize(group, 0);
        for outer in multi_indices(positions) {
            let column = flatten(outer, extents) / self.unit;
            for phase in multi_indices(outer_phases) {
                let Some(at) = self.outer_result(place, outer, phase, first) else { continue };
                let row = &mut plane[at * lattice.result_len..];
                let flat_phase = flatten(phase, outer_phases) * num_last;
                // Result `((2 i + parity) residues + residue) phases + phase` of the row.
                for (number, start) in starts.iter_mut().enumerate() {
                    let (parity, rest) =
                        (number / (self.residues * num_last), number % (self.residues * num_last));
                    let (residue, phase) = (rest / num_last, rest % num_last);
                    let sums = sums.phases[parity * self.num_phases() + flat_phase + phase];
                    *start = sums + residue * of_item + column;
                }
                let origin = lattice.result_start + (range.start * lattice.result_step) as isize;
                let end = range.end * lattice.result_step;
                let end = (lattice.result_start + end as isize).clamp(0, lattice.result_len as isize);
                // Result r of the place's row is number `r - origin`; below 0 and from `end` on there are none.
                let begin = origin.max(0);
                if end <= begin {
                    continue;
                }
                let (skipped, count) = ((begin - origin) as usize, (end - begin) as usize);
                let to = &mut row[begin as usize - first[last]..][..count];
                let head = (group - skipped % group) % group;
                let head = head.min(count);
                let value = |number: usize| sums.values[starts[number % group] + number / group];
                for (number, to) in to[..head].iter_mut().enumerate() {
                    *to = value(skipped + number);
                }
                let whole = (count - head) / group;
                let tail = head + whole * group;
                if whole > 0 {
                    let columns = (skipped + head) / group;
                    let interleaved = &mut to[head..tail];
                    interleave_from(isa, &sums.values[columns..], starts, whole, interleaved, gathered);
                }
                for (number, to) in to.iter_mut().enumerate().skip(tail) {
                    *to = value(skipped + number);
                }
            }
        }
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

/// `to[q * starts.len() + r] = values[starts[r] + q]` for `q < len`.
fn interleave_from<T: Element>(
    isa: Isa,
    values: &[T],
    starts: &[usize],
    len: usize,
    to: &mut [T],
    rows: &mut Vec<T>,
) {
    let (first, num_rows) = (starts[0], starts.len());
    let row_stride = starts.get(1).map_or(0, |&second| second.saturating_sub(first));
    if starts.iter().enumerate().all(|(r, &start)| start == first + r * row_stride) {
        return interleave(isa, &values[first..], row_stride, num_rows, len, to);
    }
    // Phases of several classes: bring together a few hundred positions at a time.
    const BLOCK: usize = 256;
    rows.resize(num_rows * BLOCK, T::zero());
    for (block, to) in to.chunks_mut(BLOCK * num_rows).enumerate() {
        let len = to.len() / num_rows;
        for (row, start) in rows.chunks_mut(BLOCK).zip(starts) {
            row[..len].copy_from_slice(&values[start + block * BLOCK..][..len]);
        }
        interleave(isa, rows, BLOCK, num_rows, len, to);
    }
}
