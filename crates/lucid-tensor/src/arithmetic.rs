//! Arithmetic between two tensors, element by element, with NumPy's broadcasting. Shapes may not fit, so every
//! method returns a [`Result`]; the operators of `std::ops` on references are the same functions.

use crate::{element::Element, error::Result, tensor::Tensor};

/// One binary method: the formula, and how it differs from the obvious.
macro_rules! binary {
    ($($(#[$doc:meta])+ $name:ident($x:ident, $y:ident) = $formula:expr;)+) => {$(
        $(#[$doc])+
        ///
        /// # Shapes
        ///
        /// Those that [`broadcast_shapes`](crate::broadcast_shapes) accepts.
        ///
        /// # Errors
        ///
        /// Those of [`zip_map`](Tensor::zip_map).
        pub fn $name(&self, other: &Self) -> Result<Self> {
            self.zip_map(other, |$x, $y| $formula)
        }
    )+};
}

impl<T: Element> Tensor<T> {
    binary! {
        /// `x + y`.
        ///
        /// ```
        /// use lucid_tensor::tensor;
        ///
        /// let z = tensor!([[1.0], [2.0]]).add(&tensor!([10.0, 20.0]))?;
        /// assert_eq!(z, tensor!([[11.0, 21.0], [12.0, 22.0]]));
        /// # Ok::<(), lucid_tensor::Error>(())
        /// ```
        add(x, y) = x + y;

        /// `x - y`.
        sub(x, y) = x - y;

        /// `x y`, element by element; [`matmul`](Tensor::matmul) is the matrix product.
        mul(x, y) = x * y;

        /// `x / y`, with IEEE's infinities and NaN for `y = 0`.
        div(x, y) = x / y;

        /// The larger of `x` and `y`; NaN when either is, as PyTorch.
        ///
        /// ```
        /// use lucid_tensor::tensor;
        ///
        /// let z = tensor!([1.0, f64::NAN]).maximum(&tensor!([2.0, 2.0]))?;
        /// assert_eq!(z.to_string(), "Tensor([2.0, nan])");
        /// # Ok::<(), lucid_tensor::Error>(())
        /// ```
        maximum(x, y) = larger(x, y);

        /// The smaller of `x` and `y`; NaN when either is, as PyTorch.
        minimum(x, y) = smaller(x, y);

        /// `x` to the power `y`.
        ///
        /// ```
        /// use lucid_tensor::tensor;
        ///
        /// assert_eq!(tensor!([2.0, 9.0]).pow(&tensor!([3.0, 0.5]))?, tensor!([8.0, 3.0]));
        /// # Ok::<(), lucid_tensor::Error>(())
        /// ```
        pow(x, y) = x.powf(y);
    }

    /// `self = self + other`, in place where no other tensor shares the storage of `self`.
    ///
    /// # Errors
    ///
    /// Those of [`zip_inplace`](Tensor::zip_inplace): `other` must broadcast to the shape of `self`.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let mut sum = tensor!([1.0, 2.0]);
    /// sum.add_assign(&tensor!([10.0, 20.0]))?;
    /// assert_eq!(sum, tensor!([11.0, 22.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn add_assign(&mut self, other: &Self) -> Result<()> {
        self.zip_inplace(other, |x, y| x + y)
    }
}

/// The larger of two, NaN if either is. A comparison with NaN is false, so only NaN on the left needs a test;
/// it is made apart from the comparison so that both become instructions without a branch.
pub(crate) fn larger<T: Element>(x: T, y: T) -> T {
    let larger = if x > y { x } else { y };
    if x.is_nan() { x } else { larger }
}

/// The smaller of two, NaN if either is.
pub(crate) fn smaller<T: Element>(x: T, y: T) -> T {
    let smaller = if x < y { x } else { y };
    if x.is_nan() { x } else { smaller }
}

#[cfg(test)]
mod tests {
    use crate::{Error, Tensor, tensor};

    #[test]
    fn every_method_is_its_formula() {
        let (x, y) = (tensor!([6.0, -2.0]), tensor!([3.0, 4.0]));
        assert_eq!(x.add(&y).unwrap(), tensor!([9.0, 2.0]));
        assert_eq!(x.sub(&y).unwrap(), tensor!([3.0, -6.0]));
        assert_eq!(x.mul(&y).unwrap(), tensor!([18.0, -8.0]));
        assert_eq!(x.div(&y).unwrap(), tensor!([2.0, -0.5]));
        assert_eq!(x.maximum(&y).unwrap(), tensor!([6.0, 4.0]));
        assert_eq!(x.minimum(&y).unwrap(), tensor!([3.0, -2.0]));
        assert_eq!(x.pow(&y).unwrap(), tensor!([216.0, 16.0]));
    }

    #[test]
    fn nan_wins_on_either_side() {
        let nan = f64::NAN;
        let (x, y) = (tensor!([nan, 1.0, nan]), tensor!([1.0, nan, nan]));
        assert_eq!(x.maximum(&y).unwrap().to_string(), "Tensor([nan, nan, nan])");
        assert_eq!(x.minimum(&y).unwrap().to_string(), "Tensor([nan, nan, nan])");
    }

    #[test]
    fn refusals_show_both_shapes() {
        let (x, y) = (Tensor::<f32>::zeros([2, 3]).unwrap(), Tensor::<f32>::zeros([2]).unwrap());
        for result in [x.add(&y), x.sub(&y), x.mul(&y), x.div(&y), x.maximum(&y), x.minimum(&y), x.pow(&y)] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains("[2, 3] and [2]"), "{message}");
        }
        let message = x.clone().add_assign(&y).unwrap_err().to_string();
        assert!(message.contains("[2]") && message.contains("[2, 3]"), "{message}");
    }

    #[test]
    fn results_beyond_memory_are_errors() {
        // 2^48 bytes: beyond what a process can address, so refused even where memory is overcommitted.
        let tall = Tensor::<f32>::zeros([1 << 23, 1]).unwrap();
        let wide = tall.reshape([1 << 23]).unwrap();
        assert!(matches!(tall.add(&wide), Err(Error::OutOfMemory { .. })));
        let none = Tensor::<f32>::zeros([1 << 23, 1, 0]).unwrap();
        assert!(none.add(&tall).is_ok_and(|x| x.is_empty()));
    }
}
