//! Padding, with PyTorch's four modes and limits. The three modes that repeat elements are a gather: each
//! padded position names the position that it copies. So the adjoint of padding is that of
//! [`Tensor::index_select`], and a tape needs no rule of its own.

use ndarray::{Axis, Slice};

use crate::{
    element::Element,
    error::{Error, Result},
    shape::with_len,
    tensor::Tensor,
};

/// What a padded position holds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum PadMode<T> {
    /// This value.
    Constant(T),
    /// The elements mirrored at the edge, which is not repeated: `[1, 2, 3]` by 2 is `3 2 | 1 2 3 | 2 1`.
    /// The padding must be shorter than the axis.
    Reflect,
    /// The element at the edge: `1 1 | 1 2 3 | 3 3`. The axis must not be empty.
    Replicate,
    /// The elements from the other end: `2 3 | 1 2 3 | 1 2`. The padding must not be longer than the axis.
    Circular,
}

impl<T> PadMode<T> {
    fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Reflect => "reflect",
            Self::Replicate => "replicate",
            Self::Circular => "circular",
        }
    }

    /// For each position of an axis of length `len` padded by `before` and `after`, the position it copies.
    ///
    /// Padding an axis is [`Tensor::index_select`] with these indices.
    ///
    /// # Errors
    ///
    /// [`Error::Pad`] when there is more padding than the mode can fill, [`Error::PadSource`] for
    /// [`PadMode::Constant`], [`Error::TooLarge`] when the padded length overflows.
    ///
    /// ```
    /// let mode = lucid_tensor::PadMode::<f32>::Reflect;
    /// assert_eq!(mode.source_indices(3, 2, 1)?, [2, 1, 0, 1, 2, 1]);
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn source_indices(&self, len: usize, before: usize, after: usize) -> Result<Vec<usize>> {
        self.axis_indices(0, (before, after), &[len])
    }

    fn axis_indices(
        &self,
        axis: usize,
        (before, after): (usize, usize),
        shape: &[usize],
    ) -> Result<Vec<usize>> {
        let len = shape[axis];
        let limit = match self {
            Self::Constant(_) => return Err(Error::PadSource),
            Self::Reflect => len.saturating_sub(1),
            Self::Replicate if len == 0 => 0,
            Self::Replicate => usize::MAX,
            Self::Circular => len,
        };
        if before > limit || after > limit {
            return Err(Error::Pad {
                mode: self.name(),
                before,
                after,
                axis,
                len,
                limit,
                shape: shape.to_vec(),
            });
        }
        let padded = [padded_len(axis, (before, after), shape)?];
        let mut indices = crate::memory::reserve(&padded)?;
        // Position p of the result is at distance p - before from the first element.
        indices.extend((0..padded[0]).map(|p| match self {
            Self::Circular if p < before => p + len - before,
            Self::Reflect if p < before => before - p,
            _ if p < before => 0,
            _ if p - before < len => p - before,
            Self::Circular => p - before - len,
            // The mirror image of position q about the last is 2 (len - 1) - q, and q >= len.
            Self::Reflect => (len - 1) - (p - before - (len - 1)),
            _ => len - 1,
        }));
        Ok(indices)
    }
}

/// The length of an axis with its padding; sums beyond `usize` are reported with the shape as far as it goes.
fn padded_len<'s>(axis: usize, (before, after): (usize, usize), shape: &'s [usize]) -> Result<usize> {
    let too_large = |shape: &'s [usize]| Error::TooLarge {
        shape: with_len(shape, axis, usize::MAX),
        element_bytes: size_of::<usize>(),
    };
    shape[axis].checked_add(before).and_then(|len| len.checked_add(after)).ok_or_else(|| too_large(shape))
}

impl<T: Element> Tensor<T> {
    /// Lengthens every axis by its `(before, after)` pair of `padding`, in the way that `mode` says. Axes are
    /// padded in order, so corners copy from edges that are already padded.
    ///
    /// # Shapes
    ///
    /// `[l0, l1, ..]` -> `[before0 + l0 + after0, before1 + l1 + after1, ..]`.
    ///
    /// # Errors
    ///
    /// [`Error::AxisCount`] unless there is one pair per axis, [`Error::Pad`] when there is more padding than
    /// the mode can fill, [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::{PadMode, tensor};
    ///
    /// let x = tensor!([1.0, 2.0, 3.0]);
    /// assert_eq!(x.pad(&[(1, 2)], PadMode::Constant(0.0))?, tensor!([0.0, 1.0, 2.0, 3.0, 0.0, 0.0]));
    /// assert_eq!(x.pad(&[(1, 1)], PadMode::Circular)?, tensor!([3.0, 1.0, 2.0, 3.0, 1.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn pad(&self, padding: &[(usize, usize)], mode: PadMode<T>) -> Result<Self> {
        if padding.len() != self.ndim() {
            return Err(Error::AxisCount { op: "pad", given: padding.len(), shape: self.shape().to_vec() });
        }
        match mode {
            PadMode::Constant(value) => self.pad_constant(padding, value),
            _ => padding
                .iter()
                .enumerate()
                .filter(|(_, pair)| **pair != (0, 0))
                .try_fold(self.clone(), |x, (axis, &pair)| {
                    x.index_select(axis, &mode.axis_indices(axis, pair, x.shape())?)
                }),
        }
    }

    fn pad_constant(&self, padding: &[(usize, usize)], value: T) -> Result<Self> {
        let shape = padding
            .iter()
            .enumerate()
            .map(|(axis, &pair)| padded_len(axis, pair, self.shape()))
            .collect::<Result<Vec<_>>>()?;
        if shape == self.shape() {
            return Ok(self.clone());
        }
        let mut out = Self::full(&shape, value)?;
        let mut middle = out.view_mut();
        for (axis, (&(before, _), &len)) in padding.iter().zip(self.shape()).enumerate() {
            middle.slice_axis_inplace(Axis(axis), Slice::from(before..before + len));
        }
        middle.assign(&self.view());
        drop(middle);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn modes_fill_as_pytorch() {
        let x = tensor!([1.0, 2.0, 3.0]);
        let pad = |before, after, mode| x.pad(&[(before, after)], mode).unwrap().to_vec();
        assert_eq!(pad(2, 1, PadMode::Constant(9.0)), [9.0, 9.0, 1.0, 2.0, 3.0, 9.0]);
        assert_eq!(pad(2, 2, PadMode::Reflect), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
        assert_eq!(pad(1, 4, PadMode::Replicate), [1.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0]);
        assert_eq!(pad(2, 3, PadMode::Circular), [2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn corners_are_padded_along_both_axes() {
        let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
        let expected = tensor!([[4.0, 3.0, 4.0], [2.0, 1.0, 2.0], [4.0, 3.0, 4.0], [2.0, 1.0, 2.0]]);
        assert_eq!(x.pad(&[(1, 1), (1, 0)], PadMode::Reflect).unwrap(), expected);
        let expected = tensor!([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [3.0, 4.0, 0.0]]);
        assert_eq!(x.pad(&[(1, 0), (0, 1)], PadMode::Constant(0.0)).unwrap(), expected);
    }

    #[test]
    fn no_padding_shares() {
        let x = tensor!([[1.0, 2.0]]);
        for mode in [PadMode::Constant(1.0), PadMode::Reflect, PadMode::Replicate, PadMode::Circular] {
            assert_eq!(x.pad(&[(0, 0), (0, 0)], mode).unwrap().view().as_ptr(), x.view().as_ptr());
        }
    }

    #[test]
    fn limits_are_those_of_pytorch() {
        let x = Tensor::<f64>::zeros([2, 3]).unwrap();
        let refuse = |padding: &[(usize, usize)], mode| x.pad(padding, mode).unwrap_err().to_string();
        let message = refuse(&[(0, 0), (0, 3)], PadMode::Reflect);
        assert!(message.contains("axis 1 (length 3, shape [2, 3]): each must be at most 2"), "{message}");
        let message = refuse(&[(3, 0), (0, 0)], PadMode::Circular);
        assert!(message.contains("axis 0 (length 2, shape [2, 3]): each must be at most 2"), "{message}");
        assert!(x.pad(&[(2, 2), (3, 3)], PadMode::Circular).is_ok());
        let empty = Tensor::<f64>::zeros([0]).unwrap();
        for mode in [PadMode::Reflect, PadMode::Replicate, PadMode::Circular] {
            assert!(matches!(empty.pad(&[(1, 0)], mode), Err(Error::Pad { limit: 0, .. })), "{mode:?}");
        }
        assert_eq!(empty.pad(&[(1, 0)], PadMode::Constant(2.0)).unwrap(), tensor!([2.0]));
    }

    #[test]
    fn the_number_of_pairs_is_checked() {
        let message = tensor!([[1.0]]).pad(&[(1, 1)], PadMode::Replicate).unwrap_err().to_string();
        assert!(message.contains("1 entries were given for shape [1, 1]"), "{message}");
    }

    #[test]
    fn overflowing_lengths_are_errors() {
        let x = tensor!([1.0, 2.0]);
        for mode in [PadMode::Constant(0.0), PadMode::Replicate] {
            for padding in [(usize::MAX, 1), (usize::MAX - 2, 0)] {
                assert!(
                    matches!(x.pad(&[padding], mode), Err(Error::TooLarge { .. })),
                    "{mode:?} {padding:?}"
                );
            }
        }
    }

    #[test]
    fn a_constant_has_no_source() {
        assert_eq!(PadMode::Constant(0.0).source_indices(3, 1, 1), Err(Error::PadSource));
    }
}
