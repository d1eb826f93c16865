//! The promise that the number of threads changes no bit of a result, kept by comparing pools of one, two,
//! three and seven threads on inputs large enough to be split.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_tensor::{Result, Tensor};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

fn random(shape: &[usize], seed: u64) -> Tensor<f32> {
    Tensor::normal(shape, 0.0, 1.0, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
}

fn bits(x: &Tensor<f32>) -> Vec<u32> {
    x.view().iter().map(|v| v.to_bits()).collect()
}

/// Runs `f` under each number of threads, and says under which the bits differ from those of one thread.
fn check(name: &str, f: impl Fn() -> Result<Tensor<f32>> + Sync) {
    let run = |num_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads).build().unwrap();
        bits(&pool.install(&f).unwrap())
    };
    let expected = run(1);
    for num_threads in [2, 3, 7] {
        assert!(run(num_threads) == expected, "{name} differs with {num_threads} threads");
    }
}

#[test]
fn matrix_products() {
    for (a, b) in [
        (&[700, 130][..], &[130, 300][..]),
        (&[5, 130, 70], &[5, 70, 90]),
        (&[9, 60, 64], &[64, 70]),
        (&[1100, 33], &[33, 1100]),
        (&[2, 600], &[600, 700]),
    ] {
        let (x, y) = (random(a, 1), random(b, 2));
        check(&format!("matmul {a:?} {b:?}"), || x.matmul(&y));
    }
}

#[test]
fn sums() {
    for (shape, axes) in [
        (&[300_001][..], &[0][..]),
        (&[70_000, 3], &[0]),
        (&[3, 70_000], &[1]),
        (&[8, 64, 1024], &[0, 2]),
        (&[40, 5000], &[0]),
        (&[100_000, 2], &[1]),
    ] {
        let x = random(shape, 3);
        check(&format!("sum {shape:?} {axes:?}"), || x.sum(axes, false));
        check(&format!("mean {shape:?} {axes:?}"), || x.mean(axes, false));
    }
    let x = random(&[500, 500], 4).transpose(0, 1).unwrap();
    check("sum_all", || Ok(x.sum_all()));
}

#[test]
fn element_wise_operations() {
    let (x, y, bias) = (random(&[4, 64, 700], 5), random(&[4, 64, 700], 6), random(&[64, 1], 7));
    check("add", || x.add(&y));
    check("add a bias", || x.add(&bias));
    check("tanh", || Ok(x.tanh()));
    check("add_assign", || {
        let mut sum = x.map(|v| v);
        sum.add_assign(&y)?;
        Ok(sum)
    });
    check("a transposed operand", || x.permute([0, 2, 1])?.mul(&y.permute([0, 2, 1])?.contiguous()));
}

/// Above the threshold the parallel code runs, below it the serial code: one must be the other, piece by piece.
#[test]
fn the_threshold_changes_no_bits() {
    let (x, y, bias) = (random(&[40, 5000], 8), random(&[40, 5000], 9), random(&[5000], 10));
    let whole = x.mul(&y).unwrap().add(&bias).unwrap().sin();
    let rows: Vec<Tensor<f32>> = (0..40)
        .map(|i| {
            let (x, y) = (x.slice(0, i..i + 1).unwrap(), y.slice(0, i..i + 1).unwrap());
            x.mul(&y).unwrap().add(&bias).unwrap().sin()
        })
        .collect();
    let rows = Tensor::concatenate(&rows.iter().collect::<Vec<_>>(), 0).unwrap();
    assert_eq!(bits(&whole), bits(&rows));
}
