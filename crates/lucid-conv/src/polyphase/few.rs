//! Few positions: tiles whose vectors run over rows of the weight.
//!
//! The sum is the same with its two factors exchanged, `sums[q, m] += source[c, q + shift(t)] * weight[c, t, m]`, so it is
//! the same kernel: a panel of weights is its signal, of one long line, and the few columns of the source are its weights.
//! A step of a stream, of a position or two, reads each weight once then, as part of a vector, and is as fast as they
//! arrive.

use lucid_kernels::{Element, SignalLayout, Start, Terms};

use super::run::{Block, PanelView};
use super::schedule::Schedule;
use super::strips::Strip;

/// Source columns in the order in which a tile reads them, and the sums of a tile.
#[derive(Debug)]
pub(crate) struct Columns<T> {
    /// By class: `[tile][source channel][term][column]`.
    values: Vec<T>,
    /// Of a tile: `[column][row]`.
    tile: Vec<T>,
    /// What the sums of a panel begin with.
    starts: Vec<T>,
    /// Where each column is in a row of sums.
    places: Vec<usize>,
}

impl<T: Element> Columns<T> {
    pub(crate) fn new() -> Self {
        Columns { values: Vec::new(), tile: Vec::new(), starts: Vec::new(), places: Vec::new() }
    }

    /// Takes the columns of all source channels out of packed strips.
    pub(crate) fn gather<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        strips: &[Strip],
        packed: &[T],
    ) {
        let Schedule { layout, panels, offsets, form, .. } = schedule;
        let channels = form.source_channels;
        self.places.clear();
        for (number, strip) in strips.iter().enumerate() {
            self.places.extend((0..strip.len).map(|column| number * layout.width + column));
        }
        self.values.clear();
        for (class, offsets) in panels.iter().zip(offsets) {
            let columns = class.kernel.rows();
            for tile in self.places.chunks(columns) {
                for channel in 0..channels {
                    let at = layout.part(class.sum, channels) + channel * layout.channel_stride(class.sum);
                    for offset in offsets {
                        self.values.extend((0..columns).map(|column| match tile.get(column) {
                            Some(&place) => {
                                let (strip, column) = (place / layout.width, place % layout.width);
                                packed[strip * layout.strip_len(channels) + at + offset + column]
                            }
                            None => T::zero(),
                        }));
                    }
                }
            }
        }
    }

    /// The sums of a chunk of channels, all source channels at once.
    pub(crate) fn add<const N: usize>(
        &mut self,
        schedule: &Schedule<T, N>,
        block: &Block<'_>,
        bias: Option<&[T]>,
        panels: &PanelView<'_, T>,
        sums: &mut [T],
    ) {
        let Schedule { form, row_stride, .. } = schedule;
        let Columns { values, tile, starts, places } = self;
        let (mut first_row, mut first_panel, mut first_value) = (0, 0, 0);
        for (class, offsets) in schedule.panels.iter().zip(&schedule.offsets) {
            let (columns, rows, num_phases) = (class.kernel.rows(), class.rows, class.class.phases.len());
            let num_terms = form.source_channels * offsets.len();
            let layout = SignalLayout::new(&[0], rows, num_terms).expect("a panel fits in memory");
            let values_len = places.len().div_ceil(columns) * num_terms * columns;
            let of_class = &values[first_value..][..values_len];
            let skipped = (block.chunk.start - panels.first) * num_phases / rows;
            tile.resize((columns * rows).max(tile.len()), T::zero());
            for panel in 0..class.num_panels(block.chunk.len()) {
                let weights =
                    &panels.values[first_panel + (skipped + panel) * class.panel_len..][..class.panel_len];
                let row = first_row + panel * rows;
                starts.clear();
                starts.extend((0..rows).map(|r| block.bias(form, bias, (panel * rows + r) / num_phases)));
                for (number, places) in places.chunks(columns).enumerate() {
                    let of_tile = &of_class[number * num_terms * columns..][..num_terms * columns];
                    let terms = Terms::new(of_tile, columns, weights, layout)
                        .expect("a value per term and column, and a panel of as many terms")
                        .with_signal_far();
                    for column in tile.chunks_exact_mut(rows).take(columns) {
                        column.copy_from_slice(starts);
                    }
                    // Phases that no tap reaches have none, and no signal to read.
                    if num_terms > 0 {
                        let to = lucid_kernels::Sums { values: tile, row_stride: rows };
                        class.kernel.run(&terms, 0, rows / class.kernel.lanes(), Start::Sums, to);
                    }
                    for (column, &place) in tile.chunks_exact(rows).zip(places) {
                        for (r, &sum) in column.iter().enumerate() {
                            sums[(row + r) * row_stride + place] = sum;
                        }
                    }
                }
            }
            first_row += class.num_panels(block.chunk.len()) * rows;
            first_panel += class.len(panels.channels);
            first_value += values_len;
        }
    }
}
