//! What minimal filtering reads of a signal: sums and differences of the neighbours of every second element.
//!
//! Two neighbouring outputs of a filter share products (Winograd's F(2, r)). With `x0 = from[2 i]`, `x1 = from[2 i + 1]`
//! and so on, the products of a filter of `r` taps multiply its weights with these lines:
//!
//! ```text
//! one tap      x0                x1
//! two taps     x0 - x1           x1            x2 - x1
//! three taps   x0 - x2           x1 + x2       x3 - x1       x2 - x1
//! ```

use crate::element::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::shuffle::Shuffle;

/// How many taps of a filter are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairTaps {
    /// One tap: nothing to share.
    One,
    /// Two taps: three products for two outputs.
    Two,
    /// Three taps: four products for two outputs.
    Three,
}

impl PairTaps {
    /// The taps, which is one less than the elements that two outputs read.
    pub fn taps(self) -> usize {
        match self {
            PairTaps::One => 1,
            PairTaps::Two => 2,
            PairTaps::Three => 3,
        }
    }

    /// Lines: as many as two outputs take products.
    pub fn lines(self) -> usize {
        self.taps() + 1
    }
}

/// Writes the lines of `taps` for `i < len`, each from its entry in `starts` on: see the table above.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, PairTaps, pair_lines};
///
/// let mut lines = [0.0; 6];
/// pair_lines(Isa::best(), PairTaps::Two, &[1.0, 10.0, 100.0, 1000.0, 10000.0], 2, &mut lines, &[0, 2, 4]);
/// assert_eq!(lines, [-9.0, -900.0, 10.0, 1000.0, 90.0, 9000.0]);
/// ```
///
/// # Panics
/// When `from` has fewer than `2 (len - 1) + taps + 1` elements, there is not a start for each line, or a line reaches
/// beyond `to`.
pub fn pair_lines<T: Element>(
    isa: Isa,
    taps: PairTaps,
    from: &[T],
    len: usize,
    to: &mut [T],
    starts: &[usize],
) {
    if len == 0 {
        return;
    }
    assert_eq!(starts.len(), taps.lines(), "starts for the lines of {taps:?}");
    assert!(2 * (len - 1) + taps.taps() < from.len(), "{} elements for {len} pairs", from.len());
    let space = to.len().checked_sub(len);
    assert!(starts.iter().all(|&start| Some(start) <= space), "a line reaches beyond {}", to.len());
    // SAFETY: as just checked.
    let done = unsafe { T::pair_blocks(isa, taps, from, len, to.as_mut_ptr(), starts) };
    for i in done..len {
        let x = &from[2 * i..];
        let mut put = |line: usize, value: T| to[starts[line] + i] = value;
        match taps {
            PairTaps::One => {
                put(0, x[0]);
                put(1, x[1]);
            }
            PairTaps::Two => {
                put(0, x[0] - x[1]);
                put(1, x[1]);
                put(2, x[2] - x[1]);
            }
            PairTaps::Three => {
                put(0, x[0] - x[2]);
                put(1, x[1] + x[2]);
                put(2, x[3] - x[1]);
                put(3, x[2] - x[1]);
            }
        }
    }
}

/// Whole vectors of the lines; returns how many elements of each are done.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; there must be a start
/// for each line, and `start + len` elements from `to` on for each of them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn blocks<X: Shuffle>(
    taps: PairTaps,
    from: &[X::Element],
    len: usize,
    to: *mut X::Element,
    starts: &[usize],
) -> usize {
    let load = |at: usize| {
        // SAFETY: the loop below reads no further than it has checked.
        let first = unsafe { from.as_ptr().add(at) };
        // SAFETY: as above, and the caller promises the instruction set.
        let first = unsafe { X::load(first) };
        // SAFETY: the loop below reads no further than it has checked.
        let second = unsafe { from.as_ptr().add(at + X::LANES) };
        // SAFETY: as above, and the caller promises the instruction set.
        let second = unsafe { X::load(second) };
        // SAFETY: the caller promises the instruction set.
        unsafe { X::unzip([first, second]) }
    };
    let store = |line: usize, i: usize, value: X| {
        // i + LANES <= len  =>  within the line that the caller promises.
        // SAFETY: hence the pointer stays within it.
        let to = unsafe { to.add(starts[line] + i) };
        // SAFETY: hence LANES elements can be written; the caller promises the instruction set.
        unsafe { value.store(to) };
    };
    // What the furthest of the two loads reads, from 2 i on.
    let reach = if taps == PairTaps::One { 2 * X::LANES } else { 2 * X::LANES + 2 };
    let mut i = 0;
    while i + X::LANES <= len && 2 * i + reach <= from.len() {
        let [x0, x1] = load(2 * i);
        if taps == PairTaps::One {
            store(0, i, x0);
            store(1, i, x1);
            i += X::LANES;
            continue;
        }
        let [x2, x3] = load(2 * i + 2);
        // SAFETY: the caller promises the instruction set.
        let subtract = |a: X, b: X| unsafe { a.subtract(b) };
        if taps == PairTaps::Two {
            store(0, i, subtract(x0, x1));
            store(1, i, x1);
            store(2, i, subtract(x2, x1));
        } else {
            store(0, i, subtract(x0, x2));
            // SAFETY: the caller promises the instruction set.
            store(1, i, unsafe { x1.add(x2) });
            store(2, i, subtract(x3, x1));
            store(3, i, subtract(x2, x1));
        }
        i += X::LANES;
    }
    i
}

/// Turns the sums of the products into the two outputs: `even += both + opposite`, `odd += both - opposite`, where
/// `opposite` may be empty.
///
/// # Panics
/// When the lengths differ.
pub fn pair_outputs<T: Element>(even: &mut [T], both: &[T], odd: &mut [T], opposite: &[T]) {
    assert!(even.len() == both.len() && odd.len() == both.len(), "rows of different lengths");
    let outputs = even.iter_mut().zip(odd).zip(both);
    if opposite.is_empty() {
        for ((even, odd), &both) in outputs {
            *even += both;
            *odd += both;
        }
    } else {
        assert_eq!(opposite.len(), both.len(), "rows of different lengths");
        for (((even, odd), &both), &opposite) in outputs.zip(opposite) {
            *even += both + opposite;
            *odd += both - opposite;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{PairTaps, blocks};
    use crate::vector::x86::{Avx2F32, Avx2F64};

    macro_rules! wrapper {
        ($name:ident, $scalar:ty, $vector:ty) => {
            /// # Safety
            /// AVX2 must be available; there must be a start for each line, and `start + len` elements from `to` on.
            #[target_feature(enable = "avx2,fma")]
            pub(super) unsafe fn $name(
                taps: PairTaps,
                from: &[$scalar],
                len: usize,
                to: *mut $scalar,
                starts: &[usize],
            ) -> usize {
                match taps {
                    // SAFETY: the caller promises the same, and this function enables the instruction set.
                    PairTaps::One => unsafe { blocks::<$vector>(PairTaps::One, from, len, to, starts) },
                    // SAFETY: as above.
                    PairTaps::Two => unsafe { blocks::<$vector>(PairTaps::Two, from, len, to, starts) },
                    // SAFETY: as above.
                    PairTaps::Three => unsafe { blocks::<$vector>(PairTaps::Three, from, len, to, starts) },
                }
            }
        };
    }

    wrapper!(f32_blocks, f32, Avx2F32);
    wrapper!(f64_blocks, f64, Avx2F64);
}

macro_rules! impl_pairs {
    ($scalar:ty, $blocks:ident) => {
        impl crate::element::sealed::Pairs for $scalar {
            unsafe fn pair_blocks(
                isa: Isa,
                taps: PairTaps,
                from: &[$scalar],
                len: usize,
                to: *mut $scalar,
                starts: &[usize],
            ) -> usize {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 | Isa::Avx512 if Isa::Avx2.is_available() => {
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        unsafe { x86::$blocks(taps, from, len, to, starts) }
                    }
                    _ => 0,
                }
            }
        }
    };
}

impl_pairs!(f32, f32_blocks);
impl_pairs!(f64, f64_blocks);

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters through the lines, by weights whose sums are exact, and compares with the filter as it is defined.
    fn filters<T: Element>() {
        let number = |i: usize| T::from(i * i % 31).unwrap();
        let half = T::from(0.5).unwrap();
        for isa in Isa::available() {
            for len in 1..40 {
                for (taps, weights) in [
                    (PairTaps::One, vec![3.0]),
                    (PairTaps::Two, vec![2.0, -5.0]),
                    (PairTaps::Three, vec![4.0, 6.0, -2.0]),
                ] {
                    let w: Vec<T> = weights.into_iter().map(|w: f64| T::from(w).unwrap()).collect();
                    let x: Vec<T> = (0..2 * (len - 1) + w.len() + 1).map(number).collect();
                    let stride = len + len % 3;
                    let mut lines = vec![T::nan(); (taps.lines() - 1) * stride + len];
                    let starts: Vec<usize> = (0..taps.lines()).map(|line| line * stride).collect();
                    pair_lines(isa, taps, &x, len, &mut lines, &starts);
                    let zero = T::zero();
                    let of_line = match taps {
                        PairTaps::One => vec![w[0], w[0]],
                        PairTaps::Two => vec![w[0], w[0] + w[1], w[1]],
                        PairTaps::Three => {
                            vec![w[0], (w[0] + w[1] + w[2]) * half, w[2], (w[0] - w[1] + w[2]) * half]
                        }
                    };
                    let product = |line: usize| -> Vec<T> {
                        (0..len).map(|i| lines[line * stride + i] * of_line[line]).collect()
                    };
                    let (mut even, mut odd, both, opposite) = match taps {
                        PairTaps::One => (product(0), product(1), vec![zero; len], vec![]),
                        PairTaps::Two => (product(0), product(2), product(1), vec![]),
                        PairTaps::Three => (product(0), product(2), product(1), product(3)),
                    };
                    pair_outputs(&mut even, &both, &mut odd, &opposite);
                    for i in 0..len {
                        for (parity, output) in [&even, &odd].into_iter().enumerate() {
                            let expected =
                                w.iter().zip(&x[2 * i + parity..]).fold(zero, |sum, (&w, &x)| sum + w * x);
                            assert_eq!(output[i], expected, "{isa} {taps:?} {len}: {i} {parity}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_lines_give_the_filters_outputs() {
        filters::<f32>();
        filters::<f64>();
    }

    #[test]
    #[should_panic(expected = "6 elements for 3 pairs")]
    fn a_signal_that_is_too_short_is_refused() {
        pair_lines(Isa::best(), PairTaps::Two, &[0.0; 6], 3, &mut [0.0; 9], &[0, 3, 6]);
    }
}
