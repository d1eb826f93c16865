//! The activations of one number: what the operations on the tape apply to every element, for use below it.
//!
//! ```
//! use lucid_autograd::{Var, scalar};
//!
//! let x = Var::constant(lucid_tensor::tensor!([0.3]));
//! assert_eq!(x.silu().item()?, scalar::silu(0.3));
//! # Ok::<(), lucid_autograd::Error>(())
//! ```

use crate::element::{Element, number};

/// `max(x, 0)`
pub fn relu<T: Element>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}

/// `x` above 0, `slope x` elsewhere.
pub fn leaky_relu<T: Element>(x: T, slope: T) -> T {
    if x > T::zero() { x } else { slope * x }
}

/// `x + scale sin^2(frequency x)`
pub fn snake<T: Element>(x: T, frequency: T, scale: T) -> T {
    let sine = (frequency * x).sin();
    x + scale * sine * sine
}

/// `x` above 0, `alpha (e^x - 1)` elsewhere.
pub fn elu<T: Element>(x: T, alpha: T) -> T {
    if x > T::zero() { x } else { alpha * x.exp_m1() }
}

/// `1 / (1 + e^-x)`, with an exponential that overflows nowhere.
pub fn sigmoid<T: Element>(x: T) -> T {
    let e = (-x.abs()).exp();
    if x < T::zero() { e / (T::one() + e) } else { (T::one() + e).recip() }
}

/// `x sigmoid(x)`
pub fn silu<T: Element>(x: T) -> T {
    x * sigmoid(x)
}

/// `ln(1 + e^(beta x)) / beta`, as `max(z, 0) + ln(1 + e^-|z|)` with `z = beta x`, which overflows nowhere.
pub fn softplus<T: Element>(x: T, beta: T) -> T {
    let z = beta * x;
    let positive = if z < T::zero() { T::zero() } else { z };
    (positive + (-z.abs()).exp().ln_1p()) / beta
}

/// The error function.
pub fn erf<T: Element>(x: T) -> T {
    number::<T>(libm::erf(lucid_tensor::Element::to_f64(x)))
}

/// `x Phi(x)` with `Phi` the normal distribution function.
pub fn gelu<T: Element>(x: T) -> T {
    let half = number::<T>(0.5);
    x * (erf(x * number::<T>(std::f64::consts::FRAC_1_SQRT_2)) * half + half)
}

/// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`
pub fn gelu_tanh<T: Element>(x: T) -> T {
    let sqrt_2_over_pi = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    let inner = (x + x.powf(number::<T>(3.0)) * number::<T>(0.044715)) * number::<T>(sqrt_2_over_pi);
    x * ((inner.tanh() + T::one()) * number::<T>(0.5))
}
