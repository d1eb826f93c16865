//! What the entries of a place are in a source of several axes: stretches of its rows, and zeros where it ends.

use std::ops::Range;

use lucid_kernels::{CopyShape, Element, Isa, copy_rows};

use super::form::Form;
use super::place::Place;
use super::steps::Steps;
use crate::runs::gather;

/// Neighbouring entries that exist in the source, and others of as many that follow them at equal distances: the rows of an
/// image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) len: usize,
    /// Where in the span of the source they are, and among the entries.
    pub(super) steps: Steps,
}

/// What the entries of a slot are made of, the same for every channel.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// Which of the place's segments.
    pub(super) segments: Range<usize>,
    /// All entries, also those that do not exist and are 0.
    pub(super) len: usize,
}

impl Content {
    /// Finds out what `len` entries of a slot are made of.
    pub(super) fn of<const N: usize>(
        form: &Form<N>,
        place: &Place,
        slot: usize,
        len: usize,
        segments: &mut Vec<Segment>,
    ) -> Self {
        let row_len = form.extents(place.rows.len())[N - 1];
        let first = segments.len();
        let step = form.axes[N - 1].source_step;
        for to in (0..len).step_by(row_len) {
            if let Some((skip, len, from)) = form.source(place, slot, to, row_len.min(len - to)) {
                let own = Segment { len, steps: Steps::one(from, to + skip) };
                if !segments[first..].last_mut().is_some_and(|last| last.takes(&own, step)) {
                    segments.push(own);
                }
            }
        }
        Content { segments: first..segments.len(), len }
    }

    /// Where the entries lie in the source, if they lie there together.
    pub(super) fn together(&self, segments: &[Segment], step: usize) -> Option<usize> {
        match *segments {
            [segment] if step == 1 && segment.len == self.len => Some(segment.steps.from),
            _ => None,
        }
    }

    /// Puts the entries into a line: of each as many elements as items are abreast.
    pub(super) fn copy<T: Element>(
        &self,
        isa: Isa,
        segments: &[Segment],
        (plane, abreast): (&[T], usize),
        step: usize,
        to: &mut [T],
    ) {
        let existing: usize = segments.iter().map(|segment| segment.len * segment.steps.count).sum();
        if existing < self.len {
            to[..self.len * abreast].fill(T::zero());
        }
        for Segment { len, steps } in segments {
            if step == 1 {
                let shape = CopyShape {
                    len: *len * abreast,
                    num_rows: steps.count,
                    from_stride: steps.from_stride * abreast,
                    to_stride: steps.to_stride * abreast,
                };
                copy_rows(isa, &plane[steps.from * abreast..], &mut to[steps.to * abreast..], shape);
                continue;
            }
            for (from, start) in steps.each() {
                let (from, to) = (&plane[from * abreast..], &mut to[start * abreast..]);
                if abreast == 1 {
                    gather(&mut to[..*len], from, step);
                    continue;
                }
                let shape = CopyShape {
                    len: abreast,
                    num_rows: *len,
                    from_stride: step * abreast,
                    to_stride: abreast,
                };
                copy_rows(isa, from, to, shape);
            }
        }
    }
}

impl Segment {
    /// Takes another in, if its entries continue these or are the next of equal distance.
    fn takes(&mut self, next: &Segment, step: usize) -> bool {
        // Rows without padding may lie together, one after the other.
        let Steps { from, to, count, .. } = self.steps;
        if count == 1 && to + self.len == next.steps.to && from + self.len * step == next.steps.from {
            self.len += next.len;
            return true;
        }
        self.len == next.len && self.steps.takes(next.steps.from, next.steps.to)
    }
}
