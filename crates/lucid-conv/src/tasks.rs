//! Splitting a pass into tasks that write disjoint parts of the result.
//!
//! Which tasks there are depends on the geometry alone and no sum is ever split over tasks, so the same bits come out
//! for any number of threads.

use ndarray::{ArrayViewMutD, Axis};
use rayon::prelude::*;

/// Below this many multiplications a pass runs on the calling thread: handing tasks over costs some microseconds.
const PARALLEL_MULTIPLICATIONS: f64 = 50_000.0;

/// A part of an array, and the index of its first element.
pub(crate) struct Tile<'a, T> {
    pub(crate) origin: Vec<usize>,
    pub(crate) view: ArrayViewMutD<'a, T>,
}

/// Cuts `view` into tiles of at most `size[axis]` elements along each axis.
pub(crate) fn split<'a, T>(view: ArrayViewMutD<'a, T>, size: &[usize]) -> Vec<Tile<'a, T>> {
    let mut tiles = vec![Tile { origin: vec![0; view.ndim()], view }];
    for (axis, &size) in size.iter().enumerate() {
        tiles = tiles.into_iter().flat_map(|tile| cut(tile, axis, size)).collect();
    }
    tiles
}

fn cut<'a, T>(mut tile: Tile<'a, T>, axis: usize, size: usize) -> Vec<Tile<'a, T>> {
    let mut parts = Vec::with_capacity(tile.view.shape()[axis].div_ceil(size));
    while tile.view.shape()[axis] > size {
        let (head, rest) = tile.view.split_at(Axis(axis), size);
        let mut next = tile.origin.clone();
        next[axis] += size;
        parts.push(Tile { origin: tile.origin, view: head });
        tile = Tile { origin: next, view: rest };
    }
    if !tile.view.is_empty() {
        parts.push(tile);
    }
    parts
}

/// Runs every task, on all threads of the current `rayon` pool where `multiplications` make that worth it. `scratch`
/// makes a thread's own workspace.
pub(crate) fn run_all<K: Send, S>(
    tasks: Vec<K>,
    multiplications: f64,
    scratch: impl Fn() -> S + Send + Sync,
    run: impl Fn(&mut S, K) + Send + Sync,
) {
    if tasks.len() > 1 && multiplications > PARALLEL_MULTIPLICATIONS {
        tasks.into_par_iter().for_each_init(scratch, run);
    } else {
        let mut own = scratch();
        for task in tasks {
            run(&mut own, task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::ArrayD;

    #[test]
    fn tiles_cover_every_element_once() {
        let mut array = ArrayD::<f64>::zeros(vec![3, 5, 7]);
        let tiles = split(array.view_mut(), &[2, 2, 7]);
        assert_eq!(tiles.len(), 2 * 3);
        for mut tile in tiles {
            assert!(tile.view.shape().iter().zip([2, 2, 7]).all(|(&len, max)| len <= max));
            let origin = tile.origin.clone();
            for (index, value) in tile.view.indexed_iter_mut() {
                let at: Vec<usize> = (0..3).map(|axis| origin[axis] + index[axis]).collect();
                *value += (1 + at[2] + 7 * (at[1] + 5 * at[0])) as f64;
            }
        }
        assert!(array.iter().enumerate().all(|(i, &value)| value == (i + 1) as f64));
    }
}
