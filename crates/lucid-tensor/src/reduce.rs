//! Sums, means, maxima and minima over axes.
//!
//! Neighbouring axes that are reduced together are one longer axis of the storage; each such run is folded in
//! turn, the innermost first, so that every pass reads memory in order.

use crate::{
    arithmetic::{larger, smaller},
    element::Element,
    error::{Error, Result},
    fold::fold_axis,
    memory::filled,
    shape::{Span, axis_flags, check_axis, with_len},
    tensor::Tensor,
};

impl<T: Element> Tensor<T> {
    /// The sum over some axes; over none of them when the list is empty. The sum over an axis of length 0 is 0.
    ///
    /// Additions follow a tree that depends on the shape only: the result has the same bits for any number of
    /// threads, and its error grows with the logarithm of the number of terms.
    ///
    /// # Shapes
    ///
    /// The summed axes disappear, or become 1 with `keepdim`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] or [`Error::DuplicateAxis`] when an axis does not exist or is given twice;
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum(&[1], false)?, tensor!([3.0, 7.0]));
    /// assert_eq!(x.sum(&[0, 1], true)?, tensor!([[10.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn sum(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        self.reduce("sum", axes, keepdim, T::zero(), |a, b| a + b)
    }

    /// The mean over some axes: [`sum`](Self::sum) divided by the number of terms. NaN over an axis of length
    /// 0, as PyTorch.
    ///
    /// # Shapes
    ///
    /// Those of [`sum`](Self::sum).
    ///
    /// # Errors
    ///
    /// Those of [`sum`](Self::sum).
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// assert_eq!(tensor!([[1.0, 2.0], [3.0, 4.0]]).mean(&[0], false)?, tensor!([2.0, 3.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn mean(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        let sum = self.reduce("mean", axes, keepdim, T::zero(), |a, b| a + b)?;
        let count: f64 = axes.iter().map(|&axis| self.shape()[axis] as f64).product();
        Ok(sum / T::from_f64(count))
    }

    /// The largest element over some axes; NaN where there is one among them.
    ///
    /// # Shapes
    ///
    /// Those of [`sum`](Self::sum).
    ///
    /// # Errors
    ///
    /// Those of [`sum`](Self::sum), and [`Error::EmptyAxis`] when one of the axes has length 0.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// assert_eq!(tensor!([[1.0, 5.0], [3.0, 4.0]]).max(&[1], false)?, tensor!([5.0, 4.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn max(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        self.check_not_empty("max", axes)?;
        self.reduce("max", axes, keepdim, T::neg_infinity(), larger)
    }

    /// The smallest element over some axes; NaN where there is one among them.
    ///
    /// # Shapes
    ///
    /// Those of [`sum`](Self::sum).
    ///
    /// # Errors
    ///
    /// Those of [`max`](Self::max).
    pub fn min(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        self.check_not_empty("min", axes)?;
        self.reduce("min", axes, keepdim, T::infinity(), smaller)
    }

    /// The sum of all elements, as a tensor of shape `[]`; 0 when there are none.
    ///
    /// ```
    /// assert_eq!(lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]).sum_all().item(), Ok(10.0));
    /// ```
    #[must_use]
    pub fn sum_all(&self) -> Self {
        let x = self.contiguous();
        Self::scalar(crate::fold::fold_slice(x.as_slice().unwrap_or_default(), T::zero(), |a, b| a + b))
    }

    /// The mean of all elements, as a tensor of shape `[]`; NaN when there are none.
    ///
    /// ```
    /// assert_eq!(lucid_tensor::tensor!([[1.0, 2.0], [3.0, 4.0]]).mean_all().item(), Ok(2.5));
    /// ```
    #[must_use]
    pub fn mean_all(&self) -> Self {
        self.sum_all() / T::from_f64(self.len() as f64)
    }

    /// The position of the largest element along an axis: the first one where there are several, and that of
    /// the first NaN where there is one, as PyTorch.
    ///
    /// # Shapes
    ///
    /// The axis disappears.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::EmptyAxis`] when it has length 0;
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// assert_eq!(tensor!([[1.0, 5.0], [4.0, 4.0]]).argmax(1)?, tensor!([1, 0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn argmax(&self, axis: usize) -> Result<Tensor<usize>> {
        check_axis("argmax", axis, self.shape())?;
        self.check_not_empty("argmax", &[axis])?;
        let mut shape = self.shape().to_vec();
        shape.remove(axis);
        let mut out = filled(&shape, 0_usize)?;
        let x = self.contiguous();
        let x = x.as_slice().unwrap_or_default();
        let Span { len, inner, .. } = Span::of_axis(self.shape(), axis);
        if !x.is_empty() {
            for (x, out) in x.chunks_exact(len * inner).zip(out.chunks_exact_mut(inner)) {
                for (l, row) in x.chunks_exact(inner).enumerate() {
                    for (i, (best, &value)) in out.iter_mut().zip(row).enumerate() {
                        let largest = x[*best * inner + i];
                        if value > largest || (value.is_nan() && !largest.is_nan()) {
                            *best = l;
                        }
                    }
                }
            }
        }
        Ok(Tensor::assemble(&shape, out))
    }

    fn check_not_empty(&self, op: &'static str, axes: &[usize]) -> Result<()> {
        match axes.iter().find(|&&axis| self.shape().get(axis) == Some(&0)) {
            Some(&axis) => Err(Error::EmptyAxis { op, axis, shape: self.shape().to_vec() }),
            None => Ok(()),
        }
    }

    fn reduce(
        &self,
        op: &'static str,
        axes: &[usize],
        keepdim: bool,
        identity: T,
        f: impl Fn(T, T) -> T + Copy + Send + Sync,
    ) -> Result<Self> {
        let reduced = axis_flags(op, axes, self.shape())?;
        let mut x = self.clone();
        let mut end = self.ndim();
        while end > 0 {
            let start =
                reduced[..end].iter().rposition(|&flag| flag != reduced[end - 1]).map_or(0, |at| at + 1);
            // Reducing axes of length 1 changes the shape alone, which is set below.
            if reduced[end - 1] && x.shape()[start..end].iter().any(|&len| len != 1) {
                let shape = (start..end).fold(x.shape().to_vec(), |shape, axis| with_len(&shape, axis, 1));
                let mut out = filled(&shape, identity)?;
                let source = x.contiguous();
                let span = Span::new(x.shape(), start..end);
                fold_axis(source.as_slice().unwrap_or_default(), span, identity, &mut out, f);
                x = Self::assemble(&shape, out);
            }
            end = start;
        }
        if keepdim {
            return Ok(x);
        }
        let kept: Vec<usize> =
            x.shape().iter().zip(&reduced).filter(|(_, flag)| !**flag).map(|(&len, _)| len).collect();
        x.reshape(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn sums_over_any_set_of_axes() {
        let x = Tensor::<f64>::arange(0.0, 24.0, 1.0).unwrap().reshape([2, 3, 4]).unwrap();
        assert_eq!(x.sum(&[], false).unwrap(), x);
        assert_eq!(x.sum(&[2], false).unwrap(), tensor!([[6.0, 22.0, 38.0], [54.0, 70.0, 86.0]]));
        assert_eq!(x.sum(&[2, 0], false).unwrap(), tensor!([60.0, 92.0, 124.0]));
        assert_eq!(x.sum(&[0, 1], true).unwrap(), tensor!([[[60.0, 66.0, 72.0, 78.0]]]));
        assert_eq!(x.sum(&[0, 1, 2], false).unwrap(), tensor!(276.0));
        assert_eq!(x.permute([2, 0, 1]).unwrap().sum(&[0, 1], false).unwrap(), tensor!([60.0, 92.0, 124.0]));
        assert_eq!(x.max(&[0, 2], false).unwrap(), tensor!([15.0, 19.0, 23.0]));
        assert_eq!(x.min(&[0, 2], false).unwrap(), tensor!([0.0, 4.0, 8.0]));
        assert_eq!(x.mean(&[1, 2], false).unwrap(), tensor!([5.5, 17.5]));
    }

    #[test]
    fn empty_axes() {
        let x = Tensor::<f64>::zeros([2, 0]).unwrap();
        assert_eq!(x.sum(&[1], false).unwrap(), tensor!([0.0, 0.0]));
        assert_eq!(x.sum(&[0], false).unwrap().shape(), [0]);
        assert!(x.mean(&[1], false).unwrap().view().iter().all(|v| v.is_nan()));
        assert!(x.mean_all().item().unwrap().is_nan());
        assert_eq!(x.max(&[0], false).unwrap().shape(), [0]);
        for (op, result) in [("max", x.max(&[0, 1], false)), ("min", x.min(&[1], true))] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(op) && message.contains("axis 1 of shape [2, 0] is empty"), "{message}");
        }
        assert!(matches!(x.argmax(1), Err(Error::EmptyAxis { .. })));
        assert_eq!(x.argmax(0).unwrap().shape(), [0]);
        let wide = Tensor::<f64>::zeros([1 << 62, 0]);
        assert!(wide.is_err() || matches!(wide.unwrap().sum(&[1], false), Err(Error::TooLarge { .. })));
        let wide = Tensor::<f64>::zeros([1 << 55, 0]).unwrap();
        assert!(matches!(wide.sum(&[1], false), Err(Error::OutOfMemory { .. })));
    }

    #[test]
    fn axes_are_checked() {
        let x = Tensor::<f64>::zeros([2, 3]).unwrap();
        for result in [x.sum(&[2], false), x.mean(&[2], false), x.max(&[2], false), x.min(&[2], false)] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains("axis 2 of shape [2, 3]: an axis must be below 2"), "{message}");
        }
        let message = x.sum(&[1, 0, 1], false).unwrap_err().to_string();
        assert!(message.contains("axis 1 appears more than once in [1, 0, 1]"), "{message}");
        assert!(matches!(x.argmax(2), Err(Error::Axis { op: "argmax", .. })));
    }

    #[test]
    fn nan_wins() {
        let x = tensor!([[1.0, f64::NAN, 3.0], [1.0, 2.0, 3.0]]);
        assert_eq!(x.max(&[1], false).unwrap().to_string(), "Tensor([nan, 3.0])");
        assert_eq!(x.min(&[1], false).unwrap().to_string(), "Tensor([nan, 1.0])");
        assert_eq!(x.argmax(1).unwrap(), tensor!([1, 2]));
        assert_eq!(tensor!([f64::NAN, f64::NAN]).argmax(0).unwrap(), tensor!(0));
        let none = tensor!([f64::NEG_INFINITY]);
        assert_eq!(none.max(&[0], false).unwrap(), tensor!(f64::NEG_INFINITY));
    }

    #[test]
    fn argmax_takes_the_first_of_equals() {
        let x = tensor!([[1.0, 7.0, 7.0], [9.0, 7.0, 8.0]]);
        assert_eq!(x.argmax(1).unwrap(), tensor!([1, 0]));
        assert_eq!(x.argmax(0).unwrap(), tensor!([1, 0, 1]));
    }
}
