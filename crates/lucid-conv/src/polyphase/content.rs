//! What the entries of a place are in a source of several axes: stretches of its rows, and zeros where it ends.

use std::ops::Range;

use lucid_kernels::{CopyShape, Element, Isa, copy_rows};

use super::form::Form;
use super::place::Place;
use crate::runs::gather;

/// Neighbouring entries that exist in the source, and others of as many that follow them at equal distances: the rows of an
/// image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// How many entries come before.
    pub(super) to: usize,
    pub(super) len: usize,
    /// Where in the span the first of them is.
    pub(super) from: usize,
    /// How many there are, and what lies between them.
    pub(super) count: usize,
    pub(super) to_stride: usize,
    pub(super) from_stride: usize,
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
                let own = Segment { to: to + skip, len, from, count: 1, to_stride: 0, from_stride: 0 };
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
            [segment] if step == 1 && segment.len == self.len => Some(segment.from),
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
        let existing: usize = segments.iter().map(|segment| segment.len * segment.count).sum();
        if existing < self.len {
            to[..self.len * abreast].fill(T::zero());
        }
        for &Segment { to: start, len, from, count, to_stride, from_stride } in segments {
            let (plane, to_line) = (&plane[from * abreast..], &mut to[start * abreast..]);
            if step == 1 {
                let shape = CopyShape {
                    len: len * abreast,
                    num_rows: count,
                    from_stride: from_stride * abreast,
                    to_stride: to_stride * abreast,
                };
                copy_rows(isa, plane, to_line, shape);
                continue;
            }
            for row in 0..count {
                let (from, to) = (row * from_stride * abreast, row * to_stride * abreast);
                let (from, to) = (&plane[from..], &mut to_line[to..]);
                if abreast == 1 {
                    gather(&mut to[..len], from, step);
                    continue;
                }
                let shape = CopyShape {
                    len: abreast,
                    num_rows: len,
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
        if self.count == 1 && self.to + self.len == next.to && self.from + self.len * step == next.from {
            self.len += next.len;
            return true;
        }
        let (to, from) = (next.to - self.to, next.from.checked_sub(self.from));
        let Some(from) = from.filter(|_| self.len == next.len) else { return false };
        if self.count == 1 {
            (self.to_stride, self.from_stride) = (to, from);
        }
        let is_next = to == self.count * self.to_stride && from == self.count * self.from_stride;
        self.count += usize::from(is_next);
        is_next
    }
}
