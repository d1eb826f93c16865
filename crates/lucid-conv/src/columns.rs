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
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};

use crate::geometry::Geometry;
use crate::plan::Recipe;
use crate::run::Operands;
use crate::runs::{Block, for_each_run, gather, multi_indices, scatter_add};
use crate::tasks::{run_all, threads_for};

/// Multiplications above which threads share a pass.
const SHARED: f64 = 500_000.0;

/// Some coarse channels of one group and batch item, over a block of coarse positions.
struct ForwardTask<'a, T, const N: usize> {
    item: usize,
    channel: usize,
    block: Block<N>,
    y: ArrayViewMut2<'a, T>,
}

/// A task is a block of coarse positions for some coarse channels of one group and batch item.
pub(crate) fn forward<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    operands: &Operands<'_, T>,
    y: &mut [T],
) {
    let &Operands { source: x, weight: w, bias, .. } = operands;
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let weight = matrix(w, g.coarse_channels, fine_g * taps);
    let mut tasks = Vec::new();
    for (item, y) in y.chunks_mut(coarse_g * g.coarse_len()).enumerate() {
        for (part, y) in y.chunks_mut(recipe.channels * g.coarse_len()).enumerate() {
            let mut rest = matrix_mut(y, y.len() / g.coarse_len(), g.coarse_len());
            for block in Block::tiles(g.coarse(), recipe.block) {
                // Blocks are consecutive stretches of a plane: see `Recipe::block`.
                let (y, next) = rest.split_at(Axis(1), block.len());
                tasks.push(ForwardTask { item, channel: part * recipe.channels, block, y });
                rest = next;
            }
        }
    }

    let threads = threads_for(g.multiplications(), SHARED);
    run_all(tasks.into_iter(), threads, workspace(recipe), |columns, task| {
        let ForwardTask { item, channel, block, mut y } = task;
        let (n, group) = (item / g.groups, item % g.groups);
        let rows = group * coarse_g + channel..group * coarse_g + channel + y.nrows();
        if let Some(bias) = bias {
            for (mut y, &bias) in y.rows_mut().into_iter().zip(&bias[rows.clone()]) {
                y.fill(bias);
            }
        }
        for first in (0..fine_g).step_by(recipe.reduction) {
            let num_fine = recipe.reduction.min(fine_g - first);
            let columns = &mut columns[..num_fine * taps * block.len()];
            im2col(g, x, n * g.fine_channels + group * fine_g + first, block, columns);
            // W: rows x (fine, tap); columns: (fine, tap) x positions. Without a bias, the first product overwrites.
            let beta = if first == 0 && bias.is_none() { T::zero() } else { T::one() };
            let weight = weight.slice(s![rows.clone(), first * taps..(first + num_fine) * taps]);
            let columns = matrix(columns, num_fine * taps, block.len());
            general_mat_mul(T::one(), &weight, &columns, beta, &mut y);
        }
    });
}

/// A task is some fine channels of one group and batch item, over the whole signal: blocks of coarse positions write
/// overlapping parts of the fine grid, so they follow one another.
pub(crate) fn backward_data<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    operands: &Operands<'_, T>,
    x: &mut [T],
) {
    let &Operands { source: y, weight: w, bias, .. } = operands;
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let weight = matrix(w, g.coarse_channels, fine_g * taps);
    let groups = x.chunks_mut(fine_g * g.fine_len()).enumerate();
    let tasks: Vec<_> = groups
        .flat_map(|(item, planes)| {
            let parts = planes.chunks_mut(recipe.channels * g.fine_len()).enumerate();
            parts.map(move |(part, planes)| (item, part * recipe.channels, planes))
        })
        .collect();

    let threads = threads_for(g.multiplications(), SHARED);
    run_all(tasks.into_iter(), threads, workspace(recipe), |columns, (item, channel, planes)| {
        let (n, group) = (item / g.groups, item % g.groups);
        let num_fine = planes.len() / g.fine_len();
        for (c, plane) in planes.chunks_mut(g.fine_len()).enumerate() {
            plane.fill(bias.map_or(T::zero(), |bias| bias[group * fine_g + channel + c]));
        }
        let weight = weight
            .slice(s![group * coarse_g..(group + 1) * coarse_g, channel * taps..(channel + num_fine) * taps]);
        for block in Block::tiles(g.coarse(), recipe.block) {
            let columns = &mut columns[..num_fine * taps * block.len()];
            let y = coarse_matrix(g, y, n * g.coarse_channels + group * coarse_g, block);
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
    dw: &mut [T],
) {
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let mut tasks = Vec::new();
    for (group, dw) in dw.chunks_mut(coarse_g * fine_g * taps).enumerate() {
        let mut rest = matrix_mut(dw, coarse_g, fine_g * taps);
        for fine in (0..fine_g).step_by(recipe.channels) {
            let (dw, next) = rest.split_at(Axis(1), recipe.channels.min(fine_g - fine) * taps);
            tasks.push((group, fine, dw));
            rest = next;
        }
    }

    let threads = threads_for(g.multiplications(), SHARED);
    run_all(tasks.into_iter(), threads, workspace(recipe), |columns, (group, fine, mut dw)| {
        let rows = dw.ncols();
        for n in 0..g.batch() {
            for block in Block::tiles(g.coarse(), recipe.block) {
                let columns = &mut columns[..rows * block.len()];
                im2col(g, x, n * g.fine_channels + group * fine_g + fine, block, columns);
                let y = coarse_matrix(g, y, n * g.coarse_channels + group * coarse_g, block);
                // y: coarse x positions; columns^T: positions x (fine, tap). dw begins as zeros.
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

/// The planes of one group of the coarse side, from `plane` on, as a matrix of channels by the positions of `block`.
fn coarse_matrix<'a, T: Element, const N: usize>(
    g: &Geometry<N>,
    y: &'a [T],
    plane: usize,
    block: Block<N>,
) -> ArrayView2<'a, T> {
    let (channels, len) = (g.coarse_per_group(), g.coarse_len());
    // The block is one stretch of each plane: see `Recipe::block`.
    let start = (0..N).fold(0, |at, axis| at * g.coarse()[axis] + block.start[axis]);
    matrix(&y[plane * len..], channels, len).slice_move(s![.., start..start + block.len()])
}

fn workspace<T: Element, const N: usize>(recipe: &Recipe<N>) -> impl Fn() -> Vec<T> + Send + Sync {
    let len = recipe.workspace_len;
    move || vec![T::zero(); len]
}

fn matrix<T>(elements: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), &elements[..rows * columns]).expect("exactly as many elements")
}

fn matrix_mut<T>(elements: &mut [T], rows: usize, columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((rows, columns), &mut elements[..rows * columns])
        .expect("exactly as many elements")
}
