//! The types of elements that a file can hold, and how they are converted.
//!
//! Every conversion rounds once, to the nearest, ties to even. `half` converts from `f32`; from `f64` its result would
//! depend on the machine (some round to `f32` first), so `f64` is first rounded to odd, which a second rounding can't
//! tell from the exact value (Boldo and Melquiond 2008: `f32` has at least two bits more than either half type).

use std::any::Any;

use half::{bf16, f16};
use lucid_autograd::Element;
use lucid_tensor::Scalar;
use safetensors::tensor::Dtype as Stored;

use crate::number::number;

/// A type of the elements of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 half precision: 11 bits of precision, finite up to 65504.
    F16,
    /// The upper half of an `f32`: 8 bits of precision, finite up to 3.39e38.
    Bf16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Dtype {
    /// The type that holds every `T` exactly.
    pub(super) fn of<T: Element>() -> Self {
        if <T as Scalar>::NAME == "f32" { Dtype::F32 } else { Dtype::F64 }
    }

    /// The type that a file calls `stored`; `None` for one that is not read.
    pub(super) fn from_stored(stored: Stored) -> Option<Self> {
        [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64].into_iter().find(|dtype| dtype.stored() == stored)
    }

    pub(super) fn stored(self) -> Stored {
        match self {
            Dtype::F16 => Stored::F16,
            Dtype::Bf16 => Stored::BF16,
            Dtype::F32 => Stored::F32,
            Dtype::F64 => Stored::F64,
        }
    }

    pub(super) fn num_bytes(self) -> usize {
        self.stored().bitsize() / 8
    }

    /// Whether `element` is a number that only infinity would be left of.
    pub(super) fn overflows<T: Element>(self, element: T) -> bool {
        let is_finite = match self {
            Dtype::F16 => f16::from_f32(to_f32_odd(element)).is_finite(),
            Dtype::Bf16 => bf16::from_f32(to_f32_odd(element)).is_finite(),
            Dtype::F32 => to_f32(element).is_finite(),
            Dtype::F64 => return false,
        };
        element.is_finite() && !is_finite
    }

    /// Appends the bytes of `elements`. One that is of this type already keeps its bits, which converting would change
    /// in some NaNs.
    pub(super) fn encode<T: Element>(self, elements: &[T], bytes: &mut Vec<u8>) {
        let elements = elements.iter().copied();
        match self {
            Dtype::F16 => bytes.extend(elements.flat_map(|x| f16::from_f32(to_f32_odd(x)).to_le_bytes())),
            Dtype::Bf16 => bytes.extend(elements.flat_map(|x| bf16::from_f32(to_f32_odd(x)).to_le_bytes())),
            Dtype::F32 => bytes.extend(elements.flat_map(|x| to_f32(x).to_le_bytes())),
            Dtype::F64 => bytes.extend(elements.flat_map(|x| lucid_tensor::Element::to_f64(x).to_le_bytes())),
        }
    }

    /// Appends the elements that `bytes` holds, converted only where their type is another.
    pub(super) fn decode<T: Element>(self, bytes: &[u8], elements: &mut Vec<T>) {
        let (pairs, fours, eights) =
            (bytes.as_chunks::<2>().0, bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
        let f32s = fours.iter().map(|&bytes| f32::from_le_bytes(bytes));
        match (self, (elements as &mut dyn Any).downcast_mut::<Vec<f32>>()) {
            (Dtype::F16, _) => {
                elements.extend(pairs.iter().map(|&it| number::<T>(f16::from_le_bytes(it).to_f64())))
            }
            (Dtype::Bf16, _) => {
                elements.extend(pairs.iter().map(|&it| number::<T>(bf16::from_le_bytes(it).to_f64())))
            }
            (Dtype::F32, Some(elements)) => elements.extend(f32s),
            (Dtype::F32, None) => elements.extend(f32s.map(|value| number::<T>(value.into()))),
            (Dtype::F64, _) => elements.extend(eights.iter().map(|&it| number::<T>(f64::from_le_bytes(it)))),
        }
    }
}

/// An `f32` as it is, or the nearest one.
fn to_f32<T: Element>(element: T) -> f32 {
    let as_is = (&element as &dyn Any).downcast_ref::<f32>().copied();
    as_is.unwrap_or_else(|| lucid_tensor::Element::to_f64(element) as f32)
}

/// An `f32` as it is; of a number between two of them, the one with the odd last bit.
fn to_f32_odd<T: Element>(element: T) -> f32 {
    let nearest = to_f32(element);
    let (exact, rounded) = (lucid_tensor::Element::to_f64(element), f64::from(nearest));
    // Of two neighbours one is odd. Infinity counts as even, and its neighbour, the largest number, is odd.
    if nearest.is_nan() || rounded == exact || nearest.to_bits() & 1 == 1 {
        nearest
    } else if rounded < exact {
        nearest.next_up()
    } else {
        nearest.next_down()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(dtype: Dtype, x: f64) -> u16 {
        let mut bytes = Vec::new();
        dtype.encode(&[x], &mut bytes);
        u16::from_le_bytes(bytes.try_into().unwrap())
    }

    #[test]
    fn a_double_is_rounded_once() {
        // Halfway between 1 and the next f16, 1 + 2^-10; a hair more has to go up, a hair less down, a tie to even.
        let (tie, hair) = (1.0 + 2_f64.powi(-11), 2_f64.powi(-50));
        assert_eq!([tie, tie + hair, tie - hair].map(|x| stored(Dtype::F16, x)), [0x3c00, 0x3c01, 0x3c00]);
        let tie = 1.0 + 3.0 * 2_f64.powi(-11);
        assert_eq!([tie, tie + hair, tie - hair].map(|x| stored(Dtype::F16, x)), [0x3c02, 0x3c02, 0x3c01]);
        let tie = 1.0 + 2_f64.powi(-8);
        assert_eq!([tie, tie + hair, tie - hair].map(|x| stored(Dtype::Bf16, x)), [0x3f80, 0x3f81, 0x3f80]);
        // Below the smallest f16, 2^-24: half of it is a tie with 0.
        let tie = 2_f64.powi(-25);
        assert_eq!([tie, tie * (1.0 + hair), -1e-300].map(|x| stored(Dtype::F16, x)), [0, 1, 0x8000]);
    }

    #[test]
    fn numbers_overflow_where_rounding_says() {
        for (dtype, largest, too_large) in [
            (Dtype::F16, 65519.999, 65520.0),
            (Dtype::Bf16, 3.394e38, 3.397e38),
            (Dtype::F32, f64::from(f32::MAX), 3.5e38),
        ] {
            assert!(!dtype.overflows(largest) && !dtype.overflows(-largest), "{dtype:?}");
            assert!(dtype.overflows(too_large) && dtype.overflows(-too_large), "{dtype:?}");
            assert!(!dtype.overflows(f64::INFINITY) && !dtype.overflows(f64::NAN), "{dtype:?}");
        }
        assert!(!Dtype::F64.overflows(f64::MAX));
    }
}
