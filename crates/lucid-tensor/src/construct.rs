//! Tensors from values, constants and progressions. Sizes come from the caller, so all of them are checked
//! before anything is allocated.

use ndarray::arr0;

use crate::{
    element::Element,
    error::{Error, Result},
    memory::{checked_len, filled, reserve},
    tensor::Tensor,
};

impl<T> Tensor<T> {
    /// A tensor of `values` in row-major order. Takes the vector over without copying it.
    ///
    /// # Errors
    ///
    /// [`Error::DataLen`] when there are not exactly as many values as `shape` has elements;
    /// [`Error::TooLarge`] when the shape cannot be addressed.
    ///
    /// ```
    /// let x = lucid_tensor::Tensor::from_vec([2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
    /// assert_eq!(x, lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn from_vec(shape: impl AsRef<[usize]>, values: Vec<T>) -> Result<Self> {
        let shape = shape.as_ref();
        let expected = checked_len::<T>(shape)?;
        if values.len() != expected {
            return Err(Error::DataLen { shape: shape.to_vec(), expected, given: values.len() });
        }
        Ok(Self::assemble(shape, values))
    }

    /// A tensor of shape `[]`: one value.
    ///
    /// ```
    /// assert_eq!(lucid_tensor::Tensor::scalar(2.0).to_string(), "Tensor(2.0)");
    /// ```
    pub fn scalar(value: T) -> Self {
        arr0(value).into()
    }
}

impl<T: Clone> Tensor<T> {
    /// A tensor that holds `value` everywhere.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the shape.
    ///
    /// ```
    /// let mask = lucid_tensor::Tensor::full([1, 2], true)?;
    /// assert_eq!(mask, lucid_tensor::tensor!([[true, true]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn full(shape: impl AsRef<[usize]>, value: T) -> Result<Self> {
        let shape = shape.as_ref();
        Ok(Self::assemble(shape, filled(shape, value)?))
    }
}

impl<T: Element> Tensor<T> {
    /// A tensor of zeros.
    ///
    /// # Errors
    ///
    /// Those of [`Tensor::full`].
    ///
    /// ```
    /// assert_eq!(lucid_tensor::Tensor::<f32>::zeros([2])?.to_string(), "Tensor([0.0, 0.0])");
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn zeros(shape: impl AsRef<[usize]>) -> Result<Self> {
        Self::full(shape, T::zero())
    }

    /// A tensor of ones.
    ///
    /// # Errors
    ///
    /// Those of [`Tensor::full`].
    pub fn ones(shape: impl AsRef<[usize]>) -> Result<Self> {
        Self::full(shape, T::one())
    }

    /// Zeros of the shape of `self`.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        Self::assemble(self.shape(), vec![T::zero(); self.len()])
    }

    /// Ones of the shape of `self`.
    #[must_use]
    pub fn ones_like(&self) -> Self {
        Self::assemble(self.shape(), vec![T::one(); self.len()])
    }

    /// The values `start + i * step` for `i` = 0, 1, ... that lie before `end`.
    ///
    /// # Shapes
    ///
    /// `[ceil((end - start) / step)]`.
    ///
    /// # Errors
    ///
    /// [`Error::Arange`] when a number is not finite, `step` is 0 or leads away from `end`;
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// let x = lucid_tensor::Tensor::arange(0.0, 2.0, 0.5)?;
    /// assert_eq!(x, lucid_tensor::tensor!([0.0, 0.5, 1.0, 1.5]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn arange(start: T, end: T, step: T) -> Result<Self> {
        let (start, end, step) = (start.to_f64(), end.to_f64(), step.to_f64());
        let steps = ((end - start) / step).ceil();
        // A step of 0 makes the quotient infinite or NaN, which no range contains.
        if ![start, end, step].iter().all(|v| v.is_finite()) || !(0.0..f64::INFINITY).contains(&steps) {
            return Err(Error::Arange { start, end, step });
        }
        // The cast saturates, and usize::MAX elements are refused as too large.
        let shape = [steps as usize];
        let mut values = reserve(&shape)?;
        values.extend((0..shape[0]).map(|i| T::from_f64(start + i as f64 * step)));
        Ok(Self::assemble(&shape, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn a_wrong_number_of_values_is_refused() {
        let message = Tensor::from_vec([2, 3], vec![1.0; 5]).unwrap_err().to_string();
        assert!(message.contains("[2, 3]") && message.contains("6 elements") && message.contains("5 values"));
    }

    #[test]
    fn sizes_beyond_memory_are_errors() {
        assert!(matches!(Tensor::<f32>::zeros([usize::MAX, 2]), Err(Error::TooLarge { .. })));
        assert!(matches!(Tensor::<f64>::ones([1 << 58]), Err(Error::OutOfMemory { .. })));
        assert!(matches!(Tensor::<f32>::from_vec([1 << 63, 0], vec![]), Err(Error::TooLarge { .. })));
        assert!(matches!(Tensor::arange(0.0, 1e300, 1.0), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn constants_fill_their_shape() {
        assert_eq!(Tensor::zeros([1, 2]).unwrap(), tensor!([[0.0, 0.0]]));
        assert_eq!(Tensor::ones([2]).unwrap(), tensor!([1.0, 1.0]));
        let x = tensor!([[3.0, 4.0]]).transpose(0, 1).unwrap();
        assert_eq!(x.zeros_like(), tensor!([[0.0], [0.0]]));
        assert_eq!(x.ones_like(), tensor!([[1.0], [1.0]]));
        assert_eq!(Tensor::<f32>::zeros([2, 0, 3]).unwrap().len(), 0);
    }

    #[test]
    fn arange_counts_in_both_directions() {
        assert_eq!(Tensor::arange(3.0, 0.0, -1.0).unwrap(), tensor!([3.0, 2.0, 1.0]));
        assert_eq!(Tensor::arange(1.0, 1.0, 1.0).unwrap().shape(), [0]);
        assert_eq!(Tensor::arange(0.0, 1.1, 0.5).unwrap(), tensor!([0.0, 0.5, 1.0]));
    }

    #[test]
    fn arange_refuses_what_never_arrives() {
        for (start, end, step) in [
            (0.0, 1.0, 0.0),
            (0.0, 1.0, -1.0),
            (0.0, 0.0, 0.0),
            (f64::NAN, 1.0, 1.0),
            (0.0, f64::INFINITY, 1.0),
        ] {
            let error = Tensor::arange(start, end, step).unwrap_err();
            assert!(matches!(error, Error::Arange { .. }), "{start} {end} {step}");
        }
    }
}
