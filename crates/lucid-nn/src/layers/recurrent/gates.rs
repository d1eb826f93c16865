//! What the steps of all cells are written with.

use lucid_autograd::{Element, Result, Var};

/// `1 / (1 + e^-x)`: 0 and 1 far out, where the exponential is infinite or 0.
pub(super) fn sigmoid<T: Element>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}

/// The columns of gate number `index`.
pub(super) fn gate<T: Element>(x: &Var<T>, index: usize, size: usize) -> Result<Var<T>> {
    x.slice(1, index * size..(index + 1) * size)
}

/// `y (1 - y)` for `y = sigmoid(x)`.
pub(super) fn derivative_of_sigmoid<T: Element>(y: &Var<T>) -> Result<Var<T>> {
    y - &y.square()
}

/// `1 - y^2` for `y = tanh(x)`.
pub(super) fn derivative_of_tanh<T: Element>(y: &Var<T>) -> Result<Var<T>> {
    Ok(y.square().affine(-T::one(), T::one()))
}
