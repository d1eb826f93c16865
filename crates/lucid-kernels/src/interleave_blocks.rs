//! The blocks of [`crate::interleave()`] and its inverse that are transposed in registers, generic over the vector.

use crate::interleave::Interleaving;
use crate::shuffle::Shuffle;

/// `S` rows, at most the lanes of a vector; returns up to which position they are interleaved, each of the repeats.
///
/// # Safety
/// The instruction set of `X` must be available, and the job as its type says, of `S` rows; must be inlined into a function that
/// enables the set.
#[inline(always)]
pub(crate) unsafe fn few<X: Shuffle, const S: usize>(job: &Interleaving<X::Element>) -> usize {
    let &Interleaving { rows, row_stride, len, out, repeats, .. } = job;
    let mut done = 0;
    for k in 0..repeats.count {
        // SAFETY: the caller promises what is there from each of the repeats on.
        let rows = unsafe { rows.add(k * repeats.rows) };
        // SAFETY: for the same reason.
        let out = unsafe { out.add(k * repeats.out) };
        // SAFETY: for the same reason; the caller promises the instruction set.
        done = unsafe { few_once::<X, S>(rows, row_stride, len, out) };
    }
    done
}

/// # Safety
/// The instruction set of `X` must be available; `rows` must have `(S - 1) * row_stride + len` elements and `out` must
/// have `S * len`; must be inlined into a function that enables the set.
#[inline(always)]
unsafe fn few_once<X: Shuffle, const S: usize>(
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

/// The inverse of [`few`], once.
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
fn groups(num_rows: usize, lanes: usize) -> impl Iterator<Item = usize> {
    (0..num_rows).step_by(lanes).map(move |first| first.min(num_rows - lanes))
}

/// The first position of each block of as many positions as a vector has lanes; the last block ends with the last position,
/// and goes over some of the block before once more.
fn blocks(len: usize, lanes: usize) -> impl Iterator<Item = usize> {
    let num_blocks = if len < lanes { 0 } else { len.div_ceil(lanes) };
    (0..num_blocks).map(move |block| (block * lanes).min(len - lanes))
}

/// As [`few`], for more rows than a vector has lanes.
///
/// # Safety
/// As [`few`], for any number of rows.
#[inline(always)]
pub(crate) unsafe fn many<X: Shuffle>(job: &Interleaving<X::Element>) -> usize {
    let &Interleaving { rows, row_stride, num_rows, len, out, repeats } = job;
    for k in 0..repeats.count {
        // SAFETY: the caller promises what is there from each of the repeats on.
        let rows = unsafe { rows.add(k * repeats.rows) };
        // SAFETY: for the same reason.
        let out = unsafe { out.add(k * repeats.out) };
        // SAFETY: for the same reason; the caller promises the instruction set.
        unsafe { many_once::<X>(rows, (row_stride, num_rows, len), out) };
    }
    if len < X::LANES { 0 } else { len }
}

/// # Safety
/// As [`few_once`], for `num_rows` rows.
#[inline(always)]
unsafe fn many_once<X: Shuffle>(
    rows: *const X::Element,
    (row_stride, num_rows, len): (usize, usize, usize),
    out: *mut X::Element,
) {
    for q in blocks(len, X::LANES) {
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
    }
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
