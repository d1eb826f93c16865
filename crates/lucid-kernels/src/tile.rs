//! The inner kernel of nearly everything:
//!
//! ```text
//! sums[m, q] = sum over (channel c, tap t) of weights[c, t, m] * signal[c * channel_stride + offsets[t] + q]
//! ```
//!
//! for a tile of rows `m` and positions `q` whose sums stay in registers. Rows of the signal are read where they lie,
//! shifted by the tap: nothing is copied once per tap. Each term broadcasts one weight per row and loads one vector per
//! `LANES` positions, so a tile of `M` rows and `V` vectors does `M V` multiply-adds for `M + V` reads.

use crate::vector::Vector;

/// The operands of a tile, checked against one another once.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a, T> {
    weights: &'a [T],
    signal: &'a [T],
    offsets: &'a [usize],
    channel_stride: usize,
    num_channels: usize,
    rows: usize,
    /// The largest position that every read of one element stays within the signal for, and one more.
    end: usize,
}

/// Where the rows of a signal lie.
#[derive(Clone, Copy, Debug)]
pub struct SignalLayout<'a> {
    /// Where each tap reads, from the channel's first element on.
    pub offsets: &'a [usize],
    /// From a channel's first element to the next one's.
    pub channel_stride: usize,
    /// The number of channels.
    pub num_channels: usize,
}

impl<'a, T> Terms<'a, T> {
    /// Ties the weights, `[channel][tap][row]`, to the signal that they are multiplied with; `None` where the weights
    /// have another length, or the signal is too short for a single position.
    pub fn new(weights: &'a [T], rows: usize, signal: &'a [T], layout: SignalLayout<'a>) -> Option<Self> {
        let SignalLayout { offsets, channel_stride, num_channels } = layout;
        let expected = num_channels.checked_mul(offsets.len())?.checked_mul(rows)?;
        let furthest = match (num_channels, offsets.iter().max()) {
            // Without a term nothing is read.
            (0, _) | (_, None) => 0,
            (channels, Some(&offset)) => (channels - 1).checked_mul(channel_stride)?.checked_add(offset)?,
        };
        let end = signal.len().checked_sub(furthest)?;
        (weights.len() == expected).then_some(Terms {
            weights,
            signal,
            offsets,
            channel_stride,
            num_channels,
            rows,
            end,
        })
    }
}

/// A tile function: terms, first position, sums as `[row][vectors * LANES]`.
///
/// # Safety
/// The instruction set of the function must be available; `terms.rows` must be its rows;
/// `position + vectors * LANES <= terms.end`; `sums` must have space for `rows * vectors * LANES` elements.
pub(crate) type TileFn<T> = unsafe fn(terms: &Terms<'_, T>, position: usize, sums: *mut T);

/// # Safety
/// As [`TileFn`], for `M` rows and `V` vectors of the instruction set of `X`; must be inlined into a function that
/// enables that set.
#[inline(always)]
pub(crate) unsafe fn tile<X: Vector, const M: usize, const V: usize>(
    terms: &Terms<'_, X::Element>,
    position: usize,
    sums: *mut X::Element,
) {
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    let mut acc = [[zero; V]; M];
    let mut weights = terms.weights.as_ptr();
    for channel in 0..terms.num_channels {
        for &offset in terms.offsets {
            let at = channel * terms.channel_stride + offset + position;
            let mut x = [zero; V];
            for (v, x) in x.iter_mut().enumerate() {
                // at <= furthest + position, and position + V LANES <= end = len - furthest
                //   =>  at + V LANES <= len, so vector v < V lies within the signal.
                // SAFETY: hence the pointer stays within the slice.
                let from = unsafe { terms.signal.as_ptr().add(at + v * X::LANES) };
                // SAFETY: hence LANES elements can be read there; the caller promises the instruction set.
                *x = unsafe { X::load(from) };
            }
            for (m, acc) in acc.iter_mut().enumerate() {
                // The weights have num_channels * taps * M elements and this is term number
                // channel * taps + tap, whose M elements follow `weights`.
                // SAFETY: hence the pointer is within the slice.
                let weight = unsafe { weights.add(m) };
                // SAFETY: hence it can be read.
                let weight = unsafe { *weight };
                // SAFETY: the caller promises the instruction set.
                let weight = unsafe { X::splat(weight) };
                for (acc, &x) in acc.iter_mut().zip(&x) {
                    // SAFETY: the caller promises the instruction set.
                    *acc = unsafe { weight.multiply_add(x, *acc) };
                }
            }
            // SAFETY: M elements per term, so this is at most the end of the slice.
            weights = unsafe { weights.add(M) };
        }
    }
    for (m, acc) in acc.iter().enumerate() {
        for (v, acc) in acc.iter().enumerate() {
            // SAFETY: m < M and v < V, and the caller promises M V LANES elements.
            let to = unsafe { sums.add((m * V + v) * X::LANES) };
            // SAFETY: for the same reason LANES elements can be written there; the caller promises the instruction set.
            unsafe { acc.store(to) };
        }
    }
}

/// The kernels of one instruction set for tiles of a given number of rows. Holding one proves that this machine can run
/// it.
#[derive(Clone, Copy, Debug)]
pub struct TileKernel<T: 'static> {
    rows: usize,
    lanes: usize,
    /// By number of vectors, from 1 on.
    by_vectors: &'static [TileFn<T>],
}

impl<T: Copy> TileKernel<T> {
    /// # Safety
    /// The functions must be those for `rows` rows and 1, 2, ... vectors of `lanes` elements, and their instruction set
    /// must be available.
    pub(crate) unsafe fn from_parts(rows: usize, lanes: usize, by_vectors: &'static [TileFn<T>]) -> Self {
        TileKernel { rows, lanes, by_vectors }
    }

    /// Rows of a tile.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Positions per vector.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Vectors of the widest tile.
    pub fn max_vectors(&self) -> usize {
        self.by_vectors.len()
    }

    /// Computes the sums of `vectors` vectors of positions from `position` on, as `[row][position]`.
    ///
    /// # Panics
    /// When the terms are for another number of rows, there is no tile of so many vectors, the positions reach beyond
    /// the signal, or `sums` has not exactly `rows * vectors * lanes` elements.
    pub fn run(&self, terms: &Terms<'_, T>, position: usize, vectors: usize, sums: &mut [T]) {
        assert!((1..=self.by_vectors.len()).contains(&vectors), "a tile of {vectors} vectors");
        assert_eq!(terms.rows, self.rows, "rows of the terms and of the kernel");
        let positions = vectors * self.lanes;
        assert!(
            position <= terms.end && positions <= terms.end - position,
            "positions {position} + {positions} reach beyond {}",
            terms.end
        );
        assert_eq!(sums.len(), self.rows * positions, "sums");
        // SAFETY: `from_parts` was promised that the function is the one for these rows and vectors and that its
        // instruction set is available; the other conditions have just been checked.
        unsafe { self.by_vectors[vectors - 1](terms, position, sums.as_mut_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Element, Isa, tile_kernel};

    fn number<T: Element>(i: usize) -> T {
        T::from((i * 37 + 11) % 64).unwrap() / T::from(16).unwrap() - T::from(2).unwrap()
    }

    /// Every kernel against the sum as it is written, on numbers whose products and sums are exact in either type.
    fn computes_the_sum<T: Element>() {
        for isa in Isa::available() {
            for rows in 1..=16 {
                let kernel = tile_kernel::<T>(isa, rows).unwrap();
                assert_eq!(kernel.rows(), rows);
                for vectors in 1..=kernel.max_vectors() {
                    let offsets = [3, 0, 7];
                    let (num_channels, channel_stride) = (4, vectors * kernel.lanes() + 10);
                    let signal: Vec<T> = (0..num_channels * channel_stride).map(number).collect();
                    let weights: Vec<T> =
                        (0..num_channels * offsets.len() * rows).map(|i| number(i * 5)).collect();
                    let layout = SignalLayout { offsets: &offsets, channel_stride, num_channels };
                    let terms = Terms::new(&weights, rows, &signal, layout).unwrap();
                    let width = vectors * kernel.lanes();
                    let mut sums = vec![T::nan(); rows * width];
                    for position in [0, 2] {
                        kernel.run(&terms, position, vectors, &mut sums);
                        for m in 0..rows {
                            for q in 0..width {
                                let mut expected = T::zero();
                                for c in 0..num_channels {
                                    for (t, offset) in offsets.iter().enumerate() {
                                        expected += weights[(c * offsets.len() + t) * rows + m]
                                            * signal[c * channel_stride + offset + position + q];
                                    }
                                }
                                assert_eq!(sums[m * width + q], expected, "{isa} {rows}x{vectors}: {m} {q}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_kernel_computes_the_sum() {
        computes_the_sum::<f32>();
        computes_the_sum::<f64>();
    }

    #[test]
    fn no_terms_give_zeros() {
        let kernel = tile_kernel::<f32>(Isa::best(), 8).unwrap();
        let layout = SignalLayout { offsets: &[], channel_stride: 5, num_channels: 3 };
        let signal = vec![1.0; 64];
        let terms = Terms::new(&[], 8, &signal, layout).unwrap();
        let mut sums = vec![f32::NAN; 8 * kernel.lanes()];
        kernel.run(&terms, 0, 1, &mut sums);
        assert!(sums.iter().all(|&sum| sum == 0.0));
    }

    #[test]
    fn operands_that_do_not_fit_are_refused() {
        let layout = SignalLayout { offsets: &[0, 4], channel_stride: 100, num_channels: 2 };
        assert!(Terms::new(&[0.0; 16], 4, &[0.0; 105], layout).is_some());
        assert!(Terms::new(&[0.0; 15], 4, &[0.0; 105], layout).is_none());
        assert!(Terms::new(&[0.0; 16], 4, &[0.0; 103], layout).is_none());
        let overflowing = SignalLayout { channel_stride: usize::MAX, ..layout };
        assert!(Terms::new(&[0.0; 16], 4, &[0.0; 105], overflowing).is_none());
    }

    #[test]
    #[should_panic(expected = "reach beyond")]
    fn positions_beyond_the_signal_are_refused() {
        let kernel = tile_kernel::<f32>(Isa::Portable, 1).unwrap();
        let layout = SignalLayout { offsets: &[1], channel_stride: 0, num_channels: 1 };
        let signal = [0.0; 8];
        let terms = Terms::new(&[1.0], 1, &signal, layout).unwrap();
        kernel.run(&terms, 4, 1, &mut [0.0; 4]);
    }
}
