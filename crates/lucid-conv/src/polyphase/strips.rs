//! How a strip holds the source: cut into columns, by channel, then by line.
//!
//! A line is what the terms of one source phase read for the columns of a strip; each of the sums has lines of its own. So a
//! term is a shift within a line, and a kernel walks the lines of its sum from the first channel to the last, without a
//! gap: at 97% of the FMA peak where the rows of the signal themselves, each in pages of its own, allow 80 to 90%.
//!
//! What terms of another offset of the outer axes read is a line of its own, or, where rows are short, further on in the
//! same one: flat positions reach from one row into the next.

use lucid_kernels::PairTaps;

use super::form::{Form, Line, Term, View, flatten};
use super::place::Place;

/// Elements of the source of one strip that should stay in a first-level cache beside a panel of weights.
const STRIP_LEN: usize = 5 * 1024;
/// A distance between strips that puts equal places of them into the same few sets of a first-level cache, as pages are of
/// 4 KiB: a channel is packed into all strips of a place, one after the other.
const ALIASED: usize = 512;
/// What such strips are set apart by: three lines of `f32`.
const SPREAD: usize = 48;
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
    /// Of each line and member: the sum that reads it, and where it begins within the sum's part of a channel.
    members: Vec<Vec<(usize, usize)>>,
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

impl<const N: usize> Layout<N> {
    /// Strips of a multiple of `tile` columns, of that kind of lines that holds fewer elements per column.
    pub(crate) fn new(form: &Form<N>, tile: usize) -> Self {
        let separate = Layout::with_lines(form, tile, false);
        let flat = Layout::with_lines(form, tile, true);
        let is_smaller = flat.per_channel() * separate.width < separate.per_channel() * flat.width;
        if is_smaller && flat.width <= MAX_FLAT_WIDTH { flat } else { separate }
    }

    /// Wide strips where they fit a first-level cache with all channels, as there is less to be done per element then, or
    /// where neighbouring strips would share too much.
    fn with_lines(form: &Form<N>, tile: usize, is_flat: bool) -> Self {
        let mut lines: Vec<Line<N>> = Vec::new();
        for term in form.terms() {
            let line = line_of(term, is_flat);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let reach = form.terms().map(|term| shift(form, term, is_flat)).max().unwrap_or(0);
        let num_lines: usize = lines.iter().map(|line| line.view.sums().len()).sum();
        let fits = |width: usize| form.source_channels * num_lines * (width + reach) <= STRIP_LEN;
        let columns = form.num_columns(form.axes[0].len);
        let least = (2 * reach).min(columns).div_ceil(tile).max(1);
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
        Layout { width, lines, line_len, reach, is_flat, members, channel_strides }
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

    /// Elements of a strip of so many channels, and from one strip to the next.
    pub(crate) fn strip_len(&self, channels: usize) -> usize {
        let len = channels * self.per_channel();
        if len.is_multiple_of(ALIASED) { len + SPREAD } else { len }
    }

    /// Where the part of a sum begins in a strip of so many channels.
    pub(crate) fn part(&self, sum: usize, channels: usize) -> usize {
        channels * self.channel_strides.iter().take(sum).sum::<usize>()
    }

    /// Where in its sum's part of a channel a term reads.
    pub(crate) fn offset(&self, form: &Form<N>, term: &Term<N>) -> usize {
        let line = line_of(term, self.is_flat);
        let line = self.lines.iter().position(|own| *own == line).expect("every term's line was put there");
        self.members[line][term.member].1 + shift(form, term, self.is_flat)
    }

    /// Where in a strip of `channels` channels the members of a line begin for one of them.
    pub(crate) fn starts(&self, line: usize, channel: usize, channels: usize) -> [usize; 4] {
        let members = &self.members[line];
        std::array::from_fn(|member| {
            members.get(member).map_or(0, |&(sum, start)| {
                self.part(sum, channels) + channel * self.channel_strides[sum] + start
            })
        })
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
}

/// The line that a term reads.
fn line_of<const N: usize>(term: &Term<N>, is_flat: bool) -> Line<N> {
    if is_flat { Line { outer: [0; N], ..term.line } } else { term.line }
}

/// How far after a column a term reads in its line.
fn shift<const N: usize>(form: &Form<N>, term: &Term<N>, is_flat: bool) -> usize {
    // Rows of the last axis are whole columns, and no other extent than the first depends on the place.
    let outer = if is_flat { flatten(term.line.outer, form.extents(1)) / form.unit } else { 0 };
    outer + term.offset
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
    pub(crate) fn parity(self) -> usize {
        match self {
            View::Entries => 0,
            View::Pairs { parity, .. } => parity,
        }
    }

    /// Entries that so many columns are made of.
    pub(crate) fn entries(self, columns: usize) -> usize {
        match self {
            View::Entries => columns,
            View::Pairs { taps, .. } => 2 * (columns - 1) + taps.taps() + 1,
        }
    }
}
