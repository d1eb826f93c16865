//! Cutting a pass into tasks: which positions of which batch items, and which channels of the result.

use std::ops::Range;

use lucid_kernels::{Blank, Element};

use super::form::Form;

/// Positions that are computed together: some of the first axis of one batch item, or of items [abreast](Form::abreast), or all
/// of several ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: usize,
    pub(crate) batch: Range<usize>,
    /// Positions of the first axis.
    pub(crate) rows: Range<usize>,
}

impl Place {
    /// The elements of a source plane between the first and the last row that the place reads.
    pub(crate) fn window<const N: usize>(&self, form: &Form<N>) -> Range<usize> {
        let axis = &form.axes[0];
        let row_len: usize = form.axes[1..].iter().map(|axis| axis.source_len).product();
        let at = |row: usize| axis.source_start + (row * axis.source_step) as isize;
        let clamp = |at: isize| at.clamp(0, axis.source_len as isize) as usize * row_len;
        clamp(at(self.rows.start))..clamp(at(self.rows.end + axis.reach))
    }
}

/// The part of a result that a task computes at a place.
pub(crate) struct Target<'a, T> {
    pub(crate) place: Place,
    /// By batch item of the place, then by channel of the task: the results that belong to the rows.
    pub(crate) planes: Vec<Blank<'a, T>>,
}

/// Some channels of the result, at some places.
pub(crate) struct Task<'a, T> {
    /// Within the group.
    pub(crate) channels: Range<usize>,
    pub(crate) targets: Vec<Target<'a, T>>,
}

/// How much is done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portions {
    /// Batch items of a place.
    pub(crate) items: usize,
    /// Positions of the first axis of a place: all of them where a place has several items, or sets of items abreast.
    pub(crate) rows: usize,
    /// Channels of a task.
    pub(crate) channels: usize,
    /// Places of a task, one after the other.
    pub(crate) run: usize,
}

impl Portions {
    /// The places of one group.
    pub(crate) fn places<const N: usize>(
        &self,
        form: &Form<N>,
        group: usize,
        batch: usize,
    ) -> impl Iterator<Item = Place> + use<N> {
        let Portions { items, rows, .. } = *self;
        let len = form.axes[0].len;
        (0..batch).step_by(items).flat_map(move |first| {
            let batch = first..(first + items).min(batch);
            let place =
                move |start| Place { group, batch: batch.clone(), rows: start..(start + rows).min(len) };
            (0..len).step_by(rows).map(place)
        })
    }

    /// The place after one of the [places](Self::places), though there may be no such items.
    pub(crate) fn following<const N: usize>(&self, form: &Form<N>, place: &Place) -> Place {
        let (group, len, end) = (place.group, form.axes[0].len, place.rows.end);
        if end < len {
            return Place { group, batch: place.batch.clone(), rows: end..(end + self.rows).min(len) };
        }
        let end = place.batch.end;
        Place { group, batch: end..end + self.items, rows: 0..self.rows.min(len) }
    }

    /// Cuts a result of `batch` items into tasks: groups into channels and places, and each plane by the first axis.
    pub(crate) fn tasks<'a, T: Element, const N: usize>(
        &self,
        form: &Form<N>,
        batch: usize,
        groups: usize,
        mut result: Blank<'a, T>,
    ) -> Vec<Task<'a, T>> {
        let parts = form.result_channels.div_ceil(self.channels);
        // By group and part: the planes of every place.
        let mut cut: Vec<Vec<Target<'a, T>>> = Vec::with_capacity(groups * parts);
        for group in 0..groups {
            for _ in 0..parts {
                let places = self.places(form, group, batch);
                cut.push(places.map(|place| Target { place, planes: Vec::new() }).collect());
            }
        }
        let inner: usize = form.axes[1..].iter().map(|axis| axis.result_len).product();
        let plane_len = form.axes[0].result_len * inner;
        let places_of_item = form.axes[0].len.div_ceil(self.rows);
        for number in 0..batch * groups * form.result_channels {
            let mut plane = result.split_off_first(plane_len);
            let (item, channel) = (number / form.result_channels, number % form.result_channels);
            let (item, group) = (item / groups, item % groups);
            let targets = &mut cut[group * parts + channel / self.channels];
            for target in &mut targets[item / self.items * places_of_item..][..places_of_item] {
                // The results of neighbouring positions, of all phases, are neighbours.
                let rows = &target.place.rows;
                let own_len = (form.first_result(rows.end) - form.first_result(rows.start)) * inner;
                target.planes.push(plane.split_off_first(own_len));
            }
        }
        // Place by place: a thread that takes all channels of one packs it once.
        let mut tasks = Vec::new();
        for parts in cut.chunks_mut(parts.max(1)) {
            while parts.iter().any(|targets| !targets.is_empty()) {
                for (number, targets) in parts.iter_mut().enumerate() {
                    let start = number * self.channels;
                    let channels = start..(start + self.channels).min(form.result_channels);
                    let targets = targets.drain(..self.run.min(targets.len())).collect();
                    tasks.push(Task { channels, targets });
                }
            }
        }
        tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Shapes;
    use crate::options::Options;
    use crate::plan::Pass;
    use crate::polyphase::form::Filtering;

    #[test]
    fn places_follow_one_another() {
        let options = Options::<1>::conv_transpose().stride(2);
        let g = options.resolve(Shapes { x: &[5, 6, 25], w: &[6, 4, 4] }).unwrap();
        let form = Form::new(&g, Pass::BackwardData, Filtering::Plain);
        let len = form.axes[0].len;
        for (items, rows) in [(1, 10), (1, len), (2, len)] {
            let portions = Portions { items, rows, channels: 4, run: 1 };
            let places: Vec<Place> = portions.places(&form, 0, 5).collect();
            for pair in places.windows(2) {
                let next = portions.following(&form, &pair[0]);
                assert_eq!((next.batch.start, &next.rows), (pair[1].batch.start, &pair[1].rows));
            }
            let last = portions.following(&form, &places[places.len() - 1]);
            assert!(last.batch.start >= 5, "there is no item {}", last.batch.start);
        }
    }
}
