//! The transforms of minimal filtering, compiled for each instruction set, and the choice among them.

use crate::element::sealed::Winograd;
use crate::isa::Isa;
use crate::vector::Lanes;
use crate::winograd::{Lines, Outputs, every_line, every_output};
use crate::winograd_filters::{Values, f32_filters, f64_filters};
use crate::winograd_gradient::{Columns, TapSums, every_column, every_tap};
use crate::winograd_signals::{SignalLines, every_signal};

/// One of the transforms for one element type: a wrapper per instruction set, and the choice among them.
macro_rules! transform {
    ($name:ident: $job:ty => $result:ty = $every:ident($scalar:ty, $lanes:literal, $avx2:ident, $avx512:ident)) => {
        unsafe fn $name(isa: Isa, job: &$job) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                use crate::vector::x86::{Fused, $avx2, $avx512};

                /// # Safety
                /// The instruction set must be available, and the job as its type says.
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2(job: &$job) -> $result {
                    // SAFETY: enabled here; the caller promises the rest.
                    unsafe { $every::<$avx2, Fused<$scalar, 1>>(job) }
                }

                /// # Safety
                /// The instruction set must be available, and the job as its type says.
                #[target_feature(enable = "avx512f")]
                unsafe fn avx512(job: &$job) -> $result {
                    // SAFETY: enabled here; the caller promises the rest.
                    unsafe { $every::<$avx512, Fused<$scalar, 1>>(job) }
                }

                match isa {
                    // SAFETY: the guard has found the instruction set; the caller promises the rest.
                    Isa::Avx512 if isa.is_available() => return unsafe { avx512(job) },
                    // SAFETY: the guard has found the instruction set; the caller promises the rest.
                    Isa::Avx2 if isa.is_available() => return unsafe { avx2(job) },
                    _ => {}
                }
            }
            // SAFETY: the baseline is always there; the caller promises the rest.
            unsafe { $every::<Lanes<$scalar, $lanes>, Lanes<$scalar, 1>>(job) }
        }
    };
}

macro_rules! impl_winograd {
    ($scalar:ty, $lanes:literal, $avx2:ident, $avx512:ident, $filters:ident) => {
        impl Winograd for $scalar {
            transform!(lines: Lines<'_, $scalar> => () = every_line($scalar, $lanes, $avx2, $avx512));
            transform!(signals: SignalLines<'_, $scalar> => () = every_signal($scalar, $lanes, $avx2, $avx512));
            transform!(outputs: Outputs<'_, $scalar> => bool = every_output($scalar, $lanes, $avx2, $avx512));
            transform!(columns: Columns<'_, $scalar> => () = every_column($scalar, $lanes, $avx2, $avx512));
            transform!(taps: TapSums<'_, $scalar> => () = every_tap($scalar, $lanes, $avx2, $avx512));

            unsafe fn filters(isa: Isa, job: &Values<'_, $scalar>) {
                // SAFETY: the caller promises the same.
                unsafe { $filters(isa, job) }
            }
        }
    };
}

impl_winograd!(f32, 4, Avx2F32, Avx512F32, f32_filters);
impl_winograd!(f64, 2, Avx2F64, Avx512F64, f64_filters);
