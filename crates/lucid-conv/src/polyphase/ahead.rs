//! Asking for what is read later, while tiles compute and leave the memory alone.
//!
//! A place reads a short run of each of many planes, and the processor's own prefetching begins anew with each of them.

use std::ops::Range;

use lucid_kernels::{Element, prefetch};

use super::form::Form;
use super::place::Place;
use super::planes::Parts;
use crate::fused::Fused;

/// What the next place adds to what this one has packed, for as large a share of the source's channels as `channels` is of the
/// result's.
pub(crate) fn source<T: Element, const N: usize>(
    form: &Form<N>,
    source: &[T],
    next: &Place,
    channels: Range<usize>,
) {
    let axis = &form.axes[0];
    let plane_len = form.source_plane_len();
    let row_len = plane_len / axis.source_len.max(1);
    let at = |row: usize| {
        let at = axis.source_start + (row * axis.source_step) as isize;
        at.clamp(0, axis.source_len as isize) as usize * row_len
    };
    let rows = at(next.rows.start)..at(next.rows.end);
    let share = |channel: usize| channel * form.source_channels / form.result_channels;
    for channel in share(channels.start)..share(channels.end) {
        for item in 0..next.batch.len() {
            let plane = form.source_plane(next, item, channel) * plane_len;
            prefetch(&source[plane + rows.start..plane + rows.end]);
        }
    }
}

/// What will be added to the sums of some channels.
pub(crate) fn skips<T: Element>(fused: &Fused<'_, T>, place: &Place, parts: &Parts, channels: Range<usize>) {
    for skip in fused.skips.iter().filter_map(|skip| skip.as_slice()) {
        for channel in channels.clone() {
            for item in 0..place.batch.len() {
                prefetch(&skip[parts.range(item, channel)]);
            }
        }
    }
}
