//! The element types that both tensors and convolutions are made for.

/// `f32` or `f64`. Numbers convert with `<T as lucid_tensor::Element>::from_f64` and `to_f64`.
pub trait Element: lucid_tensor::Element + lucid_conv::Element {}

impl Element for f32 {}
impl Element for f64 {}

/// A number of the element type.
pub(crate) fn number<T: Element>(value: f64) -> T {
    <T as lucid_tensor::Element>::from_f64(value)
}
