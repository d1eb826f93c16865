//! The sum of many values: what the gradient of a bias is made of.
//!
//! ```text
//! sum = sum over p of partial[p],   partial[p] = sum over i of values[i P + p]
//! ```
//!
//! with `P` the lanes of eight vectors, as many as hide the latency of an addition. The partial sums are added in halves, so
//! rounding errors add up over `len / P` values rather than `len`.

use num_traits::{Float, One, Zero};

use crate::element::{Element, sealed::Sum};
use crate::isa::Isa;
use crate::slices::slice_kernel;
use crate::vector::Vector;

/// The sum of the values, 0 if there are none. NaN and infinities propagate.
///
/// The order of the additions depends on the number of values and on `isa` alone: the same values give the same bits,
/// wherever they lie in memory. Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, sum};
///
/// assert_eq!(sum(Isa::best(), &[1.0, 2.5, -0.5]), 3.0);
/// assert_eq!(sum::<f32>(Isa::best(), &[]), 0.0);
/// ```
pub fn sum<T: Element>(isa: Isa, values: &[T]) -> T {
    T::sum(isa, values)
}

/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it.
#[inline(always)]
unsafe fn total<X: Vector<Element: Float>>(values: &[X::Element]) -> X::Element {
    const VECTORS: usize = 8;
    // SAFETY: the caller promises the instruction set.
    let (zero, one) = (unsafe { X::zero() }, unsafe { X::splat(X::Element::one()) });
    // `1 x + y` is rounded once, as `x + y` is.
    // SAFETY: the caller promises the instruction set.
    let add = |x: X, y: X| unsafe { one.multiply_add(x, y) };
    let mut sums = [zero; VECTORS];
    let blocks = values.chunks_exact(VECTORS * X::LANES);
    let vectors = blocks.remainder().chunks_exact(X::LANES);
    let rest = vectors.remainder();
    for block in blocks {
        for (v, sum) in sums.iter_mut().enumerate() {
            // v <= VECTORS - 1 and the block has VECTORS LANES elements.
            // SAFETY: hence the pointer stays within the block.
            let from = unsafe { block.as_ptr().add(v * X::LANES) };
            // SAFETY: hence LANES elements can be read there; the caller promises the instruction set.
            *sum = add(unsafe { X::load(from) }, *sum);
        }
    }
    // Fewer than VECTORS of them.
    for (vector, sum) in vectors.zip(&mut sums) {
        // SAFETY: the chunk has LANES elements; the caller promises the instruction set.
        *sum = add(unsafe { X::load(vector.as_ptr()) }, *sum);
    }
    let mut half = VECTORS / 2;
    while half > 0 {
        for v in 0..half {
            sums[v] = add(sums[v + half], sums[v]);
        }
        half /= 2;
    }
    // The most lanes that a vector has.
    let mut lanes = [X::Element::zero(); 16];
    // SAFETY: there is room for the lanes of any vector; the caller promises the instruction set.
    unsafe { sums[0].store(lanes.as_mut_ptr()) };
    half = X::LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = lanes[lane] + lanes[lane + half];
        }
        half /= 2;
    }
    rest.iter().fold(lanes[0], |sum, &value| sum + value)
}

slice_kernel!(Sum::sum = total(f32) -> f32: 4, Avx2F32, Avx512F32);
slice_kernel!(Sum::sum = total(f64) -> f64: 2, Avx2F64, Avx512F64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length up to three blocks of every instruction set, and beyond: small integers, whose sums are exact, between
    /// numbers that must not be read.
    fn adds_each_value_once<T: Element>() {
        for isa in Isa::available() {
            for len in (0..=385).chain([4097]) {
                let mut values = vec![T::nan(); len + 2];
                let mut expected = 0;
                for (i, value) in values[1..=len].iter_mut().enumerate() {
                    let number = (i * i % 61) as i32 - 20;
                    *value = T::from(number).unwrap();
                    expected += number;
                }
                assert_eq!(sum(isa, &values[1..=len]), T::from(expected).unwrap(), "{isa} {len}");
            }
        }
    }

    /// Of values whose sum is rounded, at every place that a vector may start at.
    fn gives_the_same_bits_anywhere<T: Element>() {
        let third = T::one() / T::from(3.0).unwrap();
        for isa in Isa::available() {
            let values: Vec<T> = (0..999).map(|i| T::from(i).unwrap() * third).collect();
            let expected = sum(isa, &values);
            for offset in 1..16 {
                let elsewhere = [&vec![T::nan(); offset][..], &values].concat();
                assert_eq!(sum(isa, &elsewhere[offset..]), expected, "{isa} {offset}");
            }
        }
    }

    /// One after the other, the ones are lost beside the first value: no more than every `P`-th may be.
    fn partial_sums_keep_what_one_sum_loses<T: Element>() {
        let large = T::one() / T::epsilon() * (T::one() + T::one());
        for isa in Isa::available() {
            let mut values = vec![T::one(); 16 * 64];
            values[0] = large;
            let one_after_the_other = values.iter().fold(T::zero(), |sum, &value| sum + value);
            assert_eq!(one_after_the_other, large);
            // The fewest partial sums are those of eight vectors of two.
            let kept = T::from(15 * 64).unwrap();
            assert!(sum(isa, &values) - large >= kept, "{isa}: {}", sum(isa, &values) - large);
        }
    }

    fn propagates_what_is_not_finite<T: Element>() {
        for isa in Isa::available() {
            for at in 0..140 {
                let mut values = vec![T::one(); 140];
                values[at] = T::infinity();
                assert_eq!(sum(isa, &values), T::infinity(), "{isa} {at}");
                values[139 - at] = T::neg_infinity();
                assert!(sum(isa, &values).is_nan(), "{isa} {at}");
            }
        }
    }

    #[test]
    fn of_f32() {
        adds_each_value_once::<f32>();
        gives_the_same_bits_anywhere::<f32>();
        partial_sums_keep_what_one_sum_loses::<f32>();
        propagates_what_is_not_finite::<f32>();
    }

    #[test]
    fn of_f64() {
        adds_each_value_once::<f64>();
        gives_the_same_bits_anywhere::<f64>();
        partial_sums_keep_what_one_sum_loses::<f64>();
        propagates_what_is_not_finite::<f64>();
    }
}
