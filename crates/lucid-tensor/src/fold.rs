//! Reductions along one axis of row-major storage, as a tree whose form depends on the shape alone.
//!
//! A plain running sum of n floats has an error that grows with n, and a sum split by the number of threads has
//! bits that depend on the machine. Halving the range until a small block is left cures both: the error grows
//! with log n, and threads only decide who computes a subtree, never which subtrees there are.

use rayon::prelude::*;

use crate::{
    element::Element,
    shape::Span,
    walk::{GRAIN, PARALLEL_LEN},
};

/// Ranges of at most this many elements are folded without halving.
const LEAF_LEN: usize = 1024;

/// Independent running results within a leaf: enough to keep the vector units busy.
const LANES: usize = 16;

/// Ranges of at most this many rows are folded into one another without halving.
const LEAF_ROWS: usize = 32;

/// Columns that one task folds: a block of partial results stays in the first-level cache.
const COLUMNS: usize = 2048;

/// `out[o, i] = f(.. f(f(identity, x[o, 0, i]), x[o, 1, i]) ..)` for an associative `f`, in tree order.
///
/// `x` holds `span.outer * span.len * span.inner` elements; `out` holds `span.outer * span.inner` and comes
/// filled with `identity`.
pub(crate) fn fold_axis<T: Element>(
    x: &[T],
    span: Span,
    identity: T,
    out: &mut [T],
    f: impl Fn(T, T) -> T + Copy + Send + Sync,
) {
    let Span { len, inner, .. } = span;
    if x.is_empty() {
        return;
    }
    // x is not empty => outer, len and inner are at least 1 and chunks below have at least one element.
    if inner == 1 {
        let fold = |(out, x): (&mut T, &[T])| *out = fold_slice(x, identity, f);
        if x.len() < PARALLEL_LEN {
            out.iter_mut().zip(x.chunks_exact(len)).for_each(fold);
        } else {
            let sums = out.par_iter_mut().zip(x.par_chunks_exact(len));
            sums.with_min_len(GRAIN.div_ceil(len)).for_each(fold);
        }
        return;
    }
    let fold_block = |x: &[T], out: &mut [T]| {
        let fold = |(block, out): (usize, &mut [T])| fold_rows(x, inner, block * COLUMNS, identity, out, f);
        if x.len() < PARALLEL_LEN {
            out.chunks_mut(COLUMNS).enumerate().for_each(fold);
        } else {
            out.par_chunks_mut(COLUMNS).enumerate().for_each(fold);
        }
    };
    if x.len() < PARALLEL_LEN {
        x.chunks_exact(len * inner).zip(out.chunks_exact_mut(inner)).for_each(|(x, out)| fold_block(x, out));
    } else {
        let blocks = x.par_chunks_exact(len * inner).zip(out.par_chunks_exact_mut(inner));
        blocks.with_min_len(GRAIN.div_ceil(len * inner)).for_each(|(x, out)| fold_block(x, out));
    }
}

/// The fold of all elements of a slice.
pub(crate) fn fold_slice<T: Element>(x: &[T], identity: T, f: impl Fn(T, T) -> T + Copy + Send + Sync) -> T {
    if x.len() <= LEAF_LEN {
        let (blocks, rest) = x.as_chunks::<LANES>();
        let mut lanes = [identity; LANES];
        for block in blocks {
            lanes.iter_mut().zip(block).for_each(|(lane, &x)| *lane = f(*lane, x));
        }
        let tail = rest.iter().fold(identity, |total, &x| f(total, x));
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            for lane in 0..width {
                lanes[lane] = f(lanes[lane], lanes[lane + width]);
            }
        }
        return f(lanes[0], tail);
    }
    // A power of two of leaves on the left leaves a ragged leaf only at the very end.
    let (left, right) = x.split_at(x.len().next_power_of_two() / 2);
    let (left, right) = if x.len() < PARALLEL_LEN {
        (fold_slice(left, identity, f), fold_slice(right, identity, f))
    } else {
        rayon::join(|| fold_slice(left, identity, f), || fold_slice(right, identity, f))
    };
    f(left, right)
}

/// Folds the rows of `x` (each `row_len` long) into `out`, for the columns from `column` on.
fn fold_rows<T: Element>(
    x: &[T],
    row_len: usize,
    column: usize,
    identity: T,
    out: &mut [T],
    f: impl Fn(T, T) -> T + Copy + Send + Sync,
) {
    let num_rows = x.len() / row_len;
    if num_rows <= LEAF_ROWS {
        for row in x.chunks_exact(row_len) {
            out.iter_mut().zip(&row[column..]).for_each(|(out, &x)| *out = f(*out, x));
        }
        return;
    }
    let (top, bottom) = x.split_at(num_rows.next_power_of_two() / 2 * row_len);
    let mut lower = vec![identity; out.len()];
    if num_rows * out.len() < PARALLEL_LEN {
        fold_rows(top, row_len, column, identity, out, f);
        fold_rows(bottom, row_len, column, identity, &mut lower, f);
    } else {
        rayon::join(
            || fold_rows(top, row_len, column, identity, out, f),
            || fold_rows(bottom, row_len, column, identity, &mut lower, f),
        );
    }
    out.iter_mut().zip(lower).for_each(|(out, lower)| *out = f(*out, lower));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(x: &[f64], span: Span) -> Vec<f64> {
        let mut out = vec![0.0; span.outer * span.inner];
        fold_axis(x, span, 0.0, &mut out, |a, b| a + b);
        out
    }

    /// Small integers, whose sums are exact in any order: a missing or doubled element shows.
    #[test]
    fn every_element_counts_once_at_every_edge() {
        let edges =
            [1, 2, LANES - 1, LANES + 1, LEAF_ROWS, LEAF_ROWS + 1, LEAF_LEN, LEAF_LEN + 1, 3 * LEAF_LEN + 5];
        for outer in [1, 3] {
            for len in edges {
                for inner in [1, 2, COLUMNS + 1] {
                    if len * inner > 1 << 21 {
                        continue;
                    }
                    let x: Vec<f64> = (0..outer * len * inner).map(|i| (i % 97) as f64).collect();
                    let mut expected = vec![0.0; outer * inner];
                    for (i, x) in x.iter().enumerate() {
                        expected[i / (len * inner) * inner + i % inner] += x;
                    }
                    let span = Span { outer, len, inner };
                    assert_eq!(fold(&x, span), expected, "{span:?}");
                }
            }
        }
    }

    /// The error of a tree of depth log2(n / LEAF) over leaves of LEAF / LANES sequential additions; a running
    /// f32 sum of these values is off by 1e-2.
    #[test]
    fn long_sums_stay_accurate() {
        let n = 1 << 22;
        let x = vec![0.1_f32; n];
        let exact = f64::from(0.1_f32) * n as f64;
        let additions = (LEAF_LEN / LANES + 4 + (n / LEAF_LEN).ilog2() as usize) as f64;
        let bound = additions * f64::from(f32::EPSILON);
        let along = f64::from(fold_slice(&x, 0.0, |a, b| a + b));
        assert!((along - exact).abs() / exact < bound, "{along} {exact}");
        let mut out = [0.0_f32; 2];
        fold_axis(&x, Span { outer: 1, len: n / 2, inner: 2 }, 0.0, &mut out, |a, b| a + b);
        assert!((f64::from(out[0]) * 2.0 - exact).abs() / exact < bound, "{out:?} {exact}");
    }
}
