//! Packing the source of a place into strips.

use std::ops::Range;

use lucid_kernels::{
    CopyShape, Element, Isa, SignalColumns, WINOGRAD_OUTPUTS, copy_rows, deinterleave, deinterleave_runs,
    interleave, prefetch, winograd_lines, winograd_signals,
};

use super::content::{Content, Segment};
use super::form::{Form, View};
use super::place::Place;
use super::schedule::{CHUNK, Schedule};
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
    /// A buffer: the same of one plane, or of those of items abreast, activated.
    activated: Vec<T>,
    /// A buffer: the same of items abreast, with elements that take turns.
    abreast: Vec<T>,
    /// The entries of a channel, where they do not lie together in the source: by phase.
    entries: Vec<T>,
    /// The same as they are in the source, with zeros where it ends.
    padded: Vec<T>,
}

impl<T: Element> Packed<T> {
    pub(crate) fn new() -> Self {
        Packed {
            values: Vec::new(),
            contents: Vec::new(),
            segments: Vec::new(),
            span: 0..0,
            activated: Vec::new(),
            abreast: Vec::new(),
            entries: Vec::new(),
            padded: Vec::new(),
        }
    }

    /// Looks up what another place reads.
    pub(crate) fn visit<const N: usize>(&mut self, form: &Form<N>, layout: &Layout<N>, place: &Place) {
        let Packed { contents, segments, span, .. } = self;
        contents.clear();
        segments.clear();
        if form.is_signal() {
            return;
        }
        // A line begins as far after the place's first column as its offset of the outer axes.
        let pitch = form.pitches.entries;
        let outer = layout.lines.iter().map(|line| form.outer_column(line.outer, pitch));
        let columns = layout.columns(form, form.num_columns(place.rows.len())) + outer.max().unwrap_or(0);
        let entries = columns * form.unit / form.abreast;
        let content = |slot| Content::of(form, place, slot, entries, segments);
        contents.extend((0..form.slots.len()).map(content));
        let step = form.axes[N - 1].source_step;
        let end = |segment: &Segment| {
            let last = segment.steps.from + (segment.steps.count - 1) * segment.steps.from_stride;
            last + (segment.len - 1) * step + 1
        };
        let start = segments.iter().map(|segment| segment.steps.from).min().unwrap_or(0);
        *span = start..segments.iter().map(end).max().unwrap_or(start);
        segments.iter_mut().for_each(|segment| segment.steps.from -= start);
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
        let (num_sets, abreast) = (form.num_sets(place), form.abreast);
        let per_set = strips.len() / num_sets;
        self.values.resize((strips.len() * strip_len).max(self.values.len()), T::zero());
        if before.is_none() && self.fill_together(schedule, place, strips, channels.clone(), source) {
            return;
        }
        let window = self.window(form, place);
        for channel in channels.clone() {
            let at = (channel - channels.start, channels.len());
            let channel_of_source = place.group * form.source_channels + channel;
            let activate = before.map(|before| move |entries: &mut [T]| before(channel_of_source, entries));
            let plane = |item: usize, channel: usize| form.source_plane(place, item, channel) * plane_len;
            for (set, strips) in strips.chunks(per_set).enumerate() {
                let next = channel * num_sets + set + AHEAD;
                if next / num_sets < channels.end {
                    for item in 0..abreast {
                        let plane = plane(next % num_sets * abreast + item, next / num_sets);
                        prefetch(&source[plane..][window.clone()]);
                    }
                }
                let to = (set * per_set, strips);
                let first = plane(set * abreast, channel);
                if form.is_signal() {
                    self.fill_from_row(schedule, place, to, at, (&source[first..][..plane_len], activate));
                    continue;
                }
                let stride = plane(1, channel) - plane(0, channel);
                let planes = Planes { values: &source[first + self.span.start..], stride };
                let Some(activate) = activate else {
                    self.fill_from_planes(schedule, to, at, planes);
                    continue;
                };
                let mut activated = std::mem::take(&mut self.activated);
                activated.clear();
                for item in 0..abreast {
                    activated.extend_from_slice(&planes.values[item * stride..][..self.span.len()]);
                }
                activate(&mut activated);
                let planes = Planes { values: &activated, stride: self.span.len() };
                self.fill_from_planes(schedule, to, at, planes);
                self.activated = activated;
            }
        }
    }

    /// Packs channels whose lines are made of neighbouring entries of the source: all channels of a strip's line together, where
    /// finding each one would take longer than packing it. Returns whether it did.
    fn fill_together<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        place: &Place,
        strips: &[Strip],
        channels: Range<usize>,
        source: &[T],
    ) -> bool {
        let Schedule { form, layout, .. } = schedule;
        let plane_len = form.source_plane_len();
        let axis = &form.axes[N - 1];
        let is_few = match form.unit {
            1 => strips.len() <= FEW_STRIPS,
            _ => form.is_signal() && form.apart == 1,
        };
        if form.abreast > 1 || axis.source_step > 1 || !is_few {
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
            let columns = layout.columns(form, form.num_columns(place.rows.len()));
            let end = start + (columns * form.unit) as isize;
            (start >= 0 && end <= plane_len as isize).then_some(start as usize)
        };
        if layout.lines.iter().any(|line| first(line.slot).is_none()) {
            return false;
        }
        let pitch = form.pitches.entries;
        let per_item = strips.len() / place.batch.len();
        let strip_len = layout.strip_len(channels.len());
        let window = self.window(form, place);
        for some in channels.clone().step_by(TOGETHER) {
            let some = some..(some + TOGETHER).min(channels.end);
            let plane = |item: usize, channel: usize| form.source_plane(place, item, channel) * plane_len;
            // With minimal filtering the kernel itself goes through the planes, and has more to do with what it reads.
            let further =
                if form.unit == 1 { some.end..(some.end + TOGETHER).min(channels.end) } else { 0..0 };
            for next in further {
                for item in 0..place.batch.len() {
                    prefetch(&source[plane(item, next)..][window.clone()]);
                }
            }
            for (number, line) in layout.lines.iter().enumerate() {
                let first = first(line.slot).unwrap_or(0) + form.outer_column(line.outer, pitch);
                for (strip_number, strip) in strips.iter().enumerate() {
                    let item = strip_number / per_item;
                    let from = plane(item, some.start) + first + strip.column * form.unit;
                    let to = &mut self.values[strip_number * strip_len..];
                    let within = (some.start - channels.start, channels.len());
                    put_together(schedule, (number, *strip), &source[from..], to, within, some.len());
                }
            }
        }
        true
    }

    /// The part of a plane that the place visited last reads.
    fn window<const N: usize>(&self, form: &Form<N>, place: &Place) -> Range<usize> {
        if N > 1 { self.span.clone() } else { place.window(form) }
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
        let Packed { values, entries, padded, .. } = self;
        let rows = signal_rows(schedule, place, plane, (entries, padded));
        let values = &mut values[first_strip * layout.strip_len(channels)..];
        for (number, line) in layout.lines.iter().enumerate() {
            let phase = form.slots[line.slot][0];
            put_line(schedule, number, rows, (phase, 0), strips, values, (channel, channels));
        }
    }

    /// Fills one of so many channels of some strips from what the place spans of a plane of several axes, or of those of items
    /// abreast.
    fn fill_from_planes<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        (first_strip, strips): (usize, &[Strip]),
        (channel, channels): (usize, usize),
        planes: Planes<'_, T>,
    ) {
        let Schedule { form, layout, isa, .. } = schedule;
        let (step, abreast) = (form.axes[N - 1].source_step, form.abreast);
        let pitch = form.pitches.entries;
        let Packed { values, contents, segments, span, entries, padded, abreast: taking_turns, .. } = self;
        let values = &mut values[first_strip * layout.strip_len(channels)..];
        let plane = if abreast == 1 {
            planes.values
        } else {
            taking_turns.resize((span.len() * abreast).max(taking_turns.len()), T::zero());
            interleave(*isa, planes.values, planes.stride, abreast, span.len(), taking_turns);
            &taking_turns[..]
        };
        // Lines of one slot follow one another.
        let mut numbers = (0..layout.lines.len()).peekable();
        while let Some(&first) = numbers.peek() {
            let slot = layout.lines[first].slot;
            let content = &contents[slot];
            let len = content.len * abreast;
            let of_slot = &segments[content.segments.clone()];
            let from = match content.together(of_slot, step) {
                Some(from) => &plane[from * abreast..][..len],
                None => {
                    padded.resize((len + SLACK).max(padded.len()), T::zero());
                    content.copy(*isa, of_slot, (plane, abreast), step, padded);
                    &padded[..len]
                }
            };
            let rows = match form.unit {
                1 => Rows { values: from, stride: 0, step: 1 },
                unit => columns(*isa, from, (form.apart, 1), len / unit, entries),
            };
            while let Some(number) = numbers.next_if(|&number| layout.lines[number].slot == slot) {
                let column = form.outer_column(layout.lines[number].outer, pitch);
                put_line(schedule, number, rows, (0, column), strips, values, (channel, channels));
            }
        }
    }
}

/// What a place spans of the planes of items abreast.
#[derive(Clone, Copy)]
struct Planes<'a, T> {
    values: &'a [T],
    /// From one item to the next one.
    stride: usize,
}

/// Puts a line into a strip for so many channels together, of which the first one is one of so many: what its columns read of entries
/// of the source, a plane per channel, from the first one's on.
fn put_together<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    (line, strip): (usize, Strip),
    from: &[T],
    to: &mut [T],
    (channel, channels): (usize, usize),
    num: usize,
) {
    let Schedule { form, layout, isa, .. } = schedule;
    let starts = layout.starts(line, channel, channels);
    let (plane_len, least) = (form.source_plane_len(), strip.len + layout.reach);
    match layout.lines[line].view {
        View::Entries => {
            // Whole vectors, where there are entries enough.
            let left = from.len() - (num - 1) * plane_len;
            let len = least.next_multiple_of(CHUNK).min(layout.line_len).min(left);
            let to_stride = layout.channel_stride(0);
            let shape = CopyShape { len, num_rows: num, from_stride: plane_len, to_stride };
            copy_rows(*isa, from, &mut to[starts[0]..], shape);
        }
        View::Winograd { shift } => {
            let columns = SignalColumns { len: least, num_signals: num, pitch: plane_len };
            let strides = std::array::from_fn(|sum| layout.channel_stride(sum));
            winograd_signals(*isa, &from[shift..], columns, layout.members(line), to, (&starts, &strides));
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
        put(schedule, line, rows, (phase, column), *strip, to, (channel, channels));
    }
}

/// Puts a line into a strip, for one of so many channels: what its columns read of it, from rows of entries of a source
/// phase, from one of their columns on.
fn put<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    line: usize,
    rows: Rows<'_, T>,
    (phase, column): (usize, usize),
    strip: Strip,
    to: &mut [T],
    (channel, channels): (usize, usize),
) {
    let Schedule { form, layout, isa, .. } = schedule;
    let starts = layout.starts(line, channel, channels);
    let least = strip.len + layout.reach;
    // Whole vectors, where there are entries enough.
    let most = |at: usize, len: usize| len.next_multiple_of(2 * CHUNK).min(layout.line_len - at);
    match layout.lines[line].view {
        View::Entries => {
            let from = &rows.values[phase * rows.stride + column + strip.column..];
            gather(&mut to[starts[0]..][..most(0, least).min(from.len())], from, 1);
        }
        View::Winograd { shift } => {
            let mut at = 0;
            while at < least {
                let first = strip.column + at;
                let len = form.pitches.together(first).min(least - at);
                let column = column + form.pitches.entry(first);
                let d = std::array::from_fn(|j| {
                    let (blocks, row) = ((shift + j) / WINOGRAD_OUTPUTS, (shift + j) % WINOGRAD_OUTPUTS);
                    (row * rows.step + phase) * rows.stride + column + blocks * form.apart
                });
                let starts = starts.map(|start| start + at);
                winograd_lines(*isa, rows.values, d, most(at, len), layout.members(line), to, starts);
                at += len;
            }
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
    (entries, padded): (&'a mut Vec<T>, &'a mut Vec<T>),
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
        return self::columns(*isa, from, (form.apart, step), columns, entries);
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
) -> Rows<'a, T> {
    let stride = (columns + SLACK).next_multiple_of(CHUNK);
    let num_rows = WINOGRAD_OUTPUTS * step;
    entries.resize((num_rows * stride).max(entries.len()), T::zero());
    if apart == 1 {
        deinterleave(isa, from, num_rows, columns, entries, stride);
    } else {
        deinterleave_runs(isa, from, (num_rows, apart), columns / apart, entries, stride);
    }
    Rows { values: entries, stride, step }
}
