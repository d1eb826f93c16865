//! Step counts as tensors. A state dict holds floats only, and `f32` counts exactly up to 2^24 and no further: an
//! optimiser whose count stops would apply the wrong bias correction. So a count is stored as digits.

use lucid_autograd::Element;
use lucid_tensor::Tensor;

use crate::error::{Error, Result};
use crate::number::number;

const DIGIT_BITS: u32 = 24;

/// Three digits in base 2^24, lowest first, each exact in `f32`.
pub(super) fn count_to_digits<T: Element>(count: u64) -> Tensor<T> {
    let digit = |place: u32| count >> (place * DIGIT_BITS) & ((1 << DIGIT_BITS) - 1);
    Tensor::from([0, 1, 2].map(|place| number::<T>(digit(place) as f64)))
}

/// # Errors
/// [`Error::Parameter`] when they are no digits.
pub(super) fn digits_to_count<T: Element>(digits: &Tensor<T>) -> Result<u64> {
    let base = f64::from(1_u32 << DIGIT_BITS);
    // 3 * 24 bits are more than 64: the last digit has to leave out 8.
    let limits = [base, base, base / 256.0];
    let mut count = 0;
    for ((place, digit), limit) in digits.to_vec().into_iter().enumerate().zip(limits) {
        let digit = lucid_tensor::Element::to_f64(digit);
        if !((0.0..limit).contains(&digit) && digit.fract() == 0.0) {
            return Err(Error::Parameter {
                parameter: "step",
                given: format!("{digits}"),
                accepted: "the digits of a 64-bit number in base 2^24, lowest first".to_string(),
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
        for count in [0, 1, (1 << 24) - 1, 1 << 24, (1 << 24) + 1, (1 << 53) + 1, u64::MAX] {
            assert_eq!(digits_to_count(&count_to_digits::<f32>(count)).unwrap(), count);
            assert_eq!(digits_to_count(&count_to_digits::<f64>(count)).unwrap(), count);
        }
    }

    #[test]
    fn what_is_no_step_count_is_refused() {
        for digits in [[0.5, 0.0, 0.0], [-1.0, 0.0, 0.0], [f32::NAN, 0.0, 0.0], [0.0, 16777216.0, 0.0]] {
            assert!(digits_to_count(&Tensor::from_vec([3], digits.to_vec()).unwrap()).is_err());
        }
        assert!(digits_to_count(&Tensor::from_vec([3], vec![0.0_f32, 0.0, 65536.0]).unwrap()).is_err());
    }
}
