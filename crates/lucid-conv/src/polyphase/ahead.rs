//! Asking for what is needed next, while tiles compute and leave the memory alone.
//!
//! A place reads a short run of each of many planes, and the processor's own prefetching begins anew with each of them.

use std::ops::Range;

use lucid_kernels::{Element, LINE_BYTES, prefetch};

use super::place::Place;
use super::planes::Parts;
use super::schedule::Schedule;
use crate::fused::Fused;

/// Elements of weights that stay near by themselves. Of more, tiles ask for the weights.
const FEW_WEIGHTS: usize = 16 * 1024;

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

/// What will be packed next of the source: tiles of few weights are done with it so soon that waiting for it would take a
/// tenth of the time or more.
pub(super) struct NextSource<'a, T> {
    /// From the first plane that will be read on.
    planes: &'a [T],
    plane_len: usize,
    /// From the first plane of an item to that of the next one.
    item_len: usize,
    /// What is read of a plane.
    window: Range<usize>,
    pub(super) items: usize,
    /// Elements of each window that were asked for.
    asked: usize,
}

impl<'a, T: Element> NextSource<'a, T> {
    /// What is packed after some channels at a place: further channels there, or the first ones that the next place reads, once all
    /// chunks of the result have been summed; `None` where that is nothing, or tiles have other things to ask for.
    pub(super) fn of<const N: usize>(
        schedule: &Schedule<T, N>,
        (place, channels, is_last_chunk): (&Place, &Range<usize>, bool),
        source: &'a [T],
    ) -> Option<Self> {
        let form = &schedule.form;
        let has_few_weights = schedule.panels_len(form.result_channels) <= FEW_WEIGHTS;
        if !has_few_weights || form.abreast > 1 {
            return None;
        }
        let (next, channel) = match channels.end {
            end if end < form.source_channels => (place.clone(), end),
            _ if is_last_chunk => (schedule.portions.following(form, place), 0),
            // Packed once more for the next chunk, or still there.
            _ if channels.start > 0 => (place.clone(), 0),
            _ => return None,
        };
        let plane_len = form.source_plane_len();
        let planes = source.get(form.source_plane(&next, 0, channel) * plane_len..)?;
        let item_len = (form.source_plane(&next, 1, 0) - form.source_plane(&next, 0, 0)) * plane_len;
        let window = next.window(form);
        Some(NextSource { planes, plane_len, item_len, window, items: place.batch.len(), asked: 0 })
    }

    /// What a tile of an item is to ask for, a line per term of each channel: where that of the first channel begins, and how far apart
    /// they are. Each of the turns of one item asks for another part, until there is no more.
    pub(super) fn part(&self, (item, turn): (usize, usize), num_terms: usize) -> Option<(&'a T, usize)> {
        let first = self.window.start + self.asked + turn * Self::len_of(num_terms);
        let next = self.planes.get(item * self.item_len + first).filter(|_| first < self.window.end)?;
        Some((next, self.plane_len))
    }

    /// Goes on after so many turns of each item.
    pub(super) fn advance(&mut self, turns: usize, num_terms: usize) {
        self.asked += turns * Self::len_of(num_terms);
    }

    /// Elements of a plane that a tile asks for.
    fn len_of(num_terms: usize) -> usize {
        num_terms * (LINE_BYTES / size_of::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two items, of which three channels have planes of 80 elements: two panels of four tiles ask for all lines from element 5
    /// on, one after the other, up to the one that has element 69.
    #[test]
    fn every_line_is_asked_for_once() {
        let planes: Vec<f32> = (0..480_u16).map(f32::from).collect();
        let mut next =
            NextSource { planes: &planes, plane_len: 80, item_len: 240, window: 5..70, items: 2, asked: 0 };
        let ask = |next: &NextSource<'_, f32>, num_terms: usize| -> Vec<Option<f32>> {
            let parts = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|turn| next.part(turn, num_terms));
            parts.into_iter().map(|part| part.map(|(&next, _)| next)).collect()
        };
        assert_eq!(ask(&next, 1), [Some(5.0), Some(21.0), Some(245.0), Some(261.0)]);
        next.advance(2, 1);
        assert_eq!(ask(&next, 2), [Some(37.0), Some(69.0), Some(277.0), Some(309.0)]);
        next.advance(2, 2);
        assert_eq!(ask(&next, 2), [None; 4]);
    }
}
