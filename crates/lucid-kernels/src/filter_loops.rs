//! The loops of [`crate::filter()`] and its siblings, generic over the vector: some vectors of sums stay in registers from
//! the first tap to the last.

use num_traits::{One, Zero};

use crate::element::Element;
use crate::filter::{Rows, Taps};
use crate::shuffle::Zip;
use crate::vector::Vector;

/// `V` vectors of sums from position `q` on.
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
    let mut even_sums = [unsafe { X::splat(bias) }; V];
    let mut odd_sums = even_sums;
    for ((&offset, &even), &odd) in taps[0].offsets.iter().zip(taps[0].weights).zip(taps[1].weights) {
        // SAFETY: the caller promises the instruction set.
        let even = unsafe { X::splat(even) };
        // SAFETY: the caller promises the instruction set.
        let odd = unsafe { X::splat(odd) };
        for (v, (even_sum, odd_sum)) in even_sums.iter_mut().zip(&mut odd_sums).enumerate() {
            // SAFETY: the caller promises that positions up to q + V LANES lie within the signal.
            let from = unsafe { signal.add(offset + q + v * X::LANES) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            let x = unsafe { X::load(from) };
            // SAFETY: the caller promises the instruction set.
            *even_sum = unsafe { even.multiply_add(x, *even_sum) };
            // SAFETY: the caller promises the instruction set.
            *odd_sum = unsafe { odd.multiply_add(x, *odd_sum) };
        }
    }
    [even_sums, odd_sums]
}

/// # Safety
/// As [`sums`]; `out` must have space for the positions.
#[inline(always)]
pub(crate) unsafe fn filter_block<X: Vector, const V: usize>(
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
pub(crate) unsafe fn pairs_block<X: Zip, const V: usize>(
    taps: [Taps<'_, X::Element>; 2],
    bias: X::Element,
    signal: *const X::Element,
    out: *mut X::Element,
    q: usize,
) {
    let [even, odd] = if std::ptr::eq(taps[0].offsets, taps[1].offsets) {
        // SAFETY: the caller promises the same.
        unsafe { shared_sums::<X, V>(taps, bias, signal, q) }
    } else {
        // SAFETY: the caller promises the same.
        let even = unsafe { sums::<X, V>(taps[0], bias, signal, q) };
        // SAFETY: the caller promises the same.
        let odd = unsafe { sums::<X, V>(taps[1], bias, signal, q) };
        [even, odd]
    };
    for (v, (&even, &odd)) in even.iter().zip(&odd).enumerate() {
        // SAFETY: the caller promises the instruction set.
        let pairs = unsafe { X::zip([even, odd]) };
        for (half, pairs) in pairs.iter().enumerate() {
            // SAFETY: the caller promises space for two elements per position up to q + V LANES.
            let to = unsafe { out.add(2 * (q + v * X::LANES) + half * X::LANES) };
            // SAFETY: hence they can be written; the caller promises the instruction set.
            unsafe { pairs.store(to) };
        }
    }
}

/// `G` taps with `V` vectors of sums each. The last vector of a row reaches back, with zeros for what is counted already.
///
/// # Safety
/// The instruction set of `X` must be available; there must be `G` offsets and sums, at which every row, of at least
/// `LANES` positions, reads within the signal, and the rows must lie within `coarse`; must be inlined into a function that
/// enables the set.
#[inline(always)]
pub(crate) unsafe fn gradient<X: Vector, const G: usize, const V: usize>(
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
