//! What the kernels ask of a vector: six operations, so that each loop is written once for every instruction set.

/// A vector of numbers in a register.
///
/// # Safety
/// Every function may only be called where the instruction set of the implementing type is available, and inlined into
/// a function that enables it. `load` and `store` need [`LANES`](Self::LANES) elements at the pointer, which need not be
/// aligned.
pub(crate) trait Vector: Copy {
    /// The numbers.
    type Element: Copy;
    /// How many there are.
    const LANES: usize;

    /// All lanes 0.
    unsafe fn zero() -> Self;
    /// All lanes `value`.
    unsafe fn splat(value: Self::Element) -> Self;
    /// The elements from `from` on.
    unsafe fn load(from: *const Self::Element) -> Self;
    /// Writes the lanes from `to` on.
    unsafe fn store(self, to: *mut Self::Element);
    /// Asks for the cache line at an address, which need not be one of an element.
    #[inline(always)]
    unsafe fn prefetch(_: *const Self::Element) {}
    /// The same, into the second-level cache only.
    #[inline(always)]
    unsafe fn prefetch_for_second(_: *const Self::Element) {}
    /// `self * factor + addend`, fused where the instruction set does that.
    unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self;
}

/// An array that the compiler keeps in the target's baseline registers.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<T, const N: usize>(pub(crate) [T; N]);

macro_rules! array {
    ($name:ident, $scalar:ty, $lanes:literal, $multiply_add:expr) => {
        impl Vector for $name<$scalar, $lanes> {
            type Element = $scalar;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn zero() -> Self {
                $name([0.0; $lanes])
            }

            #[inline(always)]
            unsafe fn splat(value: $scalar) -> Self {
                $name([value; $lanes])
            }

            #[inline(always)]
            unsafe fn load(from: *const $scalar) -> Self {
                // SAFETY: the caller promises LANES elements at `from`; an array has the alignment of its element.
                $name(unsafe { from.cast::<[$scalar; $lanes]>().read() })
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $scalar) {
                // SAFETY: the caller promises LANES elements at `to`; an array has the alignment of its element.
                unsafe { to.cast::<[$scalar; $lanes]>().write(self.0) }
            }

            #[inline(always)]
            unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                let mut result = addend;
                for lane in 0..$lanes {
                    result.0[lane] = $multiply_add(self.0[lane], factor.0[lane], addend.0[lane]);
                }
                result
            }
        }
    };
}

array!(Lanes, f32, 4, |factor, x, addend| factor * x + addend);
array!(Lanes, f64, 2, |factor, x, addend| factor * x + addend);
// What loops over whole vectors leave.
array!(Lanes, f32, 1, |factor, x, addend| factor * x + addend);
array!(Lanes, f64, 1, |factor, x, addend| factor * x + addend);

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    macro_rules! vector {
        ($name:ident, $register:ty, $scalar:ty, $lanes:literal, $zero:ident, $splat:ident, $load:ident, $store:ident, $fma:ident) => {
            #[derive(Clone, Copy)]
            pub(crate) struct $name(pub(crate) $register);

            impl Vector for $name {
                type Element = $scalar;
                const LANES: usize = $lanes;

                #[inline(always)]
                unsafe fn prefetch(at: *const $scalar) {
                    // SAFETY: the caller promises the instruction set; any address may be asked for.
                    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
                }

                #[inline(always)]
                unsafe fn prefetch_for_second(at: *const $scalar) {
                    // SAFETY: the caller promises the instruction set; any address may be asked for.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
                }

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the caller promises that the instruction set is available.
                    $name(unsafe { $zero() })
                }

                #[inline(always)]
                unsafe fn splat(value: $scalar) -> Self {
                    // SAFETY: the caller promises that the instruction set is available.
                    $name(unsafe { $splat(value) })
                }

                #[inline(always)]
                unsafe fn load(from: *const $scalar) -> Self {
                    // SAFETY: the caller promises that the instruction set is available and that LANES elements can be
                    // read at `from`; the instruction asks for no alignment.
                    $name(unsafe { $load(from) })
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $scalar) {
                    // SAFETY: the caller promises that the instruction set is available and that LANES elements can be
                    // written at `to`; the instruction asks for no alignment.
                    unsafe { $store(to, self.0) }
                }

                #[inline(always)]
                unsafe fn multiply_add(self, factor: Self, addend: Self) -> Self {
                    // SAFETY: the caller promises that the instruction set is available.
                    $name(unsafe { $fma(self.0, factor.0, addend.0) })
                }
            }
        };
    }

    /// What loops over whole vectors leave, a few numbers or one, fused as in their lanes: a result does not depend on how far its
    /// loop goes on after it.
    #[derive(Clone, Copy)]
    pub(crate) struct Fused<T, const N: usize>(pub(crate) [T; N]);

    array!(Fused, f32, 4, f32::mul_add);
    array!(Fused, f32, 1, f32::mul_add);
    array!(Fused, f64, 2, f64::mul_add);
    array!(Fused, f64, 1, f64::mul_add);

    vector!(
        Avx2F32,
        __m256,
        f32,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps
    );
    vector!(
        Avx2F64,
        __m256d,
        f64,
        4,
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd
    );
    vector!(
        Avx512F32,
        __m512,
        f32,
        16,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps
    );
    vector!(
        Avx512F64,
        __m512d,
        f64,
        8,
        _mm512_setzero_pd,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_fmadd_pd
    );
}
