//! Functions of every element, compiled for every instruction set: in vectors as wide as there are, where the compiler makes
//! vectors of the function.
//!
//! No lane depends on another and nothing is contracted, so the bits are those of the function by itself.

use crate::element::Element;
use crate::isa::Isa;

/// `x = f(x)` for every element.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, map};
///
/// let mut values = [1.0, -2.0];
/// map(Isa::best(), &mut values, |x: f32| x.max(0.0));
/// assert_eq!(values, [1.0, 0.0]);
/// ```
pub fn map<T: Element>(isa: Isa, values: &mut [T], f: impl Fn(T) -> T) {
    wide(
        isa,
        values,
        #[inline(always)]
        |values| values.iter_mut().for_each(|x| *x = f(*x)),
    );
}

/// `y += x` for every element of both, as far as the shorter one goes.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, add};
///
/// let mut y = [1.0, 2.0];
/// add(Isa::best(), &mut y, &[0.5, 0.25]);
/// assert_eq!(y, [1.5, 2.25]);
/// ```
pub fn add<T: Element>(isa: Isa, y: &mut [T], x: &[T]) {
    wide(
        isa,
        y,
        #[inline(always)]
        |y| y.iter_mut().zip(x).for_each(|(y, &x)| *y += x),
    );
}

/// Bytes of a cache line.
pub const LINE_BYTES: usize = 64;

/// Asks for the cache lines of elements that will be read soon: where they are in many short runs, the processor's own
/// prefetching begins anew with each.
///
/// ```
/// lucid_kernels::prefetch(&[1.0, 2.0]);
/// ```
pub fn prefetch<T: Element>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let first = values.as_ptr().cast::<i8>();
        for at in (0..size_of_val(values)).step_by(LINE_BYTES) {
            // SAFETY: the baseline has the instruction, and any address is accepted.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(at)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Runs a loop over values, compiled for the instruction set.
fn wide<T: Element>(isa: Isa, values: &mut [T], run: impl FnOnce(&mut [T])) {
    #[cfg(target_arch = "x86_64")]
    {
        /// # Safety
        /// The instruction set must be available.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2<T: Element>(values: &mut [T], run: impl FnOnce(&mut [T])) {
            run(values);
        }

        /// # Safety
        /// The instruction set must be available.
        #[target_feature(enable = "avx512f")]
        unsafe fn avx512<T: Element>(values: &mut [T], run: impl FnOnce(&mut [T])) {
            run(values);
        }

        match isa {
            // SAFETY: the guard has found the instruction set.
            Isa::Avx512 if isa.is_available() => return unsafe { avx512(values, run) },
            // SAFETY: the guard has found the instruction set.
            Isa::Avx2 if isa.is_available() => return unsafe { avx2(values, run) },
            _ => {}
        }
    }
    run(values);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Products that a fused multiply-add would round otherwise, at every length around a vector, and nothing beyond.
    fn gives_the_bits_of_the_function<T: Element>() {
        let third = T::one() / T::from(3.0).expect("a float");
        let f = |x: T| if x > third { x * third + x } else { (x - third) * x };
        for isa in Isa::available() {
            for len in 0..70 {
                let x: Vec<T> = (0..len + 1).map(|i| T::from(i % 7).expect("a float") * third).collect();
                let mut y = x.clone();
                map(isa, &mut y[..len], f);
                let expected: Vec<T> = x[..len].iter().map(|&x| f(x)).chain([x[len]]).collect();
                assert_eq!(y, expected, "{isa} {len}");
                let sums: Vec<T> = y[..len].iter().zip(&x).map(|(&y, &x)| y + x).chain([y[len]]).collect();
                add(isa, &mut y, &x[..len]);
                assert_eq!(y, sums, "{isa} {len}");
            }
        }
    }

    #[test]
    fn of_f32() {
        gives_the_bits_of_the_function::<f32>();
    }

    #[test]
    fn of_f64() {
        gives_the_bits_of_the_function::<f64>();
    }
}
