//! A gather along one axis, and its adjoint, a scatter that adds: `<index_select(x), y> = <x, index_add(y)>`.
//! An index that is used twice collects both contributions.

use crate::{
    element::Element,
    error::{Error, Result},
    memory::{filled, reserve},
    shape::{Span, check_axis, with_len},
    tensor::Tensor,
};

impl<T: Clone + Send + Sync> Tensor<T> {
    /// Selects positions along one axis by index; an index may be repeated.
    ///
    /// # Shapes
    ///
    /// `[.., len, ..]` -> `[.., indices.len(), ..]`, with `y[.., i, ..] = x[.., indices[i], ..]`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::Index`] when an index is not below its length,
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// assert_eq!(tensor!([5.0, 6.0, 7.0]).index_select(0, &[2, 0, 2])?, tensor!([7.0, 5.0, 7.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn index_select(&self, axis: usize, indices: &[usize]) -> Result<Self> {
        check_axis("index_select", axis, self.shape())?;
        check_indices("index_select", indices, axis, self.shape())?;
        let shape = with_len(self.shape(), axis, indices.len());
        let mut out = reserve(&shape)?;
        let x = self.contiguous();
        let x = x.as_slice().unwrap_or_default();
        let Span { len, inner, .. } = Span::of_axis(self.shape(), axis);
        // An empty tensor has no blocks to copy from, and none of its indices select anything.
        if !x.is_empty() {
            for block in x.chunks_exact(len * inner) {
                for &index in indices {
                    out.extend_from_slice(&block[index * inner..][..inner]);
                }
            }
        }
        Ok(Self::assemble(&shape, out))
    }
}

impl<T: Element> Tensor<T> {
    /// The adjoint of [`index_select`](Self::index_select): zeros of length `len` along `axis`, to which every
    /// position of `self` is added at its index. Indices that are repeated add up, in the order of the list.
    ///
    /// # Shapes
    ///
    /// `[.., indices.len(), ..]` -> `[.., len, ..]`, with `y[.., j, ..] = sum over i with indices[i] = j of
    /// x[.., i, ..]`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::Places`] when there are not as many indices as
    /// `self` is long, [`Error::Index`] when an index is not below `len`, [`Error::TooLarge`] or
    /// [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// assert_eq!(tensor!([1.0, 2.0, 4.0]).index_add(0, &[0, 2, 0], 3)?, tensor!([5.0, 0.0, 2.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn index_add(&self, axis: usize, indices: &[usize], len: usize) -> Result<Self> {
        check_axis("index_add", axis, self.shape())?;
        if indices.len() != self.shape()[axis] {
            return Err(Error::Places {
                op: "index_add",
                places: indices.len(),
                axis,
                expected: with_len(self.shape(), axis, indices.len()),
                shape: self.shape().to_vec(),
            });
        }
        let shape = with_len(self.shape(), axis, len);
        check_indices("index_add", indices, axis, &shape)?;
        let mut out = filled(&shape, T::zero())?;
        let x = self.contiguous();
        let x = x.as_slice().unwrap_or_default();
        let inner = Span::of_axis(&shape, axis).inner;
        // With elements in `self`, no length is 0 and both row counts are at least 1.
        if !x.is_empty() {
            for (out, x) in out.chunks_exact_mut(len * inner).zip(x.chunks_exact(indices.len() * inner)) {
                for (&index, row) in indices.iter().zip(x.chunks_exact(inner)) {
                    out[index * inner..][..inner].iter_mut().zip(row).for_each(|(out, &x)| *out += x);
                }
            }
        }
        Ok(Self::assemble(&shape, out))
    }
}

fn check_indices(op: &'static str, indices: &[usize], axis: usize, shape: &[usize]) -> Result<()> {
    let len = shape[axis];
    match indices.iter().position(|&index| index >= len) {
        None => Ok(()),
        Some(entry) => {
            Err(Error::Index { op, index: indices[entry], entry, axis, len, shape: shape.to_vec() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn selects_along_every_axis() {
        let x = tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!(
            x.index_select(0, &[1, 1, 0]).unwrap().to_vec(),
            [4.0, 5.0, 6.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0]
        );
        assert_eq!(x.index_select(1, &[2, 0]).unwrap(), tensor!([[3.0, 1.0], [6.0, 4.0]]));
        let turned = x.transpose(0, 1).unwrap();
        assert_eq!(turned.index_select(0, &[2]).unwrap(), tensor!([[3.0, 6.0]]));
        assert_eq!(tensor!([true, false]).index_select(0, &[1, 1]).unwrap(), tensor!([false, false]));
    }

    #[test]
    fn duplicates_add_up() {
        // d/dw of sum(w[[0, 0, 1]]) is [2, 1, 0].
        let ones = Tensor::<f32>::ones([3]).unwrap();
        assert_eq!(ones.index_add(0, &[0, 0, 1], 3).unwrap(), tensor!([2.0, 1.0, 0.0]));
    }

    #[test]
    fn empty_sides_are_accepted() {
        let x = Tensor::<f64>::zeros([2, 0, 3]).unwrap();
        assert_eq!(x.index_select(1, &[]).unwrap().shape(), [2, 0, 3]);
        assert_eq!(x.index_select(0, &[1, 1, 1]).unwrap().shape(), [3, 0, 3]);
        assert_eq!(x.index_add(1, &[], 4).unwrap(), Tensor::zeros([2, 4, 3]).unwrap());
        assert_eq!(tensor!([1.0, 2.0]).index_select(0, &[]).unwrap().shape(), [0]);
    }

    #[test]
    fn bad_indices_are_refused() {
        let x = Tensor::<f64>::zeros([2, 3]).unwrap();
        let message = x.index_select(1, &[0, 3]).unwrap_err().to_string();
        assert!(message.contains("index 3 (entry 1) of axis 1 of shape [2, 3]"), "{message}");
        let message = x.index_add(1, &[0, 5, 1], 5).unwrap_err().to_string();
        assert!(message.contains("index 5 (entry 1) of axis 1 of shape [2, 5]"), "{message}");
        let message = x.index_add(1, &[0, 1], 5).unwrap_err().to_string();
        assert!(message.contains("shape [2, 2]") && message.contains("shape [2, 3]"), "{message}");
        assert!(matches!(x.index_select(2, &[]), Err(Error::Axis { .. })));
        assert!(matches!(x.index_add(0, &[0, 0], usize::MAX), Err(Error::TooLarge { .. })));
    }
}
