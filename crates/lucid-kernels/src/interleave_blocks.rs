//! The blocks of [`crate::interleave()`] and its inverse that are transposed in registers, generic over the vector.

use crate::interleave::RowStarts;
use crate::shuffle::{Shuffle, Transpose};

/// Whether so many rows have a network of their own.
const fn is_zipped<X: Shuffle>(num_rows: usize) -> bool {
    matches!(num_rows, 2 | 4) || (num_rows == 8 && X::LANES > 8)
}

/// `S` rows, at most the lanes of a vector; returns up to which position they are interleaved.
///
/// # Safety
/// The instruction set of `X` must be available; `rows` must have `len` elements from each of `S` starts on and `out` must
/// have `S * len`; must be inlined into a function that enables the set.
#[inline(always)]
pub(crate) unsafe fn few<X: Shuffle, const S: usize>(
    rows: *const X::Element,
    starts: &RowStarts<'_>,
    len: usize,
    out: *mut X::Element,
) -> usize {
    if !is_zipped::<X>(S) {
        // SAFETY: the caller promises the same.
        return unsafe { some::<X, S>(rows, starts, len, out) };
    }
    let starts: [usize; S] = std::array::from_fn(|r| starts.of(r));
    for q in blocks(len, X::LANES) {
        // SAFETY: the caller promises the instruction set.
        let mut zipped = [unsafe { X::zero() }; 8];
        for (row, start) in zipped.iter_mut().zip(starts) {
            // SAFETY: the row has elements q to q + LANES <= len, as the caller promises.
            let from = unsafe { rows.add(start + q) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            *row = unsafe { X::load(from) };
        }
        let [a, b, c, d, ..] = zipped;
        match S {
            // SAFETY: the caller promises the instruction set.
            2 => zipped[..2].copy_from_slice(&unsafe { X::zip([a, b]) }),
            // SAFETY: the caller promises the instruction set.
            4 => zipped[..4].copy_from_slice(&unsafe { X::zip4([a, b, c, d]) }),
            // SAFETY: the caller promises the instruction set.
            _ => zipped = unsafe { X::zip8(zipped) },
        }
        for (i, vector) in zipped.iter().enumerate().take(S) {
            // The last one ends at q S + S LANES <= len S.
            // SAFETY: hence all lie within what the caller promises.
            let to = unsafe { out.add(q * S + i * X::LANES) };
            // SAFETY: hence LANES elements can be written; the caller promises the instruction set.
            unsafe { vector.store(to) };
        }
    }
    if len < X::LANES { 0 } else { len }
}

/// As [`few`], by transposing squares: each line is stored as a whole vector, over what the one before wrote too much.
///
/// # Safety
/// As [`few`].
#[inline(always)]
pub(crate) unsafe fn some<X: Transpose, const S: usize>(
    rows: *const X::Element,
    starts: &RowStarts<'_>,
    len: usize,
    out: *mut X::Element,
) -> usize {
    // What the last vector of a block of positions writes too much: they must be there to be written over.
    let excess = X::LANES.saturating_sub(S).div_ceil(S);
    let whole = len.saturating_sub(excess);
    let starts: [usize; S] = std::array::from_fn(|r| starts.of(r));
    for q in blocks(whole, X::LANES) {
        // SAFETY: the caller promises the instruction set.
        let mut square = unsafe { X::zero_square() };
        for (row, start) in square.as_mut().iter_mut().zip(starts) {
            // SAFETY: the row has elements q to q + LANES <= len, as the caller promises.
            let from = unsafe { rows.add(start + q) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            *row = unsafe { X::load(from) };
        }
        // SAFETY: the caller promises the instruction set.
        square = unsafe { X::transpose(square) };
        for (i, vector) in square.as_ref().iter().enumerate() {
            // The last one ends at (q + LANES - 1) S + LANES <= (q + LANES + excess) S <= len S.
            // SAFETY: hence all lie within what the caller promises.
            let to = unsafe { out.add((q + i) * S) };
            // SAFETY: hence LANES elements can be written; the caller promises the instruction set.
            unsafe { vector.store(to) };
        }
    }
    if whole < X::LANES { 0 } else { whole }
}

/// The inverse of [`few`].
///
/// # Safety
/// The instruction set of `X` must be available; `rows` must have `(S - 1) * row_stride + len` elements; must be inlined
/// into a function that enables the set.
#[inline(always)]
pub(crate) unsafe fn few_back<X: Shuffle, const S: usize>(
    from: &[X::Element],
    len: usize,
    rows: *mut X::Element,
    row_stride: usize,
) -> usize {
    let packed = is_zipped::<X>(S);
    let (step, loaded) = if packed { (X::LANES, S) } else { (S, X::LANES) };
    // The last vector of a block starts at q S + (loaded - 1) step.
    let Some(space) = from.len().checked_sub((loaded - 1) * step + X::LANES) else { return 0 };
    let whole = len.min(space / S + X::LANES);
    for q in blocks(whole, X::LANES) {
        // SAFETY: the caller promises the instruction set.
        let mut square = unsafe { X::zero_square() };
        for (i, vector) in square.as_mut().iter_mut().enumerate().take(loaded) {
            // q + LANES <= whole  =>  q S <= space, so that the last of them ends within the slice.
            // SAFETY: hence the pointer stays within it.
            let from = unsafe { from.as_ptr().add(q * S + i * step) };
            // SAFETY: hence LANES elements can be read; the caller promises the instruction set.
            *vector = unsafe { X::load(from) };
        }
        if packed {
            let mut zipped = [square.as_ref()[0]; 8];
            zipped[..S].copy_from_slice(&square.as_ref()[..S]);
            let [a, b, c, d, ..] = zipped;
            match S {
                // SAFETY: the caller promises the instruction set.
                2 => zipped[..2].copy_from_slice(&unsafe { X::unzip([a, b]) }),
                // SAFETY: the caller promises the instruction set.
                4 => zipped[..4].copy_from_slice(&unsafe { X::unzip4([a, b, c, d]) }),
                // SAFETY: the caller promises the instruction set.
                _ => zipped = unsafe { X::unzip8(zipped) },
            }
            square.as_mut()[..S].copy_from_slice(&zipped[..S]);
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
    }
    if whole < X::LANES { 0 } else { whole }
}

/// The first row of each group of as many rows as a vector has lanes; the last group ends with the last row.
fn groups(num_rows: usize, lanes: usize) -> impl Iterator<Item = usize> {
    (0..num_rows).step_by(lanes).map(move |first| first.min(num_rows - lanes))
}

/// The first position of each block of as many positions as a vector has lanes; the last block ends with the last position,
/// and goes over some of the block before once more.
fn blocks(len: usize, lanes: usize) -> impl Iterator<Item = usize> {
    let num_blocks = if len < lanes { 0 } else { len.div_ceil(lanes) };
    (0..num_blocks).map(move |block| (block * lanes).min(len - lanes))
}

/// Blocks of positions that are interleaved for a group of rows before the next one: what they write stays in a first-level cache.
const BLOCKS: usize = 8;

/// As [`few`], for more rows than a vector has lanes.
///
/// # Safety
/// As [`few`], for `num_rows` rows.
#[inline(always)]
pub(crate) unsafe fn many<X: Transpose>(
    rows: *const X::Element,
    starts: &RowStarts<'_>,
    num_rows: usize,
    len: usize,
    out: *mut X::Element,
) -> usize {
    let num_blocks = blocks(len, X::LANES).count();
    for skipped in (0..num_blocks).step_by(BLOCKS) {
        for first in groups(num_rows, X::LANES) {
            // As many as any vector has lanes.
            let of_group: [usize; 16] =
                std::array::from_fn(|r| if r < X::LANES { starts.of(first + r) } else { 0 });
            for q in blocks(len, X::LANES).skip(skipped).take(BLOCKS) {
                // SAFETY: the caller promises the instruction set.
                let mut square = unsafe { X::zero_square() };
                for (row, start) in square.as_mut().iter_mut().zip(of_group) {
                    // SAFETY: the row has elements q to q + LANES <= len, as the caller promises.
                    let from = unsafe { rows.add(start + q) };
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
        }
    }
    if len < X::LANES { 0 } else { len }
}

/// The inverse of [`many`].
///
/// # Safety
/// As [`few_back`], for `num_rows` rows.
#[inline(always)]
pub(crate) unsafe fn many_back<X: Shuffle>(
    from: &[X::Element],
    num_rows: usize,
    len: usize,
    rows: *mut X::Element,
    row_stride: usize,
) -> usize {
    // The last group of rows may be incomplete.
    let whole = len.min(from.len() / num_rows);
    for q in blocks(whole, X::LANES) {
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
    }
    if whole < X::LANES { 0 } else { whole }
}
