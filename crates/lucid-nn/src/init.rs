//! Initial values, as PyTorch's layers start.

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;
use rand::Rng;

use crate::error::Result;

/// A parameter drawn uniformly from +-1/sqrt(`fan_in`), with `fan_in` the number of inputs that one output reads
/// (at least 1).
///
/// That is PyTorch's `kaiming_uniform_` with `a = sqrt(5)` for weights, and its bound for biases (He et al. 2015).
///
/// # Errors
/// When the shape overflows.
pub fn uniform_fan_in<T: Element>(
    shape: &[usize],
    fan_in: usize,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Var<T>> {
    let bound = <T as lucid_tensor::Element>::from_f64(1.0 / (fan_in.max(1) as f64).sqrt());
    Ok(Var::leaf(Tensor::uniform(shape, -bound, bound, rng)?))
}
