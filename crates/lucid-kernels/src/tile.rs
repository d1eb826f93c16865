//! The inner kernel of nearly everything:
//!
//! ```text
//! sums[m, q] += sum over (channel c, tap t) of weights[c, t, m] * signal[c * channel_stride + offsets[t] + q]
//! ```
//!
//! for a tile of rows `m` and positions `q` whose sums stay in registers. Rows of the signal are read where they lie,
//! shifted by the tap: nothing is copied once per tap. Each term broadcasts one weight per row and loads one vector per
//! `LANES` positions, so a tile of `M` rows and `V` vectors does `M V` multiply-adds for `M + V` reads.

use crate::pointwise::LINE_BYTES;
use crate::vector::Vector;

/// How far ahead, in elements, a tile asks for the operand that may come from memory: the processor's own prefetching ends with
/// every page.
const PREFETCH: usize = 1024;
/// The same for a signal, of which a term takes several vectors.
const PREFETCH_SIGNAL: usize = 4 * PREFETCH;

/// The operands of a tile, checked against one another once.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a, T> {
    weights: &'a [T],
    signal: &'a [T],
    offsets: &'a [usize],
    channel_stride: usize,
    num_channels: usize,
    rows: usize,
    /// Elements from one term's weights to the next one's.
    pitch: usize,
    /// The largest position that every read of one element stays within the signal for, and one more.
    end: usize,
    far: Far<'a, T>,
}

/// What is asked for ahead, a little with every term.
#[derive(Clone, Copy, Debug)]
enum Far<'a, T> {
    Weights,
    Signal,
    Next { next: &'a T, stride: usize, level: CacheLevel },
}

/// Where the rows of a signal lie.
#[derive(Clone, Copy, Debug)]
pub struct SignalLayout<'a> {
    offsets: &'a [usize],
    channel_stride: usize,
    num_channels: usize,
    /// The furthest element that position 0 reads.
    furthest: usize,
}

impl<'a> SignalLayout<'a> {
    /// Each tap reads from its offset on, counted from the channel's first element; channels lie `channel_stride` apart.
    /// `None` where an element's index would overflow.
    pub fn new(offsets: &'a [usize], channel_stride: usize, num_channels: usize) -> Option<Self> {
        let furthest = match (num_channels, offsets.iter().max()) {
            // Without a term nothing is read.
            (0, _) | (_, None) => 0,
            (channels, Some(&offset)) => (channels - 1).checked_mul(channel_stride)?.checked_add(offset)?,
        };
        Some(SignalLayout { offsets, channel_stride, num_channels, furthest })
    }
}

impl<'a, T> Terms<'a, T> {
    /// Ties the weights, `[channel][tap][row]`, to the signal that they are multiplied with; `None` where the weights
    /// have another length, or the signal is too short for a single position.
    pub fn new(weights: &'a [T], rows: usize, signal: &'a [T], layout: SignalLayout<'a>) -> Option<Self> {
        Terms::apart(weights, (rows, rows), signal, layout)
    }

    /// The same with the weights of two terms `pitch` elements apart, at least as many as there are rows, the last term's too: whole
    /// vectors, which are faster to write. What lies between the rows of two terms is not used.
    pub fn apart(
        weights: &'a [T],
        (rows, pitch): (usize, usize),
        signal: &'a [T],
        layout: SignalLayout<'a>,
    ) -> Option<Self> {
        let SignalLayout { offsets, channel_stride, num_channels, furthest } = layout;
        let expected = num_channels.checked_mul(offsets.len())?.checked_mul(pitch)?;
        let end = signal.len().checked_sub(furthest)?;
        (weights.len() == expected && rows <= pitch).then_some(Terms {
            weights,
            signal,
            offsets,
            channel_stride,
            num_channels,
            rows,
            pitch,
            end,
            far: Far::Weights,
        })
    }

    /// The same where the signal comes from memory and the weights are in a cache; otherwise it is taken to be the other way
    /// round. It makes a difference to the time only.
    #[must_use]
    pub fn with_signal_far(self) -> Self {
        Terms { far: Far::Signal, ..self }
    }

    /// The same where both are in a cache: then rows are asked for that are needed later, as many as there are channels, `stride`
    /// elements apart, the first from `next` on: of each a cache line per term, even where nothing lies there any more. It makes a
    /// difference to the time only.
    #[must_use]
    pub fn with_next(self, next: &'a T, stride: usize, level: CacheLevel) -> Self {
        Terms { far: Far::Next { next, stride, level }, ..self }
    }
}

/// The cache that something goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLevel {
    /// The one that tiles read from: for what is needed very soon.
    First,
    /// The one behind it, for what would push out there what is being read.
    Second,
}

/// What the sums of a tile begin with.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, T> {
    /// A value per row, such as a bias; what was in memory is never read.
    Rows(&'a [T]),
    /// What is in memory: the sums of the channels before.
    Sums,
}

/// A tile function: terms, first position, what to start with, and the sums, whose rows lie `row_stride` apart.
///
/// # Safety
/// The instruction set of the function must be available; `terms.rows` must be its rows, and the length of `start` if it
/// is [`Start::Rows`]; `position + vectors * LANES <= terms.end`; from `sums` on there must be
/// `(rows - 1) * row_stride + vectors * LANES` elements, initialised ones.
pub(crate) type TileFn<T> =
    unsafe fn(terms: &Terms<'_, T>, position: usize, start: Start<'_, T>, sums: *mut T, row_stride: usize);

/// # Safety
/// As [`TileFn`], for `M` rows and `V` vectors of the instruction set of `X`; must be inlined into a function that
/// enables that set.
#[inline(always)]
pub(crate) unsafe fn tile<X: Vector, const M: usize, const V: usize>(
    terms: &Terms<'_, X::Element>,
    position: usize,
    start: Start<'_, X::Element>,
    sums: *mut X::Element,
    row_stride: usize,
) {
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    let mut acc = [[zero; V]; M];
    for (m, acc) in acc.iter_mut().enumerate() {
        for (v, acc) in acc.iter_mut().enumerate() {
            *acc = match start {
                Start::Rows(values) => {
                    // SAFETY: the caller promises M values.
                    let value = unsafe { *values.get_unchecked(m) };
                    // SAFETY: the caller promises the instruction set.
                    unsafe { X::splat(value) }
                }
                Start::Sums => {
                    // m <= M - 1 and v <= V - 1  =>  m row_stride + (v + 1) LANES is within the elements promised.
                    // SAFETY: hence the pointer stays within them.
                    let from = unsafe { sums.add(m * row_stride + v * X::LANES) };
                    // SAFETY: hence LANES elements can be read there; the caller promises the instruction set.
                    unsafe { X::load(from) }
                }
            };
        }
    }
    let mut weights = terms.weights.as_ptr();
    // An address that is asked for need not be one of an element.
    let num_terms = terms.offsets.len();
    let (mut ahead, of_term, of_channel) = match terms.far {
        Far::Weights => (weights.wrapping_add(PREFETCH), terms.pitch, terms.pitch.wrapping_mul(num_terms)),
        Far::Signal => {
            let first = terms.signal.as_ptr().wrapping_add(position + PREFETCH_SIGNAL);
            (first, terms.channel_stride, terms.channel_stride.wrapping_mul(num_terms))
        }
        Far::Next { next, stride, .. } => {
            (std::ptr::from_ref(next), LINE_BYTES / size_of::<X::Element>(), stride)
        }
    };
    // From where the terms of a channel end to the next channel.
    let jump = of_channel.wrapping_sub(of_term.wrapping_mul(num_terms));
    let is_signal_far = matches!(terms.far, Far::Signal);
    let is_for_second = matches!(terms.far, Far::Next { level: CacheLevel::Second, .. });
    for channel in 0..terms.num_channels {
        for &offset in terms.offsets {
            let at = channel * terms.channel_stride + offset + position;
            let mut x = [zero; V];
            for (v, x) in x.iter_mut().enumerate() {
                // at <= furthest + position, and position + V LANES <= end = len - furthest
                //   =>  at + V LANES <= len, so vector v < V lies within the signal.
                // SAFETY: hence the pointer stays within the slice.
                let from = unsafe { terms.signal.as_ptr().add(at + v * X::LANES) };
                if is_signal_far && v > 0 {
                    // SAFETY: the caller promises the instruction set.
                    unsafe { X::prefetch(ahead.wrapping_add(v * X::LANES)) };
                }
                // SAFETY: hence LANES elements can be read there; the caller promises the instruction set.
                *x = unsafe { X::load(from) };
            }
            if is_for_second {
                // SAFETY: the caller promises the instruction set.
                unsafe { X::prefetch_for_second(ahead) };
            } else {
                // SAFETY: the caller promises the instruction set.
                unsafe { X::prefetch(ahead) };
            }
            ahead = ahead.wrapping_add(of_term);
            for (m, acc) in acc.iter_mut().enumerate() {
                // The weights have num_channels * taps * pitch elements and this is term number
                // channel * taps + tap, whose M <= pitch elements follow `weights`.
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
            // SAFETY: `pitch` elements per term, so this is at most the end of the slice.
            weights = unsafe { weights.add(terms.pitch) };
        }
        ahead = ahead.wrapping_add(jump);
    }
    for (m, acc) in acc.iter().enumerate() {
        for (v, acc) in acc.iter().enumerate() {
            // SAFETY: within the elements promised, as above.
            let to = unsafe { sums.add(m * row_stride + v * X::LANES) };
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

    /// How many of the vectors that are left the next tile takes, so that all are of about equal width: a narrow one would wait for
    /// its own sums.
    pub fn vectors_of(&self, left: usize) -> usize {
        left.div_ceil(left.div_ceil(self.max_vectors()).max(1))
    }

    /// Adds the sums of `vectors` vectors of positions from `position` on to `start`, as rows that lie
    /// `sums.row_stride` apart.
    ///
    /// # Panics
    /// When the terms or the start are for another number of rows, there is no tile of so many vectors, the positions
    /// reach beyond the signal, or the sums are fewer than `rows` rows of `vectors * lanes` elements.
    pub fn run(
        &self,
        terms: &Terms<'_, T>,
        position: usize,
        vectors: usize,
        start: Start<'_, T>,
        sums: Sums<'_, T>,
    ) {
        let Sums { values, row_stride } = sums;
        assert!((1..=self.by_vectors.len()).contains(&vectors), "a tile of {vectors} vectors");
        assert_eq!(terms.rows, self.rows, "rows of the terms and of the kernel");
        if let Start::Rows(values) = start {
            assert_eq!(values.len(), self.rows, "values to start with and rows of the kernel");
        }
        let positions = vectors * self.lanes;
        assert!(
            position <= terms.end && positions <= terms.end - position,
            "positions {position} + {positions} reach beyond {}",
            terms.end
        );
        // What is subtracted is no more than the length  =>  (rows - 1) row_stride + positions <= length.
        let fits = values.len().checked_sub(positions).is_some_and(|left| {
            (self.rows - 1).checked_mul(row_stride).is_some_and(|furthest| furthest <= left)
        });
        assert!(fits, "{} sums for {} rows {row_stride} apart", values.len(), self.rows);
        // SAFETY: `from_parts` was promised that the function is the one for these rows and vectors and that its
        // instruction set is available; the other conditions have just been checked.
        unsafe { self.by_vectors[vectors - 1](terms, position, start, values.as_mut_ptr(), row_stride) }
    }
}

/// Where the sums of a tile are written.
#[derive(Debug)]
pub struct Sums<'a, T> {
    /// The first sum and all after it.
    pub values: &'a mut [T],
    /// From a row's first sum to the next one's.
    pub row_stride: usize,
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
                    // As close as they can be, and apart.
                    let pitch = rows + vectors - 1;
                    let weights: Vec<T> =
                        (0..num_channels * offsets.len() * pitch).map(|i| number(i * 5)).collect();
                    let layout = SignalLayout::new(&offsets, channel_stride, num_channels).unwrap();
                    let terms = Terms::apart(&weights, (rows, pitch), &signal, layout).unwrap();
                    let width = vectors * kernel.lanes();
                    let row_stride = width + 3;
                    let mut sums = vec![T::nan(); (rows - 1) * row_stride + width];
                    for position in [0, 2] {
                        let starts: Vec<T> = (0..rows).map(|m| number(m + 3)).collect();
                        // Once more, on top of the sums that are there, whatever is asked for meanwhile.
                        for (start, terms) in [
                            (Start::Rows(&starts[..]), terms),
                            (Start::Sums, terms.with_signal_far()),
                            (Start::Sums, terms.with_next(&signal[1], 7, CacheLevel::First)),
                            (Start::Sums, terms.with_next(&weights[0], usize::MAX, CacheLevel::Second)),
                        ] {
                            kernel.run(
                                &terms,
                                position,
                                vectors,
                                start,
                                Sums { values: &mut sums, row_stride },
                            );
                        }
                        for m in 0..rows {
                            for q in 0..width {
                                let mut expected = T::zero();
                                for c in 0..num_channels {
                                    for (t, offset) in offsets.iter().enumerate() {
                                        expected += weights[(c * offsets.len() + t) * pitch + m]
                                            * signal[c * channel_stride + offset + position + q];
                                    }
                                }
                                let found = sums[m * row_stride + q];
                                let expected = starts[m] + T::from(4).unwrap() * expected;
                                assert_eq!(found, expected, "{isa} {rows}x{vectors}: {m} {q}");
                            }
                            let gap = &sums[m * row_stride + width..];
                            assert!(gap[..gap.len().min(3)].iter().all(|sum| sum.is_nan()), "beyond a row");
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
    fn tiles_of_a_row_are_about_equally_wide() {
        let kernel = tile_kernel::<f32>(Isa::Portable, 1).unwrap();
        let most = kernel.max_vectors();
        assert_eq!(kernel.vectors_of(0), 0);
        for vectors in 1..5 * most {
            let (mut left, mut widths) = (vectors, Vec::new());
            while left > 0 {
                widths.push(kernel.vectors_of(left));
                left -= widths[widths.len() - 1];
            }
            let (narrowest, widest) = (widths.iter().min().unwrap(), widths.iter().max().unwrap());
            assert!(
                widths.len() == vectors.div_ceil(most) && widest - narrowest <= 1,
                "{vectors}: {widths:?}"
            );
        }
    }

    #[test]
    fn no_terms_give_zeros() {
        let kernel = tile_kernel::<f32>(Isa::best(), 8).unwrap();
        let layout = SignalLayout::new(&[], 5, 3).unwrap();
        let signal = vec![1.0; 64];
        let terms = Terms::new(&[], 8, &signal, layout).unwrap();
        let mut sums = vec![f32::NAN; 8 * kernel.lanes()];
        let row_stride = kernel.lanes();
        kernel.run(&terms, 0, 1, Start::Rows(&[0.0; 8]), Sums { values: &mut sums, row_stride });
        assert!(sums.iter().all(|&sum| sum == 0.0));
    }

    #[test]
    fn operands_that_do_not_fit_are_refused() {
        let layout = SignalLayout::new(&[0, 4], 100, 2).unwrap();
        assert!(Terms::new(&[0.0; 16], 4, &[0.0; 105], layout).is_some());
        assert!(Terms::new(&[0.0; 15], 4, &[0.0; 105], layout).is_none());
        assert!(Terms::new(&[0.0; 16], 4, &[0.0; 103], layout).is_none());
        assert!(Terms::apart(&[0.0; 20], (4, 5), &[0.0; 105], layout).is_some());
        assert!(Terms::apart(&[0.0; 12], (4, 3), &[0.0; 105], layout).is_none());
        assert!(SignalLayout::new(&[0, 4], usize::MAX, 2).is_none());
    }

    #[test]
    #[should_panic(expected = "reach beyond")]
    fn positions_beyond_the_signal_are_refused() {
        let kernel = tile_kernel::<f32>(Isa::Portable, 1).unwrap();
        let layout = SignalLayout::new(&[1], 0, 1).unwrap();
        let signal = [0.0; 8];
        let terms = Terms::new(&[1.0], 1, &signal, layout).unwrap();
        kernel.run(&terms, 4, 1, Start::Sums, Sums { values: &mut [0.0; 4], row_stride: 0 });
    }

    #[test]
    #[should_panic(expected = "sums for 3 rows")]
    fn sums_that_do_not_fit_are_refused() {
        let kernel = tile_kernel::<f32>(Isa::Portable, 3).unwrap();
        let layout = SignalLayout::new(&[0], 0, 1).unwrap();
        let signal = [0.0; 8];
        let terms = Terms::new(&[1.0; 3], 3, &signal, layout).unwrap();
        kernel.run(&terms, 0, 1, Start::Sums, Sums { values: &mut [0.0; 13], row_stride: 5 });
    }
}
