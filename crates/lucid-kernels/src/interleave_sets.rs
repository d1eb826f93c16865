//! The blocks of interleaving, compiled for each instruction set, and the choice among them. The baseline has none: what
//! no block does is done element by element.

use crate::element::sealed::Interleave;
use crate::interleave::Interleaving;
use crate::isa::Isa;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::interleave::RowStarts;
    use crate::interleave_blocks::{few, few_back, many, many_back, some};
    use crate::vector::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};

    macro_rules! wrappers {
        ($forth:ident, $back:ident, $scalar:ty, $vector:ty, [$($few:literal),*]) => {
            /// # Safety
            /// AVX2 must be available; `rows` must have `len` elements from each of `num_rows` starts on and `out` must have
            /// `num_rows * len`.
            #[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn $forth(
                rows: *const $scalar,
                starts: &RowStarts<'_>,
                num_rows: usize,
                len: usize,
                out: *mut $scalar,
            ) -> usize {
                match num_rows {
                    1 => 0,
                    $($few => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { few::<$vector, $few>(rows, starts, len, out) }
                    })*
                    // SAFETY: the caller promises the same, and this function enables the instruction set.
                    _ => unsafe { many::<$vector>(rows, starts, num_rows, len, out) },
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

    macro_rules! wide {
        ($forth:ident, $back:ident, $narrow:ident, $narrow_back:ident, $scalar:ty, $vector:ty, $lanes:literal, [$($few:literal),*], [$($some:literal),*]) => {
            /// By wider vectors, where so many rows have a network or take more than half of one, and the rest by the others.
            ///
            /// # Safety
            /// As of the narrower one; AVX-512 must be available too.
            #[target_feature(enable = "avx512f,avx2,fma")]
            pub(super) unsafe fn $forth(
                rows: *const $scalar,
                starts: &RowStarts<'_>,
                num_rows: usize,
                len: usize,
                out: *mut $scalar,
            ) -> usize {
                let done = match num_rows {
                    $($few => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { few::<$vector, $few>(rows, starts, len, out) }
                    })*
                    $($some => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { some::<$vector, $some>(rows, starts, len, out) }
                    })*
                    ..$lanes => 0,
                    // SAFETY: the caller promises the same, and this function enables the instruction set.
                    _ => unsafe { many::<$vector>(rows, starts, num_rows, len, out) },
                };
                // SAFETY: done <= len, so that it is within what the caller promises from any start on, or at its end.
                let rest = unsafe { rows.add(done) };
                // SAFETY: for the same reason it is within what the caller promises, or at its end.
                let out = unsafe { out.add(done * num_rows) };
                // SAFETY: the rows from `done` on have len - done elements each.
                done + unsafe { $narrow(rest, starts, num_rows, len - done, out) }
            }

            /// By wider vectors, where so many rows have a network, and the rest by the others.
            ///
            /// # Safety
            /// As of the narrower one; AVX-512 must be available too.
            #[target_feature(enable = "avx512f,avx2,fma")]
            pub(super) unsafe fn $back(
                from: &[$scalar],
                num_rows: usize,
                len: usize,
                rows: *mut $scalar,
                row_stride: usize,
            ) -> usize {
                let done = match num_rows {
                    $($few => {
                        // SAFETY: the caller promises the same, and this function enables the instruction set.
                        unsafe { few_back::<$vector, $few>(from, len, rows, row_stride) }
                    })*
                    _ => 0,
                };
                // SAFETY: done <= len, so that it is within the first row, or at its end.
                let rest = unsafe { rows.add(done) };
                // SAFETY: the rows from `done` on have len - done elements each.
                done + unsafe { $narrow_back(&from[done * num_rows..], num_rows, len - done, rest, row_stride) }
            }
        };
    }

    wide!(
        wide_f32,
        wide_back_f32,
        forth_f32,
        back_f32,
        f32,
        Avx512F32,
        16,
        [2, 4, 8],
        [9, 10, 11, 12, 13, 14, 15, 16]
    );
    wide!(wide_f64, wide_back_f64, forth_f64, back_f64, f64, Avx512F64, 8, [2, 4], [5, 6, 7, 8]);
    wrappers!(forth_f32, back_f32, f32, Avx2F32, [2, 3, 4, 5, 6, 7, 8]);
    wrappers!(forth_f64, back_f64, f64, Avx2F64, [2, 3, 4]);
}

macro_rules! impl_interleave {
    ($scalar:ty, $forth:ident, $wide:ident, $back:ident, $wide_back:ident) => {
        impl Interleave for $scalar {
            unsafe fn interleave_blocks(isa: Isa, job: &Interleaving<'_, $scalar>) -> usize {
                let &Interleaving { rows, starts, num_rows, len, out, repeats } = job;
                let mut done = 0;
                for k in 0..repeats.count {
                    // SAFETY: the caller promises elements from each of the repeats on.
                    let rows = unsafe { rows.add(k * repeats.rows) };
                    // SAFETY: for the same reason.
                    let out = unsafe { out.add(k * repeats.out) };
                    done = match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                            // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                            unsafe { x86::$wide(rows, starts, num_rows, len, out) }
                        }
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 | Isa::Avx512 if Isa::Avx2.is_available() => {
                            // SAFETY: the guard has found the instruction set; the caller promises the rest.
                            unsafe { x86::$forth(rows, starts, num_rows, len, out) }
                        }
                        _ => return 0,
                    };
                }
                done
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
                    Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                        unsafe { x86::$wide_back(from, num_rows, len, rows, row_stride) }
                    }
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

impl_interleave!(f32, forth_f32, wide_f32, back_f32, wide_back_f32);
impl_interleave!(f64, forth_f64, wide_f64, back_f64, wide_back_f64);
