//! Clipping of gradients by their common norm: the direction of a step stays, its length is bounded (Pascanu et al.
//! 2013).

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use super::check_at_least_0;
use crate::error::Result;
use crate::number::number;

/// A length of a list of numbers `g`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// `sum |g|`
    L1,
    /// `sqrt(sum g^2)`
    #[default]
    L2,
    /// `max |g|`
    Max,
}

/// Scales all gradients by `max_norm / (norm + 1e-6)` where that is below 1, `norm` being the 2-norm of all of them
/// together, and returns the norm from before. A parameter that comes twice counts once; one without a gradient not at
/// all.
///
/// As in PyTorch's `clip_grad_norm_`, gradients with a NaN become NaN all; the norm tells.
///
/// ```
/// use lucid_nn::{Var, optim::clip_grad_norm};
/// use lucid_tensor::tensor;
///
/// let p = Var::leaf(tensor!([0.0, 0.0]));
/// p.set_grad(tensor!([3.0, 4.0]))?;
/// assert_eq!(clip_grad_norm(&[p.clone()], 10.0)?, 5.0);
/// assert_eq!(p.grad(), Some(tensor!([3.0, 4.0])));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) unless `max_norm` is finite and 0 or above.
pub fn clip_grad_norm<T: Element>(parameters: &[Var<T>], max_norm: f64) -> Result<f64> {
    clip_grad_norm_by(Norm::L2, parameters, max_norm)
}

/// As [`clip_grad_norm`], with a choice of the norm.
///
/// # Errors
/// As `clip_grad_norm`.
pub fn clip_grad_norm_by<T: Element>(norm: Norm, parameters: &[Var<T>], max_norm: f64) -> Result<f64> {
    check_at_least_0("max_norm", max_norm)?;
    let mut clipped: Vec<(&Var<T>, Tensor<T>)> = Vec::new();
    for parameter in parameters {
        if let Some(gradient) = parameter.grad()
            && !clipped.iter().any(|(other, _)| other.is_same(parameter))
        {
            clipped.push((parameter, gradient));
        }
    }
    let total = total_norm(norm, clipped.iter().map(|(_, gradient)| gradient));
    let scale = max_norm / (total + 1e-6);
    // Asked so that a NaN is not taken for small enough.
    if scale >= 1.0 {
        return Ok(total);
    }
    let scale = number::<T>(scale);
    for (parameter, mut gradient) in clipped {
        // With the parameter's own handle gone, the gradient can be scaled where it is.
        parameter.zero_grad();
        gradient.map_inplace(|g| g * scale);
        parameter.set_grad(gradient)?;
    }
    Ok(total)
}

/// In `f64`, where no square of an `f32` overflows, and in one fixed order.
fn total_norm<'a, T: Element>(norm: Norm, gradients: impl Iterator<Item = &'a Tensor<T>>) -> f64 {
    let mut total = 0.0_f64;
    for gradient in gradients {
        let gradient = gradient.contiguous();
        for &g in gradient.as_slice().unwrap_or_default() {
            let g = lucid_tensor::Element::to_f64(g).abs();
            match norm {
                Norm::L1 => total += g,
                Norm::L2 => total += g * g,
                // `f64::max` would pass over a NaN.
                Norm::Max if g > total || g.is_nan() => total = g,
                Norm::Max => {}
            }
        }
    }
    if norm == Norm::L2 { total.sqrt() } else { total }
}
