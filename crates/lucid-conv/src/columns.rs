//! im2col and col2im: matrix products in place of the sums.
//!
//! A column matrix has a row per (fine channel, tap) and a column per coarse position: row `(f, k)` holds
//! `x[f, fine(l, k)]`. With the weight as a matrix of `coarse channels` by `(fine channel, tap)`,
//!
//! - forward: `y = W columns(x)`
//! - backward_data: `x = the sum of the rows of (W^T y) where their taps write`
//! - backward_weight: `dW = y columns(x)^T`
//!
//! Only a block of coarse positions has its columns in memory at a time.

use lucid_kernels::Element;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayD, ArrayView2, ArrayViewMut2, ArrayViewMutD, s};

use crate::geometry::Geometry;
use crate::plan::{Recipe, is_packed};
use crate::runs::{Block, for_each_run, gather, multi_indices, scatter_add};
use crate::tasks::{run_all, split};

/// A task is a block of coarse positions for some coarse channels of one group and batch item.
pub(crate) fn forward<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    y: &mut ArrayD<T>,
) {
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let weight = matrix(w, g.coarse_channels, fine_g * taps);
    let by_group: Vec<usize> = [g.batch(), g.groups, coarse_g].into_iter().chain(g.coarse()).collect();
    let y = y.view_mut().into_shape_with_order(by_group).expect("y is contiguous and has these elements");
    let tile: Vec<usize> = [1, 1, recipe.channels].into_iter().chain(recipe.block).collect();

    run_all(split(y, &tile), g.multiplications(), workspace(recipe), |scratch, tile| {
        let [n, group, channel] = [0, 1, 2].map(|axis| tile.origin[axis]);
        let rows = tile.view.shape()[2];
        let block = Block {
            start: std::array::from_fn(|axis| tile.origin[3 + axis]),
            size: std::array::from_fn(|axis| tile.view.shape()[3 + axis]),
        };
        let first_row = group * coarse_g + channel;
        let (sums, columns) = scratch.split_at_mut(rows * block.len());
        for first in (0..fine_g).step_by(recipe.reduction) {
            let num_fine = recipe.reduction.min(fine_g - first);
            let columns = &mut columns[..num_fine * taps * block.len()];
            im2col(g, x, n * g.fine_channels + group * fine_g + first, block, columns);
            // W: rows x (fine, tap); columns: (fine, tap) x positions. The first product overwrites.
            let beta = if first == 0 { T::zero() } else { T::one() };
            general_mat_mul(
                T::one(),
                &weight.slice(s![first_row..first_row + rows, first * taps..(first + num_fine) * taps]),
                &matrix(columns, num_fine * taps, block.len()),
                beta,
                &mut matrix_mut(sums, rows, block.len()),
            );
        }
        store(sums, bias.map(|bias| &bias[first_row..first_row + rows]), tile.view);
    });
}

/// A task is some fine channels of one group and batch item, over the whole signal: blocks of coarse positions write
/// overlapping parts of the fine grid, so they follow one another.
pub(crate) fn backward_data<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    y: &[T],
    w: &[T],
    bias: Option<&[T]>,
    x: &mut [T],
) {
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let weight = matrix(w, g.coarse_channels, fine_g * taps);
    let groups = x.chunks_mut(fine_g * g.fine_len()).enumerate();
    let tasks: Vec<_> = groups
        .flat_map(|(item, planes)| {
            let parts = planes.chunks_mut(recipe.channels * g.fine_len()).enumerate();
            parts.map(move |(part, planes)| (item, part * recipe.channels, planes))
        })
        .collect();

    run_all(tasks, g.multiplications(), workspace(recipe), |scratch, (item, channel, planes)| {
        let (n, group) = (item / g.groups, item % g.groups);
        let num_fine = planes.len() / g.fine_len();
        for (c, plane) in planes.chunks_mut(g.fine_len()).enumerate() {
            plane.fill(bias.map_or(T::zero(), |bias| bias[group * fine_g + channel + c]));
        }
        let weight =
            weight.slice(s![group * coarse_g..(group + 1) * coarse_g, channel * taps..(channel + num_fine) * taps]);
        for block in Block::tiles(g.coarse(), recipe.block) {
            let (columns, packed) = scratch.split_at_mut(num_fine * taps * block.len());
            let y = coarse_matrix(g, y, n * g.coarse_channels + group * coarse_g, block, packed);
            // W^T: (fine, tap) x coarse; y: coarse x positions.
            let mut products = matrix_mut(columns, num_fine * taps, block.len());
            general_mat_mul(T::one(), &weight.t(), &y, T::zero(), &mut products);
            col2im(g, columns, block, planes);
        }
    });
}

/// A task is some fine channels of one group, for all coarse channels, summed over the batch and the blocks in order.
pub(crate) fn backward_weight<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    x: &[T],
    y: &[T],
    dw: &mut ArrayD<T>,
) {
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let by_group = vec![g.groups, coarse_g, fine_g * taps];
    let dw = dw.view_mut().into_shape_with_order(by_group).expect("dw is contiguous and has these elements");
    let tasks = split(dw, &[1, coarse_g, recipe.channels * taps]);

    run_all(tasks, g.multiplications(), workspace(recipe), |scratch, tile| {
        let (group, fine) = (tile.origin[0], tile.origin[2] / taps);
        let rows = tile.view.shape()[2];
        let mut dw = tile.view.into_shape_with_order((coarse_g, rows)).expect("the first axis has length 1");
        dw.fill(T::zero());
        for n in 0..g.batch() {
            for block in Block::tiles(g.coarse(), recipe.block) {
                let (columns, packed) = scratch.split_at_mut(rows * block.len());
                im2col(g, x, n * g.fine_channels + group * fine_g + fine, block, columns);
                let y = coarse_matrix(g, y, n * g.coarse_channels + group * coarse_g, block, packed);
                // y: coarse x positions; columns^T: positions x (fine, tap).
                general_mat_mul(T::one(), &y, &matrix(columns, rows, block.len()).t(), T::one(), &mut dw);
            }
        }
    });
}

/// Fills `columns` with the rows of as many fine channels as fit, from plane `plane` of `x` on.
fn im2col<T: Element, const N: usize>(
    g: &Geometry<N>,
    x: &[T],
    plane: usize,
    block: Block<N>,
    columns: &mut [T],
) {
    let stride = g.axes[N - 1].stride;
    let planes = x[plane * g.fine_len()..].chunks(g.fine_len());
    for (x, rows) in planes.zip(columns.chunks_mut(g.num_taps() * block.len())) {
        for (tap, row) in multi_indices(g.taps()).zip(rows.chunks_mut(block.len())) {
            row.fill(T::zero());
            for_each_run(g, tap, block, block, |run| {
                gather(&mut row[run.coarse..][..run.len], &x[run.fine..], stride);
            });
        }
    }
}

/// Adds the rows of `columns` to the planes of the fine grid, one for every `num_taps` rows.
fn col2im<T: Element, const N: usize>(g: &Geometry<N>, columns: &[T], block: Block<N>, planes: &mut [T]) {
    let stride = g.axes[N - 1].stride;
    let planes = planes.chunks_mut(g.fine_len());
    for (x, rows) in planes.zip(columns.chunks(g.num_taps() * block.len())) {
        for (tap, row) in multi_indices(g.taps()).zip(rows.chunks(block.len())) {
            for_each_run(g, tap, block, block, |run| {
                scatter_add(&mut x[run.fine..], stride, T::one(), &row[run.coarse..][..run.len]);
            });
        }
    }
}

/// The planes of one group of the coarse side, from `plane` on, as a matrix of channels by the positions of `block`:
/// where they lie, or packed into `packed`.
fn coarse_matrix<'a, T: Element, const N: usize>(
    g: &Geometry<N>,
    y: &'a [T],
    plane: usize,
    block: Block<N>,
    packed: &'a mut [T],
) -> ArrayView2<'a, T> {
    let (channels, len) = (g.coarse_per_group(), g.coarse_len());
    let planes = &y[plane * len..][..channels * len];
    if !is_packed(g, block.size) {
        // All axes but the first are whole, so the block is one stretch of each plane.
        let start = block.start[0] * (len / g.coarse()[0]);
        return matrix(planes, channels, len).slice_move(s![.., start..start + block.len()]);
    }
    let rows = block.len() / block.size[N - 1];
    for (plane, packed) in planes.chunks(len).zip(packed.chunks_mut(block.len())) {
        let outer = multi_indices(block.size).step_by(block.size[N - 1]).take(rows);
        for (index, packed) in outer.zip(packed.chunks_mut(block.size[N - 1])) {
            let offset = (0..N).fold(0, |at, axis| at * g.coarse()[axis] + block.start[axis] + index[axis]);
            packed.copy_from_slice(&plane[offset..][..packed.len()]);
        }
    }
    matrix(packed, channels, block.len())
}

/// Writes `sums`, a row of positions per channel, to its tile, with the bias added.
fn store<T: Element>(sums: &[T], bias: Option<&[T]>, mut tile: ArrayViewMutD<'_, T>) {
    let row_len = *tile.shape().last().expect("a tile has axes");
    let rows_per_channel = sums.len() / tile.shape()[2] / row_len;
    for (row, (mut target, sums)) in tile.rows_mut().into_iter().zip(sums.chunks(row_len)).enumerate() {
        let bias = bias.map_or(T::zero(), |bias| bias[row / rows_per_channel]);
        for (y, &sum) in target.iter_mut().zip(sums) {
            *y = sum + bias;
        }
    }
}

fn workspace<T: Element, const N: usize>(recipe: &Recipe<N>) -> impl Fn() -> Vec<T> + Send + Sync {
    let len = recipe.workspace_len;
    move || vec![T::zero(); len]
}

fn matrix<T>(elements: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), &elements[..rows * columns]).expect("exactly as many elements")
}

fn matrix_mut<T>(elements: &mut [T], rows: usize, columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((rows, columns), &mut elements[..rows * columns]).expect("exactly as many elements")
}
