//! Repetition along axes of length 1, made explicit, and its adjoint, which sums the repetitions:
//! `<broadcast_to(x), y> = <x, sum_to(y)>`. Element-wise operations broadcast by themselves and never make the
//! repeated copy; the adjoint is what their gradients need.

use crate::{
    element::Element,
    error::{Error, Result},
    memory::reserve,
    shape::broadcasts_to,
    tensor::Tensor,
    walk,
};

impl<T: Clone + Send + Sync> Tensor<T> {
    /// Repeats axes of length 1, and adds axes in front, to reach `shape`.
    ///
    /// # Errors
    ///
    /// [`Error::BroadcastTo`] when a length is neither 1 nor that of `shape`; [`Error::TooLarge`] or
    /// [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// let row = lucid_tensor::tensor!([1.0, 2.0]);
    /// assert_eq!(row.broadcast_to([2, 2])?, lucid_tensor::tensor!([[1.0, 2.0], [1.0, 2.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn broadcast_to(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        let shape = shape.as_ref();
        if shape == self.shape() {
            return Ok(self.clone());
        }
        if !broadcasts_to(self.shape(), shape) {
            return Err(Error::BroadcastTo { from: self.shape().to_vec(), to: shape.to_vec() });
        }
        let mut out = reserve(shape)?;
        walk::map(self.broadcast_view(shape)?, &mut out, T::clone);
        Ok(Self::assemble(shape, out))
    }
}

impl<T: Element> Tensor<T> {
    /// The adjoint of [`broadcast_to`](Self::broadcast_to): sums the axes along which a tensor of shape `shape`
    /// would be repeated to reach the shape of `self`.
    ///
    /// # Errors
    ///
    /// [`Error::SumTo`] when `shape` does not broadcast to the shape of `self`.
    ///
    /// ```
    /// let dy = lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(dy.sum_to([2])?, lucid_tensor::tensor!([4.0, 6.0]));
    /// assert_eq!(dy.sum_to([2, 1])?, lucid_tensor::tensor!([[3.0], [7.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn sum_to(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        let shape = shape.as_ref();
        if !broadcasts_to(shape, self.shape()) {
            return Err(Error::SumTo { from: self.shape().to_vec(), to: shape.to_vec() });
        }
        let added = self.ndim() - shape.len();
        let repeated: Vec<usize> = (0..self.ndim())
            .filter(|&axis| axis < added || shape[axis - added] != self.shape()[axis])
            .collect();
        self.sum(&repeated, true)?.reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn repeats_along_any_axis() {
        let column = tensor!([[1.0], [2.0]]);
        assert_eq!(column.broadcast_to([2, 2]).unwrap(), tensor!([[1.0, 1.0], [2.0, 2.0]]));
        assert_eq!(tensor!(7.0).broadcast_to([1, 3]).unwrap(), tensor!([[7.0, 7.0, 7.0]]));
        assert_eq!(tensor!([1.0]).broadcast_to([2, 0]).unwrap().shape(), [2, 0]);
        assert_eq!(column.broadcast_to([2, 1]).unwrap().view().as_ptr(), column.view().as_ptr());
    }

    #[test]
    fn refusals_show_both_shapes() {
        let x = Tensor::<f64>::zeros([2, 3]).unwrap();
        for shape in [vec![3], vec![3, 3], vec![2, 3, 1]] {
            let message = x.broadcast_to(&shape).unwrap_err().to_string();
            assert!(message.contains("[2, 3]") && message.contains(&format!("{shape:?}")), "{message}");
        }
        for shape in [vec![2], vec![2, 2], vec![1, 2, 3]] {
            let message = x.sum_to(&shape).unwrap_err().to_string();
            assert!(message.contains("[2, 3]") && message.contains(&format!("{shape:?}")), "{message}");
        }
        let huge = tensor!([1.0]).broadcast_to([usize::MAX]);
        assert!(matches!(huge, Err(Error::TooLarge { .. })));
    }

    #[test]
    fn sum_to_keeps_what_is_not_repeated() {
        let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(x.sum_to([2, 2]).unwrap(), x);
        assert_eq!(x.sum_to([1, 1]).unwrap(), tensor!([[10.0]]));
        assert_eq!(x.sum_to([]).unwrap(), tensor!(10.0));
        let none = Tensor::<f64>::zeros([0, 2]).unwrap();
        assert_eq!(none.sum_to([1, 2]).unwrap(), tensor!([[0.0, 0.0]]));
    }
}
