//! Minimal filtering: four neighbouring outputs share products.
//!
//! Winograd's F(4, r) computes four outputs of an r-tap filter with r + 3 products instead of 4 r, as a polynomial product by
//! values at points. The sums over source channels are taken of the products, before they are combined, so the combining
//! costs once per output whatever the number of channels. `lucid_kernels::winograd_lines` has the formulas.
//!
//! Filters of three, two and one taps are multiplied at the same points, so a longer filter is a sum of such ones, in
//! the same sums. With dilation `d` neighbours are `d` entries apart: column `i d + v` has entries `(4 i + j) d + v`. Batch
//! items of small images take turns as if they were so many entries apart: then no vector is half empty.
//!
//! Sources: S. Winograd, Arithmetic Complexity of Computations (1980); A. Lavin and S. Gray, Fast Algorithms for
//! Convolutional Neural Networks (2016); B. Barabasz et al., Error Analysis and Improving the Accuracy of Winograd
//! Convolution for Deep Neural Networks (2020).

use lucid_kernels::{WINOGRAD_OUTPUTS, winograd_weights};

use super::form::{Filter, Form, Line, View};
use super::lattice::AxisTap;
use super::tiling::Tiling;

/// Taps of one source phase that are neighbours, first to last, as part of a filter of three taps.
pub(crate) struct Chunk<'a> {
    pub(crate) taps: &'a [AxisTap],
    /// Where the first of the three taps would read.
    start: usize,
    /// Which of the three the first tap here is.
    first: usize,
}

/// Cuts the taps of one axis into chunks of up to three; neighbours are `apart` entries apart.
pub(crate) fn chunks(taps: &mut [AxisTap], apart: usize) -> Vec<Chunk<'_>> {
    taps.sort_by_key(|tap| (tap.source_phase, tap.offset));
    let are_neighbours =
        |a: &AxisTap, b: &AxisTap| a.source_phase == b.source_phase && a.offset + apart == b.offset;
    let mut chunks = Vec::new();
    for run in taps.chunk_by(are_neighbours) {
        // Seven as three, one and three takes as many products as three, two and two, and both threes read the same lines.
        let lens: &[usize] = if run.len() == 7 { &[3, 1, 3] } else { &[] };
        let mut rest = run;
        for &len in lens.iter().chain(std::iter::repeat(&3)) {
            if rest.is_empty() {
                break;
            }
            let (taps, others) = rest.split_at(len.min(rest.len()));
            // A single tap takes least products as the middle one.
            let first = usize::from(taps.len() == 1 && taps[0].offset >= apart);
            chunks.push(Chunk { taps, start: taps[0].offset - first * apart, first });
            rest = others;
        }
    }
    chunks
}

impl Chunk<'_> {
    /// What it reads, of a source phase and an offset of the outer axes.
    pub(crate) fn filter<const N: usize>(&self, slot: usize, outer: [usize; N], apart: usize) -> Filter<N> {
        let blocks = self.start / apart;
        let line = Line { slot, outer, view: View::Winograd { shift: blocks % WINOGRAD_OUTPUTS } };
        let offset = blocks / WINOGRAD_OUTPUTS * apart;
        Filter { line, offset, first: self.first, num_taps: self.taps.len() }
    }
}

impl<const N: usize> Filter<N> {
    /// Whether it has a product in a sum: it has none for the points where the taps that count are those that it lacks.
    pub(crate) fn has_product(&self, sum: usize) -> bool {
        let taps = self.first..self.first + self.num_taps;
        self.line.view == View::Entries || winograd_weights(sum)[taps].iter().any(|&factor| factor != 0.0)
    }
}

/// Channels of either side from which on the products outweigh the transforms: measured with 32, 64 and 128.
const MIN_CHANNELS: usize = 32;
/// Positions along the last axis from which on columns of one batch item fill the tiles.
pub(super) const MIN_ROW: usize = 24;
/// Positions from which on it is paid back that there are about twice as many weights to read, where they don't stay in a
/// cache, or to pack, where no call has them packed already. Measured with 96, 256 and 700 of them.
const MIN_POSITIONS: usize = 256;
/// Elements of a weight that stays in a cache.
const CACHED_WEIGHT: usize = 512 * 1024;

impl<const N: usize> Form<N> {
    /// Multiplications of an item's channel of the source and one of the result, also those of columns that rows are filled up
    /// with, to whole ones or to as many as take turns.
    pub(crate) fn multiplications(&self) -> f64 {
        self.num_products() as f64 * self.num_columns(self.axes[0].len) as f64 / self.abreast as f64
    }

    /// The same where columns end with every row, as those of which a gradient takes the products.
    pub(crate) fn multiplications_by_row(&self) -> f64 {
        let rows: usize = self.axes[..N - 1].iter().map(|axis| axis.len).product();
        self.num_products() as f64 * rows as f64 * self.columns_of_row(self.axes[N - 1].len) as f64
    }

    /// Whether one with shared products may [outdo](Self::outdoes) this form, so that it is worth making. A form that is not
    /// trimmed has one position more at most.
    pub(crate) fn may_be_outdone(&self) -> bool {
        let rows = self.result_channels * self.num_phases();
        rows.min(self.source_channels) >= MIN_CHANNELS && self.axes[N - 1].len + 1 >= WINOGRAD_OUTPUTS
    }

    /// Whether the form is likely to be faster than `plain`: it has a fifth fewer products at least, and they outweigh what
    /// it costs to make lines and to take sums apart, once per channel and position of either side. A pass whose weight
    /// `may_be_prepared` is chosen as if it were: both give the same bits. Where vectors run over rows, no row has to fill them, and
    /// no more weights are read or packed.
    pub(crate) fn outdoes(&self, plain: &Form<N>, tiling: Tiling, may_be_prepared: bool) -> bool {
        let products = self.multiplications() / plain.multiplications();
        let rows = plain.result_channels * plain.num_phases();
        let positions = plain.axes.iter().map(|axis| axis.len).product::<usize>() * self.abreast;
        let weight = plain.source_channels * plain.result_channels * plain.num_products();
        let is_paid_back = positions >= MIN_POSITIONS || (may_be_prepared && weight <= CACHED_WEIGHT);
        products <= 0.8
            && rows >= MIN_CHANNELS
            && self.source_channels >= MIN_CHANNELS
            && (tiling == Tiling::Rows || (self.axes[N - 1].len * self.abreast >= MIN_ROW && is_paid_back))
    }
}
