//! Every `step`-th position of a range along one axis, and the adjoint that puts them back among zeros:
//! `<slice(x), y> = <x, unslice(y)>`.

use std::ops::Range;

use ndarray::Axis;

use crate::{
    element::Element,
    error::{Error, Result},
    shape::{check_axis, with_len},
    tensor::Tensor,
};

/// The positions `start`, `start + step`, ... before `end` along an axis.
///
/// ```
/// use lucid_tensor::Slice;
///
/// assert_eq!(Slice::from(2..5), Slice { start: 2, end: 5, step: 1 });
/// assert_eq!(Slice::from(2..5).step_by(2).len(), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slice {
    /// First position.
    pub start: usize,
    /// Position before which the slice ends: `start <= end <=` the length of the axis.
    pub end: usize,
    /// Distance between positions, at least 1.
    pub step: usize,
}

impl Slice {
    /// The same range with another step.
    #[must_use]
    pub fn step_by(self, step: usize) -> Self {
        Self { step, ..self }
    }

    /// The number of positions: `ceil((end - start) / step)`, and 0 for a slice that no axis accepts.
    pub fn len(&self) -> usize {
        if self.step == 0 { 0 } else { self.end.saturating_sub(self.start).div_ceil(self.step) }
    }

    /// Whether there are no positions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self, axis: usize, len: usize, shape: &[usize]) -> Result<()> {
        let Self { start, end, step } = *self;
        if step >= 1 && start <= end && end <= len {
            Ok(())
        } else {
            Err(Error::Slice { start, end, step, axis, len, shape: shape.to_vec() })
        }
    }

    /// The same positions as `ndarray` writes them. Positions lie within an axis and fit `isize`; a step that
    /// does not is longer than any axis => there is at most one position => step 1 selects the same.
    fn to_ndarray(self) -> ndarray::Slice {
        let end = if self.len() <= 1 { self.start + self.len() } else { self.end };
        let step = if self.len() <= 1 { 1 } else { self.step };
        ndarray::Slice::new(self.start as isize, Some(end as isize), step as isize)
    }
}

impl From<Range<usize>> for Slice {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end, step: 1 }
    }
}

impl<T: Clone> Tensor<T> {
    /// Selects positions along one axis. Shares the storage.
    ///
    /// # Shapes
    ///
    /// `[.., len, ..]` -> `[.., slice.len(), ..]`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::Slice`] unless `start <= end <= len` and
    /// `step >= 1`.
    ///
    /// ```
    /// use lucid_tensor::{Slice, tensor};
    ///
    /// let x = tensor!([1.0, 2.0, 3.0, 4.0, 5.0]);
    /// assert_eq!(x.slice(0, 1..3)?, tensor!([2.0, 3.0]));
    /// assert_eq!(x.slice(0, Slice::from(0..5).step_by(2))?, tensor!([1.0, 3.0, 5.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn slice(&self, axis: usize, slice: impl Into<Slice>) -> Result<Self> {
        let slice = slice.into();
        check_axis("slice", axis, self.shape())?;
        slice.check(axis, self.shape()[axis], self.shape())?;
        let mut data = self.shared();
        data.slice_axis_inplace(Axis(axis), slice.to_ndarray());
        Ok(Self::from_shared(data))
    }
}

impl<T: Element> Tensor<T> {
    /// The adjoint of [`slice`](Self::slice): zeros of length `len` along `axis`, with `self` at the positions
    /// of the slice.
    ///
    /// # Shapes
    ///
    /// `[.., slice.len(), ..]` -> `[.., len, ..]`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::Slice`] unless the slice lies within `len`,
    /// [`Error::Places`] when it has not as many positions as `self` is long, [`Error::TooLarge`] or
    /// [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// assert_eq!(tensor!([7.0, 8.0]).unslice(0, 1..3, 4)?, tensor!([0.0, 7.0, 8.0, 0.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn unslice(&self, axis: usize, slice: impl Into<Slice>, len: usize) -> Result<Self> {
        let slice = slice.into();
        check_axis("unslice", axis, self.shape())?;
        let shape = with_len(self.shape(), axis, len);
        slice.check(axis, len, &shape)?;
        if slice.len() != self.shape()[axis] {
            return Err(Error::Places {
                op: "unslice",
                places: slice.len(),
                axis,
                expected: with_len(self.shape(), axis, slice.len()),
                shape: self.shape().to_vec(),
            });
        }
        let mut out = Self::zeros(&shape)?;
        out.view_mut().slice_axis_mut(Axis(axis), slice.to_ndarray()).assign(&self.view());
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn slices_select_and_share() {
        let x = tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let column = x.slice(1, 1..2).unwrap();
        assert_eq!(column, tensor!([[2.0], [5.0]]));
        assert!(!x.is_unique());
        assert_eq!(x.slice(0, 2..2).unwrap().shape(), [0, 3]);
        assert_eq!(
            x.slice(1, Slice { start: 0, end: 3, step: 2 }).unwrap(),
            tensor!([[1.0, 3.0], [4.0, 6.0]])
        );
    }

    #[test]
    fn steps_longer_than_any_axis_select_one_position() {
        let x = tensor!([1.0, 2.0, 3.0]);
        for step in [2, 1 << 63, usize::MAX] {
            let slice = Slice { start: 1, end: 3, step };
            assert_eq!(x.slice(0, slice).unwrap(), tensor!([2.0]));
            assert_eq!(tensor!([2.0]).unslice(0, slice, 3).unwrap(), tensor!([0.0, 2.0, 0.0]));
        }
    }

    #[test]
    fn slices_outside_the_axis_are_refused() {
        let x = Tensor::<f64>::zeros([2, 3]).unwrap();
        let backwards = Range { start: 2, end: 1 };
        for slice in [Slice::from(0..4), Slice::from(backwards), Slice::from(0..2).step_by(0)] {
            let message = x.slice(1, slice).unwrap_err().to_string();
            assert!(message.contains("[2, 3]") && message.contains("start <= end <= 3"), "{message}");
        }
        assert!(matches!(x.slice(2, 0..1), Err(Error::Axis { axis: 2, .. })));
    }

    #[test]
    fn unslice_checks_the_length() {
        let x = Tensor::<f64>::zeros([2, 3]).unwrap();
        let message = x.unslice(1, 0..2, 5).unwrap_err().to_string();
        assert!(message.contains("shape [2, 2]") && message.contains("shape [2, 3]"), "{message}");
        let message = x.unslice(1, 2..5, 4).unwrap_err().to_string();
        assert!(message.contains("[2, 4]"), "{message}");
        assert!(matches!(x.unslice(1, 0..3, usize::MAX), Err(Error::TooLarge { .. })));
    }
}
