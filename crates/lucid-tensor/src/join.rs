//! Several tensors end to end, along an axis that they have or along a new one.

use crate::{
    error::{Error, Result},
    memory::reserve,
    shape::{Span, check_axis, with_len},
    tensor::Tensor,
};

impl<T: Clone + Send + Sync> Tensor<T> {
    /// Puts tensors end to end along an axis that they have.
    ///
    /// # Shapes
    ///
    /// `[.., a, ..]`, `[.., b, ..]`, ... -> `[.., a + b + ..., ..]`; all other lengths are equal.
    ///
    /// # Errors
    ///
    /// [`Error::NoTensors`] when there are none, [`Error::Axis`] when the first has no such axis,
    /// [`Error::Join`] when another length differs, [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is
    /// no room for the result.
    ///
    /// ```
    /// use lucid_tensor::{Tensor, tensor};
    ///
    /// let (a, b) = (tensor!([[1.0], [2.0]]), tensor!([[3.0, 4.0], [5.0, 6.0]]));
    /// assert_eq!(Tensor::concatenate(&[&a, &b], 1)?, tensor!([[1.0, 3.0, 4.0], [2.0, 5.0, 6.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn concatenate(tensors: &[&Self], axis: usize) -> Result<Self> {
        let op = "concatenate";
        let first = tensors.first().ok_or(Error::NoTensors { op })?;
        check_axis(op, axis, first.shape())?;
        let mut len = 0_usize;
        for (entry, x) in tensors.iter().enumerate() {
            if x.ndim() != first.ndim() || with_len(x.shape(), axis, first.shape()[axis]) != first.shape() {
                return Err(Error::Join {
                    op,
                    axis,
                    entry,
                    first: first.shape().to_vec(),
                    other: x.shape().to_vec(),
                    rule: "all lengths but that of the joined axis must be equal",
                });
            }
            // A saturated length is refused as too large when the result is reserved.
            len = len.saturating_add(x.shape()[axis]);
        }
        let shape = with_len(first.shape(), axis, len);
        let mut out = reserve(&shape)?;
        let ordered: Vec<Self> = tensors.iter().map(|x| x.contiguous()).collect();
        let blocks: Vec<(&[T], usize)> = ordered
            .iter()
            .filter(|x| !x.is_empty())
            .filter_map(|x| Some((x.as_slice()?, x.len() / Span::of_axis(x.shape(), axis).outer)))
            .collect();
        let outer = if blocks.is_empty() { 0 } else { Span::of_axis(&shape, axis).outer };
        for o in 0..outer {
            for (x, block_len) in &blocks {
                out.extend_from_slice(&x[o * block_len..][..*block_len]);
            }
        }
        Ok(Self::assemble(&shape, out))
    }

    /// Puts tensors of one shape end to end along a new axis, which becomes axis `axis` of the result.
    ///
    /// # Shapes
    ///
    /// `n` tensors `[a, b]`, `axis = 1` -> `[a, n, b]`.
    ///
    /// # Errors
    ///
    /// [`Error::NoTensors`] when there are none, [`Error::Axis`] when `axis` is beyond the number of axes,
    /// [`Error::Join`] when the shapes differ, [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no
    /// room for the result.
    ///
    /// ```
    /// use lucid_tensor::{Tensor, tensor};
    ///
    /// let (a, b) = (tensor!([1.0, 2.0]), tensor!([3.0, 4.0]));
    /// assert_eq!(Tensor::stack(&[&a, &b], 0)?, tensor!([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(Tensor::stack(&[&a, &b], 1)?, tensor!([[1.0, 3.0], [2.0, 4.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn stack(tensors: &[&Self], axis: usize) -> Result<Self> {
        let op = "stack";
        let first = tensors.first().ok_or(Error::NoTensors { op })?;
        if axis > first.ndim() {
            return Err(Error::Axis { op, axis, limit: first.ndim() + 1, shape: first.shape().to_vec() });
        }
        if let Some(entry) = tensors.iter().position(|x| x.shape() != first.shape()) {
            return Err(Error::Join {
                op,
                axis,
                entry,
                first: first.shape().to_vec(),
                other: tensors[entry].shape().to_vec(),
                rule: "all shapes must be equal",
            });
        }
        let raised = tensors.iter().map(|x| x.unsqueeze(axis)).collect::<Result<Vec<_>>>()?;
        Self::concatenate(&raised.iter().collect::<Vec<_>>(), axis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn joins_along_the_first_axis_and_skips_empty_tensors() {
        let (a, b) = (tensor!([[1.0, 2.0]]), tensor!([[3.0, 4.0], [5.0, 6.0]]));
        let none = Tensor::zeros([0, 2]).unwrap();
        assert_eq!(
            Tensor::concatenate(&[&none, &a, &b, &none], 0).unwrap(),
            tensor!([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        );
        assert_eq!(Tensor::concatenate(&[&none, &none], 0).unwrap().shape(), [0, 2]);
        assert_eq!(Tensor::concatenate(&[&none, &none], 1).unwrap().shape(), [0, 4]);
    }

    #[test]
    fn joins_tensors_of_any_layout() {
        let a = tensor!([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1).unwrap();
        assert_eq!(
            Tensor::concatenate(&[&a, &a], 1).unwrap(),
            tensor!([[1.0, 3.0, 1.0, 3.0], [2.0, 4.0, 2.0, 4.0]])
        );
    }

    #[test]
    fn refusals_show_both_shapes() {
        let (a, b) = (Tensor::<f64>::zeros([2, 3]).unwrap(), Tensor::<f64>::zeros([3, 3]).unwrap());
        for error in [Tensor::concatenate(&[&a, &a, &b], 1), Tensor::stack(&[&a, &a, &b], 1)] {
            let message = error.unwrap_err().to_string();
            assert!(
                message.contains("tensor 2 has shape [3, 3]") && message.contains("shape [2, 3]"),
                "{message}"
            );
        }
        let flat = Tensor::<f64>::zeros([6]).unwrap();
        assert!(matches!(Tensor::concatenate(&[&a, &flat], 1), Err(Error::Join { entry: 1, .. })));
        assert!(matches!(Tensor::concatenate(&[&a], 2), Err(Error::Axis { axis: 2, limit: 2, .. })));
        assert!(matches!(Tensor::stack(&[&a], 3), Err(Error::Axis { axis: 3, limit: 3, .. })));
        assert!(matches!(Tensor::<f64>::concatenate(&[], 0), Err(Error::NoTensors { .. })));
        assert!(matches!(Tensor::<f64>::stack(&[], 0), Err(Error::NoTensors { .. })));
    }
}
