//! The blocks of interleaving, compiled for each instruction set, and the choice among them. The baseline has none: what
//! no block does is done element by element.

use crate::element::sealed::Interleave;
use crate::interleave::Interleaving;
use crate::isa::Isa;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::interleave::Interleaving;
    use crate::interleave_blocks::{few, few_back, many, many_back};
    use crate::vector::x86::{Avx2F32, Avx2F64};

    macro_rules! wrappers {
        ($forth:ident, $back:ident, $scalar:ty, $vector:ty, [$($few:literal),*]) => {
            /// # Safety
            /// AVX2 must be available, and the job as its type says.
            #[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn $forth(job: &Interleaving<$scalar>) -> usize {
                match job.num_rows {
                    1 => 0,
                    $($few => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { few::<$vector, $few>(job) }
                    })*
                    // SAFETY: the caller promises the same, and this function enables the instruction set.
                    _ => unsafe { many::<$vector>(job) },
                }
            }

            /// # Safety
            /// AVX2 must be available; `rows` must have `(num_rows - 1) * row_stride + len` elements.
            #[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn $back(
                from: &[$scalar],
                num_rows: usize,
                len: usize,
                rows: *mut $scalar,
                row_stride: usize,
            ) -> usize {
                match num_rows {
                    1 => 0,
                    $($few => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { few_back::<$vector, $few>(from, len, rows, row_stride) }
                    })*
                    // SAFETY: the caller promises the same, and this function enables the instruction set.
                    _ => unsafe { many_back::<$vector>(from, num_rows, len, rows, row_stride) },
                }
            }
        };
    }

    wrappers!(forth_f32, back_f32, f32, Avx2F32, [2, 3, 4, 5, 6, 7, 8]);
    wrappers!(forth_f64, back_f64, f64, Avx2F64, [2, 3, 4]);
}

macro_rules! impl_interleave {
    ($scalar:ty, $forth:ident, $back:ident) => {
        impl Interleave for $scalar {
            unsafe fn interleave_blocks(isa: Isa, job: &Interleaving<$scalar>) -> usize {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 | Isa::Avx512 if Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$forth(job) }
                    }
                    _ => 0,
                }
            }

            unsafe fn deinterleave_blocks(
                isa: Isa,
                from: &[$scalar],
                num_rows: usize,
                len: usize,
                rows: *mut $scalar,
                row_stride: usize,
            ) -> usize {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 | Isa::Avx512 if Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$back(from, num_rows, len, rows, row_stride) }
                    }
                    _ => 0,
                }
            }
        }
    };
}

impl_interleave!(f32, forth_f32, back_f32);
impl_interleave!(f64, forth_f64, back_f64);
