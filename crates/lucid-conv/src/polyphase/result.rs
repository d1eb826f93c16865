//! Where the sums of a form belong: interleaving the phases of a result.

use lucid_kernels::{Element, Isa, interleave};

use super::form::{Form, flatten};
use super::place::Place;
use crate::runs::multi_indices;

/// The sums of some channels at the positions of one batch item of a place.
pub(crate) struct Sums<'a, T> {
    pub(crate) values: &'a [T],
    /// Where each phase of a channel begins, phases row-major.
    pub(crate) phases: &'a [usize],
}

impl<const N: usize> Form<N> {
    /// Writes the sums of a channel to where they belong in a plane, which has the results of the place only.
    pub(crate) fn store<T: Element>(&self, isa: Isa, place: &Place, sums: &Sums<'_, T>, plane: &mut [T]) {
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
        let num_last = lattice.phases.len();
        let mut outer_phases = self.axes.each_ref().map(|axis| axis.phases.len());
        outer_phases[last] = 1;
        let mut starts = vec![0; num_last];
        for outer in multi_indices(positions) {
            let entry = flatten(outer, extents);
            for phase in multi_indices(outer_phases) {
                let Some(at) = self.outer_result(place, outer, phase, first) else { continue };
                let row = &mut plane[at * lattice.result_len..];
                let phases = &sums.phases[flatten(phase, outer_phases) * num_last..][..num_last];
                for (start, phase) in starts.iter_mut().zip(phases) {
                    *start = phase + entry;
                }
                // Every phase has results for all positions but perhaps the first and the last.
                let mut common = range.clone();
                for phase in 0..num_last {
                    let (found, _) = lattice.results(phase, range.clone());
                    common = common.start.max(found.start)..common.end.min(found.end);
                }
                if common.is_empty() {
                    common = range.end..range.end;
                }
                for q in (range.start..common.start).chain(common.end..range.end) {
                    for (phase, start) in starts.iter().enumerate() {
                        let (found, result) = lattice.results(phase, q..q + 1);
                        if !found.is_empty() {
                            row[result - first[last]] = sums.values[start + q - range.start];
                        }
                    }
                }
                if !common.is_empty() {
                    let (_, result) = lattice.results(0, common.clone());
                    for start in &mut starts {
                        *start += common.start - range.start;
                    }
                    let to = &mut row[result - first[last]..][..common.len() * num_last];
                    interleave_from(isa, sums.values, &starts, common.len(), to);
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
fn interleave_from<T: Element>(isa: Isa, values: &[T], starts: &[usize], len: usize, to: &mut [T]) {
    let (first, num_rows) = (starts[0], starts.len());
    let row_stride = starts.get(1).map_or(0, |&second| second.saturating_sub(first));
    if starts.iter().enumerate().all(|(r, &start)| start == first + r * row_stride) {
        return interleave(isa, &values[first..], row_stride, num_rows, len, to);
    }
    // Phases of several classes: bring together a few hundred positions at a time.
    const BLOCK: usize = 256;
    let mut rows = vec![T::zero(); num_rows * BLOCK];
    for (block, to) in to.chunks_mut(BLOCK * num_rows).enumerate() {
        let len = to.len() / num_rows;
        for (row, start) in rows.chunks_mut(BLOCK).zip(starts) {
            row[..len].copy_from_slice(&values[start + block * BLOCK..][..len]);
        }
        interleave(isa, &rows, BLOCK, num_rows, len, to);
    }
}
