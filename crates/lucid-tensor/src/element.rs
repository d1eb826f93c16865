//! What a tensor may hold, in two steps: anything that can be printed, and floats that can be computed with.
//!
//! Both traits are sealed: the promise that results are the same for any number of threads and that NaN
//! propagates is kept by testing the types listed here, so no other type may join from outside.

use std::{
    fmt::{self, Debug, Display, Write},
    iter::Sum,
};

use ndarray::LinalgScalar;
use num_traits::{Float, NumAssign};
use rand::distr::uniform::SampleUniform;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for bool {}
    impl Sealed for usize {}
}

/// A value that tensors are written as literals of and printed with: `f32`, `f64`, `bool` or `usize`.
///
/// `Tensor<bool>` is a mask, `Tensor<usize>` a list of indices; arithmetic needs an [`Element`].
pub trait Scalar:
    sealed::Sealed + Copy + PartialEq + Debug + Display + Default + Send + Sync + 'static
{
    /// Name of the type: `"f32"`, `"f64"`, `"bool"` or `"usize"`.
    const NAME: &str;

    /// Writes the value as it stands inside a printed tensor: floats with a decimal point or an exponent,
    /// `nan` and `inf` in lower case. `precision` is the number of decimals, where there are any.
    ///
    /// # Errors
    ///
    /// Those of the destination.
    fn write_to(self, out: &mut dyn Write, precision: Option<usize>) -> fmt::Result;
}

macro_rules! plain_scalar {
    ($($name:ident),*) => {$(
        impl Scalar for $name {
            const NAME: &str = stringify!($name);

            fn write_to(self, out: &mut dyn Write, _precision: Option<usize>) -> fmt::Result {
                write!(out, "{self}")
            }
        }
    )*};
}
plain_scalar!(bool, usize);

/// A float that tensors can be computed with: `f32` or `f64`.
///
/// Beside [`Float`] it offers conversions that cannot fail. `x.to_f64()` is [`Element::to_f64`] on a value;
/// on a reference it is [`num_traits::ToPrimitive::to_f64`], which returns an `Option`.
///
/// ```
/// use lucid_tensor::Element;
///
/// fn half<T: Element>(x: T) -> T {
///     x * T::from_f64(0.5)
/// }
/// assert_eq!(half(3.0_f32).to_f64(), 1.5);
/// ```
pub trait Element: Scalar + Float + NumAssign + LinalgScalar + Sum + SampleUniform {
    /// Distance from 1 to the next larger value: 2^-23 for `f32`, 2^-52 for `f64`.
    const EPSILON: Self;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;

    /// The same value as an `f64`, which holds every `f32` exactly.
    fn to_f64(self) -> f64;
}

macro_rules! float_element {
    ($($name:ident),*) => {$(
        impl Scalar for $name {
            const NAME: &str = stringify!($name);

            fn write_to(self, out: &mut dyn Write, precision: Option<usize>) -> fmt::Result {
                match precision {
                    _ if self.is_nan() => out.write_str("nan"),
                    Some(decimals) => write!(out, "{self:.decimals$}"),
                    // `Debug` is what prints 1.0 as "1.0" and not as "1".
                    None => write!(out, "{self:?}"),
                }
            }
        }

        impl Element for $name {
            const EPSILON: Self = $name::EPSILON;

            #[allow(clippy::unnecessary_cast, reason = "the cast rounds for f32 and is the identity for f64")]
            fn from_f64(value: f64) -> Self {
                value as $name
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }
    )*};
}
float_element!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_round_to_nearest() {
        assert_eq!(<f32 as Element>::from_f64(0.1), 0.1_f32);
        assert_eq!(<f64 as Element>::from_f64(0.1), 0.1);
        assert_eq!(Element::to_f64(0.5_f32), 0.5);
        assert_eq!((1.0 + <f32 as Element>::EPSILON).to_bits(), 1.0_f32.to_bits() + 1);
    }

    #[test]
    fn names_are_those_of_the_types() {
        assert_eq!([f32::NAME, f64::NAME, bool::NAME, usize::NAME], ["f32", "f64", "bool", "usize"]);
    }
}
