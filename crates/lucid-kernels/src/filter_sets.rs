//! The loops of filters, compiled for each instruction set, and the choice among them.
//!
//! A function that enables an instruction set can't be generic over it, so each gets thin wrappers; there are few enough
//! for a macro.

use crate::element::sealed::Filters;
use crate::filter::{Rows, Taps};
use crate::filter_loops::{filter_block, gradient, pairs_block};
use crate::isa::Isa;
use crate::vector::{Lanes, Vector};

/// Blocks of `$wide` vectors, then one of what whole vectors are left; a last one reaches back over what is done already,
/// so that nothing beyond `len`, at least one vector, is touched.
macro_rules! in_blocks {
    ($block:ident, $wide:literal, [$($rest:literal),*], $vector:ty, $taps:ident, $bias:ident, $signal:ident, $out:ident, $len:ident) => {
        let lanes = <$vector as Vector>::LANES;
        let mut q = 0;
        while q + $wide * lanes <= $len {
            // SAFETY: the block ends within len, up to which the caller promises the conditions.
            unsafe { $block::<$vector, $wide>($taps, $bias, $signal, $out, q) };
            q += $wide * lanes;
        }
        match ($len - q) / lanes {
            $($rest => {
                // SAFETY: as above.
                unsafe { $block::<$vector, $rest>($taps, $bias, $signal, $out, q) };
                q += $rest * lanes;
            })*
            _ => {}
        }
        if q < $len {
            // SAFETY: as above.
            unsafe { $block::<$vector, 1>($taps, $bias, $signal, $out, $len - lanes) };
        }
    };
}

/// The functions of one instruction set and element type: the loops above, inlined into what enables the set.
macro_rules! wrappers {
    ($module:ident, $scalar:ty, $vector:ty $(, $features:literal)?) => {
        pub(crate) mod $module {
            use super::*;

            /// # Safety
            /// The instruction set must be available; the taps must read within the signal for the rows, of at least one
            /// vector, and `out` must have space for them.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn filter(
                taps: Taps<'_, $scalar>,
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                rows: Rows,
            ) {
                let len = rows.len;
                for i in 0..rows.num_rows {
                    // Without a tap nothing is read, wherever this is.
                    let signal = signal.wrapping_add(i * rows.signal_pitch);
                    // SAFETY: row i lies within `out`, as the caller promises.
                    let out = unsafe { out.add(i * rows.pitch) };
                    in_blocks!(filter_block, 8, [1, 2, 3, 4, 5, 6, 7], $vector, taps, bias, signal, out, len);
                }
            }

            /// # Safety
            /// The instruction set must be available; the taps must read within the signal for `len` positions, at least
            /// one vector; `out` must have space for two elements per position.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn filter_pairs(
                taps: [Taps<'_, $scalar>; 2],
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                len: usize,
            ) {
                in_blocks!(pairs_block, 4, [1, 2, 3], $vector, taps, bias, signal, out, len);
            }

            /// # Safety
            /// The conditions of [`gradient`], for as many taps as there are offsets: one of `GROUPS`.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn filter_gradient(
                offsets: &[usize],
                signal: *const $scalar,
                coarse: *const $scalar,
                rows: Rows,
                sums: &mut [$scalar],
            ) {
                match offsets.len() {
                    // SAFETY: the caller promises the same.
                    1 => unsafe { gradient::<$vector, 1, 8>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    2 => unsafe { gradient::<$vector, 2, 4>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    3 => unsafe { gradient::<$vector, 3, 4>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    4 => unsafe { gradient::<$vector, 4, 2>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    6 => unsafe { gradient::<$vector, 6, 2>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    8 => unsafe { gradient::<$vector, 8, 1>(offsets, signal, coarse, rows, sums) },
                    // SAFETY: the caller promises the same.
                    12 => unsafe { gradient::<$vector, 12, 1>(offsets, signal, coarse, rows, sums) },
                    other => unreachable!("{other} taps are not one of the groups"),
                }
            }
        }
    };
}

wrappers!(portable_f32, f32, Lanes<f32, 4>);
wrappers!(portable_f64, f64, Lanes<f64, 2>);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use crate::vector::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};

    wrappers!(avx2_f32, f32, Avx2F32, "avx2,fma");
    wrappers!(avx2_f64, f64, Avx2F64, "avx2,fma");
    wrappers!(avx512_f32, f32, Avx512F32, "avx512f,avx2,fma");
    wrappers!(avx512_f64, f64, Avx512F64, "avx512f,avx2,fma");
}

macro_rules! impl_filters {
    ($scalar:ty, $lanes:literal, $portable:ident, $avx2:ident, $avx512:ident) => {
        impl Filters for $scalar {
            fn lanes(isa: Isa) -> usize {
                match isa {
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => 4 * $lanes,
                    Isa::Avx2 if isa.is_available() => 2 * $lanes,
                    _ => $lanes,
                }
            }

            unsafe fn filter(
                isa: Isa,
                taps: Taps<'_, $scalar>,
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                rows: Rows,
            ) {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                        unsafe { x86::$avx512::filter(taps, bias, signal, out, rows) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx2::filter(taps, bias, signal, out, rows) }
                    }
                    // SAFETY: the baseline is always there; the caller promises the rest.
                    _ => unsafe { $portable::filter(taps, bias, signal, out, rows) },
                }
            }

            unsafe fn filter_pairs(
                isa: Isa,
                taps: [Taps<'_, $scalar>; 2],
                bias: $scalar,
                signal: *const $scalar,
                out: *mut $scalar,
                len: usize,
            ) {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                        unsafe { x86::$avx512::filter_pairs(taps, bias, signal, out, len) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx2::filter_pairs(taps, bias, signal, out, len) }
                    }
                    // SAFETY: the baseline is always there; the caller promises the rest.
                    _ => unsafe { $portable::filter_pairs(taps, bias, signal, out, len) },
                }
            }

            unsafe fn filter_gradient(
                isa: Isa,
                offsets: &[usize],
                signal: *const $scalar,
                coarse: *const $scalar,
                rows: Rows,
                sums: &mut [$scalar],
            ) {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                        unsafe { x86::$avx512::filter_gradient(offsets, signal, coarse, rows, sums) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx2::filter_gradient(offsets, signal, coarse, rows, sums) }
                    }
                    // SAFETY: the baseline is always there; the caller promises the rest.
                    _ => unsafe { $portable::filter_gradient(offsets, signal, coarse, rows, sums) },
                }
            }
        }
    };
}

impl_filters!(f32, 4, portable_f32, avx2_f32, avx512_f32);
impl_filters!(f64, 2, portable_f64, avx2_f64, avx512_f64);
