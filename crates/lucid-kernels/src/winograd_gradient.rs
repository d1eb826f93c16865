//! Minimal filtering of the gradient of a filter, many filters side by side.
//!
//! With the notation of `winograd.rs`, an output's sum is `sum over points p of weights_p(w) lines_p(d)`, taken apart into four
//! outputs. What multiplies a tap in the products of the outputs' gradients `g0 ..= g3` is therefore
//!
//! ```text
//! dw_t = sum over points p of winograd_weights(p)[t] * sum over columns of gradients_p(g) lines_p(d)
//! gradients: g0 / (a2 b2);  (g0 + a2 g2) +- a (g1 + a2 g3);  (g0 + b2 g2) +- b (g1 + b2 g3);  g3
//! ```
//!
//! and six products per column serve three taps, instead of twelve. Here entries are vectors of channels: nothing is shuffled.

use std::ops::Range;

use num_traits::Float;

use crate::element::Element;
use crate::isa::Isa;
use crate::vector::Vector;
use crate::winograd::{
    A, AT_ZERO, B, WINOGRAD_OUTPUTS, WINOGRAD_POINTS, are_points, at_points, constant, winograd_weights,
};

/// What columns are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Elements of the signal that the filter reads, as by [`winograd_lines`](crate::winograd_lines): six for a column, the last two of
    /// which are the first two of the next one.
    Signal,
    /// Gradients of the outputs: four for a column.
    Outputs,
}

/// Writes the lines of some points, a column of `len` elements after the other: that of point `p` from `starts[p]` on. Column
/// `i` is made of the entries from number `4 i` on, each `len` elements, one after the other.
///
/// `points` are all six, or without infinity, or without 0 and infinity; the starts of others do not count. Fastest where `len` is a multiple of the lanes of a
/// vector. Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{ColumnKind, Isa, winograd_columns};
///
/// // A column of the gradients 1, 10, 100, 1000 of a single channel.
/// let (gradients, mut lines) = ([1.0, 10.0, 100.0, 1000.0], [0.0; 6]);
/// let starts = [0, 1, 2, 3, 4, 5];
/// winograd_columns(Isa::best(), ColumnKind::Outputs, &gradients, (1, 1), 0..6, &mut lines, starts);
/// assert_eq!([lines[0], lines[5]], [64.0 / 81.0, 1000.0]);
/// assert_eq!(lines[1], 1.0 + 0.75 * 10.0 + 0.75 * 0.75 * 100.0 + 0.75 * 0.75 * 0.75 * 1000.0);
/// ```
///
/// # Panics
/// When the points are others, an entry is missing, or a line has no room in `to`.
pub fn winograd_columns<T: Element>(
    isa: Isa,
    kind: ColumnKind,
    entries: &[T],
    (len, num_columns): (usize, usize),
    points: Range<usize>,
    to: &mut [T],
    starts: [usize; WINOGRAD_POINTS],
) {
    assert!(are_points(&points), "points {points:?}");
    if num_columns == 0 || len == 0 {
        return;
    }
    let of_last = match kind {
        // Without infinity nothing reads the sixth.
        ColumnKind::Signal => points.end,
        ColumnKind::Outputs => WINOGRAD_OUTPUTS,
    };
    let read = (num_columns - 1).checked_mul(WINOGRAD_OUTPUTS).and_then(|first| first.checked_add(of_last));
    let read = read.and_then(|read| read.checked_mul(len));
    assert!(read.is_some_and(|read| read <= entries.len()), "{num_columns} columns of {}", entries.len());
    let written = num_columns.checked_mul(len);
    let fits =
        |&start: &usize| written.and_then(|end| end.checked_add(start)).is_some_and(|end| end <= to.len());
    assert!(starts[points.clone()].iter().all(fits), "{num_columns} columns from {starts:?} of {}", to.len());
    let job = Columns {
        kind,
        entries: entries.as_ptr(),
        len,
        num_columns,
        points,
        to: to.as_mut_ptr(),
        starts: &starts,
    };
    // SAFETY: as just checked.
    unsafe { T::columns(isa, &job) }
}

/// Writes the gradients of taps, `len` elements each: that of tap `t` from `taps[t]` on. `sums` has as many sums of the products of
/// point `p` from `starts[p]` on.
///
/// A tap that is missing is `None`: there may be the first ones, or the second one alone. The sums of the point 0 are not
/// read where the first tap is missing, nor those of infinity where the third one is. Falls back to
/// [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, winograd_taps, winograd_weights};
///
/// let (sums, mut taps) = ([1.0, 2.0, 3.0, 4.0, 5.0], [0.0; 2]);
/// winograd_taps(Isa::best(), &sums, [0, 1, 2, 3, 4, 5], 1, &mut taps, [Some(0), Some(1), None]);
/// let expected: f64 = (0..5).map(|point| winograd_weights(point)[1] * sums[point]).sum();
/// assert!((taps[1] - expected).abs() < 1e-14);
/// ```
///
/// # Panics
/// When the taps are no such choice, a sum is missing, or a gradient has no room in `to`.
pub fn winograd_taps<T: Element>(
    isa: Isa,
    sums: &[T],
    starts: [usize; WINOGRAD_POINTS],
    len: usize,
    to: &mut [T],
    taps: [Option<usize>; 3],
) {
    let there = taps.map(|tap| tap.is_some());
    let is_choice = matches!(there, [true, _, false] | [true, true, true] | [false, true, false]);
    assert!(is_choice, "{taps:?} are other taps than the first ones or the second one");
    let points = !there[0] as usize..WINOGRAD_POINTS - 1 + there[2] as usize;
    let fits = |start: usize, of: usize| of.checked_sub(len).is_some_and(|space| start <= space);
    let mut places = starts[points].iter();
    assert!(places.all(|&at| fits(at, sums.len())), "{len} sums from {starts:?} of {}", sums.len());
    let mut places = taps.iter().flatten();
    assert!(places.all(|&at| fits(at, to.len())), "{len} gradients from {taps:?} of {}", to.len());
    let job = TapSums { sums: sums.as_ptr(), starts: &starts, len, to: to.as_mut_ptr(), taps: &taps };
    // SAFETY: as just checked.
    unsafe { T::taps(isa, &job) }
}

/// Columns to make: `entries` has those of all columns, and `to` a line of each of the points from its start on, all of
/// `len` elements.
#[derive(Debug)]
pub struct Columns<'a, T> {
    kind: ColumnKind,
    entries: *const T,
    len: usize,
    num_columns: usize,
    points: Range<usize>,
    to: *mut T,
    starts: &'a [usize; WINOGRAD_POINTS],
}

/// Gradients of taps to make: `sums` has `len` elements of each point that the taps need, and `to` as many for each tap.
#[derive(Debug)]
pub struct TapSums<'a, T> {
    sums: *const T,
    starts: &'a [usize; WINOGRAD_POINTS],
    len: usize,
    to: *mut T,
    taps: &'a [Option<usize>; 3],
}

/// Whole vectors of all columns, from element `done` of each on; returns up to which.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the job must be as its
/// type says.
#[inline(always)]
unsafe fn columns<X: Vector<Element: Float>, const ZERO: bool, const INFINITY: bool>(
    job: &Columns<'_, X::Element>,
    done: usize,
) -> usize {
    let &Columns { kind, entries, len, num_columns, to, starts, .. } = job;
    let whole = (len - done) / X::LANES * X::LANES + done;
    if whole == done {
        return done;
    }
    for column in 0..num_columns {
        for at in (done..whole).step_by(X::LANES) {
            let load = |entry: usize| {
                // at + LANES <= len  =>  within an entry, one that the caller promises.
                // SAFETY: hence the pointer stays within the elements promised.
                let from = unsafe { entries.add((column * WINOGRAD_OUTPUTS + entry) * len + at) };
                // SAFETY: hence they can be read; the caller promises the instruction set.
                unsafe { X::load(from) }
            };
            let store = |point: usize, line: X| {
                // SAFETY: as for loads, within the line that the caller promises.
                let to = unsafe { to.add(starts[point] + column * len + at) };
                // SAFETY: hence they can be written; the caller promises the instruction set.
                unsafe { line.store(to) }
            };
            match kind {
                // SAFETY: the caller promises the instruction set.
                ColumnKind::Signal => unsafe { at_points::<X, ZERO, INFINITY>(load, store) },
                // SAFETY: the caller promises the instruction set.
                ColumnKind::Outputs => unsafe { gradients::<X, ZERO, INFINITY>(load, store) },
            }
        }
    }
    whole
}

/// All elements of all columns: whole vectors of `X`, and single ones, `S`, for the rest.
///
/// # Safety
/// As [`columns`].
#[inline(always)]
unsafe fn columns_of<X, S, const ZERO: bool, const INFINITY: bool>(job: &Columns<'_, X::Element>)
where
    X: Vector<Element: Float>,
    S: Vector<Element = X::Element>,
{
    // SAFETY: the caller promises the same.
    let done = unsafe { columns::<X, ZERO, INFINITY>(job, 0) };
    // SAFETY: the caller promises the same.
    unsafe { columns::<S, ZERO, INFINITY>(job, done) };
}

/// One vector of the gradients' line of each point.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it.
#[inline(always)]
unsafe fn gradients<X: Vector<Element: Float>, const ZERO: bool, const INFINITY: bool>(
    load: impl Fn(usize) -> X,
    store: impl Fn(usize, X),
) {
    // SAFETY: the caller promises the instruction set.
    let [a, minus_a, b, minus_b, a_squared, b_squared, at_zero] =
        [A, -A, B, -B, A * A, B * B, AT_ZERO].map(|value| unsafe { constant::<X>(value) });
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    // factor * x + addend
    // SAFETY: the caller promises the instruction set.
    let fma = |factor: X, x: X, addend: X| unsafe { factor.multiply_add(x, addend) };
    let [g0, g1, g2, g3] = [load(0), load(1), load(2), load(3)];
    if ZERO {
        store(0, fma(at_zero, g0, zero));
    }
    let (even, odd) = (fma(a_squared, g2, g0), fma(a_squared, g3, g1));
    store(1, fma(a, odd, even));
    store(2, fma(minus_a, odd, even));
    let (even, odd) = (fma(b_squared, g2, g0), fma(b_squared, g3, g1));
    store(3, fma(b, odd, even));
    store(4, fma(minus_b, odd, even));
    if INFINITY {
        store(5, g3);
    }
}

/// Whole vectors of the taps' gradients from element `done` on; returns up to where.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the job must be as its
/// type says.
#[inline(always)]
unsafe fn taps<X, const W0: bool, const W1: bool, const W2: bool>(
    job: &TapSums<'_, X::Element>,
    mut done: usize,
) -> usize
where
    X: Vector<Element: Float>,
{
    let &TapSums { sums, starts, len, to, taps } = job;
    // SAFETY: the caller promises the instruction set.
    let constant = |value: f64| unsafe { constant::<X>(value) };
    // Of opposite points the even factors are equal, and the odd one has the other sign.
    let [[a0, a1, a2], [b0, b1, b2]] = [1, 3].map(winograd_weights);
    let (one, minus_one) = (constant(1.0), constant(-1.0));
    let (a0, a1, a2, b0, b1, b2) =
        (constant(a0), constant(a1), constant(a2), constant(b0), constant(b1), constant(b2));
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    // factor * x + addend
    // SAFETY: the caller promises the instruction set.
    let fma = |factor: X, x: X, addend: X| unsafe { factor.multiply_add(x, addend) };
    while done + X::LANES <= len {
        let load = |point: usize| {
            // done + LANES <= len  =>  within the sums that the caller promises.
            // SAFETY: hence the pointer stays within them.
            let from = unsafe { sums.add(starts[point] + done) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            unsafe { X::load(from) }
        };
        let store = |tap: usize, gradient: X| {
            let Some(place) = taps[tap] else { return };
            // SAFETY: as for loads, within the gradients that the caller promises.
            let to = unsafe { to.add(place + done) };
            // SAFETY: hence they can be written; the caller promises the instruction set.
            unsafe { gradient.store(to) }
        };
        let (a, minus_a, b, minus_b) = (load(1), load(2), load(3), load(4));
        let (even_a, even_b) = (fma(one, minus_a, a), fma(one, minus_b, b));
        if W0 {
            store(0, fma(a0, even_a, fma(b0, even_b, load(0))));
        }
        if W1 {
            let (odd_a, odd_b) = (fma(minus_one, minus_a, a), fma(minus_one, minus_b, b));
            store(1, fma(a1, odd_a, fma(b1, odd_b, zero)));
        }
        if W2 {
            store(2, fma(a2, even_a, fma(b2, even_b, load(5))));
        }
        done += X::LANES;
    }
    done
}

/// All elements of the taps that there are: whole vectors of `X`, and single elements, `S`, for the rest.
///
/// # Safety
/// As [`taps`].
#[inline(always)]
unsafe fn taps_of<X, S, const W0: bool, const W1: bool, const W2: bool>(job: &TapSums<'_, X::Element>)
where
    X: Vector<Element: Float>,
    S: Vector<Element = X::Element>,
{
    // SAFETY: the caller promises the same.
    let done = unsafe { taps::<X, W0, W1, W2>(job, 0) };
    // SAFETY: the caller promises the same.
    unsafe { taps::<S, W0, W1, W2>(job, done) };
}

/// All columns, for the points 1 to 4 and those that are said.
///
/// # Safety
/// As [`columns`].
#[inline(always)]
pub(crate) unsafe fn every_column<X: Vector<Element: Float>, S: Vector<Element = X::Element>>(
    job: &Columns<'_, X::Element>,
) {
    match (job.points.start, job.points.end) {
        // SAFETY: the caller promises the same.
        (0, 6) => unsafe { columns_of::<X, S, true, true>(job) },
        // SAFETY: the caller promises the same.
        (0, _) => unsafe { columns_of::<X, S, true, false>(job) },
        // SAFETY: the caller promises the same.
        _ => unsafe { columns_of::<X, S, false, false>(job) },
    }
}

/// All taps, whichever there are.
///
/// # Safety
/// As [`taps`].
#[inline(always)]
pub(crate) unsafe fn every_tap<X: Vector<Element: Float>, S: Vector<Element = X::Element>>(
    job: &TapSums<'_, X::Element>,
) {
    match job.taps.map(|tap| tap.is_some()) {
        // SAFETY: the caller promises the same.
        [true, true, true] => unsafe { taps_of::<X, S, true, true, true>(job) },
        // SAFETY: the caller promises the same.
        [true, true, false] => unsafe { taps_of::<X, S, true, true, false>(job) },
        // SAFETY: the caller promises the same.
        [true, false, false] => unsafe { taps_of::<X, S, true, false, false>(job) },
        // SAFETY: the caller promises the same.
        [false, true, false] => unsafe { taps_of::<X, S, false, true, false>(job) },
        others => unreachable!("the caller has checked the taps {others:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gradients of filters of one to three taps, for each of some channels, against the definition.
    fn gradients<T: Element>() {
        let number = |i: usize| T::from(i * i % 31).unwrap() - T::from(15).unwrap();
        for isa in Isa::available() {
            for (there, points) in [
                ([true; 3], 0..6),
                ([true, true, false], 0..5),
                ([true, false, false], 0..5),
                ([false, true, false], 1..5),
            ] {
                for (len, num_columns) in [(1, 1), (3, 4), (13, 3), (16, 2), (40, 5)] {
                    let channels = |entries: usize| -> Vec<T> {
                        (0..entries * len).map(|at| number(at + entries)).collect()
                    };
                    let (signal, outputs) = (channels(4 * num_columns + 2), channels(4 * num_columns));
                    let line_len = num_columns * len;
                    let starts = [0, 1, 2, 3, 4, 5].map(|point| point * line_len);
                    let mut lines = vec![T::nan(); 6 * line_len];
                    let mut gradients = lines.clone();
                    let shape = (len, num_columns);
                    let points = || points.clone();
                    winograd_columns(isa, ColumnKind::Signal, &signal, shape, points(), &mut lines, starts);
                    winograd_columns(
                        isa,
                        ColumnKind::Outputs,
                        &outputs,
                        shape,
                        points(),
                        &mut gradients,
                        starts,
                    );
                    let mut sums = vec![T::nan(); 6 * len];
                    for point in points() {
                        for channel in 0..len {
                            let columns = (0..num_columns).map(|i| starts[point] + i * len + channel);
                            let products = columns.map(|at| lines[at] * gradients[at]);
                            sums[point * len + channel] =
                                products.fold(T::zero(), |sum, product| sum + product);
                        }
                    }
                    let mut found = vec![T::nan(); 3 * len];
                    let taps = [0, 1, 2].map(|tap| there[tap].then_some(tap * len));
                    let of_points = [0, 1, 2, 3, 4, 5].map(|point| point * len);
                    winograd_taps(isa, &sums, of_points, len, &mut found, taps);
                    for tap in 0..3 {
                        for channel in 0..len {
                            let found = found[tap * len + channel];
                            if !there[tap] {
                                assert!(found.is_nan());
                                continue;
                            }
                            let expected = (0..4 * num_columns).fold(T::zero(), |sum, q| {
                                sum + outputs[q * len + channel] * signal[(q + tap) * len + channel]
                            });
                            let bound = T::epsilon() * T::from(10_000 * num_columns).unwrap();
                            assert!(
                                (found - expected).abs() <= bound,
                                "{isa} {there:?} {len} {num_columns}: {tap} {channel}: {found} {expected}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_lines_give_the_gradients_of_the_taps() {
        gradients::<f32>();
        gradients::<f64>();
    }

    #[test]
    #[should_panic(expected = "3 columns of 27")]
    fn entries_that_are_missing_are_refused() {
        let starts = [0, 30, 60, 90, 120, 150];
        let mut to = [0.0; 180];
        let shape = (2, 3);
        winograd_columns(Isa::best(), ColumnKind::Signal, &[0.0; 28], shape, 0..6, &mut to, starts);
        winograd_columns(Isa::best(), ColumnKind::Signal, &[0.0; 27], shape, 0..6, &mut to, starts);
    }
}
