//! Filters of one row, at the speed of memory: what a convolution is made of where channels do not mix.
//!
//! ```text
//! out[q] = bias + sum over t of weights[t] * signal[offsets[t] + q]
//! ```
//!
//! There is nothing to reuse across channels, so all is about touching memory once: some vectors of sums stay in
//! registers for all taps, the signal is read where it lies, and of two phases (a stride of 2) both are summed together
//! and interleaved as they are stored. The gradient of the weights reads a row once for up to twelve taps.

use crate::element::Element;
use crate::isa::Isa;

/// The taps of a filter.
#[derive(Clone, Copy, Debug)]
pub struct Taps<'a, T> {
    /// Where each tap reads for position 0.
    pub offsets: &'a [usize],
    /// What it multiplies.
    pub weights: &'a [T],
}

impl<T> Taps<'_, T> {
    /// Whether every tap has a weight, and reads within `signal_len` elements for positions up to `len`.
    fn fit(&self, len: usize, signal_len: usize) -> bool {
        self.offsets.len() == self.weights.len() && offsets_fit(self.offsets, len, signal_len)
    }
}

/// Without a tap nothing is read.
fn offsets_fit(offsets: &[usize], len: usize, signal_len: usize) -> bool {
    let last = signal_len.checked_sub(len);
    offsets.iter().all(|&offset| last.is_some_and(|last| offset <= last))
}

/// Rows of equal length: of the signal, and of what is written or multiplied with it.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// How many there are.
    pub num_rows: usize,
    /// Positions of each.
    pub len: usize,
    /// From what one row reads of the signal to what the next one reads.
    pub signal_pitch: usize,
    /// From one row of the other side to the next.
    pub pitch: usize,
}

impl Rows {
    /// A single row of `len` positions.
    pub fn one(len: usize) -> Self {
        Rows { num_rows: 1, len, signal_pitch: 0, pitch: 0 }
    }

    /// Where the last of them ends, when they are `pitch` apart.
    fn end(&self, pitch: usize) -> usize {
        self.num_rows.saturating_sub(1).saturating_mul(pitch).saturating_add(self.len)
    }
}

/// `out[i * pitch + q] = bias + sum over t of weights[t] * signal[offsets[t] + i * signal_pitch + q]` for every row `i` and
/// position `q`; nothing else is written.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, Rows, Taps, filter};
///
/// let mut out = [0.0; 3];
/// let taps = Taps { offsets: &[1, 0], weights: &[1.0, -1.0] };
/// filter(Isa::best(), taps, 0.5, &[1.0, 2.0, 4.0, 8.0], Rows::one(3), &mut out);
/// assert_eq!(out, [1.5, 2.5, 4.5]);
/// ```
///
/// # Panics
/// When there is not a weight per offset, a tap reads beyond the signal, or a row reaches beyond `out`.
pub fn filter<T: Element>(isa: Isa, taps: Taps<'_, T>, bias: T, signal: &[T], rows: Rows, out: &mut [T]) {
    if rows.num_rows == 0 || rows.len == 0 {
        return;
    }
    assert!(taps.fit(rows.end(rows.signal_pitch), signal.len()), "a tap reads beyond {}", signal.len());
    assert!(rows.end(rows.pitch) <= out.len(), "a row reaches beyond {}", out.len());
    if rows.len >= T::lanes(isa) {
        // SAFETY: as just checked.
        unsafe { T::filter(isa, taps, bias, signal.as_ptr(), out.as_mut_ptr(), rows) };
        return;
    }
    for i in 0..rows.num_rows {
        for (q, out) in out[i * rows.pitch..][..rows.len].iter_mut().enumerate() {
            *out = at(isa, taps, bias, signal, i * rows.signal_pitch + q);
        }
    }
}

/// `out[2 q + r] = bias + sum over t of weights[r][t] * signal[offsets[r][t] + q]`: two phases, interleaved. Faster where
/// both share one slice of offsets.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// # Panics
/// When there is not a weight per offset, or a tap reads beyond the signal for one of the `ceil(len / 2)` positions.
pub fn filter_pairs<T: Element>(isa: Isa, taps: [Taps<'_, T>; 2], bias: T, signal: &[T], out: &mut [T]) {
    let positions = out.len().div_ceil(2);
    assert!(taps.iter().all(|taps| taps.fit(positions, signal.len())), "a tap reads beyond {}", signal.len());
    let whole = out.len() / 2;
    let done = if whole < T::lanes(isa) {
        0
    } else {
        // SAFETY: as just checked; `out` has twice as many elements as `whole`, or one more.
        unsafe { T::filter_pairs(isa, taps, bias, signal.as_ptr(), out.as_mut_ptr(), whole) };
        2 * whole
    };
    for (i, out) in out.iter_mut().enumerate().skip(done) {
        *out = at(isa, taps[i % 2], bias, signal, i / 2);
    }
}

/// `sums[t] += sum over rows i and positions q of coarse[i * pitch + q] * signal[offsets[t] + i * signal_pitch + q]`:
/// the gradient of a filter's weights.
///
/// Numbers that are not finite may make a sum NaN that should be infinite, never a finite one. Falls back to
/// [`Isa::Portable`] where this machine lacks `isa`.
///
/// # Panics
/// When there is not a sum per offset, or a row reaches beyond `coarse`, or a tap beyond the signal.
pub fn filter_gradient<T: Element>(
    isa: Isa,
    offsets: &[usize],
    signal: &[T],
    coarse: &[T],
    rows: Rows,
    sums: &mut [T],
) {
    let Rows { num_rows, len, pitch, signal_pitch } = rows;
    assert_eq!(offsets.len(), sums.len(), "a sum per offset");
    if num_rows == 0 || len == 0 {
        return;
    }
    assert!(rows.end(pitch) <= coarse.len(), "a row reaches beyond {}", coarse.len());
    assert!(
        offsets_fit(offsets, rows.end(signal_pitch), signal.len()),
        "a tap reads beyond {}",
        signal.len()
    );
    if len < T::lanes(isa) {
        for (&offset, sum) in offsets.iter().zip(sums) {
            for i in 0..num_rows {
                let signal = &signal[offset + i * signal_pitch..][..len];
                for (&c, &x) in coarse[i * pitch..][..len].iter().zip(signal) {
                    *sum += c * x;
                }
            }
        }
        return;
    }
    let (mut offsets, mut sums) = (offsets, sums);
    while !offsets.is_empty() {
        let taken = GROUPS.into_iter().rfind(|&group| group <= offsets.len()).unwrap_or(1);
        let (group, others) = offsets.split_at(taken);
        let (group_sums, other_sums) = sums.split_at_mut(taken);
        // SAFETY: as just checked; there is a sum per offset, and a row has at least one vector.
        unsafe { T::filter_gradient(isa, group, signal.as_ptr(), coarse.as_ptr(), rows, group_sums) };
        (offsets, sums) = (others, other_sums);
    }
}

/// Taps whose gradients are summed together. Each has a sum of one vector, or of as many as make eight sums: a
/// multiply-add takes four cycles and two start in each.
const GROUPS: [usize; 7] = [1, 2, 3, 4, 6, 8, 12];

/// One position, to the bits that it has in a vector: so no bits depend on where a row ends.
fn at<T: Element>(isa: Isa, taps: Taps<'_, T>, bias: T, signal: &[T], q: usize) -> T {
    let terms = taps.offsets.iter().zip(taps.weights).map(|(&offset, &weight)| (weight, signal[offset + q]));
    if isa != Isa::Portable && isa.is_available() {
        terms.fold(bias, |sum, (weight, x)| weight.mul_add(x, sum))
    } else {
        terms.fold(bias, |sum, (weight, x)| sum + weight * x)
    }
}
