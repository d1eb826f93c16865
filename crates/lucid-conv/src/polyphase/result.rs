//! Where the sums of a form belong: cutting a result into tasks, and interleaving its phases.

use lucid_kernels::Element;

use super::form::{Form, Phase, flatten};
use super::portions::Portions;

/// Some channels of a result over some positions of the first axis.
pub(crate) struct Task<'a, T, const N: usize> {
    pub(crate) place: Place,
    /// The first channel, within the group.
    pub(crate) channel: usize,
    /// Per channel, the results that belong to the place.
    pub(crate) planes: Vec<&'a mut [T]>,
}

/// A batch item and group, and some positions of the first axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Batch item and group.
    pub(crate) item: usize,
    /// The first position of the first axis.
    pub(crate) start: usize,
    /// How many there are.
    pub(crate) rows: usize,
}

/// Cuts a result into tasks: its planes into channels, and each plane by the first axis.
pub(crate) fn tasks<'a, T, const N: usize>(
    form: &Form<N>,
    portions: Portions,
    result: &'a mut [T],
) -> Vec<Task<'a, T, N>> {
    let inner: usize = form.axes[1..].iter().map(|axis| axis.result_len).product();
    let plane_len = form.axes[0].result_len * inner;
    let mut tasks: Vec<Task<'a, T, N>> = Vec::new();
    for (item, planes) in result.chunks_mut(form.result_channels * plane_len).enumerate() {
        for (part, planes) in planes.chunks_mut(portions.channels * plane_len).enumerate() {
            let first = tasks.len();
            for start in (0..form.axes[0].len).step_by(portions.rows) {
                let rows = portions.rows.min(form.axes[0].len - start);
                let channel = part * portions.channels;
                tasks.push(Task { place: Place { item, start, rows }, channel, planes: Vec::new() });
            }
            for mut plane in planes.chunks_mut(plane_len) {
                for task in &mut tasks[first..] {
                    // The results of neighbouring positions, of all phases, are neighbours.
                    let Place { start, rows, .. } = task.place;
                    let own_len = (first_result(form, start + rows) - first_result(form, start)) * inner;
                    let (own, rest) = plane.split_at_mut(own_len);
                    task.planes.push(own);
                    plane = rest;
                }
            }
        }
    }
    tasks
}

/// The first result position of the first axis that belongs to position `q` or a later one.
fn first_result<const N: usize>(form: &Form<N>, q: usize) -> usize {
    let axis = &form.axes[0];
    let at = axis.result_start + (q * axis.result_step) as isize;
    (at.max(0) as usize).min(axis.result_len)
}

/// A place as a box of positions.
pub(crate) struct Region<'a, const N: usize> {
    form: &'a Form<N>,
    /// The buffer's, by which positions are flattened.
    pub(crate) extents: [usize; N],
    start: [usize; N],
    len: [usize; N],
    /// The result that the planes begin with.
    first: [usize; N],
}

impl<'a, const N: usize> Region<'a, N> {
    pub(crate) fn new(form: &'a Form<N>, place: Place) -> Self {
        let (mut start, mut first) = ([0; N], [0; N]);
        let mut len = form.axes.each_ref().map(|axis| axis.len);
        start[0] = place.start;
        len[0] = place.rows;
        first[0] = first_result(form, place.start);
        Region { form, extents: form.extents(place.rows), start, len, first }
    }

    /// The last flat position, and one more.
    pub(crate) fn end(&self) -> usize {
        flatten(self.len.map(|len| len - 1), self.extents) + 1
    }

    /// Writes the sums of one phase, whose first is that of flat position `position`, to where they belong in a plane.
    pub(crate) fn store<T: Element>(
        &self,
        phase: &Phase<N>,
        mut position: usize,
        mut sums: &[T],
        bias: T,
        plane: &mut [T],
    ) {
        let extents = self.extents;
        // By rows of the buffer: neighbours in one have their results a step apart.
        while !sums.is_empty() {
            let entry = position % extents[N - 1];
            let (row, rest) = sums.split_at((extents[N - 1] - entry).min(sums.len()));
            if let Some(at) = self.row(phase, position / extents[N - 1]) {
                let last = N - 1;
                let from = self.start[last] + entry;
                let to = self.start[last] + (entry + row.len()).min(self.len[last]);
                let (found, result) = self.form.axes[last].results(phase.index[last], from..to.max(from));
                if !found.is_empty() {
                    let row = &row[found.start - from..][..found.len()];
                    let results = plane[at + result - self.first[last]..].iter_mut();
                    for (result, &sum) in results.step_by(self.form.axes[last].result_step).zip(row) {
                        *result = sum + bias;
                    }
                }
            }
            position += row.len();
            sums = rest;
        }
    }

    /// Where in a plane the results of row `outer` of the buffer begin, if there are any.
    fn row(&self, phase: &Phase<N>, mut outer: usize) -> Option<usize> {
        let mut at = 0;
        let mut stride = self.form.axes[N - 1].result_len;
        for axis in (0..N - 1).rev() {
            // Beyond the box, the first axis simply goes on.
            let q = if axis == 0 { outer } else { outer % self.extents[axis] };
            outer = if axis == 0 { 0 } else { outer / self.extents[axis] };
            if q >= self.len[axis] {
                return None;
            }
            let q = self.start[axis] + q;
            let (found, result) = self.form.axes[axis].results(phase.index[axis], q..q + 1);
            if found.is_empty() {
                return None;
            }
            at += (result - self.first[axis]) * stride;
            stride *= self.form.axes[axis].result_len;
        }
        // In one dimension the last axis is the first one, and there is a single row.
        (outer == 0).then_some(at)
    }
}
