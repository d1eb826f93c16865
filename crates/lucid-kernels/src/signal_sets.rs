//! The loops of [`crate::filter_signals()`], compiled for each instruction set, and the choice among them and among numbers of
//! taps: kernels of up to nine taps, with a stride of two up to seven, or twelve where both phases read the same.

use crate::element::sealed::SignalFilters;
use crate::filter_signals::{SignalTap, Signals};
use crate::isa::Isa;
use crate::signal_loops::{Apart, Many, Shared, has_few_edges, read_the_same, signals, whole_vectors};
use crate::vector::{Lanes, Vector};

/// Returns from the loop for as many taps of one phase as there are, if there is one.
macro_rules! one {
    ($vector:ty, ($channels:ident, $whole:ident, $out:ident), $taps:ident, [$($num:literal),*]) => {
        $(if let Some(taps) = $taps.as_array::<$num>() {
            // SAFETY: the caller promises the same.
            return unsafe { signals::<$vector, _, 1, 4>(Shared::new([taps]), $channels, $whole, $out) };
        })*
    };
}

/// As `one`, of two phases that read the same.
macro_rules! same {
    ($vector:ty, ($channels:ident, $whole:ident, $out:ident), $even:ident, $odd:ident, [$($num:literal),*]) => {
        $(if let (Some(even), Some(odd)) = ($even.as_array::<$num>(), $odd.as_array::<$num>()) {
            // SAFETY: the caller promises the same.
            return unsafe { signals::<$vector, _, 2, 4>(Shared::new([even, odd]), $channels, $whole, $out) };
        })*
    };
}

/// As `one`, of two phases that read each their own.
macro_rules! apart {
    ($vector:ty, ($channels:ident, $whole:ident, $out:ident), $even:ident, $odd:ident, [$($num:literal + $other:literal),*]) => {
        $(if let (Some(even), Some(odd)) = ($even.as_array::<$num>(), $odd.as_array::<$other>()) {
            let taps = Apart(Shared::new([even]), Shared::new([odd]));
            // SAFETY: the caller promises the same.
            return unsafe { signals::<$vector, _, 2, 2>(taps, $channels, $whole, $out) };
        })*
    };
}

/// The function of one instruction set and element type.
macro_rules! wrapper {
    ($name:ident, $scalar:ty, $vector:ty $(, $features:literal)?) => {
        /// # Safety
        /// The conditions of [`SignalFilters::filter_signals`], and the instruction set must be available.
        $(#[target_feature(enable = $features)])?
        pub(crate) unsafe fn $name(phases: &[Vec<SignalTap>], channels: &Signals<'_, $scalar>, out: *mut $scalar) {
            let lanes = <$vector as Vector>::LANES;
            let whole = whole_vectors(phases, channels, lanes);
            let is_kept = has_few_edges(&whole, channels.out_len.div_ceil(phases.len()), lanes);
            match phases {
                [taps] => {
                    if is_kept {
                        one!($vector, (channels, whole, out), taps, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
                    }
                    // SAFETY: the caller promises the same.
                    unsafe { signals::<$vector, _, 1, 8>(Many([taps]), channels, whole, out) }
                }
                [even, odd] => {
                    if is_kept && read_the_same(even, odd) {
                        same!($vector, (channels, whole, out), even, odd, [1, 2, 3, 4, 5, 6]);
                    } else if is_kept {
                        apart!($vector, (channels, whole, out), even, odd,
                            [0 + 1, 1 + 0, 1 + 1, 1 + 2, 2 + 1, 2 + 2, 2 + 3, 3 + 2, 3 + 3, 3 + 4, 4 + 3]);
                    }
                    // SAFETY: the caller promises the same.
                    unsafe { signals::<$vector, _, 2, 4>(Many([even, odd]), channels, whole, out) }
                }
                _ => unreachable!("one or two phases"),
            }
        }
    };
}

wrapper!(portable_f32, f32, Lanes<f32, 4>);
wrapper!(portable_f64, f64, Lanes<f64, 2>);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use crate::vector::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};

    wrapper!(avx2_f32, f32, Avx2F32, "avx2,fma");
    wrapper!(avx2_f64, f64, Avx2F64, "avx2,fma");
    wrapper!(avx512_f32, f32, Avx512F32, "avx512f");
    wrapper!(avx512_f64, f64, Avx512F64, "avx512f");
}

macro_rules! impl_signal_filters {
    ($scalar:ty, $portable:ident, $avx2:ident, $avx512:ident) => {
        impl SignalFilters for $scalar {
            unsafe fn filter_signals(
                isa: Isa,
                phases: &[Vec<SignalTap>],
                signals: &Signals<'_, $scalar>,
                out: *mut $scalar,
            ) {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx512(phases, signals, out) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$avx2(phases, signals, out) }
                    }
                    // SAFETY: the baseline is always there; the caller promises the rest.
                    _ => unsafe { $portable(phases, signals, out) },
                }
            }
        }
    };
}

impl_signal_filters!(f32, portable_f32, avx2_f32, avx512_f32);
impl_signal_filters!(f64, portable_f64, avx2_f64, avx512_f64);
