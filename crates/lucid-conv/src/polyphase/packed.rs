//! Packing the source of a place into strips.

use std::ops::Range;

use lucid_kernels::{Element, Isa, all_finite, deinterleave, pair_lines};

use super::form::{Form, Line, View, flatten};
use super::place::Place;
use super::schedule::Schedule;
use super::strips::{Layout, Strip};
use crate::runs::gather;

/// Elements that vectors may read beyond those that they need.
const SLACK: usize = 32;

/// The packed source of a place, some channels at a time.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    /// `[strip][sum][channel][line][column]`
    pub(crate) values: Vec<T>,
    /// By strip, then by line.
    contents: Vec<Content>,
    segments: Vec<Segment>,
    /// The entries of a channel, where they do not lie together in the source: by phase.
    entries: Vec<T>,
    /// The same as they are in the source, with zeros where it ends.
    padded: Vec<T>,
    /// Whether everything was finite that pairs were made of. Where something is not, its neighbours are spoilt.
    pub(crate) finite: bool,
}

/// Neighbouring entries that exist in the source.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// How many entries come before.
    to: usize,
    len: usize,
    /// Where in the plane the first of them is.
    from: usize,
}

/// What a line is made of in one strip, the same for every channel.
#[derive(Clone, Debug)]
struct Content {
    /// Which of the place's segments.
    segments: Range<usize>,
    /// All entries, also those that do not exist and are 0.
    len: usize,
}

impl<T: Element> Packed<T> {
    pub(crate) fn new() -> Self {
        Packed {
            values: Vec::new(),
            contents: Vec::new(),
            segments: Vec::new(),
            entries: Vec::new(),
            padded: Vec::new(),
            finite: true,
        }
    }

    /// Looks up what the strips of another place hold.
    pub(crate) fn visit<const N: usize>(
        &mut self,
        form: &Form<N>,
        layout: &Layout<N>,
        place: &Place,
        strips: &[Strip],
    ) {
        let Packed { contents, segments, .. } = self;
        contents.clear();
        segments.clear();
        if N == 1 {
            return;
        }
        for &strip in strips {
            let content = |line| Content::of(form, layout, place, strip, line, segments);
            contents.extend(layout.lines.iter().map(content));
        }
    }

    /// Packs `channels` of the place visited last.
    pub(crate) fn fill<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        place: &Place,
        strips: &[Strip],
        channels: Range<usize>,
        source: &[T],
    ) {
        let Schedule { form, layout, .. } = schedule;
        let plane_len = form.source_plane_len();
        let strip_len = layout.strip_len(channels.len());
        let per_item = strips.len() / place.batch.len();
        self.values.resize(strips.len() * strip_len, T::zero());
        self.entries.resize((2 * layout.line_len + SLACK).max(self.entries.len()), T::zero());
        let read = form.source_range(place);
        for channel in channels.clone() {
            let at = (channel - channels.start, channels.len());
            for (batch, strips) in strips.chunks(per_item).enumerate() {
                let plane = form.source_plane(place, batch * form.residues, channel) * plane_len;
                let plane = &source[plane..][..plane_len];
                if form.unit > 1 {
                    self.finite &= all_finite(schedule.isa, &plane[read.clone()]);
                }
                let first_strip = batch * per_item;
                if N == 1 {
                    self.fill_from_row(schedule, place, (first_strip, strips), at, plane);
                } else {
                    self.fill_from_plane(schedule, (first_strip, strips), at, plane);
                }
            }
        }
    }

    /// Fills one of so many channels of some strips from a signal along one axis.
    fn fill_from_row<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        place: &Place,
        (first_strip, strips): (usize, &[Strip]),
        (channel, channels): (usize, usize),
        plane: &[T],
    ) {
        let Schedule { form, layout, .. } = schedule;
        let strip_len = layout.strip_len(channels);
        let Packed { values, entries, padded, .. } = self;
        let rows = signal_rows(form, schedule.isa, place, plane, entries, padded);
        for (number, strip) in strips.iter().enumerate() {
            let to = &mut values[(first_strip + number) * strip_len..][..strip_len];
            for (number, line) in layout.lines.iter().enumerate() {
                let row = form.slots[line.slot][0] + strip.item % form.residues;
                let from = &rows.values[row * rows.stride + strip.column * form.unit..];
                let from = &from[line.view.parity()..];
                put(schedule, line.view, from, strip.len, to, layout.starts(number, channel, channels));
            }
        }
    }

    /// Fills one of so many channels of some strips from a plane of several axes.
    fn fill_from_plane<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        (first_strip, strips): (usize, &[Strip]),
        (channel, channels): (usize, usize),
        plane: &[T],
    ) {
        let Schedule { form, layout, .. } = schedule;
        let step = form.axes[N - 1].source_step;
        let (strip_len, num_lines) = (layout.strip_len(channels), layout.lines.len());
        let Packed { values, contents, segments, entries, .. } = self;
        let contents = contents.chunks(num_lines.max(1)).skip(first_strip);
        let values = values.chunks_mut(strip_len.max(1)).skip(first_strip);
        for ((strip, contents), to) in strips.iter().zip(contents).zip(values) {
            for ((number, line), content) in layout.lines.iter().enumerate().zip(contents) {
                let starts = layout.starts(number, channel, channels);
                let segments = &segments[content.segments.clone()];
                match (line.view, content.together(segments, step)) {
                    (View::Entries, _) => {
                        content.copy(segments, plane, step, &mut to[starts[0]..][..layout.line_len]);
                    }
                    (View::Pairs { .. }, Some(from)) => {
                        put(schedule, line.view, &plane[from..], strip.len, to, starts);
                    }
                    (View::Pairs { .. }, None) => {
                        content.copy(segments, plane, step, entries);
                        put(schedule, line.view, entries, strip.len, to, starts);
                    }
                }
            }
        }
    }
}

/// Puts the lines of a view into a strip: those of `columns` columns, and what neighbours read of them.
fn put<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    view: View,
    from: &[T],
    columns: usize,
    to: &mut [T],
    starts: [usize; 4],
) {
    let layout = &schedule.layout;
    // Whole vectors, where there are entries enough.
    let least = columns + layout.reach;
    let most = least.next_multiple_of(8).min(layout.line_len);
    match view {
        View::Entries => gather(&mut to[starts[0]..][..most.min(from.len())], from, 1),
        View::Pairs { taps, .. } => {
            let len = most.min((from.len() - taps.taps() - 1) / 2 + 1);
            pair_lines(schedule.isa, taps, from, len.max(least), to, &starts[..taps.lines()]);
        }
    }
}

/// The entries of a place along a single axis, by phase of the source.
struct Rows<'a, T> {
    values: &'a [T],
    stride: usize,
}

/// The entries of one signal of a place: where they lie, or de-interleaved, with zeros where the source ends.
fn signal_rows<'a, T: Element, const N: usize>(
    form: &Form<N>,
    isa: Isa,
    place: &Place,
    plane: &'a [T],
    entries: &'a mut Vec<T>,
    padded: &mut Vec<T>,
) -> Rows<'a, T> {
    let axis = &form.axes[0];
    let step = axis.source_step;
    // Pairs may read one position more than there are, and vectors some more.
    let len = place.rows.len() + axis.reach + form.unit - 1;
    let start = axis.source_start + (place.rows.start * step) as isize;
    let end = start + (len * step) as isize;
    let inside = start >= 0 && end <= plane.len() as isize;
    if step == 1 && inside {
        return Rows { values: &plane[start as usize..], stride: 0 };
    }
    let from = if inside {
        &plane[start as usize..end as usize]
    } else {
        padded.clear();
        padded.resize(len * step, T::zero());
        let clamp = |at: isize| at.clamp(0, plane.len() as isize);
        let exists = clamp(start) as usize..clamp(end) as usize;
        if !exists.is_empty() {
            padded[(exists.start as isize - start) as usize..][..exists.len()]
                .copy_from_slice(&plane[exists]);
        }
        padded
    };
    let stride = (len + SLACK).next_multiple_of(8);
    entries.resize((step * stride).max(entries.len()), T::zero());
    deinterleave(isa, from, step, len, entries, stride);
    Rows { values: entries, stride }
}

impl Content {
    /// Finds out what a line of a strip is made of.
    fn of<const N: usize>(
        form: &Form<N>,
        layout: &Layout<N>,
        place: &Place,
        strip: Strip,
        line: &Line<N>,
        segments: &mut Vec<Segment>,
    ) -> Self {
        let extents = form.extents(place.rows.len());
        let first = segments.len();
        let mut entry = strip.column * form.unit + flatten(line.outer, extents) + line.view.parity();
        // What a partial strip computes beyond its columns is dropped, whatever it reads there.
        let end = line.view.entries(strip.len + layout.reach);
        let step = form.axes[N - 1].source_step;
        let mut to = 0;
        while to < end {
            let row = extents[N - 1] - entry % extents[N - 1];
            let len = row.min(end - to);
            if let Some((skip, len, from)) = form.source(place, strip.item, line.slot, entry, len) {
                let own = Segment { to: to + skip, len, from };
                match segments[first..].last_mut() {
                    // Rows without padding may lie together, one after the other.
                    Some(last) if last.to + last.len == own.to && last.from + last.len * step == own.from => {
                        last.len += own.len;
                    }
                    _ => segments.push(own),
                }
            }
            entry += len;
            to += len;
        }
        Content { segments: first..segments.len(), len: end }
    }

    /// Where the entries lie in the source, if they lie there together.
    fn together(&self, segments: &[Segment], step: usize) -> Option<usize> {
        match *segments {
            [segment] if step == 1 && segment.len == self.len => Some(segment.from),
            _ => None,
        }
    }

    /// Puts the entries into a line, in whole vectors where there is room: what is beyond a segment is written after it.
    fn copy<T: Element>(&self, segments: &[Segment], plane: &[T], step: usize, to: &mut [T]) {
        let mut end = 0;
        for &Segment { to: start, len, from } in segments {
            clear(to, end..start);
            if step == 1 {
                copy_over(&mut to[start..], &plane[from..], len);
            } else {
                gather(&mut to[start..][..len], &plane[from..], step);
            }
            end = start + len;
        }
        clear(to, end..self.len);
    }
}

/// Elements that are moved at a time.
const CHUNK: usize = 8;

/// Zeros for a range, and perhaps for some elements after it.
fn clear<T: Element>(to: &mut [T], range: Range<usize>) {
    for at in range.clone().step_by(CHUNK) {
        match to.get_mut(at..at + CHUNK) {
            Some(chunk) => chunk.fill(T::zero()),
            None => to[at..range.end].fill(T::zero()),
        }
    }
}

/// The first `len` elements, and perhaps some after them.
fn copy_over<T: Element>(to: &mut [T], from: &[T], len: usize) {
    for at in (0..len).step_by(CHUNK) {
        match (to.get_mut(at..at + CHUNK), from.get(at..at + CHUNK)) {
            (Some(to), Some(from)) => to.copy_from_slice(from),
            _ => to[at..len].copy_from_slice(&from[at..len]),
        }
    }
}
