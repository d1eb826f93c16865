//! Interleaving rows of numbers, and the inverse: `out[q * num_rows + r] = rows[r][q]`.
//!
//! This is what turns the phases of a stride into a signal, and a signal into its phases. It is a transpose of a long
//! matrix: blocks of it are transposed in registers. Two and four rows have networks of their own; other numbers up to
//! the lanes of a vector store whole vectors upwards, each over what the one before wrote too much; longer ones go by
//! groups of rows, the last of which reaches back over the one before it.

use crate::element::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::shuffle::Shuffle;

/// `out[q * num_rows + r] = rows[r * row_stride + q]` for `r < num_rows`, `q < len`; nothing else is written.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, interleave};
///
/// let mut out = [0.0; 6];
/// interleave(Isa::best(), &[1.0, 2.0, 3.0, -1.0, -2.0, -3.0], 3, 2, 3, &mut out);
/// assert_eq!(out, [1.0, -1.0, 2.0, -2.0, 3.0, -3.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `rows`, or `out` has fewer than `num_rows * len` elements.
pub fn interleave<T: Element>(
    isa: Isa,
    rows: &[T],
    row_stride: usize,
    num_rows: usize,
    len: usize,
    out: &mut [T],
) {
    if num_rows == 0 || len == 0 {
        return;
    }
    assert!(reaches(row_stride, num_rows, len) <= rows.len(), "a row reaches beyond {}", rows.len());
    assert!(num_rows.saturating_mul(len) <= out.len(), "out has {} elements", out.len());
    if num_rows == 1 {
        return out[..len].copy_from_slice(&rows[..len]);
    }
    // SAFETY: as just checked.
    let done =
        unsafe { T::interleave_blocks(isa, rows.as_ptr(), row_stride, num_rows, len, out.as_mut_ptr()) };
    let rest = &mut out[done * num_rows..len * num_rows];
    for (q, group) in (done..len).zip(rest.chunks_exact_mut(num_rows)) {
        for (out, row) in group.iter_mut().zip(rows.chunks(row_stride.max(1))) {
            *out = row[q];
        }
    }
}

/// `rows[r * row_stride + q] = from[q * num_rows + r]` for `r < num_rows`, `q < len`: the inverse of [`interleave`].
///
/// `from` may end within the last group: the rows for which it has no element there keep what they held at
/// `q = len - 1`. Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, deinterleave};
///
/// let mut rows = [0.0; 6];
/// deinterleave(Isa::best(), &[1.0, -1.0, 2.0, -2.0, 3.0], 2, 3, &mut rows, 3);
/// assert_eq!(rows, [1.0, 2.0, 3.0, -1.0, -2.0, 0.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `rows` or over the next one, or `from` has fewer than `(len - 1) * num_rows + 1` elements.
pub fn deinterleave<T: Element>(
    isa: Isa,
    from: &[T],
    num_rows: usize,
    len: usize,
    rows: &mut [T],
    row_stride: usize,
) {
    if num_rows == 0 || len == 0 {
        return;
    }
    assert!(num_rows == 1 || len <= row_stride, "rows of {len} at a distance of {row_stride}");
    assert!(reaches(row_stride, num_rows, len) <= rows.len(), "a row reaches beyond {}", rows.len());
    assert!((len - 1).saturating_mul(num_rows) < from.len(), "from has {} elements", from.len());
    if num_rows == 1 {
        return rows[..len].copy_from_slice(&from[..len]);
    }
    let from = &from[..from.len().min(len.saturating_mul(num_rows))];
    // SAFETY: as just checked.
    let done = unsafe { T::deinterleave_blocks(isa, from, num_rows, len, rows.as_mut_ptr(), row_stride) };
    for (q, group) in (done..len).zip(from[done * num_rows..].chunks(num_rows)) {
        for (&from, row) in group.iter().zip(rows.chunks_mut(row_stride.max(1))) {
            row[q] = from;
        }
    }
}

/// Where the last of the rows ends.
fn reaches(row_stride: usize, num_rows: usize, len: usize) -> usize {
    (num_rows - 1).saturating_mul(row_stride).saturating_add(len)
}

/// `S` rows, at most the lanes of a vector; returns up to which position they are interleaved.
///
/// # Safety
/// The instruction set of `X` must be available; `rows` must have `(S - 1) * row_stride + len` elements and `out` must
/// have `S * len`; must be inlined into a function that enables the set.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn few<X: Shuffle, const S: usize>(
    rows: *const X::Element,
    row_stride: usize,
    len: usize,
    out: *mut X::Element,
) -> usize {
    // What the last vector of a block of positions writes too much: they must be there to be written over.
    let excess = if S == 2 || S == 4 { 0 } else { X::LANES.saturating_sub(S).div_ceil(S) };
    let mut q = 0;
    while q + X::LANES + excess <= len {
        // SAFETY: the caller promises the instruction set.
        let mut square = unsafe { X::zero_square() };
        for (r, row) in square.as_mut().iter_mut().enumerate().take(S) {
            // SAFETY: row r < S has elements q to q + LANES <= len, as the caller promises.
            let from = unsafe { rows.add(r * row_stride + q) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            *row = unsafe { X::load(from) };
        }
        let stored = if S == 2 {
            let rows = square.as_ref();
            // SAFETY: the caller promises the instruction set.
            let pairs = unsafe { X::zip([rows[0], rows[1]]) };
            square.as_mut()[..2].copy_from_slice(&pairs);
            2
        } else if S == 4 {
            let rows = square.as_ref();
            // SAFETY: the caller promises the instruction set.
            let quads = unsafe { X::zip4([rows[0], rows[1], rows[2], rows[3]]) };
            square.as_mut()[..4].copy_from_slice(&quads);
            4
        } else {
            // SAFETY: the caller promises the instruction set.
            square = unsafe { X::transpose(square) };
            X::LANES
        };
        // Of two and four rows the vectors follow one another, and of others they start S apart.
        let step = if S == 2 || S == 4 { X::LANES } else { S };
        for (i, vector) in square.as_ref().iter().enumerate().take(stored) {
            // The last one ends at q S + LANES S, or at (q + LANES - 1) S + LANES <= (q + LANES + excess) S <= len S.
            // SAFETY: hence all lie within what the caller promises.
            let to = unsafe { out.add(q * S + i * step) };
            // SAFETY: hence LANES elements can be written; the caller promises the instruction set.
            unsafe { vector.store(to) };
        }
        q += X::LANES;
    }
    q
}

/// The inverse of [`few`].
///
/// # Safety
/// The instruction set of `X` must be available; `rows` must have `(S - 1) * row_stride + len` elements; must be inlined
/// into a function that enables the set.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn few_back<X: Shuffle, const S: usize>(
    from: &[X::Element],
    len: usize,
    rows: *mut X::Element,
    row_stride: usize,
) -> usize {
    let packed = S == 2 || S == 4;
    let (step, loaded) = if packed { (X::LANES, S) } else { (S, X::LANES) };
    let mut q = 0;
    // The last vector of a block starts at q S + (loaded - 1) step.
    while q + X::LANES <= len && q * S + (loaded - 1) * step + X::LANES <= from.len() {
        // SAFETY: the caller promises the instruction set.
        let mut square = unsafe { X::zero_square() };
        for (i, vector) in square.as_mut().iter_mut().enumerate().take(loaded) {
            // SAFETY: as the loop has checked for the last of them.
            let from = unsafe { from.as_ptr().add(q * S + i * step) };
            // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
            *vector = unsafe { X::load(from) };
        }
        let v = square.as_ref();
        if S == 2 {
            // SAFETY: the caller promises the instruction set.
            let rows = unsafe { X::unzip([v[0], v[1]]) };
            square.as_mut()[..2].copy_from_slice(&rows);
        } else if S == 4 {
            // SAFETY: the caller promises the instruction set.
            let rows = unsafe { X::unzip4([v[0], v[1], v[2], v[3]]) };
            square.as_mut()[..4].copy_from_slice(&rows);
        } else {
            // SAFETY: the caller promises the instruction set.
            square = unsafe { X::transpose(square) };
        }
        for (r, row) in square.as_ref().iter().enumerate().take(S) {
            // SAFETY: row r < S has elements q to q + LANES <= len, as the caller promises.
            let to = unsafe { rows.add(r * row_stride + q) };
            // SAFETY: hence they can be written; the caller promises the instruction set.
            unsafe { row.store(to) };
        }
        q += X::LANES;
    }
    q
}

/// The first row of each group of as many rows as a vector has lanes; the last group ends with the last row.
#[cfg(target_arch = "x86_64")]
fn groups(num_rows: usize, lanes: usize) -> impl Iterator<Item = usize> {
    (0..num_rows).step_by(lanes).map(move |first| first.min(num_rows - lanes))
}

/// As [`few`], for more rows than a vector has lanes.
///
/// # Safety
/// As [`few`], for `num_rows` rows.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn many<X: Shuffle>(
    rows: *const X::Element,
    row_stride: usize,
    num_rows: usize,
    len: usize,
    out: *mut X::Element,
) -> usize {
    let mut q = 0;
    while q + X::LANES <= len {
        for first in groups(num_rows, X::LANES) {
            // SAFETY: the caller promises the instruction set.
            let mut square = unsafe { X::zero_square() };
            for (r, row) in square.as_mut().iter_mut().enumerate() {
                // SAFETY: row first + r < num_rows has elements q to q + LANES <= len, as the caller promises.
                let from = unsafe { rows.add((first + r) * row_stride + q) };
                // SAFETY: hence they can be read; the caller promises the instruction set.
                *row = unsafe { X::load(from) };
            }
            // SAFETY: the caller promises the instruction set.
            square = unsafe { X::transpose(square) };
            for (i, vector) in square.as_ref().iter().enumerate() {
                // first + LANES <= num_rows and q + i < len  =>  the vector lies within group q + i of out.
                // SAFETY: hence it lies within what the caller promises.
                let to = unsafe { out.add((q + i) * num_rows + first) };
                // SAFETY: hence LANES elements can be written; the caller promises the instruction set.
                unsafe { vector.store(to) };
            }
        }
        q += X::LANES;
    }
    q
}

/// The inverse of [`many`].
///
/// # Safety
/// As [`few_back`], for `num_rows` rows.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn many_back<X: Shuffle>(
    from: &[X::Element],
    num_rows: usize,
    len: usize,
    rows: *mut X::Element,
    row_stride: usize,
) -> usize {
    let mut q = 0;
    while q + X::LANES <= len && (q + X::LANES) * num_rows <= from.len() {
        for first in groups(num_rows, X::LANES) {
            // SAFETY: the caller promises the instruction set.
            let mut square = unsafe { X::zero_square() };
            for (i, vector) in square.as_mut().iter_mut().enumerate() {
                // SAFETY: first + LANES <= num_rows  =>  it lies within group q + i, which the loop has checked.
                let from = unsafe { from.as_ptr().add((q + i) * num_rows + first) };
                // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
                *vector = unsafe { X::load(from) };
            }
            // SAFETY: the caller promises the instruction set.
            square = unsafe { X::transpose(square) };
            for (r, row) in square.as_ref().iter().enumerate() {
                // SAFETY: row first + r < num_rows has elements q to q + LANES <= len, as the caller promises.
                let to = unsafe { rows.add((first + r) * row_stride + q) };
                // SAFETY: hence they can be written; the caller promises the instruction set.
                unsafe { row.store(to) };
            }
        }
        q += X::LANES;
    }
    q
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{few, few_back, many, many_back};
    use crate::vector::x86::{Avx2F32, Avx2F64};

    macro_rules! wrappers {
        ($forth:ident, $back:ident, $scalar:ty, $vector:ty, [$($few:literal),*]) => {
            /// # Safety
            /// AVX2 must be available; `rows` must have `(num_rows - 1) * row_stride + len` elements and `out` must have
            /// `num_rows * len`.
            #[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn $forth(
                rows: *const $scalar,
                row_stride: usize,
                num_rows: usize,
                len: usize,
                out: *mut $scalar,
            ) -> usize {
                match num_rows {
                    1 => 0,
                    $($few => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { few::<$vector, $few>(rows, row_stride, len, out) }
                    })*
                    // SAFETY: the caller promises the same, and this function enables the instruction set.
                    _ => unsafe { many::<$vector>(rows, row_stride, num_rows, len, out) },
                }
            }

            /// # Safety
            /// AVX2 must be available; `rows` must have `(num_rows - 1) * row_stride + len` elements.
            #[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn $back(
                from: &[$scalar],
                num_rows: usize,
                len: usize,
                rows: *mut $scalar,
                row_stride: usize,
            ) -> usize {
                match num_rows {
                    1 => 0,
                    $($few => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { few_back::<$vector, $few>(from, len, rows, row_stride) }
                    })*
                    // SAFETY: the caller promises the same, and this function enables the instruction set.
                    _ => unsafe { many_back::<$vector>(from, num_rows, len, rows, row_stride) },
                }
            }
        };
    }

    wrappers!(forth_f32, back_f32, f32, Avx2F32, [2, 3, 4, 5, 6, 7, 8]);
    wrappers!(forth_f64, back_f64, f64, Avx2F64, [2, 3, 4]);
}

macro_rules! impl_interleave {
    ($scalar:ty, $forth:ident, $back:ident) => {
        impl crate::element::sealed::Interleave for $scalar {
            unsafe fn interleave_blocks(
                isa: Isa,
                rows: *const $scalar,
                row_stride: usize,
                num_rows: usize,
                len: usize,
                out: *mut $scalar,
            ) -> usize {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 | Isa::Avx512 if Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$forth(rows, row_stride, num_rows, len, out) }
                    }
                    _ => 0,
                }
            }

            unsafe fn deinterleave_blocks(
                isa: Isa,
                from: &[$scalar],
                num_rows: usize,
                len: usize,
                rows: *mut $scalar,
                row_stride: usize,
            ) -> usize {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 | Isa::Avx512 if Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$back(from, num_rows, len, rows, row_stride) }
                    }
                    _ => 0,
                }
            }
        }
    };
}

impl_interleave!(f32, forth_f32, back_f32);
impl_interleave!(f64, forth_f64, back_f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Element>() {
        let number = |i: usize| T::from(i + 1).unwrap();
        for isa in Isa::available() {
            for num_rows in 1..=19 {
                for len in 1..=41 {
                    let row_stride = len + num_rows % 3;
                    let rows: Vec<T> = (0..row_stride * num_rows).map(number).collect();
                    let mut out = vec![T::zero(); len * num_rows + 9];
                    interleave(isa, &rows, row_stride, num_rows, len, &mut out);
                    for (i, &value) in out.iter().enumerate() {
                        let expected = if i < len * num_rows {
                            rows[i % num_rows * row_stride + i / num_rows]
                        } else {
                            T::zero()
                        };
                        assert_eq!(value, expected, "{isa}: {i} of {num_rows} rows of {len}");
                    }
                    for missing in 0..num_rows {
                        let from = &out[..len * num_rows - missing];
                        let mut back = vec![T::zero(); row_stride * num_rows];
                        deinterleave(isa, from, num_rows, len, &mut back, row_stride);
                        for (i, &value) in back.iter().enumerate() {
                            let (r, q) = (i / row_stride, i % row_stride);
                            let exists = q < len && q * num_rows + r < from.len();
                            let expected = if exists { rows[i] } else { T::zero() };
                            assert_eq!(value, expected, "{isa}: {r} {q} of {num_rows} rows of {len}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn every_element_is_where_it_belongs_and_no_other_is_written() {
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn nothing_is_done_for_no_rows() {
        interleave::<f32>(Isa::best(), &[], 0, 0, 5, &mut []);
        deinterleave::<f32>(Isa::best(), &[], 3, 0, &mut [], 0);
    }

    #[test]
    #[should_panic(expected = "a row reaches beyond 5")]
    fn rows_that_are_too_short_are_refused() {
        interleave(Isa::best(), &[0.0; 5], 3, 2, 3, &mut [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "at a distance of 2")]
    fn rows_that_overlap_are_refused() {
        deinterleave(Isa::best(), &[0.0; 6], 2, 3, &mut [0.0; 6], 2);
    }
}
