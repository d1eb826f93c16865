//! Powers, exponentials, trigonometry.

use super::elementwise::{Function, Reads, apply};
use crate::element::{Element, number};
use crate::error::{Error, Result};
use crate::scalar;
use crate::var::Var;

/// Defines a unit struct for a function, its value and its derivative in one place.
macro_rules! function {
    ($(#[$doc:meta])* $name:ident, $text:literal, $reads:ident, |$x:ident| $value:expr, |$at:ident| $derivative:expr) => {
        $(#[$doc])*
        struct $name;
        impl<T: Element> Function<T> for $name {
            const NAME: &'static str = $text;
            const READS: Reads = Reads::$reads;
            fn value(&self, $x: T) -> T {
                $value
            }
            fn derivative(&self, $at: &Var<T>) -> Result<Var<T>> {
                $derivative
            }
        }
    };
}
pub(crate) use function;

function!(/** `(e^x)' = e^x` */ Exp, "exp", Output, |x| x.exp(), |y| Ok(y.clone()));
function!(/** `(ln x)' = 1 / x` */ Ln, "ln", Input, |x| x.ln(), |x| Ok(x.recip()));
function!(/** `(sqrt x)' = 1 / (2 sqrt x)` */ Sqrt, "sqrt", Output, |x| x.sqrt(), |y| Ok(y.recip() * number::<T>(0.5)));
function!(
    /** `(x^2)' = 2 x` */
    Square,
    "square",
    Input,
    |x| x * x,
    |x| Ok(x * number::<T>(2.0))
);
function!(/** `(1/x)' = -(1/x)^2` */ Recip, "recip", Output, |x| x.recip(), |y| Ok(-y.square()));
function!(/** `sin' = cos` */ Sin, "sin", Input, |x| x.sin(), |x| Ok(x.cos()));
function!(/** `cos' = -sin` */ Cos, "cos", Input, |x| x.cos(), |x| Ok(-x.sin()));
function!(
    /** `|x|' = sign x`, 0 at 0 */
    Abs, "abs", Input, |x| x.abs(), |x| Ok(x.value().sign().into())
);
function!(
    /** `erf'(x) = 2 / sqrt(pi) e^(-x^2)` */
    Erf, "erf", Input,
    |x| scalar::erf(x),
    |x| Ok((-x.square()).exp() * number::<T>(std::f64::consts::FRAC_2_SQRT_PI))
);

/// `(x^p)' = p x^(p-1)`
struct Powf<T>(T);

impl<T: Element> Function<T> for Powf<T> {
    const NAME: &'static str = "powf";
    const READS: Reads = Reads::Input;

    fn value(&self, x: T) -> T {
        x.powf(self.0)
    }

    fn derivative(&self, x: &Var<T>) -> Result<Var<T>> {
        // x^0 is 1 everywhere, so that its derivative is 0 also where x^-1 isn't finite.
        if self.0 == T::zero() {
            return Ok(x.value().zeros_like().into());
        }
        Ok(x.powf(self.0 - T::one()) * self.0)
    }
}

/// `clamp' = 1` between the bounds, 0 on them and outside, as in PyTorch 2.15
struct Clamp<T> {
    low: T,
    high: T,
}

impl<T: Element> Function<T> for Clamp<T> {
    const NAME: &'static str = "clamp";
    const READS: Reads = Reads::Input;

    fn value(&self, x: T) -> T {
        // `max` and `min` would turn NaN into a bound.
        if x < self.low {
            self.low
        } else if x > self.high {
            self.high
        } else {
            x
        }
    }

    fn derivative(&self, x: &Var<T>) -> Result<Var<T>> {
        let inside = |x: T| if x > self.low && x < self.high { T::one() } else { T::zero() };
        Ok(x.value().map(inside).into())
    }
}

impl<T: Element> Var<T> {
    /// `e^x` for every element.
    pub fn exp(&self) -> Self {
        apply(Exp, self)
    }

    /// The natural logarithm of every element.
    pub fn ln(&self) -> Self {
        apply(Ln, self)
    }

    /// The square root of every element.
    pub fn sqrt(&self) -> Self {
        apply(Sqrt, self)
    }

    /// `1 / x` for every element.
    pub fn recip(&self) -> Self {
        apply(Recip, self)
    }

    /// `x^p` for every element.
    pub fn powf(&self, p: T) -> Self {
        apply(Powf(p), self)
    }

    /// `x^2` for every element.
    pub fn square(&self) -> Self {
        apply(Square, self)
    }

    /// `|x|` for every element; the gradient at 0 is 0.
    pub fn abs(&self) -> Self {
        apply(Abs, self)
    }

    /// The sine of every element, in radians.
    pub fn sin(&self) -> Self {
        apply(Sin, self)
    }

    /// The cosine of every element, in radians.
    pub fn cos(&self) -> Self {
        apply(Cos, self)
    }

    /// The error function of every element: `2 / sqrt(pi)` times the integral of `e^(-t^2)` from 0 to `x`.
    pub fn erf(&self) -> Self {
        apply(Erf, self)
    }

    /// Every element moved into `low..=high`; the gradient is 1 between the two, 0 on them and outside (as in PyTorch).
    ///
    /// # Errors
    /// [`Error::Tensor`] when `low` is above `high` or either is NaN.
    pub fn clamp(&self, low: T, high: T) -> Result<Self> {
        // The tensor's own check of the bounds, on no elements.
        lucid_tensor::Tensor::zeros([0])?.clamp(low, high).map_err(Error::Tensor)?;
        Ok(apply(Clamp { low, high }, self))
    }
}
