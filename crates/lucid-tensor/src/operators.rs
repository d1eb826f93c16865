//! `+ - * /` and unary `-`. Between two tensors the shapes may not fit and the output is a [`Result`]; between a
//! tensor and a number nothing can go wrong and the output is a tensor. A tensor that is given away by value
//! is overwritten where nothing else shares its storage.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::{element::Element, error::Result, tensor::Tensor};

macro_rules! operator {
    ($trait:ident, $method:ident, $symbol:literal, |$x:ident, $y:ident| $formula:expr) => {
        impl<T: Element> $trait<&Tensor<T>> for &Tensor<T> {
            type Output = Result<Tensor<T>>;

            #[doc = concat!("`x ", $symbol, " y` with broadcasting; fails as [`zip_map`](Tensor::zip_map).")]
            fn $method(self, other: &Tensor<T>) -> Self::Output {
                Tensor::$method(self, other)
            }
        }

        impl<T: Element> $trait<T> for &Tensor<T> {
            type Output = Tensor<T>;

            #[doc = concat!("`x ", $symbol, " s` for every element `x` and the number `s`.")]
            fn $method(self, $y: T) -> Tensor<T> {
                self.map(|$x| $formula)
            }
        }

        impl<T: Element> $trait<T> for Tensor<T> {
            type Output = Tensor<T>;

            #[doc = concat!("`x ", $symbol, " s` for every element `x` and the number `s`.")]
            fn $method(mut self, $y: T) -> Tensor<T> {
                self.map_inplace(|$x| $formula);
                self
            }
        }

        operator!(@number f32, $trait, $method, $symbol, |$x, $y| $formula);
        operator!(@number f64, $trait, $method, $symbol, |$x, $y| $formula);
    };
    (@number $number:ty, $trait:ident, $method:ident, $symbol:literal, |$x:ident, $y:ident| $formula:expr) => {
        impl $trait<&Tensor<$number>> for $number {
            type Output = Tensor<$number>;

            #[doc = concat!("`s ", $symbol, " x` for the number `s` and every element `x`.")]
            fn $method(self, tensor: &Tensor<$number>) -> Tensor<$number> {
                let $x = self;
                tensor.map(|$y| $formula)
            }
        }

        impl $trait<Tensor<$number>> for $number {
            type Output = Tensor<$number>;

            #[doc = concat!("`s ", $symbol, " x` for the number `s` and every element `x`.")]
            fn $method(self, mut tensor: Tensor<$number>) -> Tensor<$number> {
                let $x = self;
                tensor.map_inplace(|$y| $formula);
                tensor
            }
        }
    };
}

operator!(Add, add, "+", |x, y| x + y);
operator!(Sub, sub, "-", |x, y| x - y);
operator!(Mul, mul, "*", |x, y| x * y);
operator!(Div, div, "/", |x, y| x / y);

impl<T: Element> Neg for &Tensor<T> {
    type Output = Tensor<T>;

    /// `-x` for every element.
    fn neg(self) -> Tensor<T> {
        self.map(|x| -x)
    }
}

impl<T: Element> Neg for Tensor<T> {
    type Output = Tensor<T>;

    /// `-x` for every element.
    fn neg(mut self) -> Tensor<T> {
        self.map_inplace(|x| -x);
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, tensor};

    #[test]
    fn between_tensors() {
        let (x, y) = (tensor!([6.0, 8.0]), tensor!([3.0, 4.0]));
        assert_eq!((&x + &y).unwrap(), tensor!([9.0, 12.0]));
        assert_eq!((&x - &y).unwrap(), tensor!([3.0, 4.0]));
        assert_eq!((&x * &y).unwrap(), tensor!([18.0, 32.0]));
        assert_eq!((&x / &y).unwrap(), tensor!([2.0, 2.0]));
        assert!((&x + &tensor!([1.0, 2.0, 3.0])).is_err());
    }

    #[test]
    fn with_a_number_on_either_side() {
        let x: Tensor<f32> = tensor!([1.0, 2.0]);
        assert_eq!(&x + 1.0, tensor!([2.0, 3.0]));
        assert_eq!(&x - 1.0, tensor!([0.0, 1.0]));
        assert_eq!(&x * 2.0, tensor!([2.0, 4.0]));
        assert_eq!(&x / 2.0, tensor!([0.5, 1.0]));
        assert_eq!(1.0 + &x, tensor!([2.0, 3.0]));
        assert_eq!(1.0 - &x, tensor!([0.0, -1.0]));
        assert_eq!(2.0 * &x, tensor!([2.0, 4.0]));
        assert_eq!(2.0 / &x, tensor!([2.0, 1.0]));
        assert_eq!(-&x, tensor!([-1.0, -2.0]));
        assert_eq!(-(1.0 - (x.clone() + 1.0) * 2.0), tensor!([3.0, 5.0]));
        assert_eq!(x, tensor!([1.0, 2.0]));
    }

    #[test]
    fn a_tensor_given_away_is_overwritten() {
        let x = tensor!([1.0, 2.0]);
        let at = x.view().as_ptr();
        assert_eq!((-(x * 2.0)).view().as_ptr(), at);
    }
}
