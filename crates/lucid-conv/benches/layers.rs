//! Some layers of real decoders, planned, forward and with all gradients, under criterion: what to watch while changing a
//! kernel.
//! `cargo xtask bench` has the whole list, and the machine's peak beside it.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lucid_conv::{Options, Plan, Shapes};
use ndarray::Array3;

/// A layer of rank 1.
struct Layer {
    name: &'static str,
    options: Options<1>,
    x: [usize; 3],
    w: [usize; 3],
}

fn layers() -> [Layer; 4] {
    let (up, down) = (Options::conv_transpose, Options::conv);
    [
        Layer {
            name: "hifigan-v1.up2",
            options: up().stride(2).padding(1),
            x: [1, 128, 5504],
            w: [128, 64, 4],
        },
        Layer { name: "encodec.up1", options: up().stride(5), x: [1, 256, 600], w: [256, 128, 10] },
        Layer { name: "hifigan.res-k3", options: down().padding(1), x: [1, 128, 5504], w: [128, 128, 3] },
        Layer {
            name: "bigvgan.antialias-24",
            options: up().stride(2).groups(24),
            x: [1, 24, 24064],
            w: [24, 1, 12],
        },
    ]
}

fn filled(shape: [usize; 3]) -> Array3<f32> {
    let mut count = 0.0_f32;
    Array3::from_shape_simple_fn(shape, || {
        count += 0.618_034;
        count.fract() - 0.5
    })
}

fn bench(criterion: &mut Criterion) {
    for Layer { name, options, x, w } in layers() {
        let geometry = options.resolve(Shapes { x: &x, w: &w }).expect("the layers above are valid");
        let plan = Plan::new(geometry);
        let (x, w) = (filled(x), filled(w));
        let y = plan.convolve(x.view(), w.view(), None).expect("the arrays have the geometry's shapes");
        criterion.bench_function(&format!("{name}/plan"), |bencher| {
            let resolve = || options.resolve(black_box(Shapes { x: x.shape(), w: w.shape() }));
            bencher.iter(|| resolve().map(Plan::new));
        });
        criterion.bench_function(&format!("{name}/forward"), |bencher| {
            bencher.iter(|| plan.convolve(black_box(x.view()), w.view(), None));
        });
        criterion.bench_function(&format!("{name}/gradients"), |bencher| {
            bencher.iter(|| plan.gradients(black_box(x.view()), w.view(), y.view()));
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
