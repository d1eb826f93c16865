//! Where the results of a place are: cut apart for several threads, or within the whole result.

use std::ops::Range;

use lucid_kernels::Element;

use super::form::Form;
use super::place::{Place, Target};

/// The planes of a result at one place.
pub(crate) trait Planes<T> {
    /// The results that belong to the place's rows, of one of its batch items and one channel of its group. To be asked for once.
    fn plane(&mut self, item: usize, channel: usize) -> &mut [T];
}

/// Those of some channels, cut apart.
pub(crate) struct Cut<'a, T> {
    pub(crate) target: Target<'a, T>,
    pub(crate) channels: Range<usize>,
}

impl<T: Element> Planes<T> for Cut<'_, T> {
    fn plane(&mut self, item: usize, channel: usize) -> &mut [T] {
        // Zeros only now, in a near cache.
        std::mem::take(&mut self.target.planes[item * self.channels.len() + channel - self.channels.start])
            .elements()
    }
}

/// Where the results of a place are within the whole result.
pub(crate) struct Parts {
    /// The plane of the place's first item and channel.
    first: usize,
    channels_of_item: usize,
    plane_len: usize,
    /// Within a plane.
    of_place: Range<usize>,
}

impl Parts {
    pub(crate) fn new<const N: usize>(form: &Form<N>, place: &Place) -> Self {
        let inner: usize = form.axes[1..].iter().map(|axis| axis.result_len).product();
        let of_place = form.first_result(place.rows.start) * inner..form.first_result(place.rows.end) * inner;
        let channels_of_item = form.groups * form.result_channels;
        let first = place.batch.start * channels_of_item + place.group * form.result_channels;
        Parts { first, channels_of_item, plane_len: form.axes[0].result_len * inner, of_place }
    }

    /// Of one of the place's batch items and one channel of its group.
    pub(crate) fn range(&self, item: usize, channel: usize) -> Range<usize> {
        let start = (self.first + item * self.channels_of_item + channel) * self.plane_len;
        start + self.of_place.start..start + self.of_place.end
    }
}

/// All of a result.
pub(crate) struct Whole<'a, T> {
    pub(crate) result: &'a mut [T],
    pub(crate) parts: Parts,
}

impl<T> Planes<T> for Whole<'_, T> {
    fn plane(&mut self, item: usize, channel: usize) -> &mut [T] {
        &mut self.result[self.parts.range(item, channel)]
    }
}
