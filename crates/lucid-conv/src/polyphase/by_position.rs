//! Tiles whose vectors run over positions: a panel of weights goes over the strips of a place, or over one near strip after the other
//! panels did.

use std::iter::repeat_n;
use std::ops::Range;

use lucid_kernels::{CacheLevel, Element, SignalLayout, Start, Terms, TileKernel};

use super::ahead::NextSource;
use super::run::{Block, PanelView, Scratch};
use super::schedule::Schedule;
use super::strips::Strip;

/// Bytes of a strip's part of one sum that stays in a first-level cache beside a panel and its sums: of 32 KiB on most machines.
const NEAR_STRIP: usize = 27 * 1024;

/// Adds the terms of some source channels to the sums of a chunk; the first ones begin with the bias. `begin` is told each
/// channel of the chunk once, before some of its sums; tiles ask for the next source, if there is one.
pub(super) fn add_sources<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    block: &Block<'_>,
    (bias, mut next): (Option<&[T]>, Option<NextSource<'_, T>>),
    panels: &PanelView<'_, T>,
    scratch: &mut Scratch<T>,
    begin: impl Fn(Range<usize>),
) {
    let Schedule { form, layout, row_stride, .. } = schedule;
    let Block { chunk, sources, .. } = block;
    let Scratch { packed, strips, tiles, sums, starts, .. } = scratch;
    let strip_len = layout.strip_len(sources.len());
    let (mut first_row, mut first_panel) = (0, 0);
    // With minimal filtering it is added to the outputs.
    let bias = bias.filter(|_| form.unit == 1);
    for (class, offsets) in schedule.panels.iter().zip(&schedule.offsets) {
        let kernel = &class.kernel;
        let (m, num_phases) = (kernel.rows(), class.class.phases.len());
        let part = layout.part(class.sum, sources.len());
        let signal = SignalLayout::new(offsets, layout.channel_stride(class.sum), sources.len())
            .expect("the strips were packed by the same layout");
        let term_len = offsets.len() * m;
        find_tiles(kernel, strips, tiles);
        let skipped = (chunk.start - panels.first) * num_phases / m;
        let (num_panels, num_tiles) = (class.num_panels(chunk.len()), tiles.len());
        starts.clear();
        let of_channel = |channel| repeat_n(block.bias(form, bias, channel), num_phases);
        starts.extend((0..).flat_map(of_channel).take(num_panels * m));
        // A strip that stays near has all panels go over it, one after the other.
        let is_near = sources.len() * layout.channel_stride(class.sum) * size_of::<T>() <= NEAR_STRIP;
        let (outer, inner) = if is_near { (num_tiles, num_panels) } else { (num_panels, num_tiles) };
        for (outer, inner) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
            let (panel, number) = if is_near { (inner, outer) } else { (outer, inner) };
            let panel_len = panels.sources.len() * term_len;
            let weights = &panels.values[first_panel + (skipped + panel) * panel_len..][..panel_len];
            let weights =
                &weights[(sources.start - panels.sources.start) * term_len..][..sources.len() * term_len];
            if first_row == 0 && number == 0 {
                let channel = |row: usize| (chunk.start + row.div_ceil(num_phases)).min(chunk.end);
                begin(channel(panel * m)..channel((panel + 1) * m));
            }
            let TileOfStrip { strip, position, vectors } = tiles[number];
            let values = &packed.values[strip * strip_len..][..strip_len][part..];
            let terms = Terms::new(weights, m, values, signal).expect(
                "the panel has a weight per term and row, and the strip every entry that a term reads",
            );
            let asked = next.as_ref().and_then(|next| {
                let of_item = num_tiles / next.items;
                next.part((number / of_item, panel * of_item + number % of_item), offsets.len())
            });
            let terms = match asked {
                Some((next, stride)) => terms.with_next(next, stride, CacheLevel::Second),
                None => terms,
            };
            let start = if sources.start == 0 { Start::Rows(&starts[panel * m..][..m]) } else { Start::Sums };
            let row = first_row + panel * m;
            let to = &mut sums[row * row_stride + strip * layout.width + position..];
            let sums = lucid_kernels::Sums { values: to, row_stride: *row_stride };
            kernel.run(&terms, position, vectors, start, sums);
        }
        if let Some(next) = &mut next {
            next.advance(num_panels * num_tiles / next.items, offsets.len());
        }
        first_row += class.num_panels(chunk.len()) * m;
        first_panel += class.len_of(panels.channels, panels.sources.len());
    }
}

/// Some columns of a strip that are summed together.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileOfStrip {
    /// Which one.
    strip: usize,
    /// The first column.
    position: usize,
    vectors: usize,
}

/// Cuts strips into tiles, the same for every panel.
fn find_tiles<T: Element>(kernel: &TileKernel<T>, strips: &[Strip], tiles: &mut Vec<TileOfStrip>) {
    tiles.clear();
    for (number, strip) in strips.iter().enumerate() {
        let mut position = 0;
        while position < strip.len {
            let vectors = kernel.vectors_of((strip.len - position).div_ceil(kernel.lanes()));
            tiles.push(TileOfStrip { strip: number, position, vectors });
            position += vectors * kernel.lanes();
        }
    }
}
