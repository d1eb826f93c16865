//! What the taps of a thin fine side read: a line per position, with an element per (fine channel, tap).
//!
//! Every element of the fine side is copied once per tap. With few fine channels that is little beside the products with
//! many coarse ones, and it leaves no lane empty.

use lucid_kernels::{Element, Isa, interleave};

use super::{Panel, Place};
use crate::geometry::Geometry;
use crate::runs::{for_each_run, gather};

/// Packs the pairs of a panel, numbered `fine channel * taps + tap`, for a place. `buffer` holds a row per pair.
pub(super) fn pack<T: Element, const N: usize>(
    g: &Geometry<N>,
    isa: Isa,
    fine: &[T],
    place: &Place<N>,
    panel: Panel,
    buffer: &mut [T],
    lines: &mut [T],
) {
    let (len, block_len) = (place.len(), place.block.len());
    let (num_taps, stride) = (g.num_taps(), g.axes[N - 1].stride);
    let buffer = &mut buffer[..panel.len * len];
    // What no run writes lies outside the fine grid.
    buffer.fill(T::zero());
    for (pair, row) in (panel.start..).zip(buffer.chunks_mut(len)) {
        let (channel, mut flat) = (pair / num_taps, pair % num_taps);
        let mut tap = [0; N];
        for axis in (0..N).rev() {
            tap[axis] = flat % g.axes[axis].taps;
            flat /= g.axes[axis].taps;
        }
        for (item, row) in place.items.clone().zip(row.chunks_mut(block_len)) {
            let plane = item * g.fine_channels + place.group * g.fine_per_group() + channel;
            let plane = &fine[plane * g.fine_len()..][..g.fine_len()];
            for_each_run(g, tap, place.block, place.block, |run| {
                gather(&mut row[run.coarse..][..run.len], &plane[run.fine..], stride);
            });
        }
    }
    interleave(isa, buffer, len, panel.len, len, lines);
}
