//! Whether values are finite: what minimal filtering and padding with zeros ask before they rely on it.
//!
//! `0 * x` is 0 where `x` is finite and NaN where it isn't, and a sum with a NaN is NaN. So the loop is one multiply-add per
//! vector and has no branch.

use num_traits::{Float, Zero};

use crate::element::{Element, sealed::Finite};
use crate::isa::Isa;
use crate::slices::slice_kernel;
use crate::vector::Vector;

/// Elements between two looks at the sums: enough to make looking cheap, few enough to stop early.
const CHUNK: usize = 4096;

/// Whether no value is NaN or infinite.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, all_finite};
///
/// assert!(all_finite(Isa::best(), &[1.0, f32::MAX, -0.0]));
/// assert!(!all_finite(Isa::best(), &[1.0, f32::NEG_INFINITY]));
/// ```
pub fn all_finite<T: Element>(isa: Isa, values: &[T]) -> bool {
    values.chunks(CHUNK).all(|chunk| T::all_finite(isa, chunk))
}

/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it.
#[inline(always)]
unsafe fn finite<X: Vector<Element: Float>>(values: &[X::Element]) -> bool {
    // As many as hide the latency of a multiply-add.
    const VECTORS: usize = 8;
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    let mut sums = [zero; VECTORS];
    let blocks = values.chunks_exact(VECTORS * X::LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (v, sum) in sums.iter_mut().enumerate() {
            // v <= VECTORS - 1 and the block has VECTORS LANES elements.
            // SAFETY: hence the pointer stays within the block.
            let from = unsafe { block.as_ptr().add(v * X::LANES) };
            // SAFETY: hence LANES elements can be read there; the caller promises the instruction set.
            let x = unsafe { X::load(from) };
            // SAFETY: the caller promises the instruction set.
            *sum = unsafe { zero.multiply_add(x, *sum) };
        }
    }
    // The most lanes that a vector has.
    let mut lanes = [X::Element::zero(); 16];
    let are_zero = sums.iter().all(|sum| {
        // SAFETY: there is room for the lanes of any vector; the caller promises the instruction set.
        unsafe { sum.store(lanes.as_mut_ptr()) };
        lanes[..X::LANES].iter().all(|&lane| lane == X::Element::zero())
    });
    are_zero && rest.iter().all(|value| value.is_finite())
}

slice_kernel!(Finite::all_finite = finite(f32) -> bool: 4, Avx2F32, Avx512F32);
slice_kernel!(Finite::all_finite = finite(f64) -> bool: 2, Avx2F64, Avx512F64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length around the blocks of every instruction set, with one value that is not finite at every place.
    fn finds_what_is_not_finite<T: Element>() {
        for isa in Isa::available() {
            for len in (0..140).chain([CHUNK - 1, CHUNK + 1]) {
                let mut values = vec![-T::max_value(); len];
                assert!(all_finite(isa, &values), "{isa} {len}");
                for at in (0..len).step_by(if len > 140 { 97 } else { 1 }) {
                    for wrong in [T::nan(), T::infinity(), T::neg_infinity()] {
                        values[at] = wrong;
                        assert!(!all_finite(isa, &values), "{isa} {len} {at} {wrong}");
                    }
                    values[at] = T::min_positive_value() / (T::one() + T::one());
                }
            }
        }
    }

    #[test]
    fn one_value_is_enough() {
        finds_what_is_not_finite::<f32>();
        finds_what_is_not_finite::<f64>();
    }
}
