//! The tensor itself: a reference-counted `ndarray` of dynamic rank, and the ways in and out of it.
//!
//! Storage is shared between clones, slices and permutations, and copied by the first write to one of them, so
//! passing tensors by value costs a reference count and aliasing can never be observed.

use ndarray::{ArcArray, Array, ArrayD, ArrayViewD, ArrayViewMutD, Dimension, IxDyn};

use crate::{
    error::{Error, Result},
    walk,
};

/// An n-dimensional array with shared storage that is copied on write.
///
/// Shapes are lists of lengths, outermost axis first; a tensor of shape `[]` holds one element. Cloning shares
/// the storage. Arithmetic needs `T:` [`Element`](crate::Element); storage and shape need only `T: Clone`.
///
/// ```
/// use lucid_tensor::{Tensor, tensor};
///
/// let original = tensor!([1.0, 2.0, 3.0]);
/// let mut copy = original.clone();
/// copy.view_mut()[0] = 9.0;
/// assert_eq!(original, tensor!([1.0, 2.0, 3.0]));
/// assert_eq!(copy, tensor!([9.0, 2.0, 3.0]));
/// ```
#[derive(Clone)]
pub struct Tensor<T> {
    data: ArcArray<T, IxDyn>,
}

impl<T> Tensor<T> {
    /// The length of every axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        self.data.shape()
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.data.ndim()
    }

    /// The number of elements: the product of the shape.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements, because some axis has length 0.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// A read-only `ndarray` view, of any layout.
    ///
    /// ```
    /// let x = lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.view()[[1, 0]], 3.0);
    /// ```
    pub fn view(&self) -> ArrayViewD<'_, T> {
        self.data.view()
    }

    /// The elements in row-major order, where they lie in that order in memory.
    ///
    /// `None` for most results of [`permute`](Self::permute), [`transpose`](Self::transpose) and
    /// [`slice`](Self::slice); [`contiguous`](Self::contiguous) makes it `Some`.
    pub fn as_slice(&self) -> Option<&[T]> {
        self.data.as_slice()
    }

    /// Whether this tensor is the only one to use its storage, so that writing to it copies nothing.
    pub fn is_unique(&self) -> bool {
        self.data.is_unique()
    }

    /// Whether both are the same elements in the same place, so that equality needs no look at them. As long as both
    /// live, neither can be written without becoming another.
    ///
    /// ```
    /// let a = lucid_tensor::tensor!([1.0, 2.0]);
    /// let mut b = a.clone();
    /// assert!(a.is_same(&b));
    /// b.view_mut()[0] = 1.0;
    /// assert!(!a.is_same(&b));
    /// ```
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.data.as_ptr(), other.data.as_ptr())
            && self.shape() == other.shape()
            && self.data.strides() == other.data.strides()
    }

    /// A view that repeats axes of length 1 to reach `shape`, without copying an element.
    pub(crate) fn broadcast_view(&self, shape: &[usize]) -> Result<ArrayViewD<'_, T>> {
        let refused = || Error::BroadcastTo { from: self.shape().to_vec(), to: shape.to_vec() };
        self.data.broadcast(shape).ok_or_else(refused)
    }

    pub(crate) fn from_shared(data: ArcArray<T, IxDyn>) -> Self {
        Self { data }
    }

    /// A tensor of values in row-major order. `shape` has passed [`checked_len`](crate::memory::checked_len)
    /// and `values` are as many as that says; [`Tensor::from_vec`] is the same for callers outside.
    pub(crate) fn assemble(shape: &[usize], values: Vec<T>) -> Self {
        let array =
            ArrayD::from_shape_vec(shape, values).expect("one value for each element of a checked shape");
        Self { data: array.into() }
    }
}

impl<T: Clone> Tensor<T> {
    /// A mutable `ndarray` view. Copies the storage first when another tensor shares it.
    pub fn view_mut(&mut self) -> ArrayViewMutD<'_, T> {
        self.data.view_mut()
    }

    /// The `ndarray` inside, of any layout; copies the storage only when another tensor shares it.
    ///
    /// ```
    /// let array = lucid_tensor::tensor!([1.0, 2.0]).into_array();
    /// assert_eq!(array, ndarray::arr1(&[1.0, 2.0]).into_dyn());
    /// ```
    pub fn into_array(self) -> ArrayD<T> {
        self.data.into_owned()
    }

    /// The elements in row-major order.
    pub fn to_vec(&self) -> Vec<T> {
        match self.as_slice() {
            Some(values) => values.to_vec(),
            None => self.view().iter().cloned().collect(),
        }
    }

    /// The only element of a tensor that has one, whatever its rank.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] when there are more or fewer elements.
    ///
    /// ```
    /// assert_eq!(lucid_tensor::tensor!([[2.5]]).item(), Ok(2.5));
    /// ```
    pub fn item(&self) -> Result<T> {
        match self.len() {
            1 => self.view().first().cloned(),
            _ => None,
        }
        .ok_or_else(|| Error::Item { len: self.len(), shape: self.shape().to_vec() })
    }

    pub(crate) fn shared(&self) -> ArcArray<T, IxDyn> {
        self.data.clone()
    }

    pub(crate) fn as_slice_mut(&mut self) -> Option<&mut [T]> {
        self.data.as_slice_mut()
    }
}

impl<T: Clone + Send + Sync> Tensor<T> {
    /// The same tensor with its elements in row-major order: itself when they already are, a copy otherwise.
    ///
    /// ```
    /// let t = lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1)?;
    /// assert_eq!(t.as_slice(), None);
    /// assert_eq!(t.contiguous().as_slice(), Some([1.0, 3.0, 2.0, 4.0].as_slice()));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    #[must_use]
    pub fn contiguous(&self) -> Self {
        if self.data.is_standard_layout() {
            return self.clone();
        }
        let mut values = Vec::with_capacity(self.len());
        walk::map(self.view(), &mut values, T::clone);
        Self::assemble(self.shape(), values)
    }
}

impl<T, D: Dimension> From<Array<T, D>> for Tensor<T> {
    /// Takes over the storage of an array of any layout, without a copy.
    fn from(array: Array<T, D>) -> Self {
        Self { data: array.into_dyn().into() }
    }
}

impl<T, D: Dimension> From<ArcArray<T, D>> for Tensor<T> {
    /// Shares the storage of an array of any layout, without a copy.
    fn from(array: ArcArray<T, D>) -> Self {
        Self { data: array.into_dyn() }
    }
}

impl<T: PartialEq> PartialEq for Tensor<T> {
    /// Same shape and equal elements; NaN is equal to nothing, and the layout does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::tensor;

    #[test]
    fn arrays_move_in_and_out_without_a_copy() {
        let array = Array2::from_shape_fn((3, 4), |(i, j)| (4 * i + j) as f32);
        let at = array.as_ptr();
        let x = Tensor::from(array);
        assert_eq!(x.view().as_ptr(), at);
        assert_eq!(x.into_array().as_ptr(), at);
    }

    #[test]
    fn into_array_copies_shared_storage() {
        let x = tensor!([1.0, 2.0]);
        let y = x.clone();
        assert!(!x.is_unique());
        let mut array = y.into_array();
        array[[0]] = 5.0;
        assert_eq!(x, tensor!([1.0, 2.0]));
    }

    #[test]
    fn contiguous_shares_what_already_is() {
        let x = tensor!([[1.0, 2.0, 3.0]]);
        assert_eq!(x.contiguous().view().as_ptr(), x.view().as_ptr());
    }

    #[test]
    fn item_names_the_shape() {
        assert_eq!(tensor!(4.0).item(), Ok(4.0));
        let message = tensor!([[1.0, 2.0]]).item().unwrap_err().to_string();
        assert!(message.contains("[1, 2]") && message.contains("2 elements"), "{message}");
    }

    #[test]
    fn tensors_cross_threads() {
        fn check<T: Send + Sync>() {}
        check::<Tensor<f32>>();
        check::<Tensor<f64>>();
        check::<Tensor<bool>>();
    }
}
