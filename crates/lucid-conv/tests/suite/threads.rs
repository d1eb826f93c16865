//! The same bits for any number of threads: what is split depends on the geometry alone, and no sum is split.
//!
//! The problems are large enough to be handed to the pool, and have several tasks of every kind: batch items, groups,
//! channels and blocks.

use crate::support::{Arrays, Scalar, Setup, for_each_outcome};
use lucid_conv::Options;
use rayon::ThreadPoolBuilder;

fn bits<T: Scalar, const N: usize>(
    setup: &Setup<N>,
    arrays: &Arrays,
    num_threads: usize,
) -> Vec<(String, Vec<u64>)> {
    let pool = ThreadPoolBuilder::new().num_threads(num_threads).build().expect("a pool of a few threads");
    pool.install(|| {
        let mut results = Vec::new();
        for_each_outcome::<T, N>(setup, arrays, |_, label, got| {
            // Widening an f32 keeps its bits apart.
            results.push((
                label.to_owned(),
                got.iter().map(|&value| Into::<f64>::into(value).to_bits()).collect(),
            ));
        });
        results
    })
}

fn check_threads<const N: usize>(setup: &Setup<N>) {
    assert!(setup.plan().geometry().multiplications() > 1e6, "too small to be split: {setup:?}");
    let arrays = Arrays::random(setup);
    let alone = (bits::<f32, N>(setup, &arrays, 1), bits::<f64, N>(setup, &arrays, 1));
    for num_threads in [2, 3, 7] {
        let shared =
            (bits::<f32, N>(setup, &arrays, num_threads), bits::<f64, N>(setup, &arrays, num_threads));
        assert!(alone == shared, "{num_threads} threads: {setup:?}");
    }
}

#[test]
fn of_one_item() {
    let up = Options::<1>::conv_transpose().stride(4).padding(2);
    check_threads(&Setup::new(up, [72, 80], [700], [8]).batch(None));
    check_threads(&Setup::new(Options::<1>::conv().padding(3).dilation(3), [80, 72], [700], [3]));
    // The gradient of the weight is summed in parts.
    check_threads(&Setup::new(Options::<1>::conv().padding(1), [20, 24], [9000], [3]));
    check_threads(&Setup::new(Options::<1>::conv_transpose().stride(2), [40, 2], [7000], [9]));
}

#[test]
fn of_a_batch() {
    let up = Options::<2>::conv_transpose().stride(2).padding(1);
    check_threads(&Setup::new(up, [24, 40], [9, 33], [4, 4]).batch(Some(3)));
    let down = Options::<2>::conv().stride([2, 1]).padding(1);
    check_threads(&Setup::new(down, [40, 24], [17, 33], [3, 3]).batch(Some(3)));
}

#[test]
fn of_groups() {
    let up = Options::<1>::conv_transpose().stride(3).groups(4);
    check_threads(&Setup::new(up, [64, 96], [530], [5]).batch(Some(2)));
    check_threads(
        &Setup::new(Options::<1>::conv().groups(4).stride(2), [96, 64], [1060], [5]).batch(Some(2)),
    );
    check_threads(&Setup::new(Options::<1>::conv_transpose().groups(96), [96, 96], [4300], [3]));
    check_threads(&Setup::new(Options::<1>::conv().groups(2).stride(2).padding(3), [2, 4], [100_000], [7]));
    check_threads(&Setup::new(Options::<2>::conv().groups(30).padding(1), [30, 30], [40, 41], [5, 5]));
}
