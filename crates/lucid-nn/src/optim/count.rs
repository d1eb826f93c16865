//! Step counts as tensors. A state dict holds floats only, and `f32` counts exactly up to 2^24 and no further: an
//! optimiser whose count stops would apply the wrong bias correction. So a count is stored as digits.

use lucid_autograd::Element;
use lucid_tensor::Tensor;

use crate::error::{Error, Result};
use crate::module::Path;
use crate::number::number;

/// The highest count, far beyond any training: one that reaches it stays there, and a state dict has none above it.
pub(super) const MAX_COUNT: u64 = (1 << 63) - 1;

const DIGIT_BITS: u32 = 24;

/// Three digits in base 2^24, lowest first, each exact in `f32`.
pub(super) fn count_to_digits<T: Element>(count: u64) -> Tensor<T> {
    let digit = |place: u32| count >> (place * DIGIT_BITS) & ((1 << DIGIT_BITS) - 1);
    Tensor::from([0, 1, 2].map(|place| number::<T>(digit(place) as f64)))
}

/// # Errors
/// [`Error::Entry`] of the name given when they are no digits, or those of a number above [`MAX_COUNT`].
pub(super) fn digits_to_count<T: Element>(name: &Path, digits: &Tensor<T>) -> Result<u64> {
    let base = f64::from(1_u32 << DIGIT_BITS);
    // 3 * 24 bits are 72 and a count has 63: the last digit has to leave out 9.
    let limits = [base, base, base / 512.0];
    let mut count = 0;
    for ((place, digit), limit) in digits.to_vec().into_iter().enumerate().zip(limits) {
        let digit = lucid_tensor::Element::to_f64(digit);
        if !((0.0..limit).contains(&digit) && digit.fract() == 0.0) {
            return Err(Error::Entry {
                name: name.to_string(),
                given: digits.to_string(),
                accepted: "the digits of a number below 2^63 in base 2^24, lowest first",
            });
        }
        count |= (digit as u64) << (place as u32 * DIGIT_BITS);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_counts_survive_exactly() {
        for count in [0, 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, (1 << 53) + 1, MAX_COUNT] {
            assert_eq!(digits_to_count(&Path::root(), &count_to_digits::<f32>(count)).unwrap(), count);
            assert_eq!(digits_to_count(&Path::root(), &count_to_digits::<f64>(count)).unwrap(), count);
        }
    }

    #[test]
    fn what_is_no_step_count_is_refused() {
        for digits in [[0.5, 0.0, 0.0], [-1.0, 0.0, 0.0], [f32::NAN, 0.0, 0.0], [0.0, 16777216.0, 0.0]] {
            assert!(
                digits_to_count(&Path::root(), &Tensor::from_vec([3], digits.to_vec()).unwrap()).is_err()
            );
        }
        assert!(
            digits_to_count(&Path::root(), &Tensor::from_vec([3], vec![0.0_f32, 0.0, 32768.0]).unwrap())
                .is_err()
        );
    }
}
