//! A stream that has seen chunks of a length takes no memory for more of them.
//!
//! A program of its own, as it needs a global allocator that counts; the other tests would count theirs.

use allocation_counter::measure;
use lucid_nn::{Conv1d, ConvTranspose1d, Forward, LeakyRelu, Sequential, Sum, Tanh};
use ndarray::Array2;

fn decoder() -> Sequential {
    let block = |kernel: usize, dilation: usize| {
        let conv = Conv1d::builder(16, 16, kernel).dilation(dilation).padding((kernel - 1) * dilation / 2);
        Sum::residual(
            Sequential::new()
                .with(LeakyRelu { slope: 0.1 })
                .with(conv.build().expect("the sizes of the test are valid")),
        )
    };
    Sequential::new()
        .with(Conv1d::builder(8, 32, 7).padding(3).build().expect("the sizes of the test are valid"))
        .with(
            ConvTranspose1d::builder(32, 16, 16)
                .stride(8)
                .padding(4)
                .build()
                .expect("the sizes of the test are valid"),
        )
        .with(Sum::new().with(block(3, 1)).with(block(7, 5)).mean())
        .with(
            Conv1d::builder(16, 16, 5).stride(3).padding(1).build().expect("the sizes of the test are valid"),
        )
        .with(
            Conv1d::builder(16, 16, 4)
                .groups(16)
                .padding([(3, 0)])
                .build()
                .expect("the sizes of the test are valid"),
        )
        .with(Tanh)
}

#[test]
fn a_chunk_takes_no_memory() {
    // On one thread: several have work handed to them in boxes.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let mut stream = decoder().stream().unwrap();
        for len in [1, 2, 5, 16] {
            let x = Array2::ones((8, len));
            let mut outputs = 0;
            // Until the look-ahead is there, and strides have come round once.
            let at_first = 3 + stream.latency().div_ceil(len) + 3;
            for number in 0..at_first + 20 {
                let count = measure(|| outputs += stream.push(x.view()).unwrap().ncols()).count_total;
                assert!(
                    number < at_first || count == 0,
                    "chunk {number} of {len} samples: {count} allocations"
                );
            }
            assert!(outputs > 0);
            stream.flush().unwrap();
            stream.reset();
            // The next stream finds all memory there, from its first chunk on.
            let count = measure(|| outputs += stream.push(x.view()).unwrap().ncols()).count_total;
            assert_eq!(count, 0, "after a reset, {len} samples");
            stream.reset();
        }
    });
}
