//! Losses of real numbers: functions of `d = prediction - target` alone.
//!
//! Huber's loss is written with each branch reading only the elements that it is for: the square of a difference far
//! outside its branch could overflow, and its gradient, although multiplied by 0, would be NaN.

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use super::{Reduction, check_same_shape};
use crate::error::Result;
use crate::number::{above_0, at_least_0, number};

/// The squared error: `(prediction - target)^2`.
///
/// # Shapes
/// `prediction` and `target` are equal; the result has rank 0, or their shape with [`Reduction::None`].
///
/// ```
/// use lucid_nn::{Var, loss::{Reduction, mse}};
/// use lucid_tensor::tensor;
///
/// let y = Var::leaf(tensor!([1.0, 2.0]));
/// let loss = mse(&y, &tensor!([1.0, 4.0]).into(), Reduction::Mean)?;
/// loss.backward()?;
/// assert_eq!(loss.item()?, 2.0);
/// assert_eq!(y.grad(), Some(tensor!([0.0, -2.0])));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
///
/// # Errors
/// When the shapes differ.
pub fn mse<T: Element>(prediction: &Var<T>, target: &Var<T>, reduction: Reduction) -> Result<Var<T>> {
    Ok(reduction.apply(difference(prediction, target)?.square()))
}

/// The absolute error: `|prediction - target|`, with gradient 0 where they are equal.
///
/// # Shapes
/// `prediction` and `target` are equal; the result has rank 0, or their shape with [`Reduction::None`].
///
/// # Errors
/// When the shapes differ.
pub fn l1<T: Element>(prediction: &Var<T>, target: &Var<T>, reduction: Reduction) -> Result<Var<T>> {
    Ok(reduction.apply(difference(prediction, target)?.abs()))
}

/// Huber's loss: with `d = prediction - target`, `d^2 / 2` where `|d| <= delta` and `delta (|d| - delta / 2)` beyond.
///
/// Its gradient is `d`, clipped to `+-delta` (Huber 1964).
///
/// # Shapes
/// `prediction` and `target` are equal; the result has rank 0, or their shape with [`Reduction::None`].
///
/// ```
/// use lucid_nn::{Var, loss::{Reduction, huber}};
/// use lucid_tensor::tensor;
///
/// let y = Var::leaf(tensor!([0.5, -3.0]));
/// let loss = huber(&y, &tensor!([0.0, 0.0]).into(), 1.0, Reduction::None)?;
/// assert_eq!(loss.value(), tensor!([0.125, 2.5]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
///
/// # Errors
/// When the shapes differ; [`Error::Parameter`](crate::Error::Parameter) when `delta` is not above 0 and finite in
/// the element type.
pub fn huber<T: Element>(
    prediction: &Var<T>,
    target: &Var<T>,
    delta: f64,
    reduction: Reduction,
) -> Result<Var<T>> {
    clipped(prediction, target, above_0("delta", delta)?, reduction)
}

/// [`huber`] with a `delta` that has been checked.
fn clipped<T: Element>(
    prediction: &Var<T>,
    target: &Var<T>,
    delta: T,
    reduction: Reduction,
) -> Result<Var<T>> {
    let d = difference(prediction, target)?;
    let zero = Var::constant(Tensor::scalar(T::zero()));
    let is_near = d.value().map(|d| d.abs() <= delta);
    let near = Var::where_(&is_near, &d, &zero)?.square() * number::<T>(0.5);
    let far = Var::where_(&is_near, &zero, &(d.abs() - delta * number::<T>(0.5)))? * delta;
    Ok(reduction.apply((&near + &far)?))
}

/// The smooth absolute error: with `d = prediction - target`, `d^2 / (2 beta)` where `|d| < beta` and `|d| - beta / 2`
/// beyond.
///
/// It is [`huber`] with `delta = beta`, divided by `beta`, and [`l1`] where `beta` is 0 (Girshick 2015).
///
/// # Shapes
/// `prediction` and `target` are equal; the result has rank 0, or their shape with [`Reduction::None`].
///
/// # Errors
/// When the shapes differ; [`Error::Parameter`](crate::Error::Parameter) when `beta` is neither 0 nor above
/// 0 and finite in the element type.
pub fn smooth_l1<T: Element>(
    prediction: &Var<T>,
    target: &Var<T>,
    beta: f64,
    reduction: Reduction,
) -> Result<Var<T>> {
    at_least_0::<T>("beta", beta)?;
    if beta == 0.0 {
        return l1(prediction, target, reduction);
    }
    let beta = above_0("beta", beta)?;
    Ok(clipped(prediction, target, beta, reduction)? / beta)
}

fn difference<T: Element>(prediction: &Var<T>, target: &Var<T>) -> Result<Var<T>> {
    check_same_shape(&prediction.shape(), &target.shape())?;
    Ok((prediction - target)?)
}
