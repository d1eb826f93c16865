//! The loops of [`crate::filter_signals()`], generic over the vector and over the taps: a channel's few weights stay in
//! registers for its whole row, so their number is known when this is compiled.
//!
//! Closures are avoided where vectors are at work: they would not be compiled for the instruction set.

use std::ops::Range;

use num_traits::Zero;

use crate::edge::Edge;
use crate::element::Element;
use crate::filter_signals::{SignalTap, Signals};
use crate::shuffle::Zip;

/// A row of one channel.
#[derive(Clone, Copy)]
pub(crate) struct Row<T> {
    /// The channel's signal, from `start` on.
    signal: *const T,
    weights: *const T,
    bias: T,
    len: usize,
    start: usize,
    out: *mut T,
    out_len: usize,
}

impl<T: Copy> Row<T> {
    /// # Safety
    /// There must be such a weight.
    #[inline(always)]
    unsafe fn weight(&self, number: usize) -> T {
        // SAFETY: the caller promises it.
        unsafe { self.weights.wrapping_add(number).read() }
    }

    /// Where a tap reads for position 0, which need not exist.
    #[inline(always)]
    fn first_of(&self, tap: &SignalTap) -> *const T {
        self.signal.wrapping_add(tap.row).wrapping_offset(tap.shift)
    }

    /// Which lanes of what a tap reads from position `q` on exist. They are the same in every channel.
    ///
    /// # Safety
    /// The instruction set of `X` must be available; must be inlined into a function that enables it.
    #[inline(always)]
    unsafe fn mask<X: Edge<Element = T>>(&self, tap: &SignalTap, q: usize) -> X::Mask {
        let (position, lanes) = ((self.start + q) as isize + tap.shift, X::LANES as isize);
        // Lane i exists if 0 <= position + i < len.
        let start = (-position).clamp(0, lanes) as usize;
        let end = (self.len as isize - position).clamp(start as isize, lanes) as usize;
        // SAFETY: the caller promises the instruction set.
        unsafe { X::mask(start..end) }
    }
}

/// The taps of `R` phases.
///
/// # Safety
/// As [`Edge`]. `weights` and `sums` ask that each tap has a weight and a row of the signal; `sums` that the positions of the
/// `V` vectors exist, or if `IS_EDGE`, of a single vector, that the masks are those of its position.
pub(crate) trait Phases<X: Edge, const R: usize>: Copy {
    /// The weights of a channel, and where its taps read.
    type Weights: Copy;
    /// What exists of what they read from some position on.
    type Masks: Copy;

    /// Loads them.
    unsafe fn weights(&self, row: &Row<X::Element>) -> Self::Weights;

    /// From position `q` on.
    unsafe fn masks(&self, row: &Row<X::Element>, q: usize) -> Self::Masks;

    /// `V` vectors of sums of each phase from position `q` on.
    unsafe fn sums<const V: usize, const IS_EDGE: bool>(
        &self,
        row: &Row<X::Element>,
        weights: &Self::Weights,
        masks: &Self::Masks,
        q: usize,
    ) -> [[X; R]; V];
}

/// `T` taps, the same reads for each of `R` phases. Held by value: behind a reference they would be loaded again after each
/// store.
#[derive(Clone, Copy)]
pub(crate) struct Shared<const R: usize, const T: usize> {
    taps: [SignalTap; T],
    weights: [[usize; R]; T],
}

impl<const R: usize, const T: usize> Shared<R, T> {
    /// The taps of each phase; they must read the same.
    pub(crate) fn new(phases: [&[SignalTap; T]; R]) -> Self {
        let weights = std::array::from_fn(|t| phases.map(|taps| taps[t].weight));
        Shared { taps: *phases[0], weights }
    }
}

impl<X: Edge, const R: usize, const T: usize> Phases<X, R> for Shared<R, T> {
    type Weights = ([[X; R]; T], [*const X::Element; T]);
    type Masks = [X::Mask; T];

    #[inline(always)]
    unsafe fn weights(&self, row: &Row<X::Element>) -> Self::Weights {
        // SAFETY: the caller promises the instruction set.
        let mut weights = [[unsafe { X::zero() }; R]; T];
        for (weights, numbers) in weights.iter_mut().zip(&self.weights) {
            for (weight, &number) in weights.iter_mut().zip(numbers) {
                // SAFETY: the caller promises that the tap has a weight.
                let value = unsafe { row.weight(number) };
                // SAFETY: the caller promises the instruction set.
                *weight = unsafe { X::splat(value) };
            }
        }
        let mut first = [row.signal; T];
        for (first, tap) in first.iter_mut().zip(&self.taps) {
            *first = row.first_of(tap);
        }
        (weights, first)
    }

    #[inline(always)]
    unsafe fn masks(&self, row: &Row<X::Element>, q: usize) -> Self::Masks {
        // SAFETY: the caller promises the instruction set.
        let mut masks = [unsafe { X::mask(0..0) }; T];
        for (mask, tap) in masks.iter_mut().zip(&self.taps) {
            // SAFETY: the caller promises the instruction set.
            *mask = unsafe { row.mask::<X>(tap, q) };
        }
        masks
    }

    #[inline(always)]
    unsafe fn sums<const V: usize, const IS_EDGE: bool>(
        &self,
        row: &Row<X::Element>,
        (weights, first): &Self::Weights,
        masks: &Self::Masks,
        q: usize,
    ) -> [[X; R]; V] {
        // SAFETY: the caller promises the instruction set.
        let mut acc = [[unsafe { X::splat(row.bias) }; R]; V];
        for ((weights, first), &mask) in weights.iter().zip(first).zip(masks) {
            for (v, acc) in acc.iter_mut().enumerate() {
                let from = first.wrapping_add(q + v * X::LANES);
                let x = if IS_EDGE {
                    // SAFETY: the caller promises that the lanes of the mask exist, and the instruction set.
                    unsafe { X::load_lanes(from, mask) }
                } else {
                    // SAFETY: the caller promises that the positions exist, and the instruction set.
                    unsafe { X::load(from) }
                };
                for (acc, weight) in acc.iter_mut().zip(weights) {
                    // SAFETY: the caller promises the instruction set.
                    *acc = unsafe { weight.multiply_add(x, *acc) };
                }
            }
        }
        acc
    }
}

/// Two phases of `E` and `O` taps that read each their own.
#[derive(Clone, Copy)]
pub(crate) struct Apart<const E: usize, const O: usize>(pub(crate) Shared<1, E>, pub(crate) Shared<1, O>);

impl<X: Edge, const E: usize, const O: usize> Phases<X, 2> for Apart<E, O> {
    type Weights = (<Shared<1, E> as Phases<X, 1>>::Weights, <Shared<1, O> as Phases<X, 1>>::Weights);
    type Masks = ([X::Mask; E], [X::Mask; O]);

    #[inline(always)]
    unsafe fn weights(&self, row: &Row<X::Element>) -> Self::Weights {
        // SAFETY: the caller promises the same.
        let even = unsafe { self.0.weights(row) };
        // SAFETY: the caller promises the same.
        let odd = unsafe { self.1.weights(row) };
        (even, odd)
    }

    #[inline(always)]
    unsafe fn masks(&self, row: &Row<X::Element>, q: usize) -> Self::Masks {
        // SAFETY: the caller promises the same.
        let even = unsafe { Phases::<X, 1>::masks(&self.0, row, q) };
        // SAFETY: the caller promises the same.
        let odd = unsafe { Phases::<X, 1>::masks(&self.1, row, q) };
        (even, odd)
    }

    #[inline(always)]
    unsafe fn sums<const V: usize, const IS_EDGE: bool>(
        &self,
        row: &Row<X::Element>,
        weights: &Self::Weights,
        masks: &Self::Masks,
        q: usize,
    ) -> [[X; 2]; V] {
        // SAFETY: the caller promises the same.
        let evens: [[X; 1]; V] = unsafe { self.0.sums::<V, IS_EDGE>(row, &weights.0, &masks.0, q) };
        // SAFETY: the caller promises the same.
        let odds: [[X; 1]; V] = unsafe { self.1.sums::<V, IS_EDGE>(row, &weights.1, &masks.1, q) };
        // SAFETY: the caller promises the instruction set.
        let mut both = [[unsafe { X::zero() }; 2]; V];
        for ((both, [even]), [odd]) in both.iter_mut().zip(evens).zip(odds) {
            *both = [even, odd];
        }
        both
    }
}

/// Any number of taps, whose weights and masks are made as they are needed.
#[derive(Clone, Copy)]
pub(crate) struct Many<'a, const R: usize>(pub(crate) [&'a [SignalTap]; R]);

impl<X: Edge, const R: usize> Phases<X, R> for Many<'_, R> {
    type Weights = ();
    type Masks = ();

    #[inline(always)]
    unsafe fn weights(&self, _: &Row<X::Element>) {}

    #[inline(always)]
    unsafe fn masks(&self, _: &Row<X::Element>, _: usize) {}

    #[inline(always)]
    unsafe fn sums<const V: usize, const IS_EDGE: bool>(
        &self,
        row: &Row<X::Element>,
        (): &(),
        (): &(),
        q: usize,
    ) -> [[X; R]; V] {
        // SAFETY: the caller promises the instruction set.
        let mut acc = [[unsafe { X::splat(row.bias) }; R]; V];
        for (r, taps) in self.0.iter().enumerate() {
            for tap in *taps {
                // SAFETY: the caller promises that the tap has a weight.
                let weight = unsafe { row.weight(tap.weight) };
                // SAFETY: the caller promises the instruction set.
                let weight = unsafe { X::splat(weight) };
                for (v, acc) in acc.iter_mut().enumerate() {
                    let from = row.first_of(tap).wrapping_add(q + v * X::LANES);
                    let x = if IS_EDGE {
                        // SAFETY: the caller promises the instruction set.
                        let mask = unsafe { row.mask::<X>(tap, q + v * X::LANES) };
                        // SAFETY: its lanes exist; the caller promises the instruction set.
                        unsafe { X::load_lanes(from, mask) }
                    } else {
                        // SAFETY: the caller promises that the positions exist, and the instruction set.
                        unsafe { X::load(from) }
                    };
                    // SAFETY: the caller promises the instruction set.
                    acc[r] = unsafe { weight.multiply_add(x, acc[r]) };
                }
            }
        }
        acc
    }
}

/// `V` vectors of each phase from position `q` on, interleaved and stored.
///
/// # Safety
/// As [`Phases::sums`]; the result must have space for the row, and unless `IS_EDGE` for the vectors.
#[inline(always)]
unsafe fn block<X: Edge + Zip, P: Phases<X, R>, const R: usize, const V: usize, const IS_EDGE: bool>(
    phases: &P,
    row: &Row<X::Element>,
    weights: &P::Weights,
    masks: &P::Masks,
    q: usize,
) {
    // SAFETY: the caller promises the same.
    let acc: [[X; R]; V] = unsafe { phases.sums::<V, IS_EDGE>(row, weights, masks, q) };
    let mut at = R * q;
    for mut vectors in acc {
        if let [even, odd] = vectors.as_mut_slice() {
            // SAFETY: the caller promises the instruction set.
            [*even, *odd] = unsafe { X::zip([*even, *odd]) };
        }
        for vector in vectors {
            let to = row.out.wrapping_add(at);
            if IS_EDGE && row.out_len - at < X::LANES {
                if at < row.out_len {
                    // SAFETY: the caller promises space up to out_len, and the instruction set.
                    unsafe { vector.store_first(to, row.out_len - at) };
                }
                return;
            }
            // SAFETY: the caller promises space for the block, or it was just found; and the instruction set.
            unsafe { vector.store(to) };
            at += X::LANES;
        }
    }
}

/// All rows of all channels, `V` vectors at a time in `whole`, the positions of vectors that exist: a vector at a time before
/// and after.
///
/// # Safety
/// The instruction set of `X` must be available; every tap must have a weight, and its row must lie within the signal, in
/// each of the channels, which must have a bias each if there are any; `out` must have space for their rows; unless the taps
/// are [`Many`], there must be few vectors at the ends; must be inlined into a function that enables the set.
#[inline(always)]
pub(crate) unsafe fn signals<X: Edge + Zip, P: Phases<X, R>, const R: usize, const V: usize>(
    phases: P,
    signals: &Signals<'_, X::Element>,
    whole: Range<usize>,
    out: *mut X::Element,
) where
    X::Element: Element,
{
    let positions = signals.out_len.div_ceil(R);
    let mut row = Row {
        signal: signals.signal.as_ptr().wrapping_add(signals.start),
        weights: signals.weights.as_ptr(),
        bias: X::Element::zero(),
        len: signals.len,
        start: signals.start,
        out,
        out_len: signals.out_len,
    };
    // SAFETY: the caller promises the instruction set.
    let mut masks = [unsafe { phases.masks(&row, 0) }; EDGES];
    let starts = (0..whole.start).step_by(X::LANES).chain((whole.end..positions).step_by(X::LANES));
    for (masks, q) in masks.iter_mut().zip(starts) {
        // SAFETY: the caller promises the instruction set.
        *masks = unsafe { phases.masks(&row, q) };
    }
    for c in 0..signals.num {
        if let Some(&bias) = signals.bias.get(c) {
            row.bias = bias;
        }
        // SAFETY: the caller promises a weight per tap, and the instruction set.
        let weights = unsafe { phases.weights(&row) };
        let (mut q, mut edge) = (0, 0);
        while q < whole.start {
            // SAFETY: the caller promises the row, and the masks are those of the position.
            unsafe { block::<X, P, R, 1, true>(&phases, &row, &weights, &masks[edge % EDGES], q) };
            q += X::LANES;
            edge += 1;
        }
        while q + V * X::LANES <= whole.end {
            // SAFETY: these positions exist.
            unsafe { block::<X, P, R, V, false>(&phases, &row, &weights, &masks[0], q) };
            q += V * X::LANES;
        }
        while q < whole.end {
            // SAFETY: as above.
            unsafe { block::<X, P, R, 1, false>(&phases, &row, &weights, &masks[0], q) };
            q += X::LANES;
        }
        while q < positions {
            // SAFETY: the caller promises the row, and the masks are those of the position.
            unsafe { block::<X, P, R, 1, true>(&phases, &row, &weights, &masks[edge % EDGES], q) };
            q += X::LANES;
            edge += 1;
        }
        row.signal = row.signal.wrapping_add(signals.pitch);
        row.weights = row.weights.wrapping_add(signals.weight_pitch);
        row.out = row.out.wrapping_add(signals.out_len);
    }
}

/// Vectors at the ends of a row whose masks are kept.
const EDGES: usize = 4;

/// Whether the masks of all vectors at the ends are kept.
pub(crate) fn has_few_edges(whole: &Range<usize>, positions: usize, lanes: usize) -> bool {
    whole.start / lanes + positions.saturating_sub(whole.end).div_ceil(lanes) <= EDGES
}

/// The positions, counted from the first of a row, of vectors that are read and written as a whole.
pub(crate) fn whole_vectors<T>(
    phases: &[Vec<SignalTap>],
    signals: &Signals<'_, T>,
    lanes: usize,
) -> Range<usize> {
    let shifts = || phases.iter().flatten().map(|tap| tap.shift);
    let (low, high) = (shifts().min().unwrap_or(0), shifts().max().unwrap_or(0));
    let start = signals.start as isize;
    let positions = signals.out_len.div_ceil(phases.len());
    // Position q reads from start + q + low >= 0 to start + q + high < len.
    let first = (-low - start).max(0).unsigned_abs().min(positions).next_multiple_of(lanes);
    let end = (signals.len as isize - high - start).max(0).unsigned_abs().min(signals.out_len / phases.len());
    first..first + end.saturating_sub(first) / lanes * lanes
}

/// Whether two phases read the same.
pub(crate) fn read_the_same(even: &[SignalTap], odd: &[SignalTap]) -> bool {
    even.iter().map(|tap| (tap.row, tap.shift)).eq(odd.iter().map(|tap| (tap.row, tap.shift)))
}
