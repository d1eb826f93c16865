//! The activations, as PyTorch defines them.

use super::elementwise::{Function, Reads, apply};
use super::unary::function;
use crate::element::{Element, number};
use crate::error::Result;
use crate::scalar;
use crate::var::Var;

function!(
    /** `tanh' = 1 - tanh^2` */
    Tanh, "tanh", Output, |x| x.tanh(), |y| Ok(-y.square() + T::one())
);
function!(
    /** `sigmoid' = sigmoid (1 - sigmoid)` */
    Sigmoid, "sigmoid", Output, |x| scalar::sigmoid(x), |y| y * &(-y + T::one())
);
function!(
    /** `relu' = 1` above 0, 0 elsewhere */
    Relu, "relu", Output, |x| scalar::relu(x), |y| Ok(step(y, T::zero()))
);
function!(
    /** `silu(x) = x s` with `s = sigmoid(x)`, so `silu' = s (1 + x (1 - s))` */
    Silu, "silu", Input,
    |x| scalar::silu(x),
    |x| {
        let s = x.sigmoid();
        &s * &((x * &(-&s + T::one()))? + T::one())
    }
);

/// `leaky_relu' = 1` above 0, `slope` elsewhere
struct LeakyRelu<T>(T);

impl<T: Element> Function<T> for LeakyRelu<T> {
    const NAME: &'static str = "leaky_relu";
    const READS: Reads = Reads::Input;

    fn value(&self, x: T) -> T {
        scalar::leaky_relu(x, self.0)
    }

    fn derivative(&self, x: &Var<T>) -> Result<Var<T>> {
        Ok(step(x, self.0))
    }
}

/// `elu' = 1` above 0, `alpha e^x` elsewhere
struct Elu<T>(T);

impl<T: Element> Function<T> for Elu<T> {
    const NAME: &'static str = "elu";
    const READS: Reads = Reads::Input;

    fn value(&self, x: T) -> T {
        scalar::elu(x, self.0)
    }

    fn derivative(&self, x: &Var<T>) -> Result<Var<T>> {
        // The exponential must not see positive numbers: where it overflows, 0 times its gradient would be NaN.
        let below = x.clamp(T::neg_infinity(), T::zero())?.exp() * self.0;
        let above = x.value().map(|x| x > T::zero());
        Var::where_(&above, &x.value().ones_like().into(), &below)
    }
}

/// `softplus(x) = ln(1 + e^(beta x)) / beta`, so `softplus' = sigmoid(beta x)`
struct Softplus<T>(T);

impl<T: Element> Function<T> for Softplus<T> {
    const NAME: &'static str = "softplus";
    const READS: Reads = Reads::Input;

    fn value(&self, x: T) -> T {
        scalar::softplus(x, self.0)
    }

    fn derivative(&self, x: &Var<T>) -> Result<Var<T>> {
        Ok((x * self.0).sigmoid())
    }
}

/// The constant that is 1 where `x` is above 0 and `below` elsewhere.
fn step<T: Element>(x: &Var<T>, below: T) -> Var<T> {
    x.value().map(|x| if x > T::zero() { T::one() } else { below }).into()
}

impl<T: Element> Var<T> {
    /// The hyperbolic tangent of every element.
    pub fn tanh(&self) -> Self {
        apply(Tanh, self)
    }

    /// `1 / (1 + e^-x)` for every element.
    pub fn sigmoid(&self) -> Self {
        apply(Sigmoid, self)
    }

    /// `max(x, 0)` for every element; the gradient at 0 is 0.
    pub fn relu(&self) -> Self {
        apply(Relu, self)
    }

    /// `x` above 0, `slope x` elsewhere.
    pub fn leaky_relu(&self, slope: T) -> Self {
        apply(LeakyRelu(slope), self)
    }

    /// `x` above 0, `alpha (e^x - 1)` elsewhere (Clevert et al. 2015).
    pub fn elu(&self, alpha: T) -> Self {
        apply(Elu(alpha), self)
    }

    /// `x Phi(x)` with `Phi` the normal distribution function (Hendrycks and Gimpel 2016).
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn gelu(&self) -> Result<Self> {
        let phi =
            (self * number::<T>(std::f64::consts::FRAC_1_SQRT_2)).erf() * number::<T>(0.5) + number::<T>(0.5);
        self * &phi
    }

    /// The approximation of [`gelu`](Self::gelu) by `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn gelu_tanh(&self) -> Result<Self> {
        let sqrt_2_over_pi = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
        let inner =
            (self + &(self.powf(number::<T>(3.0)) * number::<T>(0.044715)))? * number::<T>(sqrt_2_over_pi);
        self * &((inner.tanh() + T::one()) * number::<T>(0.5))
    }

    /// `x sigmoid(x)` for every element.
    pub fn silu(&self) -> Self {
        apply(Silu, self)
    }

    /// `ln(1 + e^(beta x)) / beta` for every element.
    pub fn softplus(&self, beta: T) -> Self {
        apply(Softplus(beta), self)
    }
}
