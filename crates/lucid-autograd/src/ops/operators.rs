//! `+ - * /` between variables, whose shapes may not fit, and with numbers, which always do.
//!
//! A variable that is given up, on the left and not by reference, lends its storage to the result where nobody else holds it
//! and nothing is recorded: inference then takes no memory for it.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::element::Element;
use crate::error::Result;
use crate::var::Var;

macro_rules! operator {
    ($trait:ident, $method:ident, |$number:ident| $scale_and_offset:expr) => {
        impl<T: Element> $trait<&Var<T>> for &Var<T> {
            type Output = Result<Var<T>>;
            fn $method(self, other: &Var<T>) -> Result<Var<T>> {
                Var::$method(self, other)
            }
        }

        impl<T: Element> $trait<&Var<T>> for Var<T> {
            type Output = Result<Var<T>>;
            fn $method(self, other: &Var<T>) -> Result<Var<T>> {
                if self.shape() != other.shape() {
                    return Var::$method(&self, other);
                }
                match self.into_storage(Some(other)) {
                    Ok(mut x) => {
                        x.zip_inplace(&other.value(), $trait::$method)?;
                        Ok(Var::constant(x))
                    }
                    Err(x) => Var::$method(&x, other),
                }
            }
        }

        impl<T: Element> $trait<Var<T>> for &Var<T> {
            type Output = Result<Var<T>>;
            fn $method(self, other: Var<T>) -> Result<Var<T>> {
                Var::$method(self, &other)
            }
        }

        impl<T: Element> $trait<Var<T>> for Var<T> {
            type Output = Result<Var<T>>;
            fn $method(self, other: Var<T>) -> Result<Var<T>> {
                $trait::$method(self, &other)
            }
        }

        impl<T: Element> $trait<T> for &Var<T> {
            type Output = Var<T>;
            fn $method(self, $number: T) -> Var<T> {
                let (scale, offset) = $scale_and_offset;
                self.affine(scale, offset)
            }
        }

        impl<T: Element> $trait<T> for Var<T> {
            type Output = Var<T>;
            fn $method(self, $number: T) -> Var<T> {
                let (scale, offset) = $scale_and_offset;
                self.into_affine(scale, offset)
            }
        }
    };
}

operator!(Add, add, |number| (T::one(), number));
operator!(Sub, sub, |number| (T::one(), -number));
operator!(Mul, mul, |number| (number, T::zero()));
operator!(Div, div, |number| (T::one() / number, T::zero()));

/// A number on the left: implemented per element type, as a trait of `std` can't be for every `T`.
macro_rules! number_first {
    ($scalar:ty) => {
        impl Add<&Var<$scalar>> for $scalar {
            type Output = Var<$scalar>;
            fn add(self, x: &Var<$scalar>) -> Var<$scalar> {
                x.affine(1.0, self)
            }
        }

        impl Sub<&Var<$scalar>> for $scalar {
            type Output = Var<$scalar>;
            fn sub(self, x: &Var<$scalar>) -> Var<$scalar> {
                x.affine(-1.0, self)
            }
        }

        impl Mul<&Var<$scalar>> for $scalar {
            type Output = Var<$scalar>;
            fn mul(self, x: &Var<$scalar>) -> Var<$scalar> {
                x.affine(self, 0.0)
            }
        }

        impl Div<&Var<$scalar>> for $scalar {
            type Output = Var<$scalar>;
            fn div(self, x: &Var<$scalar>) -> Var<$scalar> {
                x.recip().affine(self, 0.0)
            }
        }
    };
}

number_first!(f32);
number_first!(f64);

impl<T: Element> Neg for &Var<T> {
    type Output = Var<T>;
    fn neg(self) -> Var<T> {
        self.affine(-T::one(), T::zero())
    }
}

impl<T: Element> Neg for Var<T> {
    type Output = Var<T>;
    fn neg(self) -> Var<T> {
        -&self
    }
}
