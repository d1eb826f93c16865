//! Minimal filtering: two neighbouring outputs share products.
//!
//! Winograd's F(2, r) computes two outputs of an r-tap filter with r + 1 products instead of 2 r; for r = 2 it is
//! Karatsuba's. The sums over source channels are taken of the products, before they are combined, so the combining costs
//! once per output whatever the number of channels:
//!
//! ```text
//! r = 2:  even += w0 (x0 - x1)   both += (w0 + w1) x1              odd += w1 (x2 - x1)
//! r = 3:  even += w0 (x0 - x2)   both += (w0 + w1 + w2)/2 (x1 + x2)   odd += w2 (x3 - x1)   opposite += (w0 - w1 + w2)/2 (x2 - x1)
//! y0 = even + both + opposite    y1 = odd + both - opposite
//! ```
//!
//! A longer filter is a sum of such ones. Sources: S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin and
//! S. Gray, Fast Algorithms for Convolutional Neural Networks (2016).

use lucid_kernels::PairTaps;

use super::form::{Factor, Form, Line, Term, View};
use super::lattice::AxisTap;

/// Taps of one source phase that read neighbouring entries, first to last.
pub(crate) struct Chunk {
    pub(crate) taps: Vec<AxisTap>,
}

/// Cuts the taps of one axis into chunks of three and two, and single ones where a neighbour is missing.
pub(crate) fn chunks(taps: &[AxisTap]) -> Vec<Chunk> {
    let mut taps = taps.to_vec();
    taps.sort_by_key(|tap| (tap.source_phase, tap.offset));
    let mut chunks = Vec::new();
    for run in taps.chunk_by(|a, b| a.source_phase == b.source_phase && a.offset + 1 == b.offset) {
        let mut rest = run;
        while !rest.is_empty() {
            // Two and two take 6 products where three and one take 7.
            let len = if rest.len() == 4 || rest.len() == 2 { 2 } else { rest.len().min(3) };
            let (chunk, others) = rest.split_at(len);
            chunks.push(Chunk { taps: chunk.to_vec() });
            rest = others;
        }
    }
    chunks
}

impl Chunk {
    /// Adds the chunk's products to the sums even, both, odd and opposite.
    pub(crate) fn add_to<const N: usize>(
        &self,
        sums: &mut [Vec<(Term<N>, Factor)>],
        slot: usize,
        outer: [usize; N],
        tap: impl Fn(&AxisTap) -> usize,
    ) {
        let first = self.taps[0].offset;
        let w: Vec<usize> = self.taps.iter().map(tap).collect();
        let (taps, factors): (PairTaps, Vec<Factor>) = match w[..] {
            [a] => (PairTaps::One, vec![Factor::Tap(a); 2]),
            [a, b] => (PairTaps::Two, vec![Factor::Tap(a), Factor::Sum([a, b]), Factor::Tap(b)]),
            _ => {
                let w = [w[0], w[1], w[2]];
                let (both, opposite) = (Factor::HalfSum(w), Factor::HalfAlternating(w));
                (PairTaps::Three, vec![Factor::Tap(w[0]), both, Factor::Tap(w[2]), opposite])
            }
        };
        let line = Line { slot, outer, view: View::Pairs { taps, parity: first % 2 } };
        for (member, (&sum, factor)) in line.view.sums().iter().zip(factors).enumerate() {
            sums[sum].push((Term { line, member, offset: first / 2 }, factor));
        }
    }
}

/// Channels of either side from which on the products outweigh the transforms: measured with 64 and 128.
const MIN_CHANNELS: usize = 96;
/// Positions along the last axis from which on pairs fill the tiles.
const MIN_ROW: usize = 24;
/// Positions from which on reading half as many weights again is paid back, where they don't stay in a cache.
const MIN_POSITIONS: usize = 256;
/// Elements of a weight that stays in a cache.
const CACHED_WEIGHT: usize = 512 * 1024;

impl<const N: usize> Form<N> {
    /// Whether the form is likely to be faster than `plain`: it has a fifth fewer products at least, and they outweigh what
    /// it costs to make pairs and to take them apart, once per channel and position of either side. Residues, each with
    /// strips of its own, did not pay with 32 and 64 channels and have not been measured with more.
    pub(crate) fn outdoes(&self, plain: &Form<N>) -> bool {
        let products = self.num_products() as f64 / (2 * plain.num_products()) as f64;
        let rows = plain.result_channels * plain.num_phases();
        let positions: usize = plain.axes.iter().map(|axis| axis.len).product();
        let weight = plain.source_channels * plain.result_channels * plain.num_products();
        products <= 0.8
            && rows >= MIN_CHANNELS
            && self.source_channels >= MIN_CHANNELS
            && self.residues == 1
            && self.axes[N - 1].len >= MIN_ROW
            && (positions >= MIN_POSITIONS || weight <= CACHED_WEIGHT)
    }
}
