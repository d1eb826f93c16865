//! The source as a tile kernel reads it: cut into strips of positions, every strip by channel, then by line.
//!
//! A line is what the taps of one source phase and one offset of the outer axes read for the positions of a strip:
//! `width + reach` entries of the flattened buffer. So a tap is a shift within a line, and a kernel walks a strip from its
//! first channel to its last without leaving it: at 97% of the FMA peak where the rows of the signal themselves, each in
//! pages of its own, allow 80 to 90%.

use lucid_kernels::Element;

use super::form::{Form, Term};
use super::place::Place;
use crate::runs::gather;

/// How wide strips are, and what lines they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout<const N: usize> {
    /// Positions of a strip.
    pub(crate) width: usize,
    /// Slot of the source and offset on the outer axes (0 on the last one).
    lines: Vec<(usize, [usize; N])>,
    line_len: usize,
}

/// A strip of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strip {
    /// Which batch item, counted from the place's first.
    pub(crate) item: usize,
    /// The first flat position, within the item.
    pub(crate) position: usize,
    /// Positions up to the end of the item, at most the width.
    pub(crate) len: usize,
}

/// Neighbouring entries of a line that exist in the source.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Where in the strip's first channel they belong.
    to: usize,
    len: usize,
    /// Where in the plane the first of them is.
    from: usize,
}

/// What a strip's lines hold, the same for every channel.
#[derive(Clone, Debug)]
struct Content {
    segments: Vec<Segment>,
    /// Whether some entry of a line does not exist, and is 0.
    has_gaps: bool,
}

/// The packed source of a place, some channels at a time.
pub(crate) struct Packed<T> {
    /// `[strip][channel][line][entry]`
    pub(crate) values: Vec<T>,
    contents: Vec<Content>,
}

impl<const N: usize> Layout<N> {
    /// Strips of a multiple of `tile` positions: as short as possible, but with no more than half as much again for the
    /// entries that neighbouring strips share.
    pub(crate) fn new(form: &Form<N>, tile: usize) -> Self {
        let reach = form.axes[N - 1].reach;
        let width = tile * (2 * reach).div_ceil(tile).max(1);
        let mut lines: Vec<(usize, [usize; N])> = Vec::new();
        for class in &form.classes {
            for term in &class.terms {
                let line = (term.slot, outer(term.offset));
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        Layout { width, lines, line_len: (width + reach).next_multiple_of(8) }
    }

    /// From a channel's first entry to the next one's.
    pub(crate) fn channel_stride(&self) -> usize {
        self.lines.len() * self.line_len
    }

    /// Where in a channel a term reads.
    pub(crate) fn offset(&self, term: &Term<N>) -> usize {
        let line = (term.slot, outer(term.offset));
        let line =
            self.lines.iter().position(|&other| other == line).expect("every term's line was put there");
        line * self.line_len + term.offset[N - 1]
    }

    /// The strips of a place, item by item.
    pub(crate) fn strips(&self, form: &Form<N>, place: &Place) -> Vec<Strip> {
        let end = form.end(place.rows.len());
        let starts = (0..end).step_by(self.width);
        let of_item = |item| {
            starts.clone().map(move |position| Strip { item, position, len: self.width.min(end - position) })
        };
        (0..place.batch.len()).flat_map(of_item).collect()
    }

    /// Finds out what the strips hold.
    fn content(&self, form: &Form<N>, place: &Place, strip: Strip) -> Content {
        let extents = form.extents(place.rows.len());
        let mut content = Content { segments: Vec::new(), has_gaps: false };
        for (line, &(slot, offset)) in self.lines.iter().enumerate() {
            let mut entry = strip.position + super::form::flatten(offset, extents);
            let mut to = line * self.line_len;
            // What a partial strip computes beyond its positions is dropped, whatever it reads there.
            let end = to + strip.len + form.axes[N - 1].reach;
            let mut found = 0;
            while to < end {
                let row = extents[N - 1] - entry % extents[N - 1];
                let len = row.min(end - to);
                if let Some((skip, len, from)) = form.source(place, slot, entry, len) {
                    content.segments.push(Segment { to: to + skip, len, from });
                    found += len;
                }
                entry += len;
                to += len;
            }
            content.has_gaps |= found < strip.len + form.axes[N - 1].reach;
        }
        content
    }
}

impl<T: Element> Packed<T> {
    pub(crate) fn new() -> Self {
        Packed { values: Vec::new(), contents: Vec::new() }
    }

    /// Looks up what the strips of another place hold.
    pub(crate) fn visit<const N: usize>(
        &mut self,
        form: &Form<N>,
        layout: &Layout<N>,
        place: &Place,
        strips: &[Strip],
    ) {
        self.contents.clear();
        self.contents.extend(strips.iter().map(|&strip| layout.content(form, place, strip)));
    }

    /// Packs `channels` of the place visited last.
    pub(crate) fn fill<const N: usize>(
        &mut self,
        form: &Form<N>,
        layout: &Layout<N>,
        place: &Place,
        strips: &[Strip],
        channels: std::ops::Range<usize>,
        source: &[T],
    ) {
        let channel_stride = layout.channel_stride();
        let strip_len = channels.len() * channel_stride;
        let step = form.axes[N - 1].source_step;
        let plane_len = form.source_plane_len();
        self.values.resize(strips.len() * strip_len, T::zero());
        for channel in channels.clone() {
            let at = (channel - channels.start) * channel_stride;
            for (number, (strip, content)) in strips.iter().zip(&self.contents).enumerate() {
                let plane = form.source_plane(place, strip.item, channel) * plane_len;
                let plane = &source[plane..][..plane_len];
                let lines = &mut self.values[number * strip_len + at..][..channel_stride];
                if content.has_gaps {
                    lines.fill(T::zero());
                }
                for segment in &content.segments {
                    gather(&mut lines[segment.to..][..segment.len], &plane[segment.from..], step);
                }
            }
        }
    }
}

/// An offset without that of the last axis.
fn outer<const N: usize>(mut offset: [usize; N]) -> [usize; N] {
    offset[N - 1] = 0;
    offset
}
