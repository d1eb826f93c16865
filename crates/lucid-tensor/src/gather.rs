//! One index per output element along an axis, and the adjoint: `<gather(x), y> = <x, scatter_add(y)>`. Also the indices
//! of the largest elements within windows, which make a pooling of them a gather.

use rayon::prelude::*;

use crate::{
    element::Element,
    error::{Error, Result},
    memory::filled,
    shape::{Span, check_axis, with_len},
    tensor::Tensor,
    walk::PARALLEL_LEN,
};

impl<T: Element> Tensor<T> {
    /// `y[.., l, ..] = x[.., indices[.., l, ..], ..]`, as `torch.gather`.
    ///
    /// # Shapes
    ///
    /// `indices` has the shape of this tensor but along the axis, and is the shape of the result.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::Places`] when `indices` has another shape beside the axis,
    /// [`Error::Index`] when an index is not below the axis' length, [`Error::OutOfMemory`] when there is no room.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let x = tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.gather(1, &tensor!([[2, 0], [1, 1]]))?, tensor!([[3.0, 1.0], [5.0, 5.0]]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn gather(&self, axis: usize, indices: &Tensor<usize>) -> Result<Self> {
        check_beside("gather", axis, self.shape(), indices)?;
        check_indices("gather", axis, indices, self.shape())?;
        let mut out = filled(indices.shape(), T::zero())?;
        let (x, indices) = (self.contiguous(), indices.contiguous());
        let (x, places) = (x.as_slice().unwrap_or_default(), indices.as_slice().unwrap_or_default());
        let Span { inner, .. } = Span::of_axis(self.shape(), axis);
        let (len, out_len) = (self.shape()[axis], indices.shape()[axis]);
        // An index was found to be below the length => no length is 0.
        if !places.is_empty() {
            let fill = |((out, places), x): ((&mut [T], &[usize]), &[T])| {
                for (out, places) in out.chunks_exact_mut(inner).zip(places.chunks_exact(inner)) {
                    let columns = out.iter_mut().zip(places).enumerate();
                    columns.for_each(|(i, (out, &place))| *out = x[place * inner + i]);
                }
            };
            let block = out_len * inner;
            if places.len() < PARALLEL_LEN {
                let blocks = out.chunks_exact_mut(block).zip(places.chunks_exact(block));
                blocks.zip(x.chunks_exact(len * inner)).for_each(fill);
            } else {
                let blocks = out.par_chunks_exact_mut(block).zip(places.par_chunks_exact(block));
                blocks.zip(x.par_chunks_exact(len * inner)).for_each(fill);
            }
        }
        Ok(Self::assemble(indices.shape(), out))
    }

    /// The adjoint of [`gather`](Self::gather): zeros of length `len` along the axis, to which every element is added at
    /// its index. What meets at one place is added in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::Places`] when `indices` has another shape than this tensor,
    /// [`Error::Index`] when an index is not below `len`, [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no
    /// room for the result.
    pub fn scatter_add(&self, axis: usize, indices: &Tensor<usize>, len: usize) -> Result<Self> {
        check_beside("scatter_add", axis, self.shape(), indices)?;
        if indices.shape() != self.shape() {
            return Err(places("scatter_add", axis, self.shape(), indices.shape()));
        }
        let shape = with_len(self.shape(), axis, len);
        check_indices("scatter_add", axis, indices, &shape)?;
        let mut out = filled(&shape, T::zero())?;
        let (x, indices) = (self.contiguous(), indices.contiguous());
        let (x, places) = (x.as_slice().unwrap_or_default(), indices.as_slice().unwrap_or_default());
        let Span { inner, .. } = Span::of_axis(&shape, axis);
        if !places.is_empty() {
            let fill = |((out, places), x): ((&mut [T], &[usize]), &[T])| {
                for (row, places) in x.chunks_exact(inner).zip(places.chunks_exact(inner)) {
                    let columns = row.iter().zip(places).enumerate();
                    columns.for_each(|(i, (&x, &place))| out[place * inner + i] += x);
                }
            };
            let block = self.shape()[axis] * inner;
            if places.len() < PARALLEL_LEN {
                let blocks = out.chunks_exact_mut(len * inner).zip(places.chunks_exact(block));
                blocks.zip(x.chunks_exact(block)).for_each(fill);
            } else {
                let blocks = out.par_chunks_exact_mut(len * inner).zip(places.par_chunks_exact(block));
                blocks.zip(x.par_chunks_exact(block)).for_each(fill);
            }
        }
        Ok(Self::assemble(&shape, out))
    }

    /// For every window of an axis, given by the positions that it reads, the position of its largest element: the first
    /// where there are several, and that of the last NaN where there is one.
    ///
    /// # Shapes
    ///
    /// `[.., len, ..]` -> `[.., windows.len(), ..]`.
    ///
    /// # Errors
    ///
    /// [`Error::Axis`] when the axis does not exist, [`Error::EmptyAxis`] for a window that reads nothing,
    /// [`Error::Index`] for a position that is not below the axis' length, [`Error::TooLarge`] or [`Error::OutOfMemory`]
    /// when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let x = tensor!([1.0, 4.0, 2.0, 3.0]);
    /// assert_eq!(x.window_argmax(0, &[vec![0, 1], vec![2, 3]])?, tensor!([1, 3]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn window_argmax(&self, axis: usize, windows: &[Vec<usize>]) -> Result<Tensor<usize>> {
        let op = "window_argmax";
        check_axis(op, axis, self.shape())?;
        let len = self.shape()[axis];
        for window in windows {
            if window.is_empty() {
                return Err(Error::EmptyAxis { op, axis, shape: with_len(self.shape(), axis, 0) });
            }
            if let Some((entry, &index)) = window.iter().enumerate().find(|&(_, &place)| place >= len) {
                return Err(Error::Index { op, index, entry, axis, len, shape: self.shape().to_vec() });
            }
        }
        let shape = with_len(self.shape(), axis, windows.len());
        let mut out = filled(&shape, 0_usize)?;
        let x = self.contiguous();
        let x = x.as_slice().unwrap_or_default();
        let Span { inner, .. } = Span::of_axis(self.shape(), axis);
        if !x.is_empty() && !out.is_empty() {
            let fill = |(out, x): (&mut [usize], &[T])| {
                for (out, window) in out.chunks_exact_mut(inner).zip(windows) {
                    out.fill(window[0]);
                    for &place in &window[1..] {
                        let row = &x[place * inner..][..inner];
                        for (i, (best, &value)) in out.iter_mut().zip(row).enumerate() {
                            if value > x[*best * inner + i] || value.is_nan() {
                                *best = place;
                            }
                        }
                    }
                }
            };
            let block = windows.len() * inner;
            if x.len() < PARALLEL_LEN {
                out.chunks_exact_mut(block).zip(x.chunks_exact(len * inner)).for_each(fill);
            } else {
                out.par_chunks_exact_mut(block).zip(x.par_chunks_exact(len * inner)).for_each(fill);
            }
        }
        Ok(Tensor::assemble(&shape, out))
    }
}

/// Refuses indices of another shape than `shape`, the axis aside.
fn check_beside(op: &'static str, axis: usize, shape: &[usize], indices: &Tensor<usize>) -> Result<()> {
    check_axis(op, axis, shape)?;
    let given = indices.shape();
    let agrees = given.len() == shape.len() && with_len(given, axis, shape[axis]) == shape;
    if agrees { Ok(()) } else { Err(places(op, axis, shape, given)) }
}

fn places(op: &'static str, axis: usize, shape: &[usize], indices: &[usize]) -> Error {
    let places = indices.get(axis).copied().unwrap_or_default();
    Error::Places { op, places, axis, expected: indices.to_vec(), shape: shape.to_vec() }
}

fn check_indices(op: &'static str, axis: usize, indices: &Tensor<usize>, shape: &[usize]) -> Result<()> {
    let len = shape[axis];
    match indices.view().iter().enumerate().find(|&(_, &index)| index >= len) {
        None => Ok(()),
        Some((entry, &index)) => Err(Error::Index { op, index, entry, axis, len, shape: shape.to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn scattering_is_the_adjoint_on_both_sides_of_the_threshold() {
        for outer in [1, PARALLEL_LEN / 4] {
            let numbers =
                |len: usize| Tensor::<f64>::arange(0.0, len as f64, 1.0).unwrap().map(|x| x % 7.0 - 3.0);
            let x = numbers(outer * 6).reshape([outer, 3, 2]).unwrap();
            let y = numbers(outer * 8).reshape([outer, 4, 2]).unwrap();
            let indices = numbers(outer * 8).map(|x| (x.abs() as usize) % 3).reshape([outer, 4, 2]).unwrap();
            let left = x.gather(1, &indices).unwrap().mul(&y).unwrap().sum_all();
            let right = y.scatter_add(1, &indices, 3).unwrap().mul(&x).unwrap().sum_all();
            assert_eq!(left, right);
        }
        let turned = tensor!([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1).unwrap();
        assert_eq!(turned.gather(0, &tensor!([[1, 0]])).unwrap(), tensor!([[2.0, 3.0]]));
    }

    #[test]
    fn the_first_of_equals_and_the_last_nan() {
        let x = tensor!([[1.0, 5.0], [1.0, f64::NAN], [0.0, f64::NAN], [0.0, 7.0]]);
        assert_eq!(x.window_argmax(0, &[vec![0, 1, 2, 3], vec![3]]).unwrap(), tensor!([[0, 2], [3, 3]]));
        assert_eq!(x.window_argmax(1, &[vec![0, 1]]).unwrap(), tensor!([[1], [1], [1], [1]]));
    }

    #[test]
    fn shapes_and_indices_are_checked() {
        let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
        let message = x.gather(1, &tensor!([[0], [2]])).unwrap_err().to_string();
        assert!(message.contains("index 2") && message.contains("below 2"), "{message}");
        assert!(matches!(x.gather(1, &tensor!([[0]])), Err(Error::Places { .. })));
        assert!(matches!(x.gather(1, &tensor!([0, 1])), Err(Error::Places { .. })));
        assert!(matches!(x.gather(2, &tensor!([[0]])), Err(Error::Axis { .. })));
        assert!(matches!(x.scatter_add(1, &tensor!([[0], [1]]), 2), Err(Error::Places { .. })));
        assert!(matches!(
            x.scatter_add(1, &tensor!([[0, 1], [1, 5]]), 5),
            Err(Error::Index { index: 5, .. })
        ));
        assert!(matches!(x.window_argmax(0, &[vec![]]), Err(Error::EmptyAxis { .. })));
        assert!(matches!(x.window_argmax(0, &[vec![0, 2]]), Err(Error::Index { index: 2, .. })));
        let none = Tensor::<f64>::zeros([0, 2]).unwrap();
        assert_eq!(none.gather(1, &Tensor::from_vec([0, 1], vec![]).unwrap()).unwrap().shape(), [0, 1]);
        assert_eq!(none.window_argmax(1, &[vec![0, 1]]).unwrap().shape(), [0, 1]);
    }
}
