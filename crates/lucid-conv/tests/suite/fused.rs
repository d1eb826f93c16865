//! What a convolution does to its input and its output in its own passes gives the bits of the same things done one after the
//! other: `after(conv(before(x)) + skips)`.

use crate::support::{Arrays, Scalar, Setup, config, every_plan, random, setups};
use lucid_conv::{Algorithm, Error, Fused, Kind, Options, Padding, Pass, Plan, PreparedWeight, Workspace};
use ndarray::{ArrayD, ArrayViewD, Axis, Ix1};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

/// Which parts there are.
#[derive(Clone, Copy, Debug)]
struct Parts {
    before: bool,
    skips: usize,
    after: bool,
}

const ALL: Parts = Parts { before: true, skips: 2, after: true };

/// Not 0 at 0, so that it shows where padding is activated.
fn before<T: Scalar>(channel: usize, run: &mut [T]) {
    run.iter_mut().for_each(|x| *x = *x * T::of(0.75) + T::of(channel as f64 + 0.3));
}

fn after<T: Scalar>(channel: usize, run: &mut [T]) {
    run.iter_mut().for_each(|x| *x = if *x > T::zero() { *x } else { *x * T::of(0.1 + channel as f64) });
}

/// A function of whole arrays.
fn apply<T: Scalar>(function: fn(usize, &mut [T]), channel_axis: usize, array: &ArrayD<T>) -> ArrayD<T> {
    let mut array = array.clone();
    for (channel, mut of_channel) in array.axis_iter_mut(Axis(channel_axis)).enumerate() {
        of_channel.iter_mut().for_each(|x| function(channel, std::slice::from_mut(x)));
    }
    array
}

/// The bits, but of a NaN only that it is one.
fn bits<T: Scalar>(array: ArrayViewD<'_, T>) -> Vec<u64> {
    array.iter().map(|&x| if x.is_nan() { u64::MAX } else { Into::<f64>::into(x).to_bits() }).collect()
}

/// Every algorithm and instruction set for the output.
fn plans_of_output<const N: usize>(setup: &Setup<N>) -> Vec<(Algorithm, Plan<N>)> {
    let output = match setup.options.kind {
        Kind::Conv => Pass::Forward,
        Kind::ConvTranspose => Pass::BackwardData,
    };
    let plans = every_plan(&setup.plan()).into_iter().filter(|(pass, ..)| *pass == output);
    plans.map(|(_, algorithm, plan)| (algorithm, plan)).collect()
}

/// Every algorithm, fused and not, on as many threads.
fn check<T: Scalar, const N: usize>(setup: &Setup<N>, arrays: &Arrays, parts: Parts, num_threads: usize) {
    let [x, w] = [&arrays.x, &arrays.w].map(|array| setup.layout.lay::<T>(array));
    let bias = arrays.b.as_ref().map(|b| b.mapv(T::of).into_dimensionality::<Ix1>().expect("one axis"));
    let bias = bias.as_ref().map(|b| b.view());
    let skips: Vec<_> =
        (0..parts.skips).map(|i| setup.layout.lay::<T>(&random(7 + i as u64, &setup.y_shape()))).collect();
    let channel_axis = usize::from(setup.batch.is_some());
    let views: Vec<_> = skips.iter().map(|skip| skip.view()).collect();
    let fused = Fused {
        before: if parts.before { Some(&before) } else { None },
        skips: &views,
        after: if parts.after { Some(&after) } else { None },
    };
    let pool = ThreadPoolBuilder::new().num_threads(num_threads).build().expect("a pool of a few threads");
    for (algorithm, plan) in plans_of_output(setup) {
        let prepared: PreparedWeight<T, N> = plan.prepare(w.view()).expect("the shapes are valid");
        let activated = if parts.before { apply(before, channel_axis, &x) } else { x.clone() };
        let mut expected = pool
            .install(|| plan.convolve_prepared(activated.view(), &prepared, bias))
            .expect("the shapes are valid");
        skips.iter().for_each(|skip| expected.zip_mut_with(skip, |y, &skip| *y += skip));
        if parts.after {
            expected = apply(after, channel_axis, &expected);
        }
        // What is in the result and in the workspace before does not count.
        let mut y = expected.mapv(|_| T::nan());
        let mut workspace = Workspace::new();
        for _ in 0..2 {
            pool.install(|| {
                plan.convolve_fused_into(x.view(), &prepared, bias, &fused, y.view_mut(), &mut workspace)
            })
            .expect("the shapes are valid");
            assert_eq!(bits(y.view()), bits(expected.view()), "{algorithm} {parts:?} {setup:?}");
        }
    }
}

fn check_all<const N: usize>(setup: &Setup<N>, num_threads: usize) {
    let arrays = Arrays::random(setup);
    check::<f32, N>(setup, &arrays, ALL, num_threads);
    check::<f64, N>(setup, &arrays, Parts { skips: 0, ..ALL }, num_threads);
}

/// Large enough to be shared by threads and cut into places, with ends that are padding, and without.
#[test]
fn threads_share_what_is_fused() {
    let (up, down) = (Options::<1>::conv_transpose(), Options::<1>::conv());
    for num_threads in [1, 3] {
        check_all(&Setup::new(down.padding(3).dilation(3), [40, 24], [2100], [3]), num_threads);
        check_all(&Setup::new(down.padding(9), [8, 8], [5000], [7]).batch(Some(2)), num_threads);
        check_all(&Setup::new(down.stride(2).groups(2), [16, 24], [3000], [5]), num_threads);
        check_all(&Setup::new(up.stride(8).padding(4), [24, 16], [400], [16]), num_threads);
        check_all(&Setup::new(up.padding(20), [8, 16], [2500], [33]), num_threads);
        check_all(&Setup::new(down.groups(6), [6, 6], [4000], [3]), num_threads);
        let planes = Options::<2>::conv();
        check_all(&Setup::new(planes.padding(1), [8, 12], [40, 50], [3, 3]).batch(Some(2)), num_threads);
        check_all(&Setup::new(planes.stride([2, 3]), [12, 8], [60, 91], [2, 5]), num_threads);
        let planes = Options::<2>::conv_transpose().stride(2);
        check_all(&Setup::new(planes.groups(2), [8, 12], [30, 40], [4, 3]), num_threads);
    }
}

/// Where sums are not finite they are done again another way, and what is fused with them is not done twice.
#[test]
fn what_is_done_again_is_made_once() {
    for options in [Options::<1>::conv(), Options::conv_transpose()] {
        let setup = Setup::new(options.padding(2), [6, 5], [120], [3]);
        for (operand, value) in [(0, f64::NAN), (0, f64::INFINITY), (1, f64::NEG_INFINITY)] {
            for at in [0, 40] {
                let mut arrays = Arrays::random(&setup);
                arrays.operand_mut(operand)[at] = value;
                check::<f32, 1>(&setup, &arrays, ALL, 1);
            }
        }
    }
}

/// A function that makes infinities of what exists leaves the padding alone.
#[test]
fn padding_is_not_activated() {
    let infinite = |_: usize, run: &mut [f64]| run.iter_mut().for_each(|x| *x = x.recip());
    let setup = Setup::new(Options::<1>::conv().padding(Padding::Same), [2, 2], [30], [5]);
    let arrays = Arrays::random(&setup);
    for (algorithm, plan) in plans_of_output(&setup) {
        let prepared = plan.prepare(arrays.w.view()).unwrap();
        let fused = Fused { before: Some(&infinite), ..Fused::default() };
        let y = plan.convolve_fused(arrays.x.view(), &prepared, None, &fused).unwrap();
        assert!(y.iter().all(|y| y.is_finite()), "{algorithm}: {y}");
    }
}

#[test]
fn a_skip_of_another_shape_is_refused() {
    let setup = Setup::new(Options::<1>::conv(), [2, 3], [30], [5]);
    let (arrays, plan) = (Arrays::random(&setup), setup.plan());
    let prepared = plan.prepare(arrays.w.view()).unwrap();
    let right = random(5, &[1, 3, 26]);
    for shape in [&[1, 3, 27][..], &[1, 2, 26], &[3, 26], &[1, 3, 1]] {
        let wrong = random(5, shape);
        let skips = [right.view(), wrong.view()];
        let fused = Fused { skips: &skips, ..Fused::default() };
        let mut y = ArrayD::zeros(vec![1, 3, 26]);
        let into = (y.view_mut(), &mut Workspace::new());
        let error = plan.convolve_fused_into(arrays.x.view(), &prepared, None, &fused, into.0, into.1);
        let accepted = "[1, 3, 26]".to_string();
        assert_eq!(error, Err(Error::Shape { operand: "a skip", given: shape.to_vec(), accepted }));
        assert!(y.iter().all(|&y| y == 0.0), "untouched");
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    (any::<bool>(), 0..3usize, any::<bool>()).prop_map(|(before, skips, after)| Parts {
        before,
        skips,
        after,
    })
}

const SPECIAL: [f64; 4] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];

/// Random numbers with one special value in the input or the weight, perhaps.
fn with_special<const N: usize>(setup: &Setup<N>, special: Option<(usize, usize, usize)>) -> Arrays {
    let mut arrays = Arrays::random(setup);
    if let Some((operand, index, special)) = special {
        let array = arrays.operand_mut(operand);
        if !array.is_empty() {
            array[index % array.len()] = SPECIAL[special];
        }
    }
    arrays
}

fn specials() -> impl Strategy<Value = Option<(usize, usize, usize)>> {
    proptest::option::weighted(0.3, (0..2usize, any::<usize>(), 0..4usize))
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn of_signals(setup in setups::<1>(70), parts in parts(), special in specials()) {
        check::<f32, 1>(&setup, &with_special(&setup, special), parts, 1);
    }

    #[test]
    fn of_pictures(setup in setups::<2>(12), parts in parts(), special in specials()) {
        check::<f32, 2>(&setup, &with_special(&setup, special), parts, 1);
    }

    #[test]
    fn of_volumes(setup in setups::<3>(5), parts in parts(), special in specials()) {
        check::<f64, 3>(&setup, &with_special(&setup, special), parts, 1);
    }
}
