//! A workspace that has served a plan serves it again without taking memory.
//!
//! A program of its own, as it needs a global allocator that counts; the other tests would count theirs.

use allocation_counter::measure;
use lucid_conv::{Algorithm, Fused, Options, Pass, Plan, Shapes, Workspace};
use ndarray::ArrayD;

/// A layer with the algorithm of its output, and every size of its arrays.
struct Layer<const N: usize> {
    options: Options<N>,
    x: Vec<usize>,
    w: Vec<usize>,
    algorithms: &'static [Algorithm],
}

const POLYPHASE: &[Algorithm] = &[Algorithm::Polyphase, Algorithm::Minimal, Algorithm::Direct];
const FILTERS: &[Algorithm] = &[Algorithm::Polyphase, Algorithm::Depthwise, Algorithm::Direct];

fn filled(shape: &[usize]) -> ArrayD<f32> {
    let mut count = 0.0_f32;
    ArrayD::from_shape_simple_fn(shape, || {
        count += 0.618_034;
        count.fract() - 0.5
    })
}

fn double(_: usize, run: &mut [f32]) {
    run.iter_mut().for_each(|x| *x *= 2.0);
}

/// Runs every algorithm of a layer for two lengths in turn, three times, alone and with what can be fused with it; the first
/// time may take memory.
fn takes_memory_once<const N: usize>(layer: &Layer<N>, workspace: &mut Workspace<f32, N>) {
    let Layer { options, x, w, algorithms } = layer;
    let mut longer = x.clone();
    *longer.last_mut().expect("the sizes of the test are valid") += 3;
    for &algorithm in *algorithms {
        let mut runs = [x, &longer].map(|x| {
            let plan = Plan::new(options.resolve(Shapes { x, w }).expect("the sizes of the test are valid"));
            let passes = [Pass::Forward, Pass::BackwardData].into_iter();
            let plan = passes.fold(plan, |plan, pass| {
                plan.with_algorithm(pass, algorithm).expect("the sizes of the test are valid")
            });
            let (x, w) = (filled(x), filled(w));
            let y = plan.convolve(x.view(), w.view(), None).expect("the sizes of the test are valid");
            (
                plan,
                plan.prepare(w.view()).expect("the sizes of the test are valid"),
                x,
                ArrayD::zeros(y.raw_dim()),
                y,
            )
        });
        for round in 0..3 {
            for (plan, w, x, y, expected) in &mut runs {
                let run = || {
                    plan.convolve_prepared_into(x.view(), w, None, y.view_mut(), workspace)
                        .expect("the sizes of the test are valid");
                };
                let count = measure(run).count_total;
                assert_eq!(y, expected, "{algorithm} {options:?}");
                // The direct sums never take any.
                let may = round == 0 && algorithm != Algorithm::Direct;
                assert_eq!(count > 0, may, "{count} in round {round}, {algorithm} {options:?}");
                // Doubled twice and added: exact, whatever the order of the sums.
                let skips = [expected.view()];
                let fused = Fused { before: Some(&double), skips: &skips, after: Some(&double) };
                let run = || {
                    plan.convolve_fused_into(x.view(), w, None, &fused, y.view_mut(), workspace)
                        .expect("the sizes of the test are valid");
                };
                let count = measure(run).count_total;
                assert_eq!(*y, &*expected * 6.0, "{algorithm} {options:?}");
                assert!(round == 0 || count == 0, "{count} in round {round}, {algorithm} {options:?}");
            }
        }
    }
}

/// Runs the output by every algorithm that accepts it, and tells how much memory that took at most, beside the result.
fn most_bytes<const N: usize>(options: Options<N>, x: &[usize], w: &[usize]) -> Vec<(Algorithm, u64)> {
    let plan = Plan::new(options.resolve(Shapes { x, w }).expect("the sizes of the test are valid"));
    let (x, w) = (filled(x), filled(w));
    let forced = Algorithm::ALL.map(|algorithm| plan.with_algorithm(Pass::Forward, algorithm));
    let run = |plan: Plan<N>| {
        let run = || drop(plan.convolve(x.view(), w.view(), None).expect("the sizes of the test are valid"));
        (plan.recipe(Pass::Forward).algorithm, measure(run).bytes_max)
    };
    forced.into_iter().flatten().chain([plan]).map(run).collect()
}

/// On one thread: several have work handed to them in boxes.
fn on_one_thread(run: impl FnOnce() + Send) {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("the sizes of the test are valid")
        .install(run);
}

fn layer<const N: usize>(
    options: Options<N>,
    x: &[usize],
    w: &[usize],
    algorithms: &'static [Algorithm],
) -> Layer<N> {
    Layer { options, x: x.to_vec(), w: w.to_vec(), algorithms }
}

#[test]
fn a_second_run_takes_no_memory() {
    let (up, down) = (Options::<1>::conv_transpose, Options::<1>::conv);
    let layers = [
        layer(up().stride(8).padding(4), &[1, 96, 99], &[96, 48, 16], POLYPHASE),
        layer(up().stride(2).padding(1), &[1, 24, 70], &[24, 12, 4], POLYPHASE),
        layer(up().stride(3), &[2, 24, 70], &[24, 12, 5], POLYPHASE),
        layer(down().stride(4).groups(2), &[8, 99], &[4, 4, 7], POLYPHASE),
        layer(down().dilation(3).padding(3), &[1, 16, 99], &[8, 16, 3], POLYPHASE),
        layer(up().stride(3).groups(6), &[1, 6, 99], &[6, 1, 7], FILTERS),
        layer(down().stride(2).groups(6), &[1, 6, 99], &[6, 1, 5], FILTERS),
    ];
    // One workspace for all: nothing of the layer before may be left in it.
    let mut workspace = Workspace::new();
    on_one_thread(|| layers.iter().for_each(|layer| takes_memory_once(layer, &mut workspace)));
}

#[test]
fn nor_with_several_axes() {
    let (up, down) = (Options::<2>::conv_transpose, Options::<2>::conv);
    let layers = [
        layer(down().padding(1), &[1, 8, 9, 30], &[6, 8, 3, 3], POLYPHASE),
        layer(up().stride(2).groups(4), &[1, 4, 9, 30], &[4, 1, 3, 5], FILTERS),
    ];
    let mut workspace = Workspace::new();
    on_one_thread(|| layers.iter().for_each(|layer| takes_memory_once(layer, &mut workspace)));
    // Without a batch, as a dynamic view of five axes takes memory itself.
    let layer = layer(Options::<3>::conv().stride(2), &[3, 5, 6, 9], &[4, 3, 2, 3, 3], POLYPHASE);
    on_one_thread(|| takes_memory_once(&layer, &mut Workspace::new()));
}

/// Memory follows from the arrays, not from how far apart positions are.
#[test]
fn strides_and_paddings_beyond_the_signal_take_little_memory() {
    on_one_thread(|| {
        let options = Options::<1>::conv().stride(24_738).padding([(1 << 28, 0)]);
        let far = most_bytes(options, &[1, 2, 1441], &[4, 2, 2]);
        let options = Options::<1>::conv().stride(60_000).dilation(1 << 24).padding(1 << 24);
        let apart = most_bytes(options, &[1, 2, 7], &[3, 2, 2]);
        let options = Options::<1>::conv().stride(3_000).padding([(1 << 24, 0)]);
        let near = most_bytes(options, &[1, 2, 1441], &[4, 2, 2]);
        assert!(near.iter().any(|(algorithm, _)| *algorithm == Algorithm::Minimal), "{near:?}");
        let options = Options::<3>::conv().dilation([1 << 16, 1, 1]).padding([1 << 16, 0, 0]);
        let volume = most_bytes(options, &[1, 1, 7, 300, 3], &[1, 1, 3, 1, 1]);
        for (algorithm, bytes) in [far, apart, near, volume].concat() {
            assert!(bytes < 16 << 20, "{algorithm}: {bytes} bytes");
        }
    });
}
