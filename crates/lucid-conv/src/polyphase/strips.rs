//! How a strip holds the source: cut into columns, by channel, then by line.
//!
//! A line is what the terms of one source phase read for the columns of a strip; each of the sums has lines of its own. So a
//! term is a shift within a line, and a kernel walks the lines of its sum from the first channel to the last, without a
//! gap: at 97% of the FMA peak where the rows of the signal themselves, each in pages of its own, allow 80 to 90%.
//!
//! What terms of another offset of the outer axes read is a line of its own, or, where rows are short, further on in the
//! same one: flat positions reach from one row into the next.

use std::collections::BTreeMap;
use std::ops::Range;

use lucid_kernels::WINOGRAD_POINTS;

use super::form::{Form, Line, Term};
use super::place::Place;
use super::schedule::LINE;

/// Elements of the source of one strip that should stay in a first-level cache beside a panel of weights.
const STRIP_LEN: usize = 5 * 1024;
/// A distance between strips, or channels, that puts equal places of them into the same few sets of a first-level cache, as pages are
/// of 4 KiB: a channel is packed into all strips of a place, one after the other, and a tile reads the same place of all channels.
const ALIASED: usize = 512;
/// What such strips are set apart by. Such channels are by one line.
const SPREAD: usize = 3 * LINE;
/// Columns of the widest strip that holds several rows.
const MAX_FLAT_WIDTH: usize = 512;

/// How wide strips are, and what lines they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout<const N: usize> {
    /// Columns of a strip.
    pub(crate) width: usize,
    pub(crate) lines: Vec<Line<N>>,
    pub(crate) line_len: usize,
    /// Columns after its own that a strip's lines hold.
    pub(crate) reach: usize,
    /// Whether offsets of the outer axes are shifts within a line.
    is_flat: bool,
    /// Of each line: the members that some term reads, each of which belongs to the sum of the same number.
    members: Vec<Range<usize>>,
    /// Of each line and member: where it begins within the sum's part of a channel.
    starts: Vec<[usize; WINOGRAD_POINTS]>,
    /// By sum: from a channel's first element to the next one's.
    channel_strides: [usize; WINOGRAD_POINTS],
    /// By sum: the elements of a channel that belong to the sums before it.
    parts: [usize; WINOGRAD_POINTS],
}

/// A strip of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strip {
    /// The first column, within its set of items of the place.
    pub(crate) column: usize,
    /// Columns up to the end of the set, at most the width.
    pub(crate) len: usize,
}

impl<const N: usize> Layout<N> {
    /// Strips of a multiple of `tile` columns, of that kind of lines that holds fewer elements per column, each a multiple of `align`.
    pub(crate) fn new(form: &Form<N>, tile: usize, align: usize) -> Self {
        let separate = Layout::with_lines(form, (tile, align), false);
        let flat = Layout::with_lines(form, (tile, align), true);
        let is_smaller = flat.per_channel() * separate.width < separate.per_channel() * flat.width;
        if is_smaller && flat.width <= MAX_FLAT_WIDTH { flat } else { separate }
    }

    /// Wide strips where they fit a first-level cache with all channels, as there is less to be done per element then, or
    /// where neighbouring strips would share too much.
    fn with_lines(form: &Form<N>, (tile, align): (usize, usize), is_flat: bool) -> Self {
        // In this order, lines that are made of the same entries are neighbours.
        let mut found: BTreeMap<Line<N>, Range<usize>> = BTreeMap::new();
        for term in form.terms() {
            let own = term.member..term.member + 1;
            let members = found.entry(line_of(term, is_flat)).or_insert(own.clone());
            *members = members.start.min(own.start)..members.end.max(own.end);
        }
        let (lines, members): (Vec<Line<N>>, Vec<Range<usize>>) = found.into_iter().unzip();
        let reach = form.terms().map(|term| shift(form, term, is_flat)).max().unwrap_or(0);
        // A panel goes over the lines of its own sum.
        let lines_of = |sum: usize| members.iter().filter(|members| members.contains(&sum)).count();
        let num_lines = (0..WINOGRAD_POINTS).map(lines_of).max().unwrap_or(0);
        let fits = |width: usize| form.source_channels * num_lines * (width + reach) <= STRIP_LEN;
        let columns = form.num_columns(form.axes[0].len);
        let least = (2 * reach).min(columns).div_ceil(tile).max(1);
        let width = (least..=64 / tile).rev().find(|&tiles| fits(tiles * tile)).unwrap_or(least) * tile;
        let line_len = (width + reach).next_multiple_of(align);
        let mut channel_strides = [0; WINOGRAD_POINTS];
        let starts = members.iter().map(|members| {
            let mut starts = [0; WINOGRAD_POINTS];
            for member in members.clone() {
                starts[member] = channel_strides[member];
                channel_strides[member] += line_len;
            }
            starts
        });
        let starts = starts.collect();
        for stride in
            channel_strides.iter_mut().filter(|stride| **stride > 0 && stride.is_multiple_of(ALIASED))
        {
            *stride += LINE;
        }
        let parts = std::array::from_fn(|sum| channel_strides[..sum].iter().sum());
        Layout { width, lines, line_len, reach, is_flat, members, starts, channel_strides, parts }
    }

    /// From a channel's first element to the next one's, within the part of a sum.
    pub(crate) fn channel_stride(&self, sum: usize) -> usize {
        self.channel_strides[sum]
    }

    /// Elements of a strip, per channel.
    pub(crate) fn per_channel(&self) -> usize {
        self.channel_strides.iter().sum()
    }

    /// Elements of a strip of so many channels, and from one strip to the next.
    pub(crate) fn strip_len(&self, channels: usize) -> usize {
        let len = channels * self.per_channel();
        if len.is_multiple_of(ALIASED) { len + SPREAD } else { len }
    }

    /// Where the part of a sum begins in a strip of so many channels.
    pub(crate) fn part(&self, sum: usize, channels: usize) -> usize {
        channels * self.parts[sum]
    }

    /// Where in its sum's part of a channel a term reads.
    pub(crate) fn offset(&self, form: &Form<N>, term: &Term<N>) -> usize {
        let line = line_of(term, self.is_flat);
        let line = self.lines.iter().position(|own| *own == line).expect("every term's line was put there");
        self.starts[line][term.member] + shift(form, term, self.is_flat)
    }

    /// Columns of entries that so many columns of results read, from the same one on, as whole blocks of those that are
    /// interleaved.
    pub(crate) fn columns(&self, form: &Form<N>, columns: usize) -> usize {
        let following = if form.unit > 1 { 2 * form.apart } else { 0 };
        let columns = form.pitches.entry(columns + self.reach - 1) + 1;
        (columns + following).next_multiple_of(form.apart)
    }

    /// The members of a line that are read.
    pub(crate) fn members(&self, line: usize) -> Range<usize> {
        self.members[line].clone()
    }

    /// Where in a strip of `channels` channels the members of a line begin for one of them.
    pub(crate) fn starts(&self, line: usize, channel: usize, channels: usize) -> [usize; WINOGRAD_POINTS] {
        let starts = &self.starts[line];
        std::array::from_fn(|member| {
            channels * self.parts[member] + channel * self.channel_strides[member] + starts[member]
        })
    }

    /// The strips of a place, one set of items after the other.
    pub(crate) fn strips(&self, form: &Form<N>, place: &Place) -> impl Iterator<Item = Strip> {
        let end = form.num_columns(place.rows.len());
        let starts = (0..end).step_by(self.width);
        let of_set = starts.map(move |column| Strip { column, len: self.width.min(end - column) });
        (0..form.num_sets(place)).flat_map(move |_| of_set.clone())
    }
}

/// The line that a term reads.
fn line_of<const N: usize>(term: &Term<N>, is_flat: bool) -> Line<N> {
    if is_flat { Line { outer: [0; N], ..term.line } } else { term.line }
}

/// How far after a column a term reads in its line.
fn shift<const N: usize>(form: &Form<N>, term: &Term<N>, is_flat: bool) -> usize {
    let outer = if is_flat { form.outer_column(term.line.outer, form.pitches.columns) } else { 0 };
    outer + term.offset
}
