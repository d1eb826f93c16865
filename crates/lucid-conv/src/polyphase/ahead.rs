//! Asking for what is added to sums, while tiles compute them and leave the memory alone.
//!
//! A place reads a short run of each of many planes, and the processor's own prefetching begins anew with each of them. Asking
//! for the next place's source as well made most layers slower, by up to 9%: it pushes out what the tiles read.

use std::ops::Range;

use lucid_kernels::{Element, prefetch};

use super::place::Place;
use super::planes::Parts;
use crate::fused::Fused;

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
