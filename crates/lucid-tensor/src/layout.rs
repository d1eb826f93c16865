//! Shape operations that move no elements: they hand out the same storage under another shape or with its axes
//! in another order. Only a reshape of elements that are out of order has to copy them.

use std::ops::RangeInclusive;

use ndarray::Axis;

use crate::{
    error::{Error, Result},
    memory::checked_len,
    shape::{axis_flags, check_axis},
    tensor::Tensor,
};

impl<T: Clone + Send + Sync> Tensor<T> {
    /// The same elements, in row-major order, under another shape. Shares the storage unless it is out of
    /// order.
    ///
    /// # Errors
    ///
    /// [`Error::Reshape`] when the numbers of elements differ, [`Error::TooLarge`] when the new shape cannot be
    /// addressed.
    ///
    /// ```
    /// let x = lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.reshape([4])?, lucid_tensor::tensor!([1.0, 2.0, 3.0, 4.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        let shape = shape.as_ref();
        let to_len = checked_len::<T>(shape)?;
        let refused = || Error::Reshape {
            from: self.shape().to_vec(),
            from_len: self.len(),
            to: shape.to_vec(),
            to_len,
        };
        if to_len != self.len() {
            return Err(refused());
        }
        let data = self.contiguous().shared().into_shape_with_order(shape).map_err(|_| refused())?;
        Ok(Self::from_shared(data))
    }

    /// Merges neighbouring axes into one.
    ///
    /// # Shapes
    ///
    /// `flatten(1..=2)`: `[a, b, c, d]` -> `[a, b * c, d]`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the last axis does not exist, [`Error::FlattenRange`] when the range is empty.
    ///
    /// ```
    /// let x = lucid_tensor::Tensor::<f32>::zeros([2, 3, 4])?;
    /// assert_eq!(x.flatten(1..=2)?.shape(), [2, 12]);
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn flatten(&self, axes: RangeInclusive<usize>) -> Result<Self> {
        let (start, end) = axes.into_inner();
        check_axis("flatten", end, self.shape())?;
        if start > end {
            return Err(Error::FlattenRange { start, end, shape: self.shape().to_vec() });
        }
        let mut shape = self.shape().to_vec();
        // The lengths of an existing tensor multiply without overflow, unless one elsewhere is 0; `reshape`
        // refuses the saturated product.
        let merged = shape[start..=end].iter().fold(1_usize, |product, &len| product.saturating_mul(len));
        shape.splice(start..=end, [merged]);
        self.reshape(shape)
    }
}

impl<T: Clone> Tensor<T> {
    /// Reorders the axes: axis `i` of the result is axis `axes[i]` of `self`. Shares the storage.
    ///
    /// # Shapes
    ///
    /// `permute([2, 0, 1])`: `[a, b, c]` -> `[c, a, b]`.
    ///
    /// # Errors
    ///
    /// [`Error::AxisCount`], [`Error::Axis`] or [`Error::DuplicateAxis`] unless `axes` lists every axis once.
    ///
    /// ```
    /// let x = lucid_tensor::Tensor::<f32>::zeros([2, 3, 4])?;
    /// assert_eq!(x.permute([2, 0, 1])?.shape(), [4, 2, 3]);
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn permute(&self, axes: impl AsRef<[usize]>) -> Result<Self> {
        let axes = axes.as_ref();
        axis_flags("permute", axes, self.shape())?;
        if axes.len() != self.ndim() {
            return Err(Error::AxisCount { op: "permute", given: axes.len(), shape: self.shape().to_vec() });
        }
        Ok(Self::from_shared(self.shared().permuted_axes(axes)))
    }

    /// Exchanges two axes. Shares the storage.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when one of them does not exist.
    ///
    /// ```
    /// let x = lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.transpose(0, 1)?, lucid_tensor::tensor!([[1.0, 3.0], [2.0, 4.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self> {
        check_axis("transpose", a, self.shape())?;
        check_axis("transpose", b, self.shape())?;
        let mut data = self.shared();
        data.swap_axes(a, b);
        Ok(Self::from_shared(data))
    }

    /// Removes an axis of length 1. Shares the storage.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when it does not exist, [`Error::Squeeze`] when it has another length.
    ///
    /// ```
    /// let x = lucid_tensor::tensor!([[1.0, 2.0]]);
    /// assert_eq!(x.squeeze(0)?, lucid_tensor::tensor!([1.0, 2.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn squeeze(&self, axis: usize) -> Result<Self> {
        check_axis("squeeze", axis, self.shape())?;
        match self.shape()[axis] {
            1 => Ok(Self::from_shared(self.shared().index_axis_move(Axis(axis), 0))),
            len => Err(Error::Squeeze { axis, len, shape: self.shape().to_vec() }),
        }
    }

    /// Inserts an axis of length 1 so that it becomes axis `axis` of the result. Shares the storage.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when `axis` is beyond the number of axes.
    ///
    /// ```
    /// let x = lucid_tensor::tensor!([1.0, 2.0]);
    /// assert_eq!(x.unsqueeze(1)?, lucid_tensor::tensor!([[1.0], [2.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn unsqueeze(&self, axis: usize) -> Result<Self> {
        if axis > self.ndim() {
            let shape = self.shape().to_vec();
            return Err(Error::Axis { op: "unsqueeze", axis, limit: self.ndim() + 1, shape });
        }
        Ok(Self::from_shared(self.shared().insert_axis(Axis(axis))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    fn at(x: &Tensor<f64>) -> *const f64 {
        x.view().as_ptr()
    }

    #[test]
    fn only_a_reshape_of_unordered_elements_copies() {
        let x = tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        for same in
            [x.reshape([3, 2]), x.transpose(0, 1), x.unsqueeze(1), x.flatten(0..=1), x.permute([1, 0])]
        {
            assert_eq!(at(&same.unwrap()), at(&x));
        }
        let turned = x.transpose(0, 1).unwrap();
        let flat = turned.reshape([6]).unwrap();
        assert_ne!(at(&flat), at(&x));
        assert_eq!(flat, tensor!([1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    }

    #[test]
    fn reshape_shows_both_shapes() {
        let message = tensor!([[1.0, 2.0]]).reshape([3]).unwrap_err().to_string();
        assert!(message.contains("[1, 2] (2 elements)") && message.contains("[3] (3 elements)"), "{message}");
        let huge = tensor!([1.0]).reshape([usize::MAX, 2]);
        assert!(matches!(huge, Err(Error::TooLarge { .. })));
    }

    #[test]
    fn rank_zero_and_empty_tensors_reshape() {
        assert_eq!(tensor!(2.0).reshape([1, 1]).unwrap(), tensor!([[2.0]]));
        assert_eq!(tensor!([[2.0]]).reshape([]).unwrap(), tensor!(2.0));
        assert_eq!(Tensor::<f64>::zeros([0, 3]).unwrap().reshape([7, 0]).unwrap().shape(), [7, 0]);
    }

    #[test]
    fn permutations_are_checked() {
        let x = Tensor::<f64>::zeros([2, 3]).unwrap();
        let message = |axes: &[usize]| x.permute(axes).unwrap_err().to_string();
        assert!(message(&[0]).contains("1 entries were given for shape [2, 3]"), "{}", message(&[0]));
        assert!(message(&[0, 2]).contains("axis 2 of shape [2, 3]"), "{}", message(&[0, 2]));
        assert!(message(&[1, 1]).contains("axis 1 appears more than once in [1, 1]"), "{}", message(&[1, 1]));
        assert!(matches!(x.transpose(0, 2), Err(Error::Axis { axis: 2, limit: 2, .. })));
    }

    #[test]
    fn squeeze_and_unsqueeze_are_checked() {
        let x = Tensor::<f64>::zeros([2, 1]).unwrap();
        let message = x.squeeze(0).unwrap_err().to_string();
        assert!(message.contains("axis 0 of shape [2, 1] has length 2"), "{message}");
        assert!(matches!(x.squeeze(2), Err(Error::Axis { .. })));
        assert_eq!(x.unsqueeze(2).unwrap().shape(), [2, 1, 1]);
        assert!(matches!(x.unsqueeze(3), Err(Error::Axis { limit: 3, .. })));
    }

    #[test]
    fn flatten_is_checked() {
        let x = Tensor::<f64>::zeros([2, 3, 4]).unwrap();
        assert_eq!(x.flatten(0..=1).unwrap().shape(), [6, 4]);
        assert_eq!(x.flatten(1..=1).unwrap().shape(), [2, 3, 4]);
        assert!(matches!(x.flatten(1..=3), Err(Error::Axis { axis: 3, .. })));
        let backwards = RangeInclusive::new(2, 1);
        assert!(matches!(x.flatten(backwards), Err(Error::FlattenRange { start: 2, end: 1, .. })));
    }
}
