//! Hyperparameters are `f64` whatever the element type; this is the one place where they are rounded to it.

use lucid_autograd::Element;

/// The nearest number of the element type. `T` has two traits with a `from_f64`, so the call has to name one.
pub(crate) fn number<T: Element>(value: f64) -> T {
    <T as lucid_tensor::Element>::from_f64(value)
}
