//! Random convolutions of many sizes by every algorithm and instruction set, with weights that were prepared elsewhere: at another
//! length, batch and padding. What comes out is what the definition says, to the bits of the plan's own weight where it suits, and
//! the same with what is fused.
//!
//! The other random tests have small sizes and all passes; these have enough channels, taps and strides for panels and blocks.

use crate::support::{Arrays, Scalar, Setup, Tensor, compare, config, every_plan, expected, random, setups};
use lucid_check::Expected;
use lucid_conv::{Axes, Fused, Kind, Options, Padding, Pass, Plan, PreparedWeight, Shapes, Workspace};
use ndarray::Ix1;
use proptest::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Multiplications that the reference can do often.
const MOST: f64 = 150_000.0;

/// A setup, and the input's spatial size, batch and padding that its weight is prepared for.
#[derive(Clone, Debug)]
struct Case<const N: usize> {
    setup: Setup<N>,
    other: Setup<N>,
}

/// Setups with many channels, taps and strides. What they are prepared for is themselves where the other sizes leave no output.
fn cases<const N: usize>(longest: usize, more_taps: usize) -> impl Strategy<Value = Case<N>> {
    let sizes = (1..=10usize, 1..=10usize, 0..=more_taps, 1..=9usize);
    let other = (1..=2 * longest, proptest::option::of(1..=9usize), proptest::option::of(0..=9usize));
    (setups::<N>(longest), sizes, other).prop_filter_map("too slow", |(mut setup, sizes, other)| {
        let (input, output, taps, stride) = sizes;
        setup.channels.input *= input;
        setup.channels.output *= output;
        setup.taps[N - 1] += taps;
        // Longer ones keep the output padding below them. Three axes have phases enough.
        if N < 3 {
            setup.options.stride.0[0] = stride.max(setup.options.stride[0]);
        }
        if setup.options.kind == Kind::Conv {
            let span = setup.options.dilation[N - 1] * (setup.taps[N - 1] - 1) + 1;
            setup.length[N - 1] = setup.length[N - 1].max(span);
        }
        let is_left = |setup: &Setup<N>| geometry(setup).is_some_and(|plan| plan.multiplications() <= MOST);
        if !is_left(&setup) {
            return None;
        }
        let (length, batch, padding) = other;
        let mut other = Setup { batch, ..setup.clone() };
        other.length = [length; N];
        if let Some(padding) = padding.filter(|_| setup.options.padding != Padding::Same) {
            other.options = setup.options.padding(padding);
        }
        let other = if is_left(&other) { other } else { setup.clone() };
        Some(Case { setup, other })
    })
}

fn geometry<const N: usize>(setup: &Setup<N>) -> Option<lucid_conv::Geometry<N>> {
    let x: Vec<usize> = setup.batch.into_iter().chain([setup.channels.input]).chain(setup.length).collect();
    let w = setup.options.weight_shape(setup.channels, Axes(setup.taps)).ok()?;
    setup.options.resolve(Shapes { x: &x, w: &w }).ok()
}

fn plans<const N: usize>(setup: &Setup<N>) -> impl Iterator<Item = (String, Plan<N>)> + use<N> {
    let output = match setup.options.kind {
        Kind::Conv => Pass::Forward,
        Kind::ConvTranspose => Pass::BackwardData,
    };
    let plans = every_plan(&setup.plan()).into_iter().filter(move |(pass, ..)| *pass == output);
    plans.map(move |(_, algorithm, plan)| (format!("{} {algorithm}", plan.recipe(output).isa), plan))
}

fn halve<T: Scalar>(_: usize, run: &mut [T]) {
    run.iter_mut().for_each(|x| *x *= T::of(0.5));
}

fn check<T: Scalar, const N: usize>(case: &Case<N>) {
    let Case { setup, other } = case;
    let arrays = Arrays::random(setup);
    let of_definition = &expected(setup, &arrays)[Tensor::Y as usize];
    let [x, w] = [&arrays.x, &arrays.w].map(|array| setup.layout.lay::<T>(array));
    let b = arrays.b.as_ref().map(|b| b.mapv(T::of).into_dimensionality::<Ix1>().expect("one axis"));
    let b = b.as_ref().map(|b| b.view());
    let skip = setup.layout.lay::<T>(&random(9, &setup.y_shape()));
    let skips = [skip.view()];
    // Halves are exact, whatever the order of the sums.
    let fused = Fused { before: Some(&halve), skips: &skips, after: Some(&halve) };
    let (mut workspace, pools) = (Workspace::new(), [1, 2].map(pool));
    for (label, plan) in plans(setup) {
        let own: PreparedWeight<T, N> = plan.prepare(w.view()).expect("the shapes are valid");
        let best =
            pools[0].install(|| plan.convolve_prepared(x.view(), &own, b)).expect("the shapes are valid");
        for (made_by, made) in plans(other) {
            let says = || format!("{label} with a weight of {made_by}, {case:?}");
            let prepared = made.prepare(w.view()).expect("the shapes are valid");
            let y = pools[1].install(|| plan.convolve_prepared(x.view(), &prepared, b));
            let y = y.unwrap_or_else(|error| panic!("{}: {error}", says()));
            judge(of_definition, &plan, &label, y.view(), says);
            if prepared.suits(&plan) {
                assert_eq!(y, best, "{}", says());
            }
            let mut in_passes = y.mapv(|_| T::nan());
            plan.convolve_fused_into(x.view(), &prepared, b, &fused, in_passes.view_mut(), &mut workspace)
                .expect("the shapes are valid");
            let halved = plan.convolve_prepared(x.mapv(|x| x * T::of(0.5)).view(), &prepared, b);
            let one_by_one = (halved.expect("the shapes are valid") + &skip).mapv_into(|y| y * T::of(0.5));
            assert_eq!(in_passes, one_by_one, "fused, {}", says());
        }
    }
}

fn judge<T: Scalar, const N: usize>(
    of_definition: &Expected,
    plan: &Plan<N>,
    label: &str,
    y: ndarray::ArrayViewD<'_, T>,
    says: impl Fn() -> String,
) {
    if let Err(error) = compare(of_definition, plan, label, y) {
        panic!("{}: {error}", says());
    }
}

fn pool(num_threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(num_threads).build().expect("a pool of a few threads")
}

/// Lengths that differ by much: places, strips and tiles do, too.
#[test]
fn long_signals_of_short_ones_weights() {
    let (down, up) = (Options::<1>::conv(), Options::conv_transpose());
    for (options, channels, [long, short], taps) in [
        (down.groups(9), [18, 9], [1152, 57], 10),
        (up.groups(6).padding([(1, 3)]), [6, 18], [997, 2], 8),
        (up.groups(9).stride(3).dilation(3).output_padding(2), [9, 9], [1124, 2], 11),
    ] {
        let setup = Setup::new(options, channels, [long], [taps]);
        let other = Setup { length: [short], ..setup.clone() }.batch(Some(9));
        check::<f32, 1>(&Case { setup, other });
    }
}

/// Small images of a batch that minimal filtering takes abreast, whole vectors of them and others, beside weights that were
/// prepared for one that it takes one by one.
#[test]
fn batches_of_small_images() {
    let (down, up) = (Options::<2>::conv(), Options::<2>::conv_transpose());
    for (options, channels, length, taps, batch) in [
        (up.stride(2).padding(1), [5, 3], [3, 6], [4, 4], 16),
        (up.stride(3).padding(2).output_padding(1).groups(3), [6, 3], [2, 5], [5, 7], 10),
        (down.padding(1).stride([1, 2]), [3, 2], [4, 13], [3, 4], 24),
        (down.stride(3).padding([(2, 0), (1, 3)]).groups(2), [4, 2], [5, 11], [2, 5], 18),
        (down.dilation([1, 3]).padding(3), [2, 3], [3, 9], [3, 3], 9),
        (up.dilation(2).padding([(1, 0), (3, 2)]), [2, 3], [3, 7], [2, 7], 32),
    ] {
        let setup =
            Setup { length, taps, batch: Some(batch), ..Setup::new(options, channels, [1, 1], [1, 1]) };
        let other = Setup { batch: Some(1), ..setup.clone() };
        check::<f32, 2>(&Case { setup, other });
    }
    let options = Options::<3>::conv_transpose().stride(2).padding(1);
    let setup = Setup::new(options, [3, 2], [2, 3, 2], [4, 2, 4]).batch(Some(8));
    check::<f64, 3>(&Case { setup: setup.clone(), other: setup });
}

/// Short signals of a batch, which plain sums take abreast, whole vectors of them and others, beside weights that were prepared for one
/// that they take one by one.
#[test]
fn batches_of_short_signals() {
    let (down, up) = (Options::<1>::conv(), Options::<1>::conv_transpose());
    for (options, channels, length, taps, batch) in [
        (up.stride(4).padding(11).output_padding(1), [9, 5], 16, 25, 16),
        (up.stride(3).padding([(2, 4)]).groups(3), [6, 3], 5, 5, 9),
        (up.dilation(3).padding([(0, 2)]), [3, 20], 21, 4, 32),
        (up.stride(5).output_padding(2), [2, 3], 4, 2, 8),
        (down.stride(4).padding(11), [5, 9], 64, 25, 16),
        (down.stride(2).padding([(3, 0)]).groups(2), [4, 6], 2, 4, 20),
        (down.dilation(2), [3, 40], 25, 3, 11),
        // As few columns as vectors over rows take.
        (up.stride(2), [3, 40], 1, 2, 8),
        (down, [3, 40], 1, 1, 8),
    ] {
        let setup = Setup::new(options, channels, [length], [taps]).batch(Some(batch));
        let other = Setup { batch: Some(1), ..setup.clone() };
        check::<f32, 1>(&Case { setup: setup.clone(), other });
        let longer = Setup { length: [3 * length + 40], ..setup.clone() };
        check::<f64, 1>(&Case { setup, other: longer });
    }
}

proptest! {
    #![proptest_config(config(20))]

    #[test]
    fn of_signals(case in cases::<1>(60, 36)) {
        check::<f32, 1>(&case);
    }

    #[test]
    fn of_signals_in_float64(case in cases::<1>(30, 12)) {
        check::<f64, 1>(&case);
    }

    #[test]
    fn of_pictures(case in cases::<2>(12, 8)) {
        check::<f32, 2>(&case);
    }

    #[test]
    fn of_volumes(case in cases::<3>(4, 2)) {
        check::<f32, 3>(&case);
    }
}
