//! Matrix products, batched and broadcast as `torch.matmul`.
//!
//! The result is cut into tiles of fixed size and each tile is one call of `ndarray`'s product, which reads
//! operands of any layout where they lie. The tiles depend on the shapes alone and every element is summed by
//! one thread, so the bits do not depend on the number of threads.

use ndarray::{
    ArrayView2, ArrayViewD, ArrayViewMut2, Axis, Ix2,
    linalg::{general_mat_mul, general_mat_vec_mul},
};
use rayon::prelude::*;

use crate::{
    element::Element,
    error::{Error, Result},
    memory::filled,
    shape::broadcast_shapes,
    tensor::Tensor,
};

/// Rows and columns of a tile of a large result. Packing an element of an operand costs as much as tens of
/// multiplications; within a tile it then serves this many.
const LARGE_TILE: usize = 512;

/// Rows and columns of a tile where large ones would leave threads without work.
const SMALL_TILE: usize = 256;

/// Results of at least this many elements are cut into large tiles.
const LARGE_RESULT: usize = 4 * LARGE_TILE * LARGE_TILE;

/// Products of fewer multiplications than this run on the calling thread.
const PARALLEL_MULTIPLICATIONS: usize = 1 << 18;

impl<T: Element> Tensor<T> {
    /// The matrix product, `y[.., m, n] = sum over k of self[.., m, k] other[.., k, n]`.
    ///
    /// # Shapes
    ///
    /// `[.., M, K]` and `[.., K, N]` -> `[.., M, N]`, the axes before the last two broadcast. An operand of one
    /// axis is a row on the left, a column on the right, and its axis of length 1 does not appear in the
    /// result: `[K]` and `[K]` -> `[]`.
    ///
    /// # Errors
    ///
    /// [`Error::Matmul`] when an operand has no axes, the lengths K differ or the axes before do not broadcast;
    /// [`Error::TooLarge`] or [`Error::OutOfMemory`] when there is no room for the result.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// let a = tensor!([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.matmul(&tensor!([[0.0, 1.0], [1.0, 0.0]]))?, tensor!([[2.0, 1.0], [4.0, 3.0]]));
    /// assert_eq!(a.matmul(&tensor!([1.0, 1.0]))?, tensor!([3.0, 7.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let refused =
            |rule| Error::Matmul { left: self.shape().to_vec(), right: other.shape().to_vec(), rule };
        if self.ndim() == 0 || other.ndim() == 0 {
            return Err(refused("both need at least one axis"));
        }
        let a = if self.ndim() == 1 { self.unsqueeze(0)? } else { self.clone() };
        let b = if other.ndim() == 1 { other.unsqueeze(1)? } else { other.clone() };
        let (a_batch, [m, k]) = split_shape(a.shape());
        let (b_batch, [b_k, n]) = split_shape(b.shape());
        if k != b_k {
            return Err(refused(
                "the last axis of the first must be as long as the axis before the last of the second (or its \
                 only one)",
            ));
        }
        let batch = broadcast_shapes(a_batch, b_batch)
            .map_err(|_| refused("the axes before the last two must be equal or 1"))?;
        let shape = [batch.as_slice(), &[m, n]].concat();
        let mut out = filled(&shape, T::zero())?;
        // No multiplication to do, or no element to write => zeros are the result.
        if k != 0 && !out.is_empty() {
            if b.len() == k * n && a.as_slice().is_some() && a.len() / k == out.len() / n {
                // One matrix on the right serves all of the left, whose batches are then one tall matrix.
                let rows = a.len() / k;
                let b = matrix(&b.view(), b_batch, 0).into_dyn();
                multiply(&a.reshape([rows, k])?.view(), &b, &[], [rows, k, n], &mut out);
            } else {
                let a = a.broadcast_view(&[batch.as_slice(), &[m, k]].concat())?;
                let b = b.broadcast_view(&[batch.as_slice(), &[k, n]].concat())?;
                multiply(&a, &b, &batch, [m, k, n], &mut out);
            }
        }
        let mut product = Self::assemble(&shape, out);
        if other.ndim() == 1 {
            product = product.squeeze(product.ndim() - 1)?;
        }
        if self.ndim() == 1 {
            product = product.squeeze(batch.len())?;
        }
        Ok(product)
    }
}

/// `c[i] = a[i] b[i]` for every index `i` into the axes of lengths `batch`; `a` is `[batch.., m, k]`, `b`
/// `[batch.., k, n]` and `c` holds the zeros of `[batch.., m, n]` in row-major order. No length is 0.
fn multiply<T: Element>(
    a: &ArrayViewD<'_, T>,
    b: &ArrayViewD<'_, T>,
    batch: &[usize],
    [m, k, n]: [usize; 3],
    c: &mut [T],
) {
    let tile_len = if c.len() >= LARGE_RESULT { LARGE_TILE } else { SMALL_TILE };
    let num_multiplications = c.len().saturating_mul(k);
    let mut tiles = Vec::new();
    for (index, c) in c.chunks_exact_mut(m * n).enumerate() {
        let c = ArrayViewMut2::from_shape((m, n), c).expect("a chunk is one matrix of the result");
        push_tiles(matrix(a, batch, index), matrix(b, batch, index), c, tile_len, &mut tiles);
    }
    let run = |tile: Tile<'_, '_, T>| {
        let Tile { a, b, mut c } = tile;
        if a.nrows() == 1 && b.strides()[0] == 1 {
            // Packing `b` would serve one row only. Its columns lie in one piece, and are read once where they lie.
            general_mat_vec_mul(T::one(), &b.t(), &a.row(0), T::zero(), &mut c.row_mut(0));
        } else {
            general_mat_mul(T::one(), &a, &b, T::zero(), &mut c);
        }
    };
    if num_multiplications < PARALLEL_MULTIPLICATIONS {
        tiles.into_iter().for_each(run);
    } else {
        tiles.into_par_iter().for_each(run);
    }
}

/// Rows of the first operand, columns of the second, and the part of the result that is their product.
struct Tile<'x, 'c, T> {
    a: ArrayView2<'x, T>,
    b: ArrayView2<'x, T>,
    c: ArrayViewMut2<'c, T>,
}

fn push_tiles<'x, 'c, T>(
    mut a: ArrayView2<'x, T>,
    b: ArrayView2<'x, T>,
    mut c: ArrayViewMut2<'c, T>,
    tile_len: usize,
    tiles: &mut Vec<Tile<'x, 'c, T>>,
) {
    while c.nrows() > 0 {
        let rows = c.nrows().min(tile_len);
        let (a_rows, a_rest) = a.split_at(Axis(0), rows);
        let (mut c_rows, c_rest) = c.split_at(Axis(0), rows);
        (a, c) = (a_rest, c_rest);
        let mut b = b;
        while c_rows.ncols() > 0 {
            let columns = c_rows.ncols().min(tile_len);
            let (b_tile, b_rest) = b.split_at(Axis(1), columns);
            let (c_tile, c_right) = c_rows.split_at(Axis(1), columns);
            (b, c_rows) = (b_rest, c_right);
            tiles.push(Tile { a: a_rows, b: b_tile, c: c_tile });
        }
    }
}

/// The axes before the last two, and those two; `shape` has at least two.
fn split_shape(shape: &[usize]) -> (&[usize], [usize; 2]) {
    let (batch, matrix) = shape.split_at(shape.len() - 2);
    (batch, [matrix[0], matrix[1]])
}

/// The `index`-th matrix, in row-major order of the axes before the last two, which have the lengths `batch`.
fn matrix<'x, T>(x: &ArrayViewD<'x, T>, batch: &[usize], mut index: usize) -> ArrayView2<'x, T> {
    let mut x = x.clone();
    for (axis, &len) in batch.iter().enumerate().rev() {
        x = x.index_axis_move(Axis(axis), index % len);
        index /= len;
    }
    x.into_dimensionality::<Ix2>().expect("two axes are left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor;

    #[test]
    fn ranks_follow_torch() {
        let x = |shape: &[usize]| Tensor::<f32>::ones(shape).unwrap();
        for (a, b, expected) in [
            (&[3][..], &[3][..], &[][..]),
            (&[3], &[3, 2], &[2]),
            (&[4, 3], &[3], &[4]),
            (&[4, 3], &[3, 2], &[4, 2]),
            (&[5, 4, 3], &[3, 2], &[5, 4, 2]),
            (&[5, 4, 3], &[3], &[5, 4]),
            (&[3], &[5, 3, 2], &[5, 2]),
            (&[7, 1, 4, 3], &[5, 3, 2], &[7, 5, 4, 2]),
            (&[0, 3], &[3, 2], &[0, 2]),
            (&[0, 4, 3], &[3, 2], &[0, 4, 2]),
        ] {
            let y = x(a).matmul(&x(b)).unwrap();
            assert_eq!(y.shape(), expected, "{a:?} {b:?}");
            assert!(y.view().iter().all(|&v| v == 3.0), "{a:?} {b:?}");
        }
    }

    #[test]
    fn an_empty_sum_is_zero() {
        let y = Tensor::<f32>::ones([2, 0]).unwrap().matmul(&Tensor::ones([0, 3]).unwrap()).unwrap();
        assert_eq!(y, Tensor::zeros([2, 3]).unwrap());
    }

    #[test]
    fn batches_are_broadcast_in_order() {
        let a = tensor!([[[1.0, 0.0]], [[0.0, 1.0]]]);
        let b = tensor!([[[[1.0], [2.0]]], [[[3.0], [4.0]]], [[[5.0], [6.0]]]]);
        let y = a.matmul(&b).unwrap();
        assert_eq!(y.reshape([3, 2]).unwrap(), tensor!([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    }

    #[test]
    fn nan_and_infinity_propagate() {
        let y = tensor!([[0.0, 1.0]]).matmul(&tensor!([[f64::INFINITY, f64::NAN], [1.0, 1.0]])).unwrap();
        assert_eq!(y.to_string(), "Tensor([[nan, nan]])");
    }

    #[test]
    fn refusals_show_both_shapes() {
        let x = |shape: &[usize]| Tensor::<f32>::ones(shape).unwrap();
        for (a, b) in [
            (&[2, 3][..], &[2, 3][..]),
            (&[3], &[4]),
            (&[], &[3]),
            (&[3], &[]),
            (&[2, 4, 3], &[5, 3, 2]),
            (&[4, 3], &[5, 2, 3]),
        ] {
            let message = x(a).matmul(&x(b)).unwrap_err().to_string();
            assert!(message.contains(&format!("{a:?} and {b:?}")), "{message}");
        }
    }

    #[test]
    fn results_beyond_memory_are_errors() {
        let tall = Tensor::<f32>::ones([1 << 24, 1]).unwrap();
        let product = tall.matmul(&tall.transpose(0, 1).unwrap());
        assert!(matches!(product, Err(Error::OutOfMemory { .. })));
    }
}
