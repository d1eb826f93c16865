//! How element-wise operations visit their operands: the one place that decides between serial and parallel,
//! and between flat and strided.
//!
//! Results are written in row-major order. Operands that lie in that order are walked as flat slices, which the
//! compiler vectorises; a new vector is filled as it is produced, never zeroed first. Other operands (slices,
//! permutations, broadcasts) are walked in rows, the last axes merged while all operands allow it, and a row
//! is again a slice, or one repeated element, wherever its stride says so.
//!
//! Every element is computed by itself, so the split among threads cannot change a result.

use ndarray::{Array1, ArrayView1, ArrayViewD, ArrayViewMut1, ArrayViewMutD, Axis, Zip};
use rayon::prelude::*;

/// Operations on fewer elements than this run on the calling thread: handing 64 Ki additions to other threads
/// costs as much as doing them.
pub(crate) const PARALLEL_LEN: usize = 1 << 16;

/// No thread is given fewer elements than this at once.
pub(crate) const GRAIN: usize = 1 << 13;

/// Whether a walk over so many elements stays on the calling thread.
fn is_serial(len: usize) -> bool {
    len < PARALLEL_LEN || rayon::current_num_threads() == 1
}

/// The vector in an array of one axis that was just collected: `ndarray` writes it by all threads without zeroing it first,
/// in loops that the compiler vectorises. What a caller had reserved told whether there is room, and is given back untouched.
fn flat<T>(array: Array1<T>) -> Vec<T> {
    array.into_raw_vec_and_offset().0
}

/// Appends `f(x)` for every element of `x`, in row-major order, to the empty `out`.
pub(crate) fn map<T, U, F>(x: ArrayViewD<'_, T>, out: &mut Vec<U>, f: F)
where
    T: Sync,
    U: Clone + Send + Sync,
    F: Fn(&T) -> U + Sync + Send,
{
    match x.as_slice() {
        Some(x) if is_serial(x.len()) => out.extend(x.iter().map(f)),
        Some(x) => *out = flat(Zip::from(x).par_map_collect(f)),
        None => zip_rows(x.clone(), x, out, |x, _| f(x)),
    }
}

/// Appends `f(x, y)` for every pair of elements of two views of one shape, in row-major order, to the empty
/// `out`.
pub(crate) fn zip<T, U, V, F>(x: ArrayViewD<'_, T>, y: ArrayViewD<'_, U>, out: &mut Vec<V>, f: F)
where
    T: Sync,
    U: Sync,
    V: Clone + Send + Sync,
    F: Fn(&T, &U) -> V + Sync + Send,
{
    match (x.as_slice(), y.as_slice()) {
        (Some(x), Some(y)) if is_serial(x.len()) => out.extend(x.iter().zip(y).map(|(x, y)| f(x, y))),
        (Some(x), Some(y)) => *out = flat(Zip::from(x).and(y).par_map_collect(f)),
        _ => zip_rows(x, y, out, f),
    }
}

/// Appends `f(x, y, z)` for the elements of three slices of one length to the empty `out`.
pub(crate) fn zip3<T, U, V, W, F>(x: &[T], y: &[U], z: &[V], out: &mut Vec<W>, f: F)
where
    T: Sync,
    U: Sync,
    V: Sync,
    W: Send,
    F: Fn(&T, &U, &V) -> W + Sync + Send,
{
    if is_serial(x.len()) {
        out.extend(x.iter().zip(y).zip(z).map(|((x, y), z)| f(x, y, z)));
    } else {
        *out = flat(Zip::from(x).and(y).and(z).par_map_collect(f));
    }
}

/// `x = f(x)` for every element.
pub(crate) fn update<T, F>(x: &mut [T], f: F)
where
    T: Send,
    F: Fn(&mut T) + Sync + Send,
{
    if is_serial(x.len()) {
        x.iter_mut().for_each(f);
    } else {
        x.par_iter_mut().with_min_len(GRAIN).for_each(f);
    }
}

/// `x = f(x, y)` for every pair of elements of two slices of one length.
pub(crate) fn update_zip<T, U, F>(x: &mut [T], y: &[U], f: F)
where
    T: Send,
    U: Sync,
    F: Fn(&mut T, &U) + Sync + Send,
{
    if is_serial(x.len()) {
        x.iter_mut().zip(y).for_each(|(x, y)| f(x, y));
    } else {
        x.par_iter_mut().zip(y).with_min_len(GRAIN).for_each(|(x, y)| f(x, y));
    }
}

/// The strided case. The result of the first pair fills the vector beforehand, because rows that several
/// threads write must exist first.
fn zip_rows<T, U, V, F>(mut x: ArrayViewD<'_, T>, mut y: ArrayViewD<'_, U>, out: &mut Vec<V>, f: F)
where
    T: Sync,
    U: Sync,
    V: Clone + Send + Sync,
    F: Fn(&T, &U) -> V + Sync + Send,
{
    let (Some(first_x), Some(first_y)) = (x.first(), y.first()) else { return };
    out.resize(x.len(), f(first_x, first_y));
    merge_last_axes(&mut x, &mut y);
    let mut out =
        ArrayViewMutD::from_shape(x.raw_dim(), out).expect("merging axes keeps the number of elements");
    let rows = Zip::from(out.rows_mut()).and(x.rows()).and(y.rows());
    if is_serial(x.len()) {
        rows.for_each(|out, x, y| zip_row(out, x, y, &f));
    } else {
        rows.par_for_each(|out, x, y| zip_row(out, x, y, &f));
    }
}

/// Merges axes into the last one for as long as both views can, so that rows are as long as possible.
fn merge_last_axes<T, U>(x: &mut ArrayViewD<'_, T>, y: &mut ArrayViewD<'_, U>) {
    let last = x.ndim().saturating_sub(1);
    for take in (0..last).rev() {
        let (mut merged_x, mut merged_y) = (x.clone(), y.clone());
        if !merged_x.merge_axes(Axis(take), Axis(last)) || !merged_y.merge_axes(Axis(take), Axis(last)) {
            return;
        }
        (*x, *y) = (merged_x, merged_y);
    }
}

fn zip_row<T, U, V>(
    mut out: ArrayViewMut1<'_, V>,
    x: ArrayView1<'_, T>,
    y: ArrayView1<'_, U>,
    f: impl Fn(&T, &U) -> V,
) {
    let out = out.as_slice_mut().expect("rows of a row-major vector are contiguous");
    match (x.as_slice(), y.as_slice()) {
        (Some(x), Some(y)) => out.iter_mut().zip(x).zip(y).for_each(|((out, x), y)| *out = f(x, y)),
        (Some(x), None) if is_repeated(&y) => {
            let y = &y[0];
            out.iter_mut().zip(x).for_each(|(out, x)| *out = f(x, y));
        }
        (None, Some(y)) if is_repeated(&x) => {
            let x = &x[0];
            out.iter_mut().zip(y).for_each(|(out, y)| *out = f(x, y));
        }
        _ => out.iter_mut().zip(&x).zip(&y).for_each(|((out, x), y)| *out = f(x, y)),
    }
}

/// Whether a row is one element seen many times, as along a broadcast axis.
fn is_repeated<T>(row: &ArrayView1<'_, T>) -> bool {
    row.strides() == [0] && !row.is_empty()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;

    fn numbers(shape: (usize, usize, usize)) -> ndarray::ArrayD<f64> {
        Array3::from_shape_fn(shape, |(i, j, k)| (100 * i + 10 * j + k) as f64).into_dyn()
    }

    #[test]
    fn rows_are_merged_while_both_operands_allow_it() {
        let x = numbers((2, 3, 4));
        let column = numbers((1, 3, 1));
        let (mut a, mut b) = (x.view(), column.broadcast(x.raw_dim()).unwrap());
        merge_last_axes(&mut a, &mut b);
        assert_eq!(a.shape(), [2, 3, 4], "a bias per channel repeats along the last axis only");

        let single = numbers((1, 1, 1));
        let (mut a, mut b) = (x.view(), single.broadcast(x.raw_dim()).unwrap());
        merge_last_axes(&mut a, &mut b);
        assert_eq!(a.shape(), [1, 1, 24]);
    }

    #[test]
    fn strided_walks_agree_with_ndarray_on_both_sides_of_the_threshold() {
        for depth in [3, PARALLEL_LEN / 8] {
            let x = numbers((4, depth, 6));
            let y = numbers((4, 1, 1));
            let views = [
                x.view(),
                x.view().permuted_axes([2, 0, 1].as_slice()),
                x.slice(s![.., ..;2, ..]).into_dyn(),
                x.slice(s![..;-1, .., 1..]).into_dyn(),
                y.broadcast(x.raw_dim()).unwrap(),
            ];
            for view in views {
                let mut out = Vec::new();
                map(view.clone(), &mut out, |x| x + 1.0);
                assert_eq!(out, view.iter().map(|x| x + 1.0).collect::<Vec<_>>());

                let flat = ndarray::Array::from_iter((0..view.len()).map(|i| i as f64));
                let flat = flat.into_shape_with_order(view.raw_dim()).unwrap();
                let row = numbers((1, 1, *view.shape().last().unwrap()));
                for other in [flat.view(), row.broadcast(view.raw_dim()).unwrap(), view.clone()] {
                    for (x, y) in [(&view, &other), (&other, &view)] {
                        let mut out = Vec::new();
                        zip(x.clone(), y.clone(), &mut out, |x, y| x - y);
                        assert_eq!(out, x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>());
                    }
                }
            }
        }
    }

    #[test]
    fn empty_views_give_nothing() {
        let x = numbers((2, 0, 3));
        let mut out = Vec::new();
        map(x.view().permuted_axes([2, 1, 0].as_slice()), &mut out, |x| x + 1.0);
        assert!(out.is_empty());
    }
}
