//! What the ends of a row ask of a vector: loads and stores of some of its lanes.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::vector::{Lanes, Vector};

/// A vector of which some lanes can be loaded and stored.
///
/// # Safety
/// As [`Vector`], but only the lanes that are named have to exist.
pub(crate) trait Edge: Vector {
    /// Some of the lanes.
    type Mask: Copy;

    /// The lanes of a range, which may be none.
    unsafe fn mask(lanes: Range<usize>) -> Self::Mask;
    /// The elements from `from` on in the lanes of the mask, and zeros in the others. `from` itself need not lie within what
    /// can be read.
    unsafe fn load_lanes(from: *const Self::Element, mask: Self::Mask) -> Self;
    /// Writes the first `len` lanes from `to` on.
    unsafe fn store_first(self, to: *mut Self::Element, len: usize);
}

/// Element by element, through memory.
macro_rules! one_by_one {
    (load) => {
        #[inline(always)]
        unsafe fn load_lanes(from: *const Self::Element, mask: Self::Mask) -> Self {
            let mut copy = [MaybeUninit::<Self::Element>::uninit(); 16];
            let copy = copy.as_mut_ptr().cast::<Self::Element>();
            // SAFETY: the caller promises the instruction set.
            let zero = unsafe { Self::zero() };
            // SAFETY: no vector has more than 16 lanes; the caller promises the instruction set.
            unsafe { zero.store(copy) };
            for lane in mask.0..mask.1 {
                // SAFETY: the caller promises that the lane exists, and that it is one of a vector.
                let element = unsafe { from.wrapping_add(lane).read() };
                // SAFETY: hence it is one of the 16.
                unsafe { copy.add(lane).write(element) };
            }
            // SAFETY: all lanes have been written above; the caller promises the instruction set.
            unsafe { Self::load(copy) }
        }
    };
    (store) => {
        #[inline(always)]
        unsafe fn store_first(self, to: *mut Self::Element, len: usize) {
            let mut copy = [MaybeUninit::<Self::Element>::uninit(); 16];
            let copy = copy.as_mut_ptr().cast::<Self::Element>();
            // SAFETY: no vector has more than 16 lanes; the caller promises the instruction set.
            unsafe { self.store(copy) };
            // SAFETY: the caller promises space for `len` elements, no more than there are lanes, and nothing else points to `copy`.
            unsafe { copy.copy_to_nonoverlapping(to, len) };
        }
    };
}

macro_rules! portable {
    ($name:ty) => {
        impl Edge for $name {
            /// From one lane to before another.
            type Mask = (usize, usize);

            #[inline(always)]
            unsafe fn mask(lanes: Range<usize>) -> Self::Mask {
                (lanes.start, lanes.end)
            }

            one_by_one!(load);
            one_by_one!(store);
        }
    };
}

portable!(Lanes<f32, 4>);
portable!(Lanes<f64, 2>);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Edge;
    use crate::vector::Vector;
    use crate::vector::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};
    use std::arch::x86_64::*;
    use std::mem::MaybeUninit;
    use std::ops::Range;

    macro_rules! avx512 {
        ($name:ident, $scalar:ty, $mask:ty, $load:ident, $store:ident) => {
            impl Edge for $name {
                type Mask = $mask;

                #[inline(always)]
                unsafe fn mask(lanes: Range<usize>) -> Self::Mask {
                    (((1_u32 << lanes.end) - 1) & !((1_u32 << lanes.start) - 1)) as $mask
                }

                #[inline(always)]
                unsafe fn load_lanes(from: *const $scalar, mask: Self::Mask) -> Self {
                    // SAFETY: the caller promises AVX-512 F, and that the lanes of the mask can be read: no others are.
                    $name(unsafe { $load(mask, from) })
                }

                #[inline(always)]
                unsafe fn store_first(self, to: *mut $scalar, len: usize) {
                    let mask = (1_u32 << len) - 1;
                    // SAFETY: the caller promises AVX-512 F, and that the first lanes can be written: no others are.
                    unsafe { $store(to, mask as $mask, self.0) }
                }
            }
        };
    }

    avx512!(Avx512F32, f32, __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps);
    avx512!(Avx512F64, f64, __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd);

    /// A mask is a vector of integers. What stores with one is slow on many machines.
    macro_rules! avx2 {
        ($name:ident, $scalar:ty, $integer:ty, $lanes:literal, $load:ident) => {
            impl Edge for $name {
                type Mask = __m256i;

                #[inline(always)]
                unsafe fn mask(lanes: Range<usize>) -> Self::Mask {
                    let mut mask = [0 as $integer; $lanes];
                    mask[lanes].fill(-1);
                    // SAFETY: as many bytes; the caller promises AVX2.
                    unsafe { _mm256_loadu_si256(mask.as_ptr().cast()) }
                }

                #[inline(always)]
                unsafe fn load_lanes(from: *const $scalar, mask: Self::Mask) -> Self {
                    // SAFETY: the caller promises AVX2, and that the lanes of the mask can be read: no others are.
                    $name(unsafe { $load(from, mask) })
                }

                one_by_one!(store);
            }
        };
    }

    avx2!(Avx2F32, f32, i32, 8, _mm256_maskload_ps);
    avx2!(Avx2F64, f64, i64, 4, _mm256_maskload_pd);
}
