//! Copying short rows: a call of the system's copy takes longer than the few vectors of a row of an image.

use crate::element::{Element, sealed::Copies};
use crate::isa::Isa;
use crate::vector::{Lanes, Vector};

/// Rows that are copied from one place to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyShape {
    /// Elements of a row.
    pub len: usize,
    /// How many rows there are.
    pub num_rows: usize,
    /// From a row's first element to the next one's, where they are read.
    pub from_stride: usize,
    /// The same where they are written; rows may overlap there, and the later one stays.
    pub to_stride: usize,
}

/// `to[r * to_stride + i] = from[r * from_stride + i]` for `r < num_rows`, `i < len`; nothing else is written.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{CopyShape, Isa, copy_rows};
///
/// let mut to = [0.0; 6];
/// let shape = CopyShape { len: 2, num_rows: 2, from_stride: 3, to_stride: 4 };
/// copy_rows(Isa::best(), &[1.0, 2.0, 3.0, 4.0, 5.0], &mut to, shape);
/// assert_eq!(to, [1.0, 2.0, 0.0, 0.0, 4.0, 5.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `from` or `to`.
pub fn copy_rows<T: Element>(isa: Isa, from: &[T], to: &mut [T], shape: CopyShape) {
    let CopyShape { len, num_rows, from_stride, to_stride } = shape;
    if len == 0 || num_rows == 0 {
        return;
    }
    let fits = |stride: usize, of: usize| {
        of.checked_sub(len)
            .is_some_and(|space| (num_rows - 1).checked_mul(stride).is_some_and(|last| last <= space))
    };
    assert!(fits(from_stride, from.len()), "{shape:?} from {} elements", from.len());
    assert!(fits(to_stride, to.len()), "{shape:?} to {} elements", to.len());
    let job = Copy { from: from.as_ptr(), to: to.as_mut_ptr(), shape: &shape };
    // SAFETY: as just checked.
    unsafe { T::copy_rows(isa, &job) }
}

/// What to copy: `from` and `to` have all elements of the shape's rows, and do not overlap.
///
/// The shape stays where it is. It has just been written number by number, and were it copied two numbers at a time, the processor
/// could not take them from its queue of stores: it would wait for all of them to arrive, those of the copy before too.
#[derive(Debug)]
pub struct Copy<'a, T> {
    from: *const T,
    to: *mut T,
    shape: &'a CopyShape,
}

/// The elements of a row from `done` on in whole vectors of `X`; returns up to where.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; from `from` and `to` on
/// there must be `len` elements.
#[inline(always)]
pub(crate) unsafe fn row<X: Vector>(
    from: *const X::Element,
    to: *mut X::Element,
    mut done: usize,
    len: usize,
) -> usize {
    while done + X::LANES <= len {
        // SAFETY: done + LANES <= len, the elements that the caller promises.
        unsafe { vector::<X>(from, to, done) };
        done += X::LANES;
    }
    done
}

/// The elements from `at` on that a vector holds.
///
/// # Safety
/// As [`row`], with `LANES` elements from `at` on.
#[inline(always)]
pub(crate) unsafe fn vector<X: Vector>(from: *const X::Element, to: *mut X::Element, at: usize) {
    // SAFETY: the caller promises LANES elements there.
    let from = unsafe { from.add(at) };
    // SAFETY: for the same reason; the caller promises the instruction set.
    let values = unsafe { X::load(from) };
    // SAFETY: the caller promises LANES elements there.
    let to = unsafe { to.add(at) };
    // SAFETY: for the same reason; the caller promises the instruction set.
    unsafe { values.store(to) };
}

/// All rows: vectors of `X`, of which the last one goes over some of the one before once more; or vectors of `Y` and single
/// elements, `S`, where a row is shorter than one of them.
///
/// # Safety
/// The instruction sets must be available, and the function inlined into one that enables them; the job must be as its type
/// says.
#[inline(always)]
unsafe fn every_row<X, Y, S>(job: &Copy<'_, X::Element>)
where
    X: Vector,
    Y: Vector<Element = X::Element>,
    S: Vector<Element = X::Element>,
{
    let CopyShape { len, num_rows, from_stride, to_stride } = *job.shape;
    for r in 0..num_rows {
        // SAFETY: row r < num_rows has its first element there.
        let from = unsafe { job.from.add(r * from_stride) };
        // SAFETY: for the same reason.
        let to = unsafe { job.to.add(r * to_stride) };
        // SAFETY: the row has len elements; the caller promises the instruction set.
        let done = unsafe { row::<X>(from, to, 0, len) };
        if done == len {
            continue;
        }
        if len >= X::LANES {
            // SAFETY: the row's last LANES elements; the caller promises the instruction set.
            unsafe { vector::<X>(from, to, len - X::LANES) };
        } else {
            // SAFETY: the row has len elements; the caller promises the instruction set.
            let done = unsafe { row::<Y>(from, to, done, len) };
            // SAFETY: the row has len elements; single ones need no instruction set.
            unsafe { row::<S>(from, to, done, len) };
        }
    }
}

macro_rules! impl_copies {
    ($scalar:ty, $lanes:literal, $avx2:ident, $avx512:ident) => {
        impl Copies for $scalar {
            unsafe fn copy_rows(isa: Isa, job: &Copy<'_, $scalar>) {
                #[cfg(target_arch = "x86_64")]
                {
                    use crate::vector::x86::{$avx2, $avx512};

                    /// # Safety
                    /// The instruction set must be available, and the job as its type says.
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(job: &Copy<'_, $scalar>) {
                        // SAFETY: enabled here; the caller promises the rest.
                        unsafe { every_row::<$avx2, Lanes<$scalar, $lanes>, Lanes<$scalar, 1>>(job) }
                    }

                    /// # Safety
                    /// The instruction sets must be available, and the job as its type says.
                    #[target_feature(enable = "avx512f,avx2,fma")]
                    unsafe fn avx512(job: &Copy<'_, $scalar>) {
                        // SAFETY: enabled here; the caller promises the rest.
                        unsafe { every_row::<$avx512, $avx2, Lanes<$scalar, 1>>(job) }
                    }

                    match isa {
                        Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                            // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                            return unsafe { avx512(job) };
                        }
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        Isa::Avx2 if isa.is_available() => return unsafe { avx2(job) },
                        _ => {}
                    }
                }
                // SAFETY: the baseline is always there; the caller promises the rest.
                unsafe { every_row::<Lanes<$scalar, $lanes>, Lanes<$scalar, 1>, Lanes<$scalar, 1>>(job) }
            }
        }
    };
}

impl_copies!(f32, 4, Avx2F32, Avx512F32);
impl_copies!(f64, 2, Avx2F64, Avx512F64);

#[cfg(test)]
mod tests {
    use super::*;

    fn copies<T: Element>() {
        for isa in Isa::available() {
            for len in 0..70 {
                for (num_rows, from_gap, to_gap) in [(1, 0, 0), (3, 0, 5), (4, 7, 1)] {
                    let (from_stride, to_stride) = (len + from_gap, len + to_gap);
                    let from: Vec<T> = (0..num_rows * from_stride).map(|i| T::from(i + 1).unwrap()).collect();
                    let mut to = vec![T::zero(); num_rows * to_stride];
                    copy_rows(isa, &from, &mut to, CopyShape { len, num_rows, from_stride, to_stride });
                    for (at, &found) in to.iter().enumerate() {
                        let (r, i) = (at / to_stride, at % to_stride);
                        let expected = if i < len { from[r * from_stride + i] } else { T::zero() };
                        assert_eq!(found, expected, "{isa} {len} {num_rows} {r} {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_copied_and_nothing_else() {
        copies::<f32>();
        copies::<f64>();
    }

    #[test]
    #[should_panic(expected = "to 9 elements")]
    fn rows_beyond_the_end_are_refused() {
        let shape = CopyShape { len: 4, num_rows: 2, from_stride: 4, to_stride: 6 };
        copy_rows(Isa::Portable, &[0.0; 8], &mut [0.0; 9], shape);
    }
}
