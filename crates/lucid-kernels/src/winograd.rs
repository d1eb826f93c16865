//! What minimal filtering reads of a signal and how its sums become outputs: the two transforms of Winograd's F(4, 3).
//!
//! Four neighbouring outputs of a filter of three taps take six products instead of twelve. With `a = 3/4`, `b = 3/2` and the
//! elements `d0 ..= d5` that the outputs read, the products multiply the filter's values at six points with these lines:
//!
//! ```text
//! point 0     a2 b2 d0 - (a2 + b2) d2 + d4                  a2 = a a, b2 = b b
//! points +-a  (d4 - b2 d2) +- a (d3 - b2 d1)
//! points +-b  (d4 - a2 d2) +- b (d3 - a2 d1)
//! infinity    a2 b2 d1 - (a2 + b2) d3 + d5
//! ```
//!
//! The values are taken over the product of the point's distances from the others; at 0 that is left to the output, so that
//! the values at 0 and at infinity are taps as they are.
//!
//! A filter of two taps has nothing at infinity, and one whose middle tap alone is there has nothing at 0 either. The
//! points were chosen for small errors and for constants that are exact in binary: see the accuracy test of lucid-conv.

use std::ops::Range;

use num_traits::{Float, NumCast, Zero};

use crate::element::Element;
use crate::isa::Isa;
use crate::vector::Vector;

/// Outputs that share products.
pub const WINOGRAD_OUTPUTS: usize = 4;
/// Products of one channel and three taps: one per point.
pub const WINOGRAD_POINTS: usize = 6;

/// The squares' factors: `a = 3/4` and `b = 3/2`.
pub(crate) const A: f64 = 0.75;
pub(crate) const B: f64 = 1.5;
/// The value at 0 is over the product of its distances from the others.
pub(crate) const AT_ZERO: f64 = 1.0 / (A * A * B * B);

/// What the taps `w0, w1, w2` of a filter are multiplied with for a point: its value there, over the product of the
/// point's distances from the others, or at 0 as it is.
///
/// Points are counted 0, a, -a, b, -b, infinity. At the first and the last one the value is a tap as it is.
pub fn winograd_weights(point: usize) -> [f64; 3] {
    let (a2, b2) = (A * A, B * B);
    let at = |x: f64, scale: f64| [1.0 / scale, x / scale, x * x / scale];
    match point {
        0 => [1.0, 0.0, 0.0],
        1 => at(A, 2.0 * a2 * (a2 - b2)),
        2 => at(-A, 2.0 * a2 * (a2 - b2)),
        3 => at(B, 2.0 * b2 * (b2 - a2)),
        4 => at(-B, 2.0 * b2 * (b2 - a2)),
        _ => [0.0, 0.0, 1.0],
    }
}

/// What is said of other points.
pub(crate) const REFUSED_POINTS: &str = "points 0..6, 0..5 and 1..5 are accepted, not";

/// Whether lines can be made of just these points.
pub(crate) fn are_points(points: &Range<usize>) -> bool {
    matches!((points.start, points.end), (0, 5 | 6) | (1, 5))
}

/// Writes the lines of some points, `len` elements each: that of point `p` from `starts[p]` on. Element `i` is made of
/// `d0 ..= d5`, which are `from[d[0] + i]` and so on.
///
/// `points` are all six, or without infinity, or without 0 and infinity. Falls back to [`Isa::Portable`] where this machine
/// lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, winograd_lines};
///
/// // Of a signal 0, 1, 2, ... as it comes, without any stride.
/// let signal: Vec<f64> = (0..6).map(f64::from).collect();
/// let mut lines = [0.0; 6];
/// winograd_lines(Isa::best(), &signal, [0, 1, 2, 3, 4, 5], 1, 0..6, &mut lines, [0, 1, 2, 3, 4, 5]);
/// assert_eq!(lines[0], 4.0 - 2.0 * 45.0 / 16.0);
/// ```
///
/// # Panics
/// When the points are others, an element is missing in `from`, or a line reaches beyond `to`.
pub fn winograd_lines<T: Element>(
    isa: Isa,
    from: &[T],
    d: [usize; WINOGRAD_POINTS],
    len: usize,
    points: Range<usize>,
    to: &mut [T],
    starts: [usize; WINOGRAD_POINTS],
) {
    assert!(are_points(&points), "{REFUSED_POINTS} {points:?}");
    let fits = |starts: &[usize], of: usize| {
        of.checked_sub(len).is_some_and(|space| starts.iter().all(|&start| start <= space))
    };
    // Without infinity nothing reads d5.
    assert!(fits(&d[..points.end], from.len()), "{len} elements from {d:?} of {}", from.len());
    assert!(fits(&starts[points.clone()], to.len()), "{len} elements from {starts:?} of {}", to.len());
    let lines = Lines { from: from.as_ptr(), d: &d, len, points, to: to.as_mut_ptr(), starts: &starts };
    // SAFETY: as just checked.
    unsafe { T::lines(isa, &lines) }
}

/// What is added to outputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bias<'a, T> {
    /// The same to all.
    Same(T),
    /// A value to each of the sums of a point, in their order.
    Each(&'a [T]),
}

/// Turns the sums of the products into the four outputs and adds a bias to each: `len` sums of point `p` from `starts[p]`
/// on become as many of output `p`, for the first four. A sixth start may be missing, where no filter has three taps.
/// Returns whether every output is finite.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Bias, Isa, winograd_outputs};
///
/// let mut sums = [1.0, 2.0, 3.0, 4.0, 5.0];
/// assert!(winograd_outputs(Isa::best(), &mut sums, &[0, 1, 2, 3, 4], 1, Bias::Same(10.0)));
/// let first: f64 = 10.0 + 64.0 / 81.0 * 1.0 + 2.0 + 3.0 + 4.0 + 5.0;
/// assert!((sums[0] - first).abs() < 1e-12);
/// ```
///
/// # Panics
/// When there are not five or six starts, sums are missing, or there are other than `len` biases.
pub fn winograd_outputs<T: Element>(
    isa: Isa,
    sums: &mut [T],
    starts: &[usize],
    len: usize,
    bias: Bias<'_, T>,
) -> bool {
    assert!(matches!(starts.len(), 5 | 6), "{} starts of sums", starts.len());
    let space = sums.len().checked_sub(len);
    assert!(starts.iter().all(|&start| Some(start) <= space), "{len} sums from {starts:?} of {}", sums.len());
    if let Bias::Each(values) = bias {
        assert_eq!(values.len(), len, "biases of so many sums");
    }
    let outputs = Outputs { sums: sums.as_mut_ptr(), starts, len, bias };
    // SAFETY: as just checked.
    unsafe { T::outputs(isa, &outputs) }
}

/// `from` and `to` have `len` elements from each of `d` and `starts` on that the points need; both stay where they are, as in `Copy`.
#[derive(Debug)]
pub struct Lines<'a, T> {
    from: *const T,
    d: &'a [usize; WINOGRAD_POINTS],
    len: usize,
    points: Range<usize>,
    to: *mut T,
    starts: &'a [usize; WINOGRAD_POINTS],
}

/// Which outputs to make: there are five starts, or six, and `len` sums from each of them on, and one bias or as many.
#[derive(Debug)]
pub struct Outputs<'a, T> {
    sums: *mut T,
    starts: &'a [usize],
    len: usize,
    bias: Bias<'a, T>,
}

/// A constant in every lane.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it.
#[inline(always)]
pub(crate) unsafe fn constant<X: Vector<Element: Float>>(value: f64) -> X {
    let value = <X::Element as NumCast>::from(value).expect("every float has a value near it");
    // SAFETY: the caller promises the instruction set.
    unsafe { X::splat(value) }
}

/// One vector of the line of each point, of one of each of the elements `d0 ..= d5`.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it.
#[inline(always)]
pub(crate) unsafe fn at_points<X: Vector<Element: Float>, const ZERO: bool, const INFINITY: bool>(
    load: impl Fn(usize) -> X,
    store: impl Fn(usize, X),
) {
    let (a2, b2) = (A * A, B * B);
    // SAFETY: the caller promises the instruction set.
    let [product, minus_sum, minus_a2, minus_b2, a, minus_a, b, minus_b] =
        [a2 * b2, -(a2 + b2), -a2, -b2, A, -A, B, -B].map(|value| unsafe { constant::<X>(value) });
    // factor * x + addend
    // SAFETY: the caller promises the instruction set.
    let fma = |factor: X, x: X, addend: X| unsafe { factor.multiply_add(x, addend) };
    let (d1, d2, d3, d4) = (load(1), load(2), load(3), load(4));
    if ZERO {
        store(0, fma(product, load(0), fma(minus_sum, d2, d4)));
    }
    let (even, odd) = (fma(minus_b2, d2, d4), fma(minus_b2, d1, d3));
    store(1, fma(a, odd, even));
    store(2, fma(minus_a, odd, even));
    let (even, odd) = (fma(minus_a2, d2, d4), fma(minus_a2, d1, d3));
    store(3, fma(b, odd, even));
    store(4, fma(minus_b, odd, even));
    if INFINITY {
        store(5, fma(product, d1, fma(minus_sum, d3, load(5))));
    }
}

/// Whole vectors of the lines from element `done` on; returns up to where.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the slices must be as
/// [`Lines`] says.
#[inline(always)]
unsafe fn lines<X: Vector<Element: Float>, const ZERO: bool, const INFINITY: bool>(
    lines: &Lines<'_, X::Element>,
    mut done: usize,
) -> usize {
    let &Lines { from, d, len, to, starts, .. } = lines;
    while done + X::LANES <= len {
        let load = |j: usize| {
            // done + LANES <= len  =>  within the elements that the caller promises.
            // SAFETY: hence the pointer stays within them.
            let from = unsafe { from.add(d[j] + done) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            unsafe { X::load(from) }
        };
        let store = |point: usize, line: X| {
            // SAFETY: as for loads, within the elements that the caller promises.
            let to = unsafe { to.add(starts[point] + done) };
            // SAFETY: hence they can be written; the caller promises the instruction set.
            unsafe { line.store(to) }
        };
        // SAFETY: the caller promises the instruction set.
        unsafe { at_points::<X, ZERO, INFINITY>(load, store) };
        done += X::LANES;
    }
    done
}

/// Whole vectors of the outputs from element `done` on; returns up to where, and whether all of them are finite.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the sums must be as
/// [`Outputs`] says.
#[inline(always)]
unsafe fn outputs<X: Vector<Element: Float>>(
    outputs: &Outputs<'_, X::Element>,
    mut done: usize,
) -> (usize, bool) {
    let &Outputs { sums, starts, len, bias } = outputs;
    let (a2, b2) = (A * A, B * B);
    // SAFETY: the caller promises the instruction set.
    let [one, minus_one, at_zero, a, b, a_squared, b_squared, a_cubed, b_cubed] =
        [1.0, -1.0, AT_ZERO, A, B, a2, b2, A * a2, B * b2].map(|value| unsafe { constant::<X>(value) });
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    let bias_at = |at: usize| match bias {
        // SAFETY: the caller promises the instruction set.
        Bias::Same(value) => unsafe { X::splat(value) },
        Bias::Each(values) => {
            // at + LANES <= len, as many as the caller promises.
            // SAFETY: hence the pointer stays within them.
            let from = unsafe { values.as_ptr().add(at) };
            // SAFETY: hence they can be read; the caller promises the instruction set.
            unsafe { X::load(from) }
        }
    };
    // 0 * x is NaN where x is not finite, and a sum with a NaN is NaN.
    let mut zeros = [zero; WINOGRAD_OUTPUTS];
    while done + X::LANES <= len {
        let at = |point: usize| {
            // done + LANES <= len  =>  within the elements that the caller promises.
            // SAFETY: hence the pointer stays within them.
            unsafe { sums.add(starts[point] + done) }
        };
        // SAFETY: hence they can be read; the caller promises the instruction set.
        let load = |point: usize| unsafe { X::load(at(point)) };
        // factor * x + addend
        // SAFETY: the caller promises the instruction set.
        let fma = |factor: X, x: X, addend: X| unsafe { factor.multiply_add(x, addend) };
        let bias = bias_at(done);
        let (even_a, odd_a) = (fma(one, load(1), load(2)), fma(minus_one, load(2), load(1)));
        let (even_b, odd_b) = (fma(one, load(3), load(4)), fma(minus_one, load(4), load(3)));
        let at_infinity = if starts.len() > 5 { fma(one, load(5), bias) } else { bias };
        let outputs = [
            fma(one, fma(at_zero, load(0), bias), fma(one, even_a, even_b)),
            fma(a, odd_a, fma(b, odd_b, bias)),
            fma(a_squared, even_a, fma(b_squared, even_b, bias)),
            fma(a_cubed, odd_a, fma(b_cubed, odd_b, at_infinity)),
        ];
        for (number, (output, zeros)) in outputs.into_iter().zip(&mut zeros).enumerate() {
            *zeros = fma(zero, output, *zeros);
            // SAFETY: within the elements that the caller promises, as above; the caller promises the instruction set.
            unsafe { output.store(at(number)) };
        }
        done += X::LANES;
    }
    // The most lanes that a vector has.
    let mut lanes = [<X::Element as Zero>::zero(); 16];
    let are_finite = zeros.iter().all(|zeros| {
        // SAFETY: there is room for the lanes of any vector; the caller promises the instruction set.
        unsafe { zeros.store(lanes.as_mut_ptr()) };
        lanes[..X::LANES].iter().all(|lane| !lane.is_nan())
    });
    (done, are_finite)
}

/// All elements of the lines: whole vectors of `X`, and single ones, `S`, for the rest.
///
/// # Safety
/// As [`lines()`].
#[inline(always)]
pub(crate) unsafe fn every_line<X: Vector<Element: Float>, S: Vector<Element = X::Element>>(
    job: &Lines<'_, X::Element>,
) {
    match (job.points.start, job.points.end) {
        // SAFETY: the caller promises the same.
        (0, 6) => unsafe { lines_of::<X, S, true, true>(job) },
        // SAFETY: the caller promises the same.
        (0, _) => unsafe { lines_of::<X, S, true, false>(job) },
        // SAFETY: the caller promises the same.
        _ => unsafe { lines_of::<X, S, false, false>(job) },
    }
}

/// # Safety
/// As [`lines()`].
#[inline(always)]
unsafe fn lines_of<X, S, const ZERO: bool, const INFINITY: bool>(job: &Lines<'_, X::Element>)
where
    X: Vector<Element: Float>,
    S: Vector<Element = X::Element>,
{
    // SAFETY: the caller promises the same.
    let done = unsafe { lines::<X, ZERO, INFINITY>(job, 0) };
    // SAFETY: the caller promises the same.
    unsafe { lines::<S, ZERO, INFINITY>(job, done) };
}

/// All outputs: as [`every_line`].
///
/// # Safety
/// As [`outputs()`].
#[inline(always)]
pub(crate) unsafe fn every_output<X: Vector<Element: Float>, S: Vector<Element = X::Element>>(
    job: &Outputs<'_, X::Element>,
) -> bool {
    // SAFETY: the caller promises the same.
    let (done, are_finite) = unsafe { outputs::<X>(job, 0) };
    // SAFETY: the caller promises the same.
    let (_, rest) = unsafe { outputs::<S>(job, done) };
    are_finite && rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters of one to three taps through the lines, against the definition: numbers are small integers, so the lines
    /// are exact in either type, and the weights' scales cost a few roundings.
    fn filters<T: Element>() {
        let number = |i: usize| T::from(i * i % 31).unwrap() - T::from(15).unwrap();
        let cast = |value: f64| T::from(value).unwrap();
        for isa in Isa::available() {
            for (weights, points) in
                [([4.0, 6.0, -2.0], 0..6), ([3.0, -5.0, 0.0], 0..5), ([0.0, 7.0, 0.0], 1..5)]
            {
                for len in 0..40 {
                    // Columns of a signal of 4 len + 2 elements: d0 .. d3 are its phases, d4 and d5 those of the next.
                    let stride = len + 3;
                    let rows: Vec<T> =
                        (0..4 * stride).map(|at| number(at % stride * 4 + at / stride)).collect();
                    let d = [0, 1, 2, 3, 4, 5].map(|j| j % 4 * stride + j / 4);
                    let mut lines = vec![T::nan(); 6 * len + 5];
                    let starts = [0, 1, 2, 3, 4, 5].map(|point| point * (len + 1));
                    winograd_lines(isa, &rows, d, len, points.clone(), &mut lines, starts);
                    let mut sums = vec![T::zero(); 6 * len + 5];
                    for point in points.clone() {
                        let factor: f64 =
                            weights.iter().zip(winograd_weights(point)).map(|(w, g)| w * g).sum();
                        for i in starts[point]..starts[point] + len {
                            sums[i] = lines[i] * cast(factor);
                        }
                    }
                    let num_sums = points.end;
                    let biases: Vec<T> = (0..len).map(number).collect();
                    for bias in [Bias::Same(cast(2.0)), Bias::Each(&biases)] {
                        let mut sums = sums.clone();
                        assert!(winograd_outputs(isa, &mut sums, &starts[..num_sums], len, bias));
                        for i in 0..len {
                            for j in 0..4 {
                                let taps = weights.iter().enumerate();
                                let bias = if bias == Bias::Each(&biases) { biases[i] } else { cast(2.0) };
                                let expected =
                                    taps.fold(bias, |sum, (t, &w)| sum + cast(w) * number(4 * i + j + t));
                                let found = sums[starts[j] + i];
                                let bound = T::epsilon() * cast(2000.0);
                                assert!(
                                    (found - expected).abs() <= bound,
                                    "{isa} {points:?} {len}: {i} {j}: {found} {expected}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_lines_give_the_filters_outputs() {
        filters::<f32>();
        filters::<f64>();
    }

    /// Weights for a point that a shorter filter leaves out are 0: nothing is lost.
    #[test]
    fn points_left_out_have_no_weight() {
        assert_eq!(winograd_weights(5)[..2], [0.0, 0.0]);
        assert_eq!(winograd_weights(0)[1], 0.0);
    }

    /// Every element alone, and as one of many: the same bits.
    fn alone_and_together<T: Element>() {
        let number = |i: usize| (T::from(i * i % 31).unwrap() - T::from(15.1).unwrap()).sin();
        let (len, points) = (37, 0..WINOGRAD_POINTS);
        for isa in Isa::available() {
            let signal: Vec<T> = (0..4 * (len + 3)).map(number).collect();
            let d = [0, 1, 2, 3, 4, 5].map(|j| j % 4 * (len + 3) + j / 4);
            let starts = [0, 1, 2, 3, 4, 5].map(|point| point * len);
            let (mut together, mut alone) = (vec![T::nan(); 6 * len], vec![T::nan(); 6 * len]);
            winograd_lines(isa, &signal, d, len, points.clone(), &mut together, starts);
            for i in 0..len {
                let [d, starts] = [d, starts].map(|places| places.map(|place| place + i));
                winograd_lines(isa, &signal, d, 1, points.clone(), &mut alone, starts);
            }
            assert_eq!(together, alone, "lines of {isa}");
            winograd_outputs(isa, &mut together, &starts, len, Bias::Same(number(3)));
            for i in 0..len {
                winograd_outputs(isa, &mut alone, &starts.map(|start| start + i), 1, Bias::Same(number(3)));
            }
            assert_eq!(together[..4 * len], alone[..4 * len], "outputs of {isa}");
        }
    }

    #[test]
    fn a_result_does_not_depend_on_how_many_there_are() {
        alone_and_together::<f32>();
        alone_and_together::<f64>();
    }

    #[test]
    fn what_is_not_finite_is_reported() {
        for isa in Isa::available() {
            for (len, at, wrong) in [(40, 0, f32::NAN), (40, 39, f32::INFINITY), (3, 1, f32::NEG_INFINITY)] {
                let mut sums = vec![1.0; 6 * len];
                sums[3 * len + at] = wrong;
                let starts = [0, 1, 2, 3, 4, 5].map(|point| point * len);
                assert!(!winograd_outputs(isa, &mut sums, &starts, len, Bias::Same(0.0)), "{isa} {len} {at}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "9 elements from [0, 10, 20, 30, 1, 11] of 38")]
    fn a_signal_that_is_too_short_is_refused() {
        let d = [0, 10, 20, 30, 1, 11];
        winograd_lines(Isa::best(), &[0.0; 39], d, 9, 0..5, &mut [0.0; 60], [0, 10, 20, 30, 40, 50]);
        winograd_lines(Isa::best(), &[0.0; 38], d, 9, 0..5, &mut [0.0; 60], [0, 10, 20, 30, 40, 50]);
    }
}
