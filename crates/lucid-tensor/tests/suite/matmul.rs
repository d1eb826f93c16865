//! Matrix products against the triple loop that defines them, over lengths around every tile edge.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_tensor::{Element, Tensor};
use proptest::prelude::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// A random tensor; every second one is laid out with its last two axes exchanged in memory.
fn random<T: Element>(shape: &[usize], transposed: bool, seed: u64) -> Tensor<T> {
    let (low, high) = (T::from_f64(-1.0), T::from_f64(1.0));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut stored = shape.to_vec();
    let ndim = shape.len();
    if transposed {
        stored.swap(ndim - 2, ndim - 1);
        return Tensor::uniform(stored, low, high, &mut rng).unwrap().transpose(ndim - 2, ndim - 1).unwrap();
    }
    Tensor::uniform(stored, low, high, &mut rng).unwrap()
}

/// Compares `a b`, both of rank 3, with the sum in f64. Rounding each of the k products and k additions loses
/// at most half an epsilon of the sum of magnitudes => the error is at most k epsilon of it.
fn check<T: Element>(batches: [usize; 2], [m, k, n]: [usize; 3], transposed: [bool; 2]) {
    let a = random::<T>(&[batches[0], m, k], transposed[0], 1);
    let b = random::<T>(&[batches[1], k, n], transposed[1], 2);
    let y = a.matmul(&b).unwrap();
    let batch = batches[0].max(batches[1]);
    assert_eq!(y.shape(), [batch, m, n]);
    let (a, b) = (a.view(), b.view());
    for ((i, row, column), &value) in y.view().into_dimensionality::<ndarray::Ix3>().unwrap().indexed_iter() {
        let terms = (0..k).map(|l| {
            let (x, y) = (a[[i % batches[0], row, l]], b[[i % batches[1], l, column]]);
            x.to_f64() * y.to_f64()
        });
        let (sum, magnitude) = terms.fold((0.0, 0.0), |(sum, all), term| (sum + term, all + term.abs()));
        let bound = k as f64 * T::EPSILON.to_f64() * magnitude;
        let error = (value.to_f64() - sum).abs();
        assert!(
            error <= bound,
            "{batches:?} {:?} at {i}, {row}, {column}: {value} {sum}, {error} > {bound}",
            [m, k, n]
        );
    }
}

#[test]
fn tile_edges_in_both_types() {
    for [m, k, n] in [[255, 3, 5], [256, 7, 2], [257, 2, 257], [2, 5, 513], [1, 300, 1], [3, 1025, 4]] {
        check::<f32>([1, 1], [m, k, n], [false, false]);
        check::<f64>([1, 1], [m, k, n], [true, true]);
    }
}

#[test]
fn large_results_use_large_tiles() {
    check::<f32>([1, 1], [1030, 3, 1025], [true, false]);
    check::<f32>([3, 3], [700, 2, 600], [false, true]);
}

#[test]
fn one_matrix_on_the_right_serves_every_batch() {
    for transposed in [[false, false], [false, true], [true, false]] {
        check::<f64>([5, 1], [70, 9, 11], transposed);
    }
}

proptest! {
    #[test]
    fn agrees_with_the_triple_loop(
        batch in 1_usize..4,
        shared in 0_usize..3,
        m in 1_usize..20,
        k in 1_usize..40,
        n in 1_usize..20,
        transposed in any::<[bool; 2]>(),
    ) {
        let batches = [[batch, batch], [1, batch], [batch, 1]][shared];
        check::<f32>(batches, [m, k, n], transposed);
        check::<f64>(batches, [m, k, n], transposed);
    }
}
