//! Loops over one slice, compiled for every instruction set: a function that enables one can't be generic over it, so each
//! loop has a thin wrapper per set and element type, and a choice among them.

/// Implements a trait of `element::sealed` with one method, `fn(isa, values: &[Self]) -> $result`, by a loop generic over
/// `Vector`.
macro_rules! slice_kernel {
    ($kernel:ident::$method:ident = $looped:ident($scalar:ty) -> $result:ty: $lanes:literal, $avx2:ident, $avx512:ident) => {
        impl $kernel for $scalar {
            fn $method(isa: Isa, values: &[Self]) -> $result {
                #[cfg(target_arch = "x86_64")]
                {
                    use crate::vector::x86::{$avx2, $avx512};

                    /// # Safety
                    /// The instruction set must be available.
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(values: &[$scalar]) -> $result {
                        // SAFETY: enabled here.
                        unsafe { $looped::<$avx2>(values) }
                    }

                    /// # Safety
                    /// The instruction set must be available.
                    #[target_feature(enable = "avx512f")]
                    unsafe fn avx512(values: &[$scalar]) -> $result {
                        // SAFETY: enabled here.
                        unsafe { $looped::<$avx512>(values) }
                    }

                    match isa {
                        // SAFETY: the guard has found the instruction set.
                        Isa::Avx512 if isa.is_available() => return unsafe { avx512(values) },
                        // SAFETY: the guard has found the instruction set.
                        Isa::Avx2 if isa.is_available() => return unsafe { avx2(values) },
                        _ => {}
                    }
                }
                // SAFETY: the baseline is always there.
                unsafe { $looped::<crate::vector::Lanes<$scalar, $lanes>>(values) }
            }
        }
    };
}

pub(crate) use slice_kernel;
