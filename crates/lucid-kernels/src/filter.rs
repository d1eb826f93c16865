//! Filters of one row, at the speed of memory: what a convolution is made of where channels do not mix.
//!
//! ```text
//! out[q] = bias + sum over t of weights[t] * signal[offsets[t] + q]
//! ```
//!
//! There is nothing to reuse across channels, so all is about touching memory once: some vectors of sums stay in
//! registers for all taps, the signal is read where it lies, and of two phases (a stride of 2) both are summed together
//! and interleaved as they are stored. The gradient of the weights reads a row once for up to twelve taps.

use num_traits::{One, Zero};

use crate::element::Element;
use crate::isa::Isa;
use crate::shuffle::Shuffle;
use crate::vector::Vector;

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
            *out = at(taps, bias, signal, i * rows.signal_pitch + q);
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
        *out = at(taps[i % 2], bias, signal, i / 2);
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

fn at<T: Element>(taps: Taps<'_, T>, bias: T, signal: &[T], q: usize) -> T {
    taps.offsets
        .iter()
        .zip(taps.weights)
        .fold(bias, |sum, (&offset, &weight)| sum + weight * signal[offset + q])
}

/// `V` vectors of sums from position `q` on, of `M` phases whose taps are at the same offsets or not.
///
/// # Safety
/// The instruction set of `X` must be available; every tap must read within the signal for positions `q` to
/// `q + V * LANES`; must be inlined into a function that enables the set.
#[inline(always)]
unsafe fn sums<X: Vector, const V: usize>(
    taps: Taps<'_, X::Element>,
    bias: X::Element,
    signal: *const X::Element,
    q: usize,
) -> [X; V] {
    // SAFETY: the caller promises the instruction set.
    let mut acc = [unsafe { X::splat(bias) }; V];
    for (&offset, &weight) in taps.offsets.iter().zip(taps.weights) {
        // SAFETY: the caller promises the instruction set.
        let weight = unsafe { X::splat(weight) };
        for (v, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the caller promises that positions up to q + V LANES lie within the signal.
            let from = unsafe { signal.add(offset + q + v * X::LANES) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            let x = unsafe { X::load(from) };
            // SAFETY: the caller promises the instruction set.
            *acc = unsafe { weight.multiply_add(x, *acc) };
        }
    }
    acc
}

/// As [`sums`], of two phases with the same offsets: each vector of the signal is read for both.
///
/// # Safety
/// As [`sums`].
#[inline(always)]
unsafe fn shared_sums<X: Vector, const V: usize>(
    taps: [Taps<'_, X::Element>; 2],
    bias: X::Element,
    signal: *const X::Element,
    q: usize,
) -> [[X; V]; 2] {
    // SAFETY: the caller promises the instruction set.
    let mut acc = [[unsafe { X::splat(bias) }; V]; 2];
    for ((&offset, &even), &odd) in taps[0].offsets.iter().zip(taps[0].weights).zip(taps[1].weights) {
        // SAFETY: the caller promises the instruction set.
        let even = unsafe { X::splat(even) };
        // SAFETY: the caller promises the instruction set.
        let odd = unsafe { X::splat(odd) };
        for v in 0..V {
            // SAFETY: the caller promises that positions up to q + V LANES lie within the signal.
            let from = unsafe { signal.add(offset + q + v * X::LANES) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            let x = unsafe { X::load(from) };
            // SAFETY: the caller promises the instruction set.
            acc[0][v] = unsafe { even.multiply_add(x, acc[0][v]) };
            // SAFETY: the caller promises the instruction set.
            acc[1][v] = unsafe { odd.multiply_add(x, acc[1][v]) };
        }
    }
    acc
}

/// # Safety
/// As [`sums`]; `out` must have space for the positions.
#[inline(always)]
unsafe fn filter_block<X: Vector, const V: usize>(
    taps: Taps<'_, X::Element>,
    bias: X::Element,
    signal: *const X::Element,
    out: *mut X::Element,
    q: usize,
) {
    // SAFETY: the caller promises the same.
    let acc = unsafe { sums::<X, V>(taps, bias, signal, q) };
    for (v, acc) in acc.iter().enumerate() {
        // SAFETY: the caller promises space for positions up to q + V LANES.
        let to = unsafe { out.add(q + v * X::LANES) };
        // SAFETY: hence they can be written; the caller promises the instruction set.
        unsafe { acc.store(to) };
    }
}

/// # Safety
/// As [`sums`]; `out` must have space for two elements per position.
#[inline(always)]
unsafe fn pairs_block<X: Shuffle, const V: usize>(
    taps: [Taps<'_, X::Element>; 2],
    bias: X::Element,
    signal: *const X::Element,
    out: *mut X::Element,
    q: usize,
) {
    let acc = if std::ptr::eq(taps[0].offsets, taps[1].offsets) {
        // SAFETY: the caller promises the same.
        unsafe { shared_sums::<X, V>(taps, bias, signal, q) }
    } else {
        // SAFETY: the caller promises the same.
        let even = unsafe { sums::<X, V>(taps[0], bias, signal, q) };
        // SAFETY: the caller promises the same.
        let odd = unsafe { sums::<X, V>(taps[1], bias, signal, q) };
        [even, odd]
    };
    for v in 0..V {
        // SAFETY: the caller promises the instruction set.
        let pairs = unsafe { X::zip([acc[0][v], acc[1][v]]) };
        for (half, pairs) in pairs.iter().enumerate() {
            // SAFETY: the caller promises space for two elements per position up to q + V LANES.
            let to = unsafe { out.add(2 * (q + v * X::LANES) + half * X::LANES) };
            // SAFETY: hence they can be written; the caller promises the instruction set.
            unsafe { pairs.store(to) };
        }
    }
}

/// Blocks of `$wide` vectors, then one of what whole vectors are left; a last one reaches back over what is done already,
/// so that nothing beyond `len`, at least one vector, is touched.
macro_rules! in_blocks {
    ($block:ident, $wide:literal, [$($rest:literal),*], $vector:ty, $taps:ident, $bias:ident, $signal:ident, $out:ident, $len:ident) => {
        let lanes = <$vector as Vector>::LANES;
        let mut q = 0;
        while q + $wide * lanes <= $len {
            // SAFETY: the block ends within len, up to which the caller promises the conditions.
            unsafe { $block::<$vector, $wide>($taps, $bias, $signal, $out, q) };
            q += $wide * lanes;
        }
        match ($len - q) / lanes {
            $($rest => {
                // SAFETY: as above.
                unsafe { $block::<$vector, $rest>($taps, $bias, $signal, $out, q) };
                q += $rest * lanes;
            })*
            _ => {}
        }
        if q < $len {
            // SAFETY: as above.
            unsafe { $block::<$vector, 1>($taps, $bias, $signal, $out, $len - lanes) };
        }
    };
}

/// `G` taps with `V` vectors of sums each. The last vector of a row reaches back, with zeros for what is counted already.
///
/// # Safety
/// The instruction set of `X` must be available; there must be `G` offsets and sums, at which every row, of at least
/// `LANES` positions, reads within the signal, and the rows must lie within `coarse`; must be inlined into a function that
/// enables the set.
#[inline(always)]
unsafe fn gradient<X: Vector, const G: usize, const V: usize>(
    offsets: &[usize],
    signal: *const X::Element,
    coarse: *const X::Element,
    rows: Rows,
    sums: &mut [X::Element],
) where
    X::Element: Element,
{
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    let mut acc = [[zero; V]; G];
    let mut starts = [signal; G];
    for (start, &offset) in starts.iter_mut().zip(offsets) {
        // SAFETY: the caller promises that the offset lies within the signal.
        *start = unsafe { signal.add(offset) };
    }
    // No vector has more than 16 lanes: as many zeros, then as many ones, so that a vector from 16 - n on has n zeros.
    let mut mask = [X::Element::one(); 32];
    mask[..16].fill(X::Element::zero());
    let left = rows.len % X::LANES;
    // SAFETY: 16 - (LANES - left) + LANES <= 32.
    let mask = unsafe { mask.as_ptr().add(16 - (X::LANES - left)) };
    // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
    let mask = unsafe { X::load(mask) };
    for i in 0..rows.num_rows {
        // SAFETY: row i starts within coarse, as the caller promises.
        let coarse = unsafe { coarse.add(i * rows.pitch) };
        let mut q = 0;
        while q + V * X::LANES <= rows.len {
            for v in 0..V {
                // SAFETY: q + V LANES <= len, and the caller promises the row.
                let from = unsafe { coarse.add(q + v * X::LANES) };
                // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
                let c = unsafe { X::load(from) };
                for (acc, start) in acc.iter_mut().zip(&starts) {
                    // SAFETY: the caller promises that row i reads within the signal.
                    let from = unsafe { start.add(i * rows.signal_pitch + q + v * X::LANES) };
                    // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
                    let x = unsafe { X::load(from) };
                    // SAFETY: the caller promises the instruction set.
                    acc[v] = unsafe { c.multiply_add(x, acc[v]) };
                }
            }
            q += V * X::LANES;
        }
        while q < rows.len {
            let at = q.min(rows.len - X::LANES);
            // SAFETY: at + LANES <= len, and the caller promises the row.
            let from = unsafe { coarse.add(at) };
            // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
            let mut c = unsafe { X::load(from) };
            if at < q {
                // SAFETY: the caller promises the instruction set.
                c = unsafe { c.multiply_add(mask, zero) };
            }
            for (acc, start) in acc.iter_mut().zip(&starts) {
                // SAFETY: the caller promises that row i reads within the signal.
                let from = unsafe { start.add(i * rows.signal_pitch + at) };
                // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
                let x = unsafe { X::load(from) };
                // SAFETY: the caller promises the instruction set.
                acc[0] = unsafe { c.multiply_add(x, acc[0]) };
            }
            q += X::LANES;
        }
    }
    let mut lanes = [X::Element::zero(); 16];
    for (sum, acc) in sums.iter_mut().zip(acc) {
        for vector in acc {
            // SAFETY: there is space for the widest vector; the caller promises the instruction set.
            unsafe { vector.store(lanes.as_mut_ptr()) };
            *sum += lanes[..X::LANES].iter().fold(X::Element::zero(), |sum, &lane| sum + lane);
        }
    }
}

/// The functions of one instruction set and element type: the loops above, inlined into what enables the set.
macro_rules! wrappers {
    ($module:ident, $scalar:ty, $vector:ty, $shuffled:ty $(, $features:literal)?) => {
        pub(crate) mod $module {
            use super::*;

            /// # Safety
            /// The instruction set must be available; the taps must read within the signal for the rows, of at least one
            /// vector, and `out` must have space for them.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn filter(
                taps: Taps<'_, $scalar>,
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                rows: Rows,
            ) {
                let len = rows.len;
                for i in 0..rows.num_rows {
                    // Without a tap nothing is read, wherever this is.
                    let signal = signal.wrapping_add(i * rows.signal_pitch);
                    // SAFETY: row i lies within `out`, as the caller promises.
                    let out = unsafe { out.add(i * rows.pitch) };
                    in_blocks!(filter_block, 8, [1, 2, 3, 4, 5, 6, 7], $vector, taps, bias, signal, out, len);
                }
            }

            /// # Safety
            /// The instruction set must be available; the taps must read within the signal for `len` positions, at least
            /// one vector; `out` must have space for two elements per position.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn filter_pairs(
                taps: [Taps<'_, $scalar>; 2],
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                len: usize,
            ) {
                in_blocks!(pairs_block, 4, [1, 2, 3], $shuffled, taps, bias, signal, out, len);
            }

            /// # Safety
            /// The conditions of [`gradient`], for as many taps as there are offsets: one of `GROUPS`.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn filter_gradient(
                offsets: &[usize],
                signal: *const $scalar,
                coarse: *const $scalar,
                rows: Rows,
                sums: &mut [$scalar],
            ) {
                match offsets.len() {
                    // SAFETY: the caller promises the same.
                    1 => unsafe { gradient::<$vector, 1, 8>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    2 => unsafe { gradient::<$vector, 2, 4>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    3 => unsafe { gradient::<$vector, 3, 4>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    4 => unsafe { gradient::<$vector, 4, 2>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    6 => unsafe { gradient::<$vector, 6, 2>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    8 => unsafe { gradient::<$vector, 8, 1>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    12 => unsafe { gradient::<$vector, 12, 1>(offsets, signal, coarse, rows, sums) },
                    other => unreachable!("{other} taps are not one of the groups"),
                }
            }
        }
    };
}

use crate::vector::Lanes;
wrappers!(portable_f32, f32, Lanes<f32, 4>, Lanes<f32, 4>);
wrappers!(portable_f64, f64, Lanes<f64, 2>, Lanes<f64, 2>);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use crate::vector::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};

    wrappers!(avx2_f32, f32, Avx2F32, Avx2F32, "avx2,fma");
    wrappers!(avx2_f64, f64, Avx2F64, Avx2F64, "avx2,fma");
    // Two phases are zipped in halves of these vectors: with those of AVX2.
    wrappers!(avx512_f32, f32, Avx512F32, Avx2F32, "avx512f,avx2,fma");
    wrappers!(avx512_f64, f64, Avx512F64, Avx2F64, "avx512f,avx2,fma");
}

macro_rules! impl_filters {
    ($scalar:ty, $lanes:literal, $portable:ident, $avx2:ident, $avx512:ident) => {
        impl crate::element::sealed::Filters for $scalar {
            fn lanes(isa: Isa) -> usize {
                match isa {
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => 4 * $lanes,
                    Isa::Avx2 if isa.is_available() => 2 * $lanes,
                    _ => $lanes,
                }
            }

            unsafe fn filter(
                isa: Isa,
                taps: Taps<'_, $scalar>,
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                rows: Rows,
            ) {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                        unsafe { x86::$avx512::filter(taps, bias, signal, out, rows) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx2::filter(taps, bias, signal, out, rows) }
                    }
                    // SAFETY: the baseline is always there; the caller promises the rest.
                    _ => unsafe { $portable::filter(taps, bias, signal, out, rows) },
                }
            }

            unsafe fn filter_pairs(
                isa: Isa,
                taps: [Taps<'_, $scalar>; 2],
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                len: usize,
            ) {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                        unsafe { x86::$avx512::filter_pairs(taps, bias, signal, out, len) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx2::filter_pairs(taps, bias, signal, out, len) }
                    }
                    // SAFETY: the baseline is always there; the caller promises the rest.
                    _ => unsafe { $portable::filter_pairs(taps, bias, signal, out, len) },
                }
            }

            unsafe fn filter_gradient(
                isa: Isa,
                offsets: &[usize],
                signal: *const $scalar,
                coarse: *const $scalar,
                rows: Rows,
                sums: &mut [$scalar],
            ) {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                        unsafe { x86::$avx512::filter_gradient(offsets, signal, coarse, rows, sums) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx2::filter_gradient(offsets, signal, coarse, rows, sums) }
                    }
                    // SAFETY: the baseline is always there; the caller promises the rest.
                    _ => unsafe { $portable::filter_gradient(offsets, signal, coarse, rows, sums) },
                }
            }
        }
    };
}

impl_filters!(f32, 4, portable_f32, avx2_f32, avx512_f32);
impl_filters!(f64, 2, portable_f64, avx2_f64, avx512_f64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Small integers: their products and sums are exact in either type.
    fn numbers<T: Element>(len: usize, factor: usize) -> Vec<T> {
        (0..len).map(|i| T::from(i * factor % 17).unwrap() - T::from(8).unwrap()).collect()
    }

    fn check<T: Element>() {
        let bias = T::from(3).unwrap();
        for isa in Isa::available() {
            for num_taps in (0..=13).chain([25]) {
                let offsets: Vec<usize> = (0..num_taps).map(|t| t * 5 % 19).collect();
                let others: Vec<usize> = (0..num_taps / 2).map(|t| t * 3 % 19).collect();
                let weights = [numbers::<T>(num_taps, 7), numbers(num_taps, 5)];
                for len in (1..=70).chain([255, 256, 257]) {
                    let signal = numbers::<T>(len + 18, 11);
                    let sum = |offsets: &[usize], weights: &[T], q: usize| {
                        let terms = offsets.iter().zip(weights).map(|(&o, &w)| w * signal[o + q]);
                        terms.fold(bias, |sum, term| sum + term)
                    };
                    let taps = Taps { offsets: &offsets, weights: &weights[0] };
                    let mut out = vec![T::nan(); len];
                    filter(isa, taps, bias, &signal, Rows::one(len), &mut out);
                    for (q, &out) in out.iter().enumerate() {
                        assert_eq!(
                            out,
                            sum(&offsets, &weights[0], q),
                            "{isa}: {num_taps} taps, {q} of {len}"
                        );
                    }
                    let rows = Rows { num_rows: 3, len, signal_pitch: len + 5, pitch: len + 1 };
                    let longer = numbers::<T>(3 * len + 28, 11);
                    let mut out = vec![T::nan(); 3 * len + 5];
                    filter(isa, taps, bias, &longer, rows, &mut out);
                    for (k, &out) in out.iter().enumerate() {
                        let (i, q) = (k / (len + 1), k % (len + 1));
                        let terms = offsets
                            .iter()
                            .zip(taps.weights)
                            .map(|(&o, &w)| longer.get(o + i * (len + 5) + q).map(|&x| w * x));
                        let expected = terms.flatten().fold(bias, |sum, term| sum + term);
                        let exists = i < 3 && q < len;
                        assert!(
                            if exists { out == expected } else { out.is_nan() },
                            "{isa}: {i} {q} of {len}"
                        );
                    }
                    for (offsets, weights) in [
                        ([&offsets, &offsets], [&weights[0], &weights[1]]),
                        ([&offsets, &others], [&weights[0], &weights[1][..num_taps / 2].to_vec()]),
                    ] {
                        for len in [2 * len - 1, 2 * len] {
                            let pair = [0, 1].map(|r| Taps { offsets: offsets[r], weights: weights[r] });
                            let mut out = vec![T::nan(); len];
                            filter_pairs(isa, pair, bias, &signal, &mut out);
                            for (i, &out) in out.iter().enumerate() {
                                let expected = sum(offsets[i % 2], weights[i % 2], i / 2);
                                assert_eq!(out, expected, "{isa}: {num_taps} taps, {i} of {len}");
                            }
                        }
                    }
                    let coarse = numbers::<T>(3 * len + 4, 3);
                    for num_rows in [0, 1, 3] {
                        let rows = Rows { num_rows, len, signal_pitch: len + 5, pitch: len + 2 };
                        let signal = numbers::<T>(3 * len + 28, 11);
                        let mut sums = vec![bias; num_taps];
                        filter_gradient(isa, &offsets, &signal, &coarse, rows, &mut sums);
                        for (&sum, &offset) in sums.iter().zip(&offsets) {
                            let mut expected = bias;
                            for i in 0..num_rows {
                                for q in 0..len {
                                    expected +=
                                        coarse[i * (len + 2) + q] * signal[offset + i * (len + 5) + q];
                                }
                            }
                            assert_eq!(sum, expected, "{isa}: {num_taps} taps, {offset} of {len}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_filter_computes_its_sum() {
        check::<f32>();
        check::<f64>();
    }

    #[test]
    #[should_panic(expected = "a tap reads beyond 9")]
    fn a_filter_that_reads_beyond_the_signal_is_refused() {
        filter(
            Isa::best(),
            Taps { offsets: &[0, 2], weights: &[1.0; 2] },
            0.0,
            &[0.0; 9],
            Rows::one(8),
            &mut [0.0; 8],
        );
    }

    #[test]
    #[should_panic(expected = "a tap reads beyond 9")]
    fn a_pair_that_reads_beyond_the_signal_is_refused() {
        let [near, far] = [0, 2].map(|at| if at == 0 { &[0] } else { &[2] });
        let taps = [near, far].map(|offsets| Taps { offsets, weights: &[1.0] });
        filter_pairs(Isa::best(), taps, 0.0, &[0.0; 9], &mut [0.0; 15]);
    }

    #[test]
    #[should_panic(expected = "a tap reads beyond 9")]
    fn a_gradient_that_reads_beyond_the_signal_is_refused() {
        filter_gradient(Isa::best(), &[2], &[0.0; 9], &[0.0; 8], Rows::one(8), &mut [0.0]);
    }
}
