//! The source as a tile kernel reads it: cut into strips of columns, every strip by channel, then by line.
//!
//! A line is what the terms of one source phase and one offset of the outer axes read for the columns of a strip; each of
//! the sums has lines of its own. So a term is a shift within a line, and a kernel walks the lines of its sum from the
//! first channel to the last, without a gap: at 97% of the FMA peak where the rows of the signal themselves, each in pages
//! of its own, allow 80 to 90%.

use std::ops::Range;

use lucid_kernels::{Element, Isa, PairTaps, deinterleave, pair_lines};

use super::form::{Form, Line, Term, View, flatten};
use super::place::Place;
use crate::runs::{all_finite, gather};

/// How wide strips are, and what lines they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout<const N: usize> {
    /// Columns of a strip.
    pub(crate) width: usize,
    lines: Vec<Line<N>>,
    /// Of each line and member: the sum that reads it, and where it begins within the sum's part of a channel.
    members: Vec<Vec<(usize, usize)>>,
    line_len: usize,
    reach: usize,
    /// By sum: from a channel's first element to the next one's.
    channel_strides: Vec<usize>,
}

/// A strip of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strip {
    /// Which item of the place.
    pub(crate) item: usize,
    /// The first column, within the item.
    pub(crate) column: usize,
    /// Columns up to the end of the item, at most the width.
    pub(crate) len: usize,
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
    /// Whether some entry does not exist, and is 0.
    has_gaps: bool,
}

/// The packed source of a place, some channels at a time.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    /// `[strip][sum][channel][line][column]`
    pub(crate) values: Vec<T>,
    /// By strip, then by line.
    contents: Vec<Content>,
    segments: Vec<Segment>,
    /// By line: where a channel's entries are put, for each member.
    starts: Vec<[usize; 4]>,
    /// The entries of a channel, where they do not lie together in the source: by phase.
    entries: Vec<T>,
    /// The same as they are in the source, with zeros where it ends.
    padded: Vec<T>,
    /// Whether everything was finite that pairs were made of. Where something is not, its neighbours are spoilt.
    pub(crate) finite: bool,
}

/// Elements of the source of one strip that should stay in a first-level cache beside a panel of weights.
const STRIP_LEN: usize = 5 * 1024;
/// Elements that vectors may read beyond those that they need.
const SLACK: usize = 32;

impl<const N: usize> Layout<N> {
    /// Strips of a multiple of `tile` columns: wide ones where they fit a first-level cache with all channels, as there is
    /// less to be done per element then, or where neighbouring strips would share too much.
    pub(crate) fn new(form: &Form<N>, tile: usize) -> Self {
        let reach = form.reach();
        let mut lines: Vec<Line<N>> = Vec::new();
        for term in form.terms() {
            if !lines.contains(&term.line) {
                lines.push(term.line);
            }
        }
        let num_lines: usize = lines.iter().map(|line| line.view.sums().len()).sum();
        let fits = |width: usize| form.source_channels * num_lines * (width + reach) <= STRIP_LEN;
        let least = (2 * reach).div_ceil(tile).max(1);
        let width = (least..=64 / tile).rev().find(|&tiles| fits(tiles * tile)).unwrap_or(least) * tile;
        let line_len = (width + reach).next_multiple_of(8);
        let mut channel_strides = Vec::new();
        let mut put = |&sum: &usize| {
            channel_strides.resize(channel_strides.len().max(sum + 1), 0);
            let start: &mut usize = &mut channel_strides[sum];
            *start += line_len;
            (sum, *start - line_len)
        };
        let members = lines.iter().map(|line| line.view.sums().iter().map(&mut put).collect()).collect();
        Layout { width, lines, members, line_len, reach, channel_strides }
    }

    /// From a channel's first element to the next one's, within the part of a sum.
    pub(crate) fn channel_stride(&self, sum: usize) -> usize {
        // A sum without terms has no lines.
        self.channel_strides.get(sum).copied().unwrap_or(0)
    }

    /// Elements of a strip, per channel.
    pub(crate) fn per_channel(&self) -> usize {
        self.channel_strides.iter().sum()
    }

    /// Where the part of a sum begins in a strip of so many channels.
    pub(crate) fn part(&self, sum: usize, channels: usize) -> usize {
        channels * self.channel_strides.iter().take(sum).sum::<usize>()
    }

    /// Where in its sum's part of a channel a term reads.
    pub(crate) fn offset(&self, term: &Term<N>) -> usize {
        let line =
            self.lines.iter().position(|line| *line == term.line).expect("every term's line was put there");
        self.members[line][term.member].1 + term.offset
    }

    /// Puts the lines of a view into a strip: those of `columns` columns, and what neighbours read of them.
    fn put<T: Element>(
        &self,
        isa: Isa,
        view: View,
        from: &[T],
        columns: usize,
        (to, starts): (&mut [T], &[usize; 4]),
    ) {
        // Whole vectors, where there are entries enough.
        let least = columns + self.reach;
        let most = least.next_multiple_of(8).min(self.line_len);
        match view {
            View::Entries => gather(&mut to[starts[0]..][..most.min(from.len())], from, 1),
            View::Pairs { taps, .. } => {
                let len = most.min((from.len() - taps.taps() - 1) / 2 + 1);
                pair_lines(isa, taps, from, len.max(least), to, &starts[..taps.lines()]);
            }
        }
    }

    /// The strips of a place, item by item.
    pub(crate) fn strips(&self, form: &Form<N>, place: &Place) -> impl Iterator<Item = Strip> {
        let end = form.num_columns(place.rows.len());
        let starts = (0..end).step_by(self.width);
        let of_item = move |item| {
            starts.clone().map(move |column| Strip { item, column, len: self.width.min(end - column) })
        };
        (0..form.num_items(place)).flat_map(of_item)
    }

    /// Finds out what a line of a strip is made of.
    fn content(
        &self,
        form: &Form<N>,
        place: &Place,
        strip: Strip,
        line: &Line<N>,
        segments: &mut Vec<Segment>,
    ) -> Content {
        let extents = form.extents(place.rows.len());
        let first = segments.len();
        let mut entry = strip.column * form.unit + flatten(line.outer, extents) + line.view.parity();
        // What a partial strip computes beyond its columns is dropped, whatever it reads there.
        let end = line.view.entries(strip.len + self.reach);
        let mut to = 0;
        while to < end {
            let row = extents[N - 1] - entry % extents[N - 1];
            let len = row.min(end - to);
            if let Some((skip, len, from)) = form.source(place, strip.item, line.slot, entry, len) {
                segments.push(Segment { to: to + skip, len, from });
            }
            entry += len;
            to += len;
        }
        let found: usize = segments[first..].iter().map(|segment| segment.len).sum();
        Content { segments: first..segments.len(), has_gaps: found < end }
    }
}

impl View {
    /// The sums that read the lines of the view, one after the other.
    pub(crate) fn sums(self) -> &'static [usize] {
        match self {
            View::Entries => &[0],
            View::Pairs { taps: PairTaps::One, .. } => &[0, 2],
            View::Pairs { taps: PairTaps::Two, .. } => &[0, 1, 2],
            View::Pairs { taps: PairTaps::Three, .. } => &[0, 1, 2, 3],
        }
    }

    /// Which entry of a column is the first.
    fn parity(self) -> usize {
        match self {
            View::Entries => 0,
            View::Pairs { parity, .. } => parity,
        }
    }

    /// Entries that so many columns are made of.
    fn entries(self, columns: usize) -> usize {
        match self {
            View::Entries => columns,
            View::Pairs { taps, .. } => 2 * (columns - 1) + taps.taps() + 1,
        }
    }
}

impl<T: Element> Packed<T> {
    pub(crate) fn new() -> Self {
        Packed {
            values: Vec::new(),
            contents: Vec::new(),
            segments: Vec::new(),
            starts: Vec::new(),
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
            let content = |line| layout.content(form, place, strip, line, segments);
            contents.extend(layout.lines.iter().map(content));
        }
    }

    /// Packs `channels` of the place visited last.
    #[expect(
        clippy::too_many_arguments,
        reason = "the place, its strips and the source they are packed from"
    )]
    pub(crate) fn fill<const N: usize>(
        &mut self,
        form: &Form<N>,
        layout: &Layout<N>,
        isa: Isa,
        place: &Place,
        strips: &[Strip],
        channels: Range<usize>,
        source: &[T],
    ) {
        let Packed { values, contents, segments, starts, entries, padded, finite } = self;
        let strip_len = channels.len() * layout.per_channel();
        let step = form.axes[N - 1].source_step;
        let plane_len = form.source_plane_len();
        let num_lines = layout.lines.len();
        let read = form.source_range(place);
        values.resize(strips.len() * strip_len, T::zero());
        entries.resize((2 * layout.line_len + SLACK).max(entries.len()), T::zero());
        for channel in channels.clone() {
            let at = channel - channels.start;
            let place_of = |(sum, start): (usize, usize)| {
                layout.part(sum, channels.len()) + at * layout.channel_strides[sum] + start
            };
            starts.clear();
            starts.extend(layout.members.iter().map(|members| -> [usize; 4] {
                std::array::from_fn(|member| members.get(member).map_or(0, |&m| place_of(m)))
            }));
            if form.unit > 1 {
                for item in (0..form.num_items(place)).step_by(form.residues) {
                    let plane = form.source_plane(place, item, channel) * plane_len;
                    *finite &= all_finite(&source[plane..][read.clone()]);
                }
            }
            if N == 1 {
                let per_item = strips.len() / place.batch.len();
                for (batch, strips) in strips.chunks(per_item).enumerate() {
                    let plane = form.source_plane(place, batch * form.residues, channel) * plane_len;
                    let rows = signal_rows(form, isa, place, &source[plane..][..plane_len], entries, padded);
                    for (number, strip) in strips.iter().enumerate() {
                        let to = &mut values[(batch * per_item + number) * strip_len..][..strip_len];
                        for (line, starts) in layout.lines.iter().zip(&*starts) {
                            let row = form.slots[line.slot][0] + strip.item % form.residues;
                            let from = &rows.values[row * rows.stride + strip.column * form.unit..];
                            layout.put(isa, line.view, &from[line.view.parity()..], strip.len, (to, starts));
                        }
                    }
                }
                continue;
            }
            for (number, strip) in strips.iter().enumerate() {
                let plane = form.source_plane(place, strip.item, channel) * plane_len;
                let plane = &source[plane..][..plane_len];
                let to = &mut values[number * strip_len..][..strip_len];
                let contents = &contents[number * num_lines..][..num_lines];
                for ((line, starts), content) in layout.lines.iter().zip(&*starts).zip(contents) {
                    let segments = &segments[content.segments.clone()];
                    let from = match *segments {
                        [segment] if step == 1 && !content.has_gaps => &plane[segment.from..],
                        _ => {
                            content.copy(segments, plane, step, entries);
                            &entries[..]
                        }
                    };
                    layout.put(isa, line.view, from, strip.len, (to, starts));
                }
            }
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
    fn copy<T: Element>(&self, segments: &[Segment], plane: &[T], step: usize, to: &mut [T]) {
        if self.has_gaps {
            to.fill(T::zero());
        }
        for segment in segments {
            gather(&mut to[segment.to..][..segment.len], &plane[segment.from..], step);
        }
    }
}
