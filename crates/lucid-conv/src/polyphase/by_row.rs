//! Tiles whose vectors run over rows of the weight: for few positions, or large weights.
//!
//! The sum is the same with its two factors exchanged, `sums[q, m] += source[c, q + shift(t)] * weight[c, t, m]`, so it is
//! the same kernel: a panel of weights is its signal, of one long line, and a few columns of the source are its weights.
//! A step of a stream, of a position or two, reads each weight once then, as part of a vector, and is as fast as they
//! arrive; and no vector is half empty, whatever the number of columns.
//!
//! With minimal filtering a panel has the taps, and their values at the points are made on the way, some source channels at
//! a time: there are twice as many of them, which would take longer to arrive than to make.

use std::ops::Range;

use lucid_kernels::{
    Bias, CacheLevel, Element, Isa, SignalLayout, Start, Sums, TileKernel, WINOGRAD_POINTS, winograd_outputs,
};

use super::gradient::{Lines, Rows, transpose};
use super::result::ByColumn;
use super::run::{Block, PanelView};
use super::schedule::Schedule;
use super::strips::Strip;
use super::tiling::{MAX_COLUMNS, row_kernel};
use super::transform::Transform;
use super::weights::Panels;

/// Elements of taps whose values at the points are made at a time: those of two points stay in a second-level cache with them.
/// Fewer would stay in a first-level one, but make tiles of few terms.
pub(crate) const TAPS_LEN: usize = 32 * 1024;
const _: () = assert!(MAX_COLUMNS <= 6, "gather_columns knows runs up to 6");
/// Source channels of which all tiles take their columns before the next ones.
const TOGETHER: usize = 8;

/// Source columns in the order in which a tile reads them, and the sums of a panel.
#[derive(Debug)]
pub(crate) struct Columns<T: 'static> {
    /// By class and sum: `[tile][source channel][term][column]`.
    values: Vec<T>,
    /// Of a chunk of channels, by class and panel: `[sum][column][row]`. With minimal filtering the first four are the outputs.
    sums: Vec<T>,
    /// Of the rows of a panel.
    biases: Vec<T>,
    /// Weights that were made on the way, of two sums.
    weights: Vec<T>,
    /// Lines that are transposed.
    lines: Vec<T>,
    tiles: Vec<Tile<T>>,
    /// Where each column is in the strips.
    places: Vec<usize>,
}

/// Some of the columns, and the kernel that has them as its rows.
#[derive(Debug)]
struct Tile<T: 'static> {
    columns: Range<usize>,
    kernel: TileKernel<T>,
}

impl<T: Element> Columns<T> {
    pub(crate) fn new() -> Self {
        Columns {
            values: Vec::new(),
            sums: Vec::new(),
            biases: Vec::new(),
            weights: Vec::new(),
            lines: Vec::new(),
            tiles: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Makes room for the columns of some strips.
    pub(crate) fn visit<const N: usize>(&mut self, schedule: &Schedule<T, N>, strips: &[Strip]) {
        let columns: usize = strips.iter().map(|strip| strip.len).sum();
        // Of about equal size.
        let num_tiles = columns.div_ceil(MAX_COLUMNS);
        let tile = |tile: usize| {
            let columns = tile * columns / num_tiles..(tile + 1) * columns / num_tiles;
            Tile { kernel: row_kernel(schedule.isa, columns.len()), columns }
        };
        self.tiles.clear();
        self.tiles.extend((0..num_tiles).map(tile));
        let num_terms = schedule.num_terms(0..schedule.offsets.len());
        let len = columns * schedule.form.source_channels * num_terms;
        self.values.resize(len.max(self.values.len()), T::zero());
    }

    /// Takes the columns of some source channels out of strips that hold them.
    pub(crate) fn gather<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        (strips, sources): (&[Strip], Range<usize>),
        packed: &[T],
    ) {
        let Schedule { layout, panels, offsets, form, .. } = schedule;
        let strip_len = layout.strip_len(sources.len());
        let places = strips
            .iter()
            .enumerate()
            .flat_map(|(number, strip)| (0..strip.len).map(move |column| number * strip_len + column));
        self.places.clear();
        self.places.extend(places);
        let mut first = 0;
        for (panels, offsets) in panels.iter().zip(offsets) {
            let (part, stride) = (layout.part(panels.sum, sources.len()), layout.channel_stride(panels.sum));
            // All tiles read the lines of some channels while they are near.
            for some in sources.clone().step_by(TOGETHER) {
                let some = some..(some + TOGETHER).min(sources.end);
                let packed = &packed[part + (some.start - sources.start) * stride..];
                let mut first = first;
                for tile in &self.tiles {
                    let places = &self.places[tile.columns.clone()];
                    let of_source = offsets.len() * places.len();
                    let own = first + some.start * of_source..first + some.end * of_source;
                    gather_columns((packed, stride), (offsets, places), &mut self.values[own]);
                    first += form.source_channels * of_source;
                }
            }
            first += form.source_channels * offsets.len() * self.places.len();
        }
    }

    /// The sums of a chunk of channels, all source channels at once, for so many columns. Returns whether all of them
    /// are finite, as far as minimal filtering has to know.
    pub(crate) fn add<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        block: &Block<'_>,
        bias: Option<&[T]>,
        panels: &PanelView<'_, T>,
    ) -> bool {
        let Schedule { form, isa, .. } = schedule;
        let columns = self.num_columns();
        let (mut begin, mut first_panel, mut first_value, mut first_sum) = (0, 0, 0, 0);
        let mut are_finite = true;
        for (number, class) in schedule.classes().enumerate() {
            let Panels { rows, panel_len, .. } = class[0];
            let num_phases = class[0].class.phases.len();
            let num_panels = class[0].num_panels(block.chunk.len());
            let all = Terms {
                values: &self.values[first_value..],
                offsets: &schedule.offsets[first_sum..][..class.len()],
                channels: form.source_channels,
                columns,
                rows,
                tiles: &self.tiles,
            };
            let skipped = (block.chunk.start - panels.first) * num_phases / rows;
            let of_sum = columns * rows;
            let end = begin + num_panels * class.len() * of_sum;
            self.sums.resize(end.max(self.sums.len()), T::zero());
            for (panel, own) in self.sums[begin..end].chunks_exact_mut(class.len() * of_sum).enumerate() {
                let weights = &panels.values[first_panel + (skipped + panel) * panel_len..];
                let bias = |row: usize| block.bias(form, bias, (panel * rows + row) / num_phases);
                self.biases.clear();
                self.biases.extend((0..rows).map(bias));
                match schedule.transforms.get(number) {
                    None => {
                        own.chunks_exact_mut(rows).for_each(|column| column.copy_from_slice(&self.biases));
                        let weights = (&weights[..panel_len], all.in_turn(0, all.channels));
                        all.add((0, 0..all.channels), weights, None, own);
                    }
                    Some(transform) => {
                        all.add_minimal((transform, *isa), weights, &mut self.weights, own);
                        let sums = [0, 1, 2, 3, 4, 5].map(|sum| sum * of_sum);
                        for column in 0..columns {
                            let starts = sums.map(|start| start + column * rows);
                            let starts = &starts[..class.len()];
                            are_finite &= winograd_outputs(*isa, own, starts, rows, Bias::Each(&self.biases));
                        }
                    }
                }
            }
            begin = end;
            first_panel += class[0].len(panels.channels);
            first_value +=
                columns * form.source_channels * schedule.num_terms(first_sum..first_sum + class.len());
            first_sum += class.len();
        }
        are_finite
    }

    /// Puts the sums of so many channels into rows, as far apart as the schedule says: to the columns of some strips.
    pub(crate) fn spread<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        channels: usize,
        strips: &[Strip],
        sums: &mut [T],
    ) {
        let row_stride = schedule.row_stride;
        let (mut begin, mut first_row) = (0, 0);
        for class in schedule.classes() {
            let (rows, num_panels) = (class[0].rows, class[0].num_panels(channels));
            let of_sum = self.num_columns() * rows;
            for number in 0..num_panels * class.len() {
                let (panel, sum) = (number / class.len(), number % class.len());
                let row = first_row + (sum * num_panels + panel) * rows;
                let mut from = &self.sums[begin + number * of_sum..][..of_sum];
                for (number, strip) in strips.iter().enumerate() {
                    self.lines.resize((strip.len * rows).max(self.lines.len()), T::zero());
                    let columns = Rows { values: from, row_stride: rows, num_rows: strip.len, len: rows };
                    let values = &mut sums[row * row_stride + number * schedule.layout.width..];
                    let lines = Lines { values, pitch: row_stride, buffer: &mut self.lines };
                    transpose(schedule.isa, &columns, lines);
                    from = &from[strip.len * rows..];
                }
            }
            begin += num_panels * class.len() * of_sum;
            first_row += class.len() * num_panels * rows;
        }
    }

    /// The sums of a channel of the chunk, from a column on, where [all of its phases are there](Schedule::is_by_column).
    pub(crate) fn of_channel<const N: usize>(
        &self,
        schedule: &Schedule<T, N>,
        channel: usize,
        column: usize,
    ) -> ByColumn<'_, T> {
        let panels = &schedule.panels;
        let (rows, phases) = (panels[0].rows, panels[0].class.phases.len());
        let of_sum = self.num_columns() * rows;
        let (panel, row) = (channel * phases / rows, channel * phases % rows);
        let values = &self.sums[panel * panels.len() * of_sum + column * rows + row..];
        ByColumn { values, column_stride: rows, position_stride: of_sum }
    }

    fn num_columns(&self) -> usize {
        self.tiles.last().map_or(0, |tile| tile.columns.end)
    }
}

/// Writes the columns of a tile that the terms of some channels read, as `[channel][term][column]`.
fn gather_columns<T: Element>(
    (packed, stride): (&[T], usize),
    (offsets, places): (&[usize], &[usize]),
    to: &mut [T],
) {
    let num_columns = places.len();
    let start = places.first().copied().unwrap_or(0);
    let is_run = places.last().is_some_and(|last| last + 1 - start == num_columns);
    // Of a length that the compiler knows, a run is a move or two.
    match num_columns {
        1 => gather_runs::<T, 1>((&packed[start..], stride), offsets, to),
        2 if is_run => gather_runs::<T, 2>((&packed[start..], stride), offsets, to),
        3 if is_run => gather_runs::<T, 3>((&packed[start..], stride), offsets, to),
        4 if is_run => gather_runs::<T, 4>((&packed[start..], stride), offsets, to),
        5 if is_run => gather_runs::<T, 5>((&packed[start..], stride), offsets, to),
        6 if is_run => gather_runs::<T, 6>((&packed[start..], stride), offsets, to),
        _ => {
            let terms = to.chunks_mut((offsets.len() * num_columns).max(1));
            for (channel, to) in terms.enumerate() {
                for (offset, to) in offsets.iter().zip(to.chunks_mut(num_columns)) {
                    let packed = &packed[channel * stride + offset..];
                    to.iter_mut().zip(places).for_each(|(to, &place)| *to = packed[place]);
                }
            }
        }
    }
}

/// The same of neighbouring columns, the first of which is at the beginning.
fn gather_runs<T: Element, const N: usize>((packed, stride): (&[T], usize), offsets: &[usize], to: &mut [T]) {
    let (to, _) = to.as_chunks_mut::<N>();
    for (channel, to) in to.chunks_mut(offsets.len().max(1)).enumerate() {
        let packed = &packed[channel * stride..];
        for (offset, to) in offsets.iter().zip(to) {
            to.copy_from_slice(&packed[*offset..][..N]);
        }
    }
}

/// What the sums of a class are made of, beside the weights.
struct Terms<'a, T: 'static> {
    /// By sum: `[tile][source channel][term][column]`.
    values: &'a [T],
    /// By sum: one per term.
    offsets: &'a [Vec<usize>],
    /// All source channels.
    channels: usize,
    columns: usize,
    /// Rows of a panel.
    rows: usize,
    tiles: &'a [Tile<T>],
}

impl<T: Element> Terms<'_, T> {
    /// The sums of a panel with minimal filtering, of the taps of its rows; other weights may follow them.
    ///
    /// Those at two opposite points are made at a time, and those at 0 and at infinity are taps: less is written, and read
    /// while it is near.
    fn add_minimal(
        &self,
        (transform, isa): (&Transform, Isa),
        taps: &[T],
        made: &mut Vec<T>,
        sums: &mut [T],
    ) {
        let of_source = transform.source_len();
        let at_once = (TAPS_LEN / of_source.max(1)).clamp(1, self.channels);
        let (of_sum, num_tiles) = (self.columns * self.rows, self.tiles.len());
        let num_runs = self.offsets.len() * num_tiles;
        for start in (0..self.channels).step_by(at_once) {
            let sources = start..(start + at_once).min(self.channels);
            let (own, next) = taps[start * of_source..].split_at(sources.len() * of_source);
            let next = &next[..next.len().min(at_once * of_source)];
            // What comes next arrives meanwhile, a part with each tile.
            let part = next.len() / num_runs;
            let mut add = |sum: usize, (weights, layout): (&[T], Option<SignalLayout<'_>>)| {
                let next = Some((&next[sum * num_tiles * part..], part));
                let sums = &mut sums[sum * of_sum..][..of_sum];
                self.add((sum, sources.clone()), (weights, layout), next, sums);
            };
            for sum in [0, WINOGRAD_POINTS - 1] {
                if sum < self.offsets.len() {
                    add(sum, (own, SignalLayout::new(transform.taps_of(sum), of_source, sources.len())));
                }
            }
            for sum in [1, 3] {
                let made_len = |sum: usize| self.offsets[sum].len() * self.rows * sources.len();
                let (first, both) = (made_len(sum), made_len(sum) + made_len(sum + 1));
                made.resize(both.max(made.len()), T::zero());
                let mut starts = [0; WINOGRAD_POINTS];
                starts[sum + 1] = first;
                transform.run(isa, sum..sum + 2, (own, sources.len()), (made, &starts));
                add(sum, (&made[..first], self.in_turn(sum, sources.len())));
                add(sum + 1, (&made[first..both], self.in_turn(sum + 1, sources.len())));
            }
        }
    }

    /// Weights of some sources one after the other.
    fn in_turn(&self, sum: usize, num_sources: usize) -> Option<SignalLayout<'static>> {
        SignalLayout::new(&[0], self.rows, num_sources * self.offsets[sum].len())
    }

    /// Adds the products of some source channels to a sum of a panel, `[column][row]`; with minimal filtering the first ones
    /// begin it. With each tile a part of what is needed next is asked for.
    fn add(
        &self,
        (sum, sources): (usize, Range<usize>),
        (weights, layout): (&[T], Option<SignalLayout<'_>>),
        next: Option<(&[T], usize)>,
        sums: &mut [T],
    ) {
        let layout = layout.expect("a panel fits in memory");
        let (rows, of_source) = (self.rows, self.offsets[sum].len());
        let num_terms = sources.len() * of_source;
        let is_begun = next.is_none() || sources.start > 0;
        if num_terms == 0 {
            if !is_begun {
                sums.fill(T::zero());
            }
            // No signal to read.
            return;
        }
        let before: usize = self.offsets[..sum].iter().map(Vec::len).sum();
        let values = &self.values[before * self.columns * self.channels..];
        let zeros = [T::zero(); MAX_COLUMNS];
        for (number, Tile { columns, kernel }) in self.tiles.iter().enumerate() {
            let first = columns.start * self.channels * of_source + sources.start * of_source * columns.len();
            let values = &values[first..][..num_terms * columns.len()];
            let terms = lucid_kernels::Terms::new(values, columns.len(), weights, layout)
                .expect("a value per term and column, and a panel of as many terms");
            let terms = match next {
                None => terms.with_signal_far(),
                Some((next, part)) => match next.get(number * part) {
                    Some(first) => terms.with_next(first, part.div_ceil(num_terms), CacheLevel::First),
                    // After the last taps there is nothing to ask for: what was made of them is near.
                    None => terms,
                },
            };
            let start = if is_begun { Start::Sums } else { Start::Rows(&zeros[..columns.len()]) };
            let mut row = 0;
            while row < rows {
                let vectors = kernel.vectors_of((rows - row) / kernel.lanes());
                let values = &mut sums[columns.start * rows + row..];
                kernel.run(&terms, row, vectors, start, Sums { values, row_stride: rows });
                row += vectors * kernel.lanes();
            }
        }
    }
}
