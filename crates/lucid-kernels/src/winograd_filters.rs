//! The values of filters at the points of minimal filtering, many filters side by side.

use num_traits::{Float, NumCast};

use crate::element::Element;
use crate::isa::Isa;
use crate::vector::{Lanes, Vector};
use crate::winograd::{WINOGRAD_POINTS, winograd_weights};

/// Where the taps of some filters lie, a row per filter, and where their values belong; all of it once more for each source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterLayout {
    /// Filters, neighbours in each tap and each value.
    pub rows: usize,
    /// Sources.
    pub num_sources: usize,
    /// Where the rows of each of the three taps begin, of the first source. A tap that is missing is 0: there may be the first
    /// ones, or the second one alone.
    pub taps: [Option<usize>; 3],
    /// From a source's taps to the next one's.
    pub source_stride: usize,
    /// By point: where the values of the first source belong, and how far from them those of the next one. All points that the
    /// taps have, without 0 where the first tap is missing and without infinity where the third one is; or two opposite ones
    /// alone, as those of 0 and infinity are taps.
    pub values: [Option<(usize, usize)>; WINOGRAD_POINTS],
}

/// Writes the values of filters at points: the taps times [`winograd_weights`].
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{FilterLayout, Isa, winograd_filters, winograd_weights};
///
/// let taps = [2.0, 3.0];
/// let mut values = [0.0; 5];
/// let layout = FilterLayout {
///     rows: 1,
///     num_sources: 1,
///     taps: [Some(0), Some(1), None],
///     source_stride: 2,
///     values: [Some((0, 1)), Some((1, 1)), Some((2, 1)), Some((3, 1)), Some((4, 1)), None],
/// };
/// winograd_filters(Isa::best(), &taps, &layout, &mut values);
/// let [w0, w1, _] = winograd_weights(1);
/// assert_eq!(values[1], 2.0 * w0 + 3.0 * w1);
/// ```
///
/// # Panics
/// When the taps are no such choice, one of them is missing in `taps`, or a value has no room in `values`.
pub fn winograd_filters<T: Element>(isa: Isa, taps: &[T], layout: &FilterLayout, values: &mut [T]) {
    let FilterLayout { rows, num_sources, source_stride, .. } = *layout;
    let there = layout.taps.map(|tap| tap.is_some());
    let is_choice = matches!(there, [true, _, false] | [true, true, true] | [false, true, false]);
    assert!(is_choice, "{layout:?} has other taps than the first ones or the second one");
    if num_sources == 0 {
        return;
    }
    // (num_sources - 1) stride + rows more elements from `at` on.
    let fits = |at: usize, stride: usize, len: usize| {
        let last = (num_sources - 1).checked_mul(stride).and_then(|last| last.checked_add(at));
        last.and_then(|last| last.checked_add(rows)).is_some_and(|end| end <= len)
    };
    let mut places = layout.taps.iter().flatten();
    assert!(places.all(|&at| fits(at, source_stride, taps.len())), "{layout:?} reads beyond {}", taps.len());
    let wanted = layout.values.map(|place| place.is_some());
    let is_choice = [[there[0], true, true, true, true, there[2]], A_ALONE, B_ALONE].contains(&wanted);
    assert!(is_choice, "{layout:?} has other points than all of its taps' or two opposite ones");
    let mut places = layout.values.iter().flatten();
    assert!(
        places.all(|&(at, stride)| fits(at, stride, values.len())),
        "{layout:?} writes beyond {}",
        values.len()
    );
    let job = Values { taps: taps.as_ptr(), values: values.as_mut_ptr(), layout };
    // SAFETY: as just checked.
    unsafe { T::filters(isa, &job) }
}

const A_ALONE: [bool; WINOGRAD_POINTS] = [false, true, true, false, false, false];
const B_ALONE: [bool; WINOGRAD_POINTS] = [false, false, false, true, true, false];

/// Which values to write: for every source there are all rows of each tap from `taps` on, and of each value from `values` on.
#[derive(Debug)]
pub struct Values<'a, T> {
    taps: *const T,
    values: *mut T,
    layout: &'a FilterLayout,
}

/// Whole vectors of the values from row `done` on, at the points `a` and `-a` or `b` and `-b`, or, if both, at all that there
/// are; returns up to which.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the job must be as
/// [`Values`] says.
#[inline(always)]
unsafe fn filters<X, const W0: bool, const W1: bool, const W2: bool, const A: bool, const B: bool>(
    job: &Values<'_, X::Element>,
    done: usize,
) -> usize
where
    X: Vector<Element: Float>,
{
    let Values { taps, values, layout } = job;
    let constant = |value: f64| {
        let value = <X::Element as NumCast>::from(value).expect("every float has a value near it");
        // SAFETY: the caller promises the instruction set.
        unsafe { X::splat(value) }
    };
    let whole = (layout.rows - done) / X::LANES * X::LANES + done;
    if whole == done {
        return done;
    }
    // Of opposite points the even factors are equal, and the odd one has the other sign.
    let [[a0, a1, a2], [b0, b1, b2]] = [1, 3].map(winograd_weights);
    let [a0, a1, a2, b0, b1, b2] =
        [constant(a0), constant(a1), constant(a2), constant(b0), constant(b1), constant(b2)];
    let [minus_a1, minus_b1] = [constant(-winograd_weights(1)[1]), constant(-winograd_weights(3)[1])];
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    // factor * x + addend
    // SAFETY: the caller promises the instruction set.
    let fma = |factor: X, x: X, addend: X| unsafe { factor.multiply_add(x, addend) };
    for source in 0..layout.num_sources {
        // Of what is missing, no element is read or written: it may begin anywhere.
        let taps = layout.taps.map(|at| taps.wrapping_add(at.unwrap_or(0) + source * layout.source_stride));
        let values = layout.values.map(|place| {
            let (at, stride) = place.unwrap_or_default();
            values.wrapping_add(at + source * stride)
        });
        for row in (done..whole).step_by(X::LANES) {
            let load = |tap: usize| {
                // row + LANES <= rows  =>  within the rows that the caller promises.
                // SAFETY: hence the pointer stays within them.
                let from = unsafe { taps[tap].add(row) };
                // SAFETY: hence they can be read; the caller promises the instruction set.
                unsafe { X::load(from) }
            };
            let store = |point: usize, value: X| {
                // SAFETY: as for loads, within the rows that the caller promises.
                let to = unsafe { values[point].add(row) };
                // SAFETY: hence they can be written; the caller promises the instruction set.
                unsafe { value.store(to) };
            };
            let (mut even_a, mut even_b) = (zero, zero);
            if W2 {
                let w2 = load(2);
                (even_a, even_b) = (fma(a2, w2, zero), fma(b2, w2, zero));
                if A && B {
                    store(5, w2);
                }
            }
            if W0 {
                let w0 = load(0);
                (even_a, even_b) = (fma(a0, w0, even_a), fma(b0, w0, even_b));
                if A && B {
                    store(0, w0);
                }
            }
            let w1 = if W1 { load(1) } else { zero };
            if A {
                store(1, fma(a1, w1, even_a));
                store(2, fma(minus_a1, w1, even_a));
            }
            if B {
                store(3, fma(b1, w1, even_b));
                store(4, fma(minus_b1, w1, even_b));
            }
        }
    }
    whole
}

/// All rows: vectors of `X`, then of `Y` and `Z`, and single rows, `S`.
///
/// # Safety
/// The instruction sets must be available, and the function inlined into one that enables them; the job must be as its type
/// says.
#[inline(always)]
unsafe fn every_row<
    X,
    Y,
    Z,
    S,
    const W0: bool,
    const W1: bool,
    const W2: bool,
    const A: bool,
    const B: bool,
>(
    job: &Values<'_, X::Element>,
) where
    X: Vector<Element: Float>,
    Y: Vector<Element = X::Element>,
    Z: Vector<Element = X::Element>,
    S: Vector<Element = X::Element>,
{
    // SAFETY: the caller promises the same.
    let done = unsafe { filters::<X, W0, W1, W2, A, B>(job, 0) };
    // SAFETY: the caller promises the same.
    let done = unsafe { filters::<Y, W0, W1, W2, A, B>(job, done) };
    // SAFETY: the caller promises the same.
    let done = unsafe { filters::<Z, W0, W1, W2, A, B>(job, done) };
    // SAFETY: the caller promises the same.
    unsafe { filters::<S, W0, W1, W2, A, B>(job, done) };
}

/// Every row of filters at the points and with the taps that there are.
///
/// # Safety
/// As [`every_row`].
#[inline(always)]
unsafe fn every_filter<X, Y, Z, S>(job: &Values<'_, X::Element>)
where
    X: Vector<Element: Float>,
    Y: Vector<Element = X::Element>,
    Z: Vector<Element = X::Element>,
    S: Vector<Element = X::Element>,
{
    match job.layout.values.map(|place| place.is_some()) {
        // SAFETY: the caller promises the same.
        A_ALONE => unsafe { every_tap::<X, Y, Z, S, true, false>(job) },
        // SAFETY: the caller promises the same.
        B_ALONE => unsafe { every_tap::<X, Y, Z, S, false, true>(job) },
        // SAFETY: the caller promises the same.
        _ => unsafe { every_tap::<X, Y, Z, S, true, true>(job) },
    }
}

/// Every row of filters with the taps that there are, at some points.
///
/// # Safety
/// As [`every_row`].
#[inline(always)]
unsafe fn every_tap<X, Y, Z, S, const A: bool, const B: bool>(job: &Values<'_, X::Element>)
where
    X: Vector<Element: Float>,
    Y: Vector<Element = X::Element>,
    Z: Vector<Element = X::Element>,
    S: Vector<Element = X::Element>,
{
    match job.layout.taps.map(|tap| tap.is_some()) {
        // SAFETY: the caller promises the same.
        [true, true, true] => unsafe { every_row::<X, Y, Z, S, true, true, true, A, B>(job) },
        // SAFETY: the caller promises the same.
        [true, true, false] => unsafe { every_row::<X, Y, Z, S, true, true, false, A, B>(job) },
        // SAFETY: the caller promises the same.
        [true, false, false] => unsafe { every_row::<X, Y, Z, S, true, false, false, A, B>(job) },
        // SAFETY: the caller promises the same.
        [false, true, false] => unsafe { every_row::<X, Y, Z, S, false, true, false, A, B>(job) },
        others => unreachable!("the caller has checked the taps {others:?}"),
    }
}

macro_rules! impl_filters {
    ($name:ident, $scalar:ty, $lanes:literal, $avx2:ident, $avx512:ident) => {
        /// # Safety
        /// The job must be as its type says.
        pub(crate) unsafe fn $name(isa: Isa, job: &Values<'_, $scalar>) {
            #[cfg(target_arch = "x86_64")]
            {
                use crate::vector::x86::{Fused, $avx2, $avx512};

                /// # Safety
                /// The instruction set must be available, and the job as its type says.
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2(job: &Values<'_, $scalar>) {
                    // SAFETY: enabled here; the caller promises the rest.
                    unsafe {
                        every_filter::<$avx2, Fused<$scalar, $lanes>, Fused<$scalar, 1>, Fused<$scalar, 1>>(job)
                    }
                }

                /// # Safety
                /// The instruction sets must be available, and the job as its type says.
                #[target_feature(enable = "avx512f,avx2,fma")]
                unsafe fn avx512(job: &Values<'_, $scalar>) {
                    // SAFETY: enabled here; the caller promises the rest.
                    unsafe { every_filter::<$avx512, $avx2, Fused<$scalar, $lanes>, Fused<$scalar, 1>>(job) }
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
            // SAFETY: the baseline is always there; the caller promises the rest.
            unsafe {
                every_filter::<Lanes<$scalar, $lanes>, Lanes<$scalar, 1>, Lanes<$scalar, 1>, Lanes<$scalar, 1>>(
                    job,
                )
            }
        }
    };
}

impl_filters!(f32_filters, f32, 4, Avx2F32, Avx512F32);
impl_filters!(f64_filters, f64, 2, Avx2F64, Avx512F64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Each tap may be missing and each point left out; what is beside the values stays as it is.
    fn values<T: Element>() {
        let number = |i: usize| T::from(i * i % 31).unwrap() - T::from(15).unwrap();
        for isa in Isa::available() {
            for rows in 1..40 {
                for (lacks, wanted) in
                    [[false; 3], [false, false, true], [false, true, true], [true, false, true]]
                        .into_iter()
                        .flat_map(|lacks| {
                            [[true; WINOGRAD_POINTS], A_ALONE, B_ALONE].map(|wanted| (lacks, wanted))
                        })
                {
                    let is_left_out =
                        |point: usize| !wanted[point] || (point == 0 && lacks[0]) || (point == 5 && lacks[2]);
                    let (num_sources, source_stride) = (3, 3 * rows + 1);
                    let taps: Vec<T> = (0..num_sources * source_stride).map(number).collect();
                    let places = [0, 1, 2].map(|tap| (!lacks[tap]).then_some(tap * rows));
                    let stride = 6 * (rows + 2);
                    let layout = FilterLayout {
                        rows,
                        num_sources,
                        taps: places,
                        source_stride,
                        values: std::array::from_fn(|point| {
                            (!is_left_out(point)).then_some((point * (rows + 2), stride))
                        }),
                    };
                    let mut values = vec![T::nan(); num_sources * stride];
                    winograd_filters(isa, &taps, &layout, &mut values);
                    for (at, &found) in values.iter().enumerate() {
                        let (source, point, row) = (at / stride, at % stride / (rows + 2), at % (rows + 2));
                        if is_left_out(point) || row >= rows {
                            assert!(found.is_nan(), "{isa} {rows}: {point} {row} {found}");
                            continue;
                        }
                        let weights = winograd_weights(point).map(|weight| T::from(weight).unwrap());
                        let expected = places.iter().zip(weights).fold(T::zero(), |sum, (place, weight)| {
                            sum + place
                                .map_or(T::zero(), |at| weight * taps[source * source_stride + at + row])
                        });
                        let bound = T::epsilon() * T::from(100).unwrap();
                        assert!(
                            (found - expected).abs() <= bound,
                            "{isa} {rows}: {point} {found} {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_values_are_the_taps_times_the_weights() {
        values::<f32>();
        values::<f64>();
    }

    #[test]
    #[should_panic(expected = "reads beyond 7")]
    fn taps_beyond_the_end_are_refused() {
        let layout = FilterLayout {
            rows: 2,
            num_sources: 2,
            taps: [Some(0), Some(2), None],
            source_stride: 4,
            values: [Some((0, 2)), Some((0, 2)), Some((0, 2)), Some((0, 2)), Some((0, 2)), None],
        };
        winograd_filters(Isa::Portable, &[0.0; 8], &layout, &mut [0.0; 4]);
        winograd_filters(Isa::Portable, &[0.0; 7], &layout, &mut [0.0; 4]);
    }
}
