//! Buffering the source: de-interleaved by phase, with zeros where it does not exist.

use lucid_kernels::Element;

use super::form::Form;
use super::result::Place;
use crate::runs::{gather, multi_indices};

/// Copies the source of a place into the buffer: by channel, then by phase, then a row of the last axis at a time.
pub(crate) fn fill_buffer<T: Element, const N: usize>(
    form: &Form<N>,
    place: Place,
    source: &[T],
    buffer: &mut Vec<T>,
) {
    let extents = form.extents(place.rows);
    let plane_len: usize = form.axes.iter().map(|axis| axis.source_len).product();
    let planes = &source[place.item * form.source_channels * plane_len..][..form.source_channels * plane_len];
    let mut start = [0; N];
    start[0] = place.start;
    let mut outer = extents;
    outer[N - 1] = 1;
    buffer.clear();
    buffer.resize(form.buffer_len(place.rows), T::zero());
    let mut rows = buffer.chunks_mut(extents[N - 1]);
    for plane in planes.chunks(plane_len) {
        for slot in &form.slots {
            for index in multi_indices(outer) {
                let row = rows.next().expect("as many rows as the extents have");
                let mut at = Some(0);
                for axis in 0..N - 1 {
                    let lattice = &form.axes[axis];
                    let (entries, position) = lattice.existing(slot[axis], start[axis] + index[axis], 1);
                    at = at.filter(|_| !entries.is_empty()).map(|at| at * lattice.source_len + position);
                }
                let last = &form.axes[N - 1];
                let (entries, position) = last.existing(slot[N - 1], start[N - 1], extents[N - 1]);
                if let Some(at) = at.filter(|_| !entries.is_empty()) {
                    gather(&mut row[entries], &plane[at * last.source_len + position..], last.source_step);
                }
            }
        }
    }
}
