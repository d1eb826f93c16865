//! Rows transposed into lines, each where it belongs: what packs an operand whose positions become the terms of a sum.
//!
//! As many rows as a vector has lanes are transposed in registers, and each of the vectors that come out is a line, or a part
//! of one. A vector of AVX-512 is a cache line, so none is read twice.

use crate::element::{Element, sealed};
use crate::isa::Isa;
use crate::shuffle::Transpose;
use crate::vector::Lanes;

/// `out[places[q] + r] = rows[r * row_stride + q]` for `r < num_rows` and every `q`; then zeros, up to the next multiple of
/// the lanes of a vector of `isa`, of which a [`TileKernel`](crate::TileKernel) knows the number. Of lines at
/// the same place the last one stays; others must not overlap.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, transpose_lines};
///
/// let mut out = [9.0; 8];
/// transpose_lines(Isa::Portable, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3, &[4, 0], &mut out);
/// assert_eq!(out, [2.0, 4.0, 6.0, 0.0, 1.0, 3.0, 5.0, 0.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `rows`, or a line with its zeros beyond `out`.
pub fn transpose_lines<T: Element>(
    isa: Isa,
    rows: &[T],
    row_stride: usize,
    num_rows: usize,
    places: &[usize],
    out: &mut [T],
) {
    let Some(&furthest) = places.iter().max() else { return };
    if num_rows == 0 {
        return;
    }
    let furthest_row = (num_rows - 1).saturating_mul(row_stride);
    assert!(furthest_row.saturating_add(places.len()) <= rows.len(), "a row reaches beyond {}", rows.len());
    let padded = num_rows.checked_next_multiple_of(T::lanes(isa)).expect("rows are in memory");
    assert!(furthest.saturating_add(padded) <= out.len(), "a line reaches beyond {}", out.len());
    let job = Job { rows: rows.as_ptr(), row_stride, num_rows, places, padded, out: out.as_mut_ptr() };
    // SAFETY: as just checked; `padded` is a multiple of the lanes.
    let done = unsafe { T::transpose_lines(isa, &job) };
    for (q, &place) in places.iter().enumerate().skip(done) {
        let line = &mut out[place..place + padded];
        for (r, to) in line.iter_mut().enumerate() {
            *to = if r < num_rows { rows[r * row_stride + q] } else { T::zero() };
        }
    }
}

/// What to transpose: `rows` has `(num_rows - 1) * row_stride + places.len()` elements, and `out` has `padded` from each place
/// on, a multiple of the lanes.
#[derive(Debug)]
pub struct Job<'a, T> {
    rows: *const T,
    row_stride: usize,
    num_rows: usize,
    places: &'a [usize],
    padded: usize,
    out: *mut T,
}

/// All positions, by vectors of `X`, or none if there are fewer than lanes; returns how many.
///
/// # Safety
/// The job must be as its type says for `X`, whose instruction set must be available; must be inlined into a function that
/// enables it.
#[inline(always)]
unsafe fn by_squares<X: Transpose>(job: &Job<'_, X::Element>) -> usize {
    let &Job { rows, row_stride, num_rows, places, padded, out } = job;
    let len = places.len();
    if len < X::LANES {
        return 0;
    }
    for block in 0..len.div_ceil(X::LANES) {
        // The last block ends with the last position, and writes some lines of the one before once more.
        let q = (block * X::LANES).min(len - X::LANES);
        for first in (0..padded).step_by(X::LANES) {
            // SAFETY: the caller promises the instruction set.
            let mut square = unsafe { X::zero_square() };
            let left = num_rows.saturating_sub(first);
            for (r, row) in square.as_mut().iter_mut().enumerate() {
                // In a loop of a known length, so that all stay in registers.
                if r < left {
                    // SAFETY: row first + r < num_rows has elements q to q + LANES <= len, as the caller promises.
                    let from = unsafe { rows.add((first + r) * row_stride + q) };
                    // SAFETY: hence they can be read; the caller promises the instruction set.
                    *row = unsafe { X::load(from) };
                }
            }
            // SAFETY: the caller promises the instruction set.
            square = unsafe { X::transpose(square) };
            for (&place, line) in places[q..q + X::LANES].iter().zip(square.as_ref()) {
                // first + LANES <= padded, a multiple of the lanes.
                // SAFETY: hence the vector lies within the line that the caller promises.
                let to = unsafe { out.add(place + first) };
                // SAFETY: hence LANES elements can be written; the caller promises the instruction set.
                unsafe { line.store(to) };
            }
        }
    }
    len
}

macro_rules! impl_lines {
    ($scalar:ty, $lanes:literal, $avx2:ident, $avx512:ident) => {
        impl sealed::TransposeLines for $scalar {
            unsafe fn transpose_lines(isa: Isa, job: &Job<'_, $scalar>) -> usize {
                #[cfg(target_arch = "x86_64")]
                {
                    use crate::vector::x86::{$avx2, $avx512};

                    /// # Safety
                    /// As [`by_squares`]; the instruction set must be available.
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(job: &Job<'_, $scalar>) -> usize {
                        // SAFETY: enabled here; the caller promises the rest.
                        unsafe { by_squares::<$avx2>(job) }
                    }

                    /// # Safety
                    /// As [`by_squares`]; the instruction sets must be available.
                    #[target_feature(enable = "avx512f,avx2,fma")]
                    unsafe fn avx512(job: &Job<'_, $scalar>) -> usize {
                        // SAFETY: enabled here; the caller promises the rest.
                        let done = unsafe { by_squares::<$avx512>(job) };
                        if done > 0 {
                            return done;
                        }
                        // SAFETY: enabled here; a multiple of more lanes is one of fewer.
                        unsafe { by_squares::<$avx2>(job) }
                    }

                    match isa {
                        Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                            // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                            return unsafe { avx512(job) };
                        }
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        Isa::Avx2 if isa.is_available() => return unsafe { avx2(job) },
                        _ => {}
                    }
                }
                // SAFETY: the baseline is always there; a multiple of more lanes is one of fewer.
                unsafe { by_squares::<Lanes<$scalar, $lanes>>(job) }
            }
        }
    };
}

impl_lines!(f32, 4, Avx2F32, Avx512F32);
impl_lines!(f64, 2, Avx2F64, Avx512F64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number of rows and positions around the squares of every instruction set, forwards with gaps and sorted by phase.
    fn transposes<T: Element>() {
        for isa in Isa::available() {
            let lanes = T::lanes(isa);
            for num_rows in 1..40_usize {
                let padded = num_rows.next_multiple_of(lanes);
                for len in [1_usize, 3, 7, 8, 9, 15, 16, 17, 31, 32, 45] {
                    let row_stride = len + 3;
                    let rows: Vec<T> = (0..num_rows * row_stride).map(|i| T::from(i + 1).unwrap()).collect();
                    let half = len.div_ceil(2);
                    let by_phase: Vec<usize> = (0..len).map(|q| (q % 2 * half + q / 2) * padded).collect();
                    let with_gaps: Vec<usize> = (0..len).map(|q| q * (padded + 1)).collect();
                    for places in [by_phase, with_gaps] {
                        let mut out = vec![T::nan(); 2 * half * (padded + 1)];
                        transpose_lines(isa, &rows, row_stride, num_rows, &places, &mut out);
                        for (q, &place) in places.iter().enumerate() {
                            for (r, found) in out[place..place + padded].iter_mut().enumerate() {
                                let expected =
                                    if r < num_rows { rows[r * row_stride + q] } else { T::zero() };
                                assert_eq!(*found, expected, "{isa} {num_rows} {len}: {r} {q}");
                                *found = T::nan();
                            }
                        }
                        assert!(
                            out.iter().all(|value| value.is_nan()),
                            "{isa} {num_rows} {len}: beyond lines"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn lines_are_where_they_belong() {
        transposes::<f32>();
        transposes::<f64>();
    }

    #[test]
    #[should_panic(expected = "a line reaches beyond")]
    fn lines_beyond_the_end_are_refused() {
        transpose_lines(Isa::Portable, &[0.0_f32; 6], 2, 3, &[4, 1], &mut [0.0; 7]);
    }

    #[test]
    #[should_panic(expected = "a row reaches beyond")]
    fn rows_beyond_the_end_are_refused() {
        transpose_lines(Isa::Portable, &[0.0_f32; 5], 2, 3, &[4, 0], &mut [0.0; 8]);
    }
}
