//! The three sums tap by tap, without a matrix.
//!
//! Where channels do not mix (depthwise) a matrix product has nothing to reuse. Accepts every geometry, and multiplies
//! nothing that lies outside the grid.

use lucid_kernels::Element;

use crate::geometry::Geometry;
use crate::plan::Recipe;
use crate::run::Operands;
use crate::runs::{Block, dot, for_each_run, gather_add, multi_indices, scatter_add};
use crate::tasks::{run_each, threads_for};

/// Multiplications above which threads share a pass.
const SHARED: f64 = 50_000.0;

/// `y[n, c, l] = b[c] + sum over (f, k) of w[c, f, k] x[n, f, fine(l, k)]`; a task is a plane of `y`.
pub(crate) fn forward<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    operands: &Operands<'_, T>,
    y: &mut [T],
) {
    let &Operands { source: x, weight: w, bias, .. } = operands;
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let stride = g.axes[N - 1].stride;
    let planes = y.chunks_mut(g.coarse_len()).enumerate();
    run_each(planes, threads_for(g.multiplications(), SHARED), |(plane, y)| {
        let (n, c) = (plane / g.coarse_channels, plane % g.coarse_channels);
        y.fill(bias.map_or(T::zero(), |bias| bias[c]));
        for block in Block::tiles(g.coarse(), recipe.block) {
            for f in 0..fine_g {
                let x = plane_of(x, n * g.fine_channels + c / coarse_g * fine_g + f, g.fine_len());
                let w = plane_of(w, c * fine_g + f, taps);
                for (tap, &w) in multi_indices(g.taps()).zip(w) {
                    for_each_run(g, tap, block, Block::whole(g.coarse()), |run| {
                        gather_add(&mut y[run.coarse..][..run.len], w, &x[run.fine..], stride);
                    });
                }
            }
        }
    });
}

/// `x[n, f, j] = b[f] + sum over (c, l, k) with j = fine(l, k) of w[c, f, k] y[n, c, l]`; a task is a plane of `x`.
pub(crate) fn backward_data<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    operands: &Operands<'_, T>,
    x: &mut [T],
) {
    let &Operands { source: y, weight: w, bias, .. } = operands;
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let stride = g.axes[N - 1].stride;
    let planes = x.chunks_mut(g.fine_len()).enumerate();
    run_each(planes, threads_for(g.multiplications(), SHARED), |(plane, x)| {
        let (n, f) = (plane / g.fine_channels, plane % g.fine_channels);
        x.fill(bias.map_or(T::zero(), |bias| bias[f]));
        for block in Block::tiles(g.coarse(), recipe.block) {
            for c in f / fine_g * coarse_g..(f / fine_g + 1) * coarse_g {
                let y = plane_of(y, n * g.coarse_channels + c, g.coarse_len());
                let w = plane_of(w, c * fine_g + f % fine_g, taps);
                for (tap, &w) in multi_indices(g.taps()).zip(w) {
                    for_each_run(g, tap, block, Block::whole(g.coarse()), |run| {
                        scatter_add(&mut x[run.fine..], stride, w, &y[run.coarse..][..run.len]);
                    });
                }
            }
        }
    });
}

/// `dw[c, f, k] = sum over (n, l) of y[n, c, l] x[n, f, fine(l, k)]`; a task is the taps of one pair of channels.
pub(crate) fn backward_weight<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    x: &[T],
    y: &[T],
    dw: &mut [T],
) {
    let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
    let stride = g.axes[N - 1].stride;
    let pairs = dw.chunks_mut(taps).enumerate();
    run_each(pairs, threads_for(g.multiplications(), SHARED), |(pair, dw)| {
        let (c, f) = (pair / fine_g, pair % fine_g);
        dw.fill(T::zero());
        for n in 0..g.batch() {
            let x = plane_of(x, n * g.fine_channels + c / coarse_g * fine_g + f, g.fine_len());
            let y = plane_of(y, n * g.coarse_channels + c, g.coarse_len());
            for block in Block::tiles(g.coarse(), recipe.block) {
                for (tap, dw) in multi_indices(g.taps()).zip(dw.iter_mut()) {
                    for_each_run(g, tap, block, Block::whole(g.coarse()), |run| {
                        *dw += dot(&y[run.coarse..][..run.len], &x[run.fine..], stride);
                    });
                }
            }
        }
    });
}

fn plane_of<T>(array: &[T], plane: usize, len: usize) -> &[T] {
    &array[plane * len..][..len]
}
