//! Functions of one element. NaN in gives NaN out, without exception.

use crate::{
    element::Element,
    error::{Error, Result},
    tensor::Tensor,
};

macro_rules! unary {
    ($($(#[$doc:meta])+ $name:ident($x:ident) = $formula:expr;)+) => {$(
        $(#[$doc])+
        #[must_use]
        pub fn $name(&self) -> Self {
            self.map(|$x| $formula)
        }
    )+};
}

impl<T: Element> Tensor<T> {
    unary! {
        /// `-x`.
        neg(x) = -x;

        /// e to the power `x`.
        ///
        /// ```
        /// assert_eq!(lucid_tensor::tensor!([0.0, 1.0]).exp(), lucid_tensor::tensor!([1.0, 1_f64.exp()]));
        /// ```
        exp(x) = x.exp();

        /// The natural logarithm: -inf for 0, NaN below.
        ln(x) = x.ln();

        /// The square root: NaN below 0.
        sqrt(x) = x.sqrt();

        /// `|x|`.
        abs(x) = x.abs();

        /// -1, 0 or 1 by the sign of `x`; zeros and NaN stay what they are.
        ///
        /// ```
        /// assert_eq!(lucid_tensor::tensor!([-3.0, 0.0, 2.0]).sign(), lucid_tensor::tensor!([-1.0, 0.0, 1.0]));
        /// ```
        sign(x) = if x > T::zero() {
            T::one()
        } else if x < T::zero() {
            -T::one()
        } else {
            x
        };

        /// The sine of `x` radians.
        sin(x) = x.sin();

        /// The cosine of `x` radians.
        cos(x) = x.cos();

        /// The hyperbolic tangent.
        tanh(x) = x.tanh();

        /// `1 / x`.
        recip(x) = x.recip();

        /// `x x`.
        square(x) = x * x;
    }

    /// `x` to the power `exponent`.
    ///
    /// ```
    /// assert_eq!(lucid_tensor::tensor!([4.0, 9.0]).powf(0.5), lucid_tensor::tensor!([2.0, 3.0]));
    /// ```
    #[must_use]
    pub fn powf(&self, exponent: T) -> Self {
        self.map(|x| x.powf(exponent))
    }

    /// The nearest value to `x` between `lo` and `hi`, both included.
    ///
    /// # Errors
    ///
    /// [`Error::Clamp`] unless `lo <= hi`.
    ///
    /// ```
    /// let x = lucid_tensor::tensor!([-2.0, 0.5, 2.0]);
    /// assert_eq!(x.clamp(-1.0, 1.0)?, lucid_tensor::tensor!([-1.0, 0.5, 1.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn clamp(&self, lo: T, hi: T) -> Result<Self> {
        if lo <= hi {
            // Both comparisons are false for NaN, which therefore stays.
            Ok(self.map(|x| {
                let x = if x < lo { lo } else { x };
                if x > hi { hi } else { x }
            }))
        } else {
            Err(Error::Clamp { lo: lo.to_f64(), hi: hi.to_f64() })
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, Tensor, tensor};

    #[test]
    fn every_method_is_its_formula() {
        let x: f64 = 0.7;
        let t = tensor!([x]);
        for (result, expected) in [
            (t.neg(), -x),
            (t.exp(), x.exp()),
            (t.ln(), x.ln()),
            (t.sqrt(), x.sqrt()),
            (t.neg().abs(), x),
            (t.neg().sign(), -1.0),
            (t.sin(), x.sin()),
            (t.cos(), x.cos()),
            (t.tanh(), x.tanh()),
            (t.recip(), 1.0 / x),
            (t.square(), x * x),
            (t.powf(1.5), x.powf(1.5)),
            (t.clamp(0.0, 0.5).unwrap(), 0.5),
            (t.clamp(0.8, 0.9).unwrap(), 0.8),
        ] {
            assert_eq!(result, tensor!([expected]));
        }
    }

    #[test]
    fn nan_comes_out() {
        let t: Tensor<f32> = tensor!([f32::NAN]);
        let results = [
            t.neg(),
            t.exp(),
            t.ln(),
            t.sqrt(),
            t.abs(),
            t.sign(),
            t.sin(),
            t.cos(),
            t.tanh(),
            t.recip(),
            t.square(),
            t.powf(2.0),
            t.clamp(-1.0, 1.0).unwrap(),
        ];
        assert!(results.iter().all(|r| r.item().unwrap().is_nan()));
    }

    #[test]
    fn clamp_refuses_bounds_out_of_order() {
        for (lo, hi) in [(1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::NAN)] {
            assert!(matches!(tensor!([0.0]).clamp(lo, hi), Err(Error::Clamp { .. })), "{lo} {hi}");
        }
    }
}
