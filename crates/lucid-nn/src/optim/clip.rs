//! Clipping of gradients by their common norm: the direction of a step stays, its length is bounded (Pascanu et al.
//! 2013).

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use crate::error::{Result, check};
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
/// As in PyTorch's `clip_grad_norm_`, gradients with a NaN become NaN all; the norm tells. A `max_norm` of infinity
/// changes nothing and only measures.
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
/// [`Error::Parameter`](crate::Error::Parameter) when `max_norm` is negative or NaN.
pub fn clip_grad_norm<T: Element>(parameters: &[Var<T>], max_norm: f64) -> Result<f64> {
    clip_grad_norm_by(Norm::L2, parameters, max_norm)
}

/// As [`clip_grad_norm`], with a choice of the norm.
///
/// # Errors
/// As `clip_grad_norm`.
pub fn clip_grad_norm_by<T: Element>(norm: Norm, parameters: &[Var<T>], max_norm: f64) -> Result<f64> {
    check(max_norm >= 0.0, "max_norm", max_norm, "a number, 0 or above, or infinity")?;
    let mut clipped: Vec<(&Var<T>, Tensor<T>)> = Vec::new();
    for parameter in parameters {
        if let Some(gradient) = parameter.grad()
            && !clipped.iter().any(|(other, _)| other.is_same(parameter))
        {
            clipped.push((parameter, gradient));
        }
    }
    let total = total_norm(norm, &clipped);
    if max_norm == f64::INFINITY {
        return Ok(total);
    }
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

/// In `f64` and in one fixed order. Where the sum of the squares leaves the range of `f64` (one of an `f32` can't), the
/// numbers are divided by the largest of them first.
fn total_norm<T: Element>(norm: Norm, gradients: &[(&Var<T>, Tensor<T>)]) -> f64 {
    if norm != Norm::L2 {
        return fold(gradients, |total, g| match norm {
            Norm::Max if g > total || g.is_nan() => g,
            // `f64::max` would pass over a NaN.
            Norm::Max => total,
            _ => total + g,
        });
    }
    let squares = fold(gradients, |total, g| total + g * g);
    if squares.is_normal() {
        return squares.sqrt();
    }
    let largest = total_norm(Norm::Max, gradients);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * fold(gradients, |total, g| total + (g / largest) * (g / largest)).sqrt()
}

/// What `f` makes, beginning with 0, of the magnitudes of all elements one after the other.
fn fold<T: Element>(gradients: &[(&Var<T>, Tensor<T>)], f: impl Fn(f64, f64) -> f64) -> f64 {
    gradients.iter().fold(0.0, |total, (_, gradient)| {
        let gradient = gradient.contiguous();
        let elements = gradient.as_slice().unwrap_or_default().iter();
        elements.fold(total, |total, &g| f(total, lucid_tensor::Element::to_f64(g).abs()))
    })
}
