//! Hyperparameters are `f64` whatever the element type; this is the one place where they are rounded to it, and checked
//! after that: a number that is fine in `f64` may be infinite or 0 in `f32`.

use lucid_autograd::Element;
use lucid_tensor::Scalar;

use crate::error::{Result, check};

/// The nearest number of the element type. `T` has two traits with a `from_f64`, so the call has to name one.
pub(crate) fn number<T: Element>(value: f64) -> T {
    <T as lucid_tensor::Element>::from_f64(value)
}

/// `value`, rounded, which must leave it finite.
pub(crate) fn finite<T: Element>(parameter: &'static str, value: f64) -> Result<T> {
    let rounded = number::<T>(value);
    let accepted = format!("a finite number of type {}", <T as Scalar>::NAME);
    check(rounded.is_finite(), parameter, value, &accepted)?;
    Ok(rounded)
}

/// `value`, rounded, which must be finite and 0 or above.
pub(crate) fn at_least_0<T: Element>(parameter: &'static str, value: f64) -> Result<T> {
    let rounded = number::<T>(value);
    let accepted = format!("a finite number of type {}, 0 or above", <T as Scalar>::NAME);
    check(rounded.is_finite() && rounded >= T::zero(), parameter, value, &accepted)?;
    Ok(rounded)
}

/// `value`, rounded, which must be finite, above 0, and so far from 0 that it has all its digits.
pub(crate) fn above_0<T: Element>(parameter: &'static str, value: f64) -> Result<T> {
    let rounded = number::<T>(value);
    let smallest = T::min_positive_value();
    let accepted =
        format!("a finite number above 0 that type {} has, {smallest:?} or more", <T as Scalar>::NAME);
    check(rounded.is_finite() && rounded >= smallest, parameter, value, &accepted)?;
    Ok(rounded)
}
