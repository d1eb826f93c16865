//! Packing the source of a place into strips.

use std::ops::Range;

use lucid_kernels::{Element, Isa, WINOGRAD_OUTPUTS, deinterleave, winograd_lines};

use super::form::{Form, Line, View, flatten};
use super::moves::{CHUNK, copy_over, deinterleave_runs};
use super::place::Place;
use super::schedule::Schedule;
use super::strips::{Layout, Strip};
use crate::fused::Pointwise;
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

/// Neighbouring entries that exist in the source.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// How many entries come before.
    to: usize,
    len: usize,
    /// Where in the span the first of them is.
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
            span: 0..0,
            activated: Vec::new(),
            entries: Vec::new(),
            padded: Vec::new(),
            runs: Vec::new(),
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
        let Packed { contents, segments, span, .. } = self;
        contents.clear();
        segments.clear();
        if N == 1 {
            return;
        }
        for &strip in strips {
            let content = |line| Content::of(form, layout, place, strip, line, segments);
            contents.extend(layout.lines.iter().map(content));
        }
        let step = form.axes[N - 1].source_step;
        let start = segments.iter().map(|segment| segment.from).min().unwrap_or(0);
        let end = segments.iter().map(|segment| segment.from + (segment.len - 1) * step + 1).max();
        *span = start..end.unwrap_or(start);
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
        for channel in channels.clone() {
            let at = (channel - channels.start, channels.len());
            let channel_of_source = place.group * form.source_channels + channel;
            let activate = before.map(|before| move |entries: &mut [T]| before(channel_of_source, entries));
            for (batch, strips) in strips.chunks(per_item).enumerate() {
                let plane = form.source_plane(place, batch, channel) * plane_len;
                let plane = &source[plane..][..plane_len];
                let first_strip = batch * per_item;
                if N == 1 {
                    self.fill_from_row(schedule, place, (first_strip, strips), at, (plane, activate));
                    continue;
                }
                let from = &plane[self.span.start..];
                let Some(activate) = activate else {
                    self.fill_from_plane(schedule, (first_strip, strips), at, from);
                    continue;
                };
                let mut activated = std::mem::take(&mut self.activated);
                activated.clear();
                activated.extend_from_slice(&from[..self.span.len()]);
                activate(&mut activated);
                self.fill_from_plane(schedule, (first_strip, strips), at, &activated);
                self.activated = activated;
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
        plane: (&[T], Option<impl Fn(&mut [T])>),
    ) {
        let Schedule { form, layout, .. } = schedule;
        let strip_len = layout.strip_len(channels);
        let Packed { values, entries, padded, runs, .. } = self;
        let rows = signal_rows(schedule, place, plane, (entries, padded, runs));
        for (number, strip) in strips.iter().enumerate() {
            let to = &mut values[(first_strip + number) * strip_len..][..strip_len];
            for (number, line) in layout.lines.iter().enumerate() {
                let phase = form.slots[line.slot][0];
                put(schedule, number, rows, (phase, strip.column), strip.len, to, (channel, channels));
            }
        }
    }

    /// Fills one of so many channels of some strips from what the place spans of a plane of several axes.
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
        let Packed { values, contents, segments, entries, padded, runs, .. } = self;
        let contents = contents.chunks(num_lines.max(1)).skip(first_strip);
        let values = values.chunks_mut(strip_len.max(1)).skip(first_strip);
        for ((strip, contents), to) in strips.iter().zip(contents).zip(values) {
            let mut made_of = None;
            let mut rows = Rows { values: &[], stride: 0, step: 1 };
            for ((number, line), content) in layout.lines.iter().enumerate().zip(contents) {
                let segments = &segments[content.segments.clone()];
                if line.view == View::Entries {
                    let start = layout.starts(number, channel, channels)[0];
                    content.copy(segments, plane, step, &mut to[start..][..layout.line_len]);
                    continue;
                }
                // Lines that are made of the same entries follow one another.
                if made_of != Some((line.slot, line.outer)) {
                    made_of = Some((line.slot, line.outer));
                    let from = match content.together(segments, step) {
                        Some(from) => &plane[from..][..content.len],
                        None => {
                            padded.resize((content.len + SLACK).max(padded.len()), T::zero());
                            content.copy(segments, plane, step, padded);
                            &padded[..content.len]
                        }
                    };
                    let num_columns = content.len / WINOGRAD_OUTPUTS;
                    rows = columns(schedule.isa, from, (form.apart, 1), num_columns, entries, runs);
                }
                let column = strip.column % form.apart;
                put(schedule, number, rows, (0, column), strip.len, to, (channel, channels));
            }
        }
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
        // What a partial strip computes beyond its columns is dropped, whatever it reads there.
        let (mut entry, end) = match line.view {
            View::Entries => (strip.column, strip.len + layout.reach),
            View::Winograd { .. } => {
                let within = strip.column % form.apart;
                let columns = layout.columns(form, within + strip.len);
                ((strip.column - within) * form.unit, columns * form.unit)
            }
        };
        entry += flatten(line.outer, extents);
        let step = form.axes[N - 1].source_step;
        let mut to = 0;
        while to < end {
            let row = extents[N - 1] - entry % extents[N - 1];
            let len = row.min(end - to);
            if let Some((skip, len, from)) = form.source(place, line.slot, entry, len) {
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

/// Zeros for a range, and perhaps for some elements after it.
fn clear<T: Element>(to: &mut [T], range: Range<usize>) {
    for at in range.clone().step_by(CHUNK) {
        match to.get_mut(at..at + CHUNK) {
            Some(chunk) => chunk.fill(T::zero()),
            None => to[at..range.end].fill(T::zero()),
        }
    }
}
