//! Linear maps along one axis whose outputs each read a short run of the input, and their adjoints:
//! `<window_sum(x), y> = <x, window_spread(y)>`.
//!
//! Averaging over windows, repeating elements and interpolating between neighbours are all of this form; over several axes
//! each is one such map per axis.

use std::ops::Range;

use rayon::prelude::*;

use crate::{
    element::Element,
    error::{Error, Result},
    memory::{filled, reserve},
    shape::{Span, check_axis, with_len},
    tensor::Tensor,
    walk::PARALLEL_LEN,
};

/// Which run of an axis each output reads, and with which weights.
///
/// ```
/// use lucid_tensor::{Windows, tensor};
///
/// let mut windows = Windows::new(4, 2)?;
/// windows.push(0, [0.5, 0.5])?;
/// windows.push(1, [0.25, 0.5, 0.25])?;
/// assert_eq!(tensor!([1.0, 3.0, 5.0, 9.0]).window_sum(0, &windows)?, tensor!([2.0, 5.5]));
/// # Ok::<(), lucid_tensor::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Windows<T> {
    len: usize,
    /// The first position that each output reads, and where its weights are.
    windows: Vec<(usize, Range<usize>)>,
    weights: Vec<T>,
}

impl<T: Element> Windows<T> {
    /// No outputs yet, over an axis of length `len`, and room for `outputs` of them.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room.
    pub fn new(len: usize, outputs: usize) -> Result<Self> {
        Ok(Self { len, windows: reserve(&[outputs])?, weights: Vec::new() })
    }

    /// Adds an output that is the sum of `weights[i] x[start + i]`. Weights that are those of the output before take no
    /// further memory.
    ///
    /// # Errors
    ///
    /// [`Error::Slice`] when the window does not lie within the axis.
    pub fn push(&mut self, start: usize, weights: impl IntoIterator<Item = T>) -> Result<()> {
        let before = self.weights.len();
        // One weight more than there is room for is enough to know that there are too many.
        let room = self.len.saturating_sub(start);
        self.weights.extend(weights.into_iter().take(room.saturating_add(1)));
        let count = self.weights.len() - before;
        if count > room {
            self.weights.truncate(before);
            let end = start.saturating_add(count);
            return Err(Error::Slice { start, end, step: 1, axis: 0, len: self.len, shape: vec![self.len] });
        }
        let mut place = before..self.weights.len();
        if let Some((_, last)) =
            self.windows.last().filter(|(_, last)| self.weights[last.clone()] == self.weights[before..])
        {
            place = last.clone();
            self.weights.truncate(before);
        }
        self.windows.push((start, place));
        Ok(())
    }

    /// The length of the axis that is read.
    pub fn input_len(&self) -> usize {
        self.len
    }

    /// The number of outputs.
    pub fn output_len(&self) -> usize {
        self.windows.len()
    }

    /// For each output, the first position that it reads and its weights.
    fn iter(&self) -> impl Iterator<Item = (usize, &[T])> {
        self.windows.iter().map(|(start, place)| (*start, &self.weights[place.clone()]))
    }
}

impl<T: Element> Tensor<T> {
    /// The outputs of `windows` along an axis.
    ///
    /// # Shapes
    ///
    /// `[.., windows.input_len(), ..]` -> `[.., windows.output_len(), ..]`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::Places`] when it has another length than the windows are
    /// for, [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the result.
    pub fn window_sum(&self, axis: usize, windows: &Windows<T>) -> Result<Self> {
        self.along("window_sum", axis, windows.input_len(), windows.output_len(), |x, out, inner| {
            if inner == 1 {
                for (out, (start, weights)) in out.iter_mut().zip(windows.iter()) {
                    let run = &x[start..start + weights.len()];
                    *out = run.iter().zip(weights).fold(T::zero(), |sum, (&x, &w)| sum + w * x);
                }
                return;
            }
            for (out, (start, weights)) in out.chunks_exact_mut(inner).zip(windows.iter()) {
                for (row, &w) in x[start * inner..].chunks_exact(inner).zip(weights) {
                    out.iter_mut().zip(row).for_each(|(out, &x)| *out += w * x);
                }
            }
        })
    }

    /// The adjoint of [`window_sum`](Self::window_sum): every element of the axis goes, with the weights of its window,
    /// to the positions that the window reads, and what meets there is added.
    ///
    /// # Shapes
    ///
    /// `[.., windows.output_len(), ..]` -> `[.., windows.input_len(), ..]`.
    ///
    /// # Errors
    ///
    /// Those of [`window_sum`](Self::window_sum).
    pub fn window_spread(&self, axis: usize, windows: &Windows<T>) -> Result<Self> {
        self.along("window_spread", axis, windows.output_len(), windows.input_len(), |y, out, inner| {
            for (row, (start, weights)) in y.chunks_exact(inner).zip(windows.iter()) {
                for (out, &w) in out[start * inner..].chunks_exact_mut(inner).zip(weights) {
                    out.iter_mut().zip(row).for_each(|(out, &y)| *out += w * y);
                }
            }
        })
    }

    /// A result with another length along an axis, zero and filled by `fill(x, out, inner)` from and into one block of
    /// rows of `inner` elements at a time.
    fn along(
        &self,
        op: &'static str,
        axis: usize,
        from: usize,
        to: usize,
        fill: impl Fn(&[T], &mut [T], usize) + Sync,
    ) -> Result<Self> {
        check_axis(op, axis, self.shape())?;
        if self.shape()[axis] != from {
            let (expected, shape) = (with_len(self.shape(), axis, from), self.shape().to_vec());
            return Err(Error::Places { op, places: from, axis, expected, shape });
        }
        let shape = with_len(self.shape(), axis, to);
        let mut out = filled(&shape, T::zero())?;
        let x = self.contiguous();
        let x = x.as_slice().unwrap_or_default();
        let inner = Span::of_axis(&shape, axis).inner;
        // With elements on both sides, no length is 0.
        if !x.is_empty() && !out.is_empty() {
            if x.len().max(out.len()) < PARALLEL_LEN {
                let blocks = x.chunks_exact(from * inner).zip(out.chunks_exact_mut(to * inner));
                blocks.for_each(|(x, out)| fill(x, out, inner));
            } else {
                let blocks = x.par_chunks_exact(from * inner).zip(out.par_chunks_exact_mut(to * inner));
                blocks.for_each(|(x, out)| fill(x, out, inner));
            }
        }
        Ok(Self::assemble(&shape, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    fn windows() -> Windows<f64> {
        let mut windows = Windows::new(3, 4).unwrap();
        windows.push(0, [1.0, 2.0, 3.0]).unwrap();
        windows.push(2, [5.0]).unwrap();
        windows.push(3, []).unwrap();
        windows.push(1, [-1.0, 1.0]).unwrap();
        windows
    }

    #[test]
    fn sums_along_every_axis() {
        let x = tensor!([1.0, 10.0, 100.0]);
        let expected = tensor!([321.0, 500.0, 0.0, 90.0]);
        assert_eq!(x.window_sum(0, &windows()).unwrap(), expected);
        let column = x.unsqueeze(1).unwrap().broadcast_to([3, 2]).unwrap();
        let columns = column.window_sum(0, &windows()).unwrap();
        assert_eq!(columns.slice(1, 1..2).unwrap().squeeze(1).unwrap(), expected);
        assert_eq!(columns.shape(), [4, 2]);
    }

    #[test]
    fn spreading_is_the_adjoint_on_both_sides_of_the_threshold() {
        for outer in [2, PARALLEL_LEN / 4] {
            let numbers =
                |len: usize| Tensor::<f64>::arange(0.0, len as f64, 1.0).unwrap().map(|x| x % 7.0 - 3.0);
            let x = numbers(outer * 6).reshape([outer, 3, 2]).unwrap();
            let y = numbers(outer * 8).reshape([outer, 4, 2]).unwrap();
            let left = x.window_sum(1, &windows()).unwrap().mul(&y).unwrap().sum_all();
            let right = y.window_spread(1, &windows()).unwrap().mul(&x).unwrap().sum_all();
            // Sums of small integers are exact.
            assert_eq!(left, right);
        }
    }

    #[test]
    fn equal_weights_are_kept_once() {
        let mut windows = Windows::new(100, 3).unwrap();
        for start in 0..3 {
            windows.push(start, [0.5; 50]).unwrap();
        }
        assert_eq!((windows.weights.len(), windows.output_len()), (50, 3));
        let ones = Tensor::<f64>::ones([100]).unwrap();
        assert_eq!(ones.window_sum(0, &windows).unwrap().to_vec(), [25.0; 3]);
    }

    #[test]
    fn windows_and_axes_are_checked() {
        let mut windows = Windows::<f64>::new(3, 1).unwrap();
        assert!(matches!(windows.push(2, [1.0, 1.0]), Err(Error::Slice { start: 2, end: 4, len: 3, .. })));
        assert!(windows.push(usize::MAX, [1.0]).is_err() && windows.push(0, std::iter::repeat(1.0)).is_err());
        assert_eq!(windows, Windows::new(3, 0).unwrap());
        assert!(matches!(Windows::<f64>::new(3, usize::MAX), Err(Error::TooLarge { .. })));
        let message = tensor!([1.0, 2.0]).window_sum(0, &windows).unwrap_err().to_string();
        assert!(message.contains("shape [3]") && message.contains("shape [2]"), "{message}");
        assert!(matches!(tensor!([1.0]).window_spread(1, &windows), Err(Error::Axis { .. })));
        assert_eq!(tensor!([1.0, 2.0, 3.0]).window_sum(0, &windows).unwrap().shape(), [0]);
    }
}
