//! Packing the source of a place into strips.

use std::ops::Range;

use lucid_kernels::{
    CopyShape, Element, Isa, WINOGRAD_OUTPUTS, copy_rows, deinterleave, prefetch, winograd_lines,
};

use super::form::{Form, View, flatten};
use super::moves::{CHUNK, deinterleave_runs};
use super::place::Place;
use super::schedule::Schedule;
use super::strips::{Layout, Strip};
use crate::fused::Pointwise;
use crate::runs::gather;

/// Elements that vectors may read beyond those that they need.
const SLACK: usize = 32;
/// Planes ahead of which one is asked for: each begins in a page of its own.
const AHEAD: usize = 2;
/// Planes that are packed together where they are packed as they are, and strips up to which they are. Of more strips, each
/// plane would be looked for once a strip.
const TOGETHER: usize = 8;
const FEW_STRIPS: usize = 2;

/// The packed source of a place, some channels at a time.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    /// `[strip][sum][channel][line][column]`
    pub(crate) values: Vec<T>,
    /// By slot.
    contents: Vec<Content>,
    segments: Vec<Segment>,
    /// What the segments span of a plane.
    span: Range<usize>,
    /// A buffer: the same of one plane, activated.
    activated: Vec<T>,
    /// The entries of a channel, where they do not lie together in the source: by phase.
    entries: Vec<T>,
    /// The same as they are in the source, with zeros where it ends.
    padded: Vec<T>,
    /// A buffer: runs of entries, taken apart.
    runs: Vec<T>,
}

/// Neighbouring entries that exist in the source, and others of as many that follow them at equal distances: the rows of an
/// image.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// How many entries come before.
    to: usize,
    len: usize,
    /// Where in the span the first of them is.
    from: usize,
    /// How many there are, and what lies between them.
    count: usize,
    to_stride: usize,
    from_stride: usize,
}

/// What the entries of a slot are made of, the same for every channel.
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
            span: 0..0,
            activated: Vec::new(),
            entries: Vec::new(),
            padded: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Looks up what another place reads.
    pub(crate) fn visit<const N: usize>(&mut self, form: &Form<N>, layout: &Layout<N>, place: &Place) {
        let Packed { contents, segments, span, .. } = self;
        contents.clear();
        segments.clear();
        if N == 1 {
            return;
        }
        // A line begins as far after the place's first column as its offset of the outer axes.
        let extents = form.extents(place.rows.len());
        let outer = layout.lines.iter().map(|line| form.column(flatten(line.outer, extents)));
        let columns = layout.columns(form, form.num_columns(place.rows.len())) + outer.max().unwrap_or(0);
        let content = |slot| Content::of(form, place, slot, columns * form.unit, segments);
        contents.extend((0..form.slots.len()).map(content));
        let step = form.axes[N - 1].source_step;
        let end = |segment: &Segment| {
            segment.from + (segment.count - 1) * segment.from_stride + (segment.len - 1) * step + 1
        };
        let start = segments.iter().map(|segment| segment.from).min().unwrap_or(0);
        *span = start..segments.iter().map(end).max().unwrap_or(start);
        segments.iter_mut().for_each(|segment| segment.from -= start);
    }

    /// Packs `channels` of the place visited last, as `before` makes them.
    pub(crate) fn fill<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        place: &Place,
        strips: &[Strip],
        channels: Range<usize>,
        (source, before): (&[T], Option<Pointwise<'_, T>>),
    ) {
        let Schedule { form, layout, .. } = schedule;
        let plane_len = form.source_plane_len();
        let strip_len = layout.strip_len(channels.len());
        let per_item = strips.len() / place.batch.len();
        self.values.resize(strips.len() * strip_len, T::zero());
        if before.is_none() && self.fill_as_it_is(schedule, place, strips, channels.clone(), source) {
            return;
        }
        let window = self.window(form, place);
        let items = place.batch.len();
        for channel in channels.clone() {
            let at = (channel - channels.start, channels.len());
            let channel_of_source = place.group * form.source_channels + channel;
            let activate = before.map(|before| move |entries: &mut [T]| before(channel_of_source, entries));
            for (batch, strips) in strips.chunks(per_item).enumerate() {
                let next = (channel * items + batch + AHEAD) / items;
                if next < channels.end {
                    let next = form.source_plane(place, (batch + AHEAD) % items, next) * plane_len;
                    prefetch(&source[next..][window.clone()]);
                }
                let plane = form.source_plane(place, batch, channel) * plane_len;
                let plane = &source[plane..][..plane_len];
                let first_strip = batch * per_item;
                if N == 1 {
                    self.fill_from_row(schedule, place, (first_strip, strips), at, (plane, activate));
                    continue;
                }
                let from = &plane[self.span.start..];
                let Some(activate) = activate else {
                    self.fill_from_plane(schedule, place, (first_strip, strips), at, from);
                    continue;
                };
                let mut activated = std::mem::take(&mut self.activated);
                activated.clear();
                activated.extend_from_slice(&from[..self.span.len()]);
                activate(&mut activated);
                self.fill_from_plane(schedule, place, (first_strip, strips), at, &activated);
                self.activated = activated;
            }
        }
    }

    /// Packs channels whose lines are neighbouring entries of the source as they are: all channels of a strip's line together,
    /// where there are so few strips that finding each one takes longer than copying it. Returns whether it did.
    fn fill_as_it_is<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        place: &Place,
        strips: &[Strip],
        channels: Range<usize>,
        source: &[T],
    ) -> bool {
        let Schedule { form, layout, isa, .. } = schedule;
        let (plane_len, strip_len) = (form.source_plane_len(), layout.strip_len(channels.len()));
        let axis = &form.axes[N - 1];
        if form.unit > 1 || axis.source_step > 1 || strips.len() > FEW_STRIPS {
            return false;
        }
        // Where in a plane the first entry of a slot is.
        let first = |slot: usize| {
            if N > 1 {
                let content = &self.contents[slot];
                let from = content.together(&self.segments[content.segments.clone()], 1)?;
                return Some(self.span.start + from);
            }
            let start = axis.source_start + place.rows.start as isize;
            let end = start + layout.columns(form, form.num_columns(place.rows.len())) as isize;
            (start >= 0 && end <= plane_len as isize).then_some(start as usize)
        };
        if layout.lines.iter().any(|line| first(line.slot).is_none()) {
            return false;
        }
        let extents = form.extents(place.rows.len());
        let per_item = strips.len() / place.batch.len();
        let window = self.window(form, place);
        for some in channels.clone().step_by(TOGETHER) {
            let some = some..(some + TOGETHER).min(channels.end);
            let plane = |item: usize, channel: usize| form.source_plane(place, item, channel) * plane_len;
            for next in some.end..(some.end + TOGETHER).min(channels.end) {
                for item in 0..place.batch.len() {
                    prefetch(&source[plane(item, next)..][window.clone()]);
                }
            }
            for (number, line) in layout.lines.iter().enumerate() {
                let first = first(line.slot).unwrap_or(0) + form.column(flatten(line.outer, extents));
                let start = layout.starts(number, some.start - channels.start, channels.len())[0];
                for (number, strip) in strips.iter().enumerate() {
                    let at = |channel: usize| plane(number / per_item, channel) + first + strip.column;
                    let (from, last) = (at(some.start), at(some.end - 1));
                    // Whole vectors, where there are entries enough.
                    let least = strip.len + layout.reach;
                    let len = least.next_multiple_of(CHUNK).min(layout.line_len).min(source.len() - last);
                    let shape = CopyShape {
                        len,
                        num_rows: some.len(),
                        from_stride: plane_len,
                        to_stride: layout.channel_stride(0),
                    };
                    copy_rows(*isa, &source[from..], &mut self.values[number * strip_len + start..], shape);
                }
            }
        }
        true
    }

    /// The part of a plane that the place visited last reads.
    fn window<const N: usize>(&self, form: &Form<N>, place: &Place) -> Range<usize> {
        if N > 1 {
            return self.span.clone();
        }
        let axis = &form.axes[0];
        let at = |row: usize| axis.source_start + (row * axis.source_step) as isize;
        let clamp = |at: isize| at.clamp(0, axis.source_len as isize) as usize;
        clamp(at(place.rows.start))..clamp(at(place.rows.end + axis.reach))
    }

    /// Fills one of so many channels of some strips from a signal along one axis.
    fn fill_from_row<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        place: &Place,
        (first_strip, strips): (usize, &[Strip]),
        (channel, channels): (usize, usize),
        plane: (&[T], Option<impl Fn(&mut [T])>),
    ) {
        let Schedule { form, layout, .. } = schedule;
        let Packed { values, entries, padded, runs, .. } = self;
        let rows = signal_rows(schedule, place, plane, (entries, padded, runs));
        let values = &mut values[first_strip * layout.strip_len(channels)..];
        for (number, line) in layout.lines.iter().enumerate() {
            let phase = form.slots[line.slot][0];
            put_line(schedule, number, rows, (phase, 0), strips, values, (channel, channels));
        }
    }

    /// Fills one of so many channels of some strips from what the place spans of a plane of several axes.
    fn fill_from_plane<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        place: &Place,
        (first_strip, strips): (usize, &[Strip]),
        (channel, channels): (usize, usize),
        plane: &[T],
    ) {
        let Schedule { form, layout, isa, .. } = schedule;
        let step = form.axes[N - 1].source_step;
        let extents = form.extents(place.rows.len());
        let Packed { values, contents, segments, entries, padded, runs, .. } = self;
        let values = &mut values[first_strip * layout.strip_len(channels)..];
        // Lines of one slot follow one another.
        let mut numbers = (0..layout.lines.len()).peekable();
        while let Some(&first) = numbers.peek() {
            let slot = layout.lines[first].slot;
            let content = &contents[slot];
            let of_slot = &segments[content.segments.clone()];
            let from = match content.together(of_slot, step) {
                Some(from) => &plane[from..][..content.len],
                None => {
                    padded.resize((content.len + SLACK).max(padded.len()), T::zero());
                    content.copy(*isa, of_slot, plane, step, padded);
                    &padded[..content.len]
                }
            };
            let rows = match form.unit {
                1 => Rows { values: from, stride: 0, step: 1 },
                unit => columns(*isa, from, (form.apart, 1), content.len / unit, entries, runs),
            };
            while let Some(number) = numbers.next_if(|&number| layout.lines[number].slot == slot) {
                let column = form.column(flatten(layout.lines[number].outer, extents));
                put_line(schedule, number, rows, (0, column), strips, values, (channel, channels));
            }
        }
    }
}

/// Puts a line into neighbouring strips, the first of which is where `values` begin: what their columns read of it, from rows
/// of entries of a source phase, from one of their columns on.
fn put_line<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    line: usize,
    rows: Rows<'_, T>,
    (phase, column): (usize, usize),
    strips: &[Strip],
    values: &mut [T],
    (channel, channels): (usize, usize),
) {
    let Layout { width, reach, lines, .. } = &schedule.layout;
    let strip_len = schedule.layout.strip_len(channels);
    let mut single = strips;
    // Of entries as they are, the lines of all strips but the last are copied together.
    if let (View::Entries, [first, _, ..]) = (lines[line].view, strips) {
        let shape = CopyShape {
            len: width + reach,
            num_rows: strips.len() - 1,
            from_stride: *width,
            to_stride: strip_len,
        };
        let from = &rows.values[phase * rows.stride + column + first.column..];
        let start = schedule.layout.starts(line, channel, channels)[0];
        copy_rows(schedule.isa, from, &mut values[start..], shape);
        single = &strips[strips.len() - 1..];
    }
    let to = values.chunks_mut(strip_len).skip(strips.len() - single.len());
    for (strip, to) in single.iter().zip(to) {
        put(schedule, line, rows, (phase, column + strip.column), strip.len, to, (channel, channels));
    }
}

/// Puts a line into a strip, for one of so many channels: what `columns` columns read of it, from rows of entries of a
/// source phase, from one of their columns on.
fn put<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    line: usize,
    rows: Rows<'_, T>,
    (phase, column): (usize, usize),
    columns: usize,
    to: &mut [T],
    (channel, channels): (usize, usize),
) {
    let Schedule { form, layout, isa, .. } = schedule;
    let starts = layout.starts(line, channel, channels);
    // Whole vectors, where there are entries enough.
    let least = columns + layout.reach;
    let most = least.next_multiple_of(CHUNK).min(layout.line_len);
    match layout.lines[line].view {
        View::Entries => {
            let from = &rows.values[phase * rows.stride + column..];
            gather(&mut to[starts[0]..][..most.min(from.len())], from, 1);
        }
        View::Winograd { shift } => {
            let d = std::array::from_fn(|j| {
                let (blocks, row) = ((shift + j) / WINOGRAD_OUTPUTS, (shift + j) % WINOGRAD_OUTPUTS);
                (row * rows.step + phase) * rows.stride + column + blocks * form.apart
            });
            winograd_lines(*isa, rows.values, d, most, layout.members(line), to, starts);
        }
    }
}

/// The entries of a signal as rows: one per phase of the source or, with minimal filtering, `unit` times as many, number
/// `j step + phase` for position `j` of the columns.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    values: &'a [T],
    stride: usize,
    step: usize,
}

/// The entries of one signal of a place: where they lie, or de-interleaved, with zeros where the source ends. A function
/// is applied to those that exist, if there is one.
fn signal_rows<'a, T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    place: &Place,
    (plane, activate): (&'a [T], Option<impl Fn(&mut [T])>),
    (entries, padded, runs): (&'a mut Vec<T>, &'a mut Vec<T>, &mut Vec<T>),
) -> Rows<'a, T> {
    let Schedule { form, layout, isa, .. } = schedule;
    let axis = &form.axes[0];
    let step = axis.source_step;
    let columns = layout.columns(form, form.num_columns(place.rows.len()));
    let len = columns * form.unit;
    let start = axis.source_start + (place.rows.start * step) as isize;
    let end = start + (len * step) as isize;
    let inside = start >= 0 && end <= plane.len() as isize;
    let from = if inside && activate.is_none() {
        &plane[start as usize..end as usize]
    } else {
        let clamp = |at: isize| at.clamp(0, plane.len() as isize);
        let exists = clamp(start) as usize..clamp(end) as usize;
        // Of what is all padding, no element exists: then it all comes before.
        let missing = if exists.is_empty() { len * step } else { (exists.start as isize - start) as usize };
        padded.clear();
        padded.resize(missing, T::zero());
        padded.extend_from_slice(&plane[exists]);
        if let Some(activate) = activate {
            activate(&mut padded[missing..]);
        }
        padded.resize(len * step, T::zero());
        padded
    };
    if step * form.unit == 1 {
        return Rows { values: from, stride: 0, step };
    }
    if form.unit > 1 {
        return self::columns(*isa, from, (form.apart, step), columns, entries, runs);
    }
    let stride = (len + SLACK).next_multiple_of(CHUNK);
    entries.resize((step * stride).max(entries.len()), T::zero());
    deinterleave(*isa, from, step, len, entries, stride);
    Rows { values: entries, stride, step }
}

/// The rows of so many columns, for minimal filtering: entry `((4 i + j) apart + v) step + phase` is in row
/// `j step + phase`, at column `i apart + v`. The step is 1 where positions are apart.
fn columns<'a, T: Element>(
    isa: Isa,
    from: &[T],
    (apart, step): (usize, usize),
    columns: usize,
    entries: &'a mut Vec<T>,
    runs: &mut Vec<T>,
) -> Rows<'a, T> {
    let stride = (columns + SLACK).next_multiple_of(CHUNK);
    let num_rows = WINOGRAD_OUTPUTS * step;
    entries.resize((num_rows * stride).max(entries.len()), T::zero());
    if apart == 1 {
        deinterleave(isa, from, num_rows, columns, entries, stride);
    } else {
        deinterleave_runs(isa, (from, apart), columns / apart, (entries, stride), num_rows, runs);
    }
    Rows { values: entries, stride, step }
}

impl Content {
    /// Finds out what `len` entries of a slot are made of.
    fn of<const N: usize>(
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
    fn together(&self, segments: &[Segment], step: usize) -> Option<usize> {
        match *segments {
            [segment] if step == 1 && segment.len == self.len => Some(segment.from),
            _ => None,
        }
    }

    /// Puts the entries into a line.
    fn copy<T: Element>(&self, isa: Isa, segments: &[Segment], plane: &[T], step: usize, to: &mut [T]) {
        let existing: usize = segments.iter().map(|segment| segment.len * segment.count).sum();
        if existing < self.len {
            to[..self.len].fill(T::zero());
        }
        for &Segment { to: start, len, from, count, to_stride, from_stride } in segments {
            if step == 1 {
                let shape = CopyShape { len, num_rows: count, from_stride, to_stride };
                copy_rows(isa, &plane[from..], &mut to[start..], shape);
                continue;
            }
            for row in 0..count {
                let from = &plane[from + row * from_stride..];
                gather(&mut to[start + row * to_stride..][..len], from, step);
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
