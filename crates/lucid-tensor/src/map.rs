//! A function of one element, or of a pair of elements, applied everywhere: what all element-wise arithmetic
//! here is made of, and open to functions that this crate does not know.
//!
//! Above 65536 elements the work is spread over the threads of the current rayon pool, so functions must be
//! `Sync`; in what order elements are visited is not specified.

use crate::{error::Result, memory::reserve, shape::broadcast_shapes, tensor::Tensor, walk};

impl<T: Copy + Send + Sync> Tensor<T> {
    /// `y = f(x)` for every element.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let x = tensor!([1.0, -2.0, 3.0]);
    /// assert_eq!(x.map(|v| v > 0.0), tensor!([true, false, true]));
    /// ```
    pub fn map<U: Clone + Send + Sync>(&self, f: impl Fn(T) -> U + Send + Sync) -> Tensor<U> {
        let mut out = Vec::with_capacity(self.len());
        walk::map(self.view(), &mut out, |&x| f(x));
        Tensor::assemble(self.shape(), out)
    }

    /// `x = f(x)` for every element, in place where no other tensor shares the storage.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let mut x = tensor!([1.0, 2.0]);
    /// x.map_inplace(|v| v * 10.0);
    /// assert_eq!(x, tensor!([10.0, 20.0]));
    /// ```
    pub fn map_inplace(&mut self, f: impl Fn(T) -> T + Send + Sync) {
        if self.is_unique()
            && let Some(x) = self.as_slice_mut()
        {
            walk::update(x, |x| *x = f(*x));
        } else {
            *self = self.map(f);
        }
    }

    /// `z = f(x, y)` for every pair of elements, both operands broadcast to their common shape.
    ///
    /// # Shapes
    ///
    /// Those that [`broadcast_shapes`] accepts.
    ///
    /// # Errors
    ///
    /// [`Error::Broadcast`](crate::Error::Broadcast) when the shapes have no common one;
    /// [`Error::TooLarge`](crate::Error::TooLarge) or [`Error::OutOfMemory`](crate::Error::OutOfMemory) when
    /// there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let (x, y) = (tensor!([[3.0], [4.0]]), tensor!([4.0, 3.0]));
    /// assert_eq!(x.zip_map(&y, f64::hypot)?.slice(1, 0..1)?, tensor!([[5.0], [32.0_f64.sqrt()]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn zip_map<U, V>(&self, other: &Tensor<U>, f: impl Fn(T, U) -> V + Send + Sync) -> Result<Tensor<V>>
    where
        U: Copy + Send + Sync,
        V: Clone + Send + Sync,
    {
        let shape = broadcast_shapes(self.shape(), other.shape())?;
        let mut out = reserve(&shape)?;
        if shape == self.shape()
            && let Some(y) = other.single()
        {
            walk::map(self.view(), &mut out, |&x| f(x, y));
        } else if shape == other.shape()
            && let Some(x) = self.single()
        {
            walk::map(other.view(), &mut out, |&y| f(x, y));
        } else {
            let (x, y) = (self.broadcast_view(&shape)?, other.broadcast_view(&shape)?);
            walk::zip(x, y, &mut out, |&x, &y| f(x, y));
        }
        Ok(Tensor::assemble(&shape, out))
    }

    /// `x = f(x, y)` for every pair of elements, `other` broadcast to the shape of `self`; in place where no
    /// other tensor shares the storage of `self`.
    ///
    /// # Errors
    ///
    /// [`Error::BroadcastTo`](crate::Error::BroadcastTo) when `other` does not broadcast to the shape of
    /// `self`; [`Error::OutOfMemory`](crate::Error::OutOfMemory) when a copy is needed and there is no room for
    /// it. `self` is then as it was.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let mut x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// x.zip_inplace(&tensor!([10.0, 20.0]), |x, y| x + y)?;
    /// assert_eq!(x, tensor!([[11.0, 22.0], [13.0, 24.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn zip_inplace<U>(&mut self, other: &Tensor<U>, f: impl Fn(T, U) -> T + Send + Sync) -> Result<()>
    where
        U: Copy + Send + Sync,
    {
        // Asked first, so that a refusal names the shape that `self` has to keep.
        other.broadcast_view(self.shape())?;
        let same_shape = self.shape() == other.shape();
        if self.is_unique()
            && let Some(x) = self.as_slice_mut()
        {
            if let Some(y) = other.single() {
                walk::update(x, |x| *x = f(*x, y));
                return Ok(());
            }
            if let Some(y) = other.as_slice().filter(|_| same_shape) {
                walk::update_zip(x, y, |x, &y| *x = f(*x, y));
                return Ok(());
            }
        }
        *self = self.zip_map(other, f)?;
        Ok(())
    }

    /// The element of a tensor that has exactly one.
    pub(crate) fn single(&self) -> Option<T> {
        self.view().first().copied().filter(|_| self.len() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn in_place_means_in_place() {
        let mut x = tensor!([1.0, 2.0]);
        let at = x.view().as_ptr();
        x.map_inplace(|v| v + 1.0);
        x.zip_inplace(&tensor!([1.0, 2.0]), |a, b| a * b).unwrap();
        x.zip_inplace(&tensor!(0.5), |a, b| a * b).unwrap();
        assert_eq!(x.view().as_ptr(), at);
        assert_eq!(x, tensor!([1.0, 3.0]));
    }

    #[test]
    fn shared_storage_is_left_alone() {
        let original = tensor!([1.0, 2.0]);
        let mut x = original.clone();
        x.map_inplace(|v| v + 1.0);
        let mut y = original.clone();
        y.zip_inplace(&original, |a, b| a + b).unwrap();
        assert_eq!((original, x, y), (tensor!([1.0, 2.0]), tensor!([2.0, 3.0]), tensor!([2.0, 4.0])));
    }

    #[test]
    fn unordered_storage_is_updated_too() {
        let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
        let mut turned = x.transpose(0, 1).unwrap();
        drop(x);
        assert!(turned.is_unique());
        turned.map_inplace(|v| -v);
        turned.zip_inplace(&tensor!([[10.0], [20.0]]), |a, b| a + b).unwrap();
        assert_eq!(turned, tensor!([[9.0, 7.0], [18.0, 16.0]]));
    }

    #[test]
    fn zip_inplace_never_grows() {
        let mut x = tensor!([[1.0, 2.0]]);
        let message = x.zip_inplace(&tensor!([[1.0], [2.0]]), |a, b| a + b).unwrap_err().to_string();
        assert!(message.contains("[2, 1]") && message.contains("[1, 2]"), "{message}");
        assert_eq!(x, tensor!([[1.0, 2.0]]));
        let mut none = Tensor::<f64>::zeros([0]).unwrap();
        none.zip_inplace(&tensor!([5.0]), |a, b| a + b).unwrap();
        assert_eq!(none.shape(), [0]);
    }

    #[test]
    fn one_element_operands_take_the_rank_of_the_result() {
        let z = tensor!([[2.0]]).zip_map(&tensor!([1.0, 2.0]), |a, b| a - b).unwrap();
        assert_eq!(z, tensor!([[1.0, 0.0]]));
        let z = tensor!([1.0, 2.0]).zip_map(&tensor!([[2.0]]), |a, b| a - b).unwrap();
        assert_eq!(z, tensor!([[-1.0, 0.0]]));
        let z = Tensor::<f64>::zeros([0]).unwrap().zip_map(&tensor!(2.0), |a, b| a - b).unwrap();
        assert_eq!(z.shape(), [0]);
    }
}
