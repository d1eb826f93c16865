//! The gradient penalty (Gulrajani et al. 2017, "Improved training of Wasserstein GANs").
//!
//! A critic measures a distance only if its gradient's norm is at most 1 everywhere. Where sounds lie between real and made
//! ones, the best critic's is exactly 1, so deviating from that is what costs:
//! `mean over the batch of (|dD(x)/dx| - 1)^2`. Its own gradient is one of second order, through all of the critic.

use lucid::{Element, Graph, Result, Tensor, Var, grad};

/// The penalty of `critic` at the points `x`, differentiable with respect to whatever `critic` is made of.
///
/// # Shapes
/// `x` is `[batch, ...]`; the critic gives one score for each of the batch, which depends on nothing else of it.
pub(crate) fn gradient_penalty<T: Element>(
    critic: impl FnOnce(&Var<T>) -> Result<Var<T>>,
    x: Tensor<T>,
) -> Result<Var<T>> {
    let axes: Vec<usize> = (1..x.ndim()).collect();
    let x = Var::leaf(x);
    // The leaf is younger than the critic's weights, so only their second derivatives are ever computed.
    let dx = grad(&[&critic(&x)?], &[&x], Graph::Create)?.remove(0);
    // Keeps the derivative of the root finite where the gradient is 0.
    let tiny = <T as lucid::tensor::Element>::from_f64(1e-12);
    let norm = (dx.square().sum(&axes, false)? + tiny).sqrt();
    Ok((norm - T::one()).square().mean_all())
}
