//! The accuracy contract of [`Accuracy::Standard`]: the root mean square error is at most 4 times that of the sum of the
//! definition, taken term by term in float32. Judged by the sum in float64.

use crate::support::{Arrays, Setup, Tensor, expected};
use lucid_conv::{Accuracy, Algorithm, Kind, Options, Pass, Plan};
use ndarray::ArrayD;

/// Of values that a reference has, the root mean square of the differences.
fn error(got: &ArrayD<f32>, exact: &ArrayD<f64>) -> f64 {
    let squares = got.iter().zip(exact).map(|(&got, exact)| (f64::from(got) - exact).powi(2));
    (squares.sum::<f64>() / exact.len() as f64).sqrt()
}

/// Every term of the definition: coarse channel and position, fine channel and position, tap.
fn for_each_link(setup: &Setup<1>, [coarse, fine, taps]: [usize; 3], mut visit: impl FnMut([usize; 5])) {
    let grid = &setup.grids()[0];
    let (stride, dilation) = (setup.options.stride[0], setup.options.dilation[0]);
    for (l, k) in (0..grid.coarse).flat_map(|l| (0..taps).map(move |k| (l, k))) {
        let Some(j) = (l * stride + k * dilation).checked_sub(grid.pad_before).filter(|&j| j < grid.fine)
        else {
            continue;
        };
        (0..coarse).for_each(|c| (0..fine).for_each(|f| visit([c, l, f, j, k])));
    }
}

/// The definition of the output, a term after the other in float32.
fn naive(setup: &Setup<1>, x: &ArrayD<f32>, w: &ArrayD<f32>) -> ArrayD<f32> {
    let mut y = ArrayD::zeros(setup.y_shape());
    let sizes = w.shape().try_into().expect("a weight of rank 1");
    for_each_link(setup, sizes, |[c, l, f, j, k]| match setup.options.kind {
        Kind::Conv => y[[0, c, l]] += w[[c, f, k]] * x[[0, f, j]],
        Kind::ConvTranspose => y[[0, f, j]] += w[[c, f, k]] * x[[0, c, l]],
    });
    y
}

/// The same of the weight's gradient.
fn naive_gradient(setup: &Setup<1>, x: &ArrayD<f32>, dy: &ArrayD<f32>, w: &ArrayD<f32>) -> ArrayD<f32> {
    let mut dw = ArrayD::zeros(w.raw_dim());
    let (coarse, fine) = match setup.options.kind {
        Kind::Conv => (dy, x),
        Kind::ConvTranspose => (x, dy),
    };
    let sizes = w.shape().try_into().expect("a weight of rank 1");
    for_each_link(setup, sizes, |[c, l, f, j, k]| dw[[c, f, k]] += coarse[[0, c, l]] * fine[[0, f, j]]);
    dw
}

#[test]
fn minimal_filtering_keeps_the_contract() {
    let (up, down) = (Options::<1>::conv_transpose, Options::<1>::conv);
    for setup in [
        Setup::new(up().stride(8).padding(4), [256, 32], [70], [16]),
        Setup::new(up().stride(2).padding(1), [128, 64], [90], [4]),
        Setup::new(up().stride(5), [128, 32], [64], [10]),
        Setup::new(down().padding(1), [128, 128], [100], [3]),
        Setup::new(down().padding(3), [64, 64], [100], [7]),
        Setup::new(down().padding(25).dilation(5), [32, 32], [200], [11]),
        Setup::new(down().stride(4).padding(2), [128, 64], [300], [8]),
    ] {
        let arrays = Arrays { b: None, ..Arrays::random(&setup) };
        let [x, w, dy] = [&arrays.x, &arrays.w, &arrays.dy].map(|array| array.mapv(|value| value as f32));
        // What was rounded is the problem; the errors are those of the sums.
        let rounded = Arrays { x: x.mapv(f64::from), w: w.mapv(f64::from), b: None, dy: dy.mapv(f64::from) };
        let exact = expected(&setup, &rounded);
        let [exact, exact_dw] = [Tensor::Y, Tensor::Dw].map(|tensor| &exact[tensor as usize].value);
        let of_naive = error(&naive(&setup, &x, &w), exact);
        let of_naive_gradient = error(&naive_gradient(&setup, &x, &dy, &w), exact_dw);
        let pass = match setup.options.kind {
            Kind::Conv => Pass::Forward,
            Kind::ConvTranspose => Pass::BackwardData,
        };
        for algorithm in [Algorithm::Minimal, Algorithm::Polyphase] {
            let plan = setup.plan().with_algorithm(pass, algorithm).unwrap();
            let y = plan.convolve(x.view(), w.view(), None).unwrap();
            let ratio = error(&y, exact) / of_naive;
            assert!(
                ratio > 0.0 && ratio <= 4.0,
                "{algorithm}: {ratio} times the naive sum's error, {setup:?}"
            );
            let plan = setup.plan().with_algorithm(Pass::BackwardWeight, algorithm).unwrap();
            let (fine, coarse) = match setup.options.kind {
                Kind::Conv => (&x, &dy),
                Kind::ConvTranspose => (&dy, &x),
            };
            let dw = plan.backward_weight(fine.view(), coarse.view()).unwrap();
            let ratio = error(&dw, exact_dw) / of_naive_gradient;
            assert!(
                ratio > 0.0 && ratio <= 4.0,
                "{algorithm}: {ratio} times the naive sum's error of the gradient, {setup:?}"
            );
        }
    }
}

#[test]
fn strict_plans_share_no_products() {
    let setup = Setup::new(Options::<1>::conv().padding(1), [128, 128], [500], [3]);
    let plan: Plan<1> = setup.plan();
    assert_eq!(plan.recipe(Pass::Forward).algorithm, Algorithm::Minimal);
    assert_eq!(plan.with_accuracy(Accuracy::Standard), plan);
    let strict = plan.with_accuracy(Accuracy::Strict);
    assert!(Pass::ALL.iter().all(|&pass| strict.recipe(pass).algorithm != Algorithm::Minimal));
    // Planned anew: as if it had been asked for.
    let plain = plan.with_algorithm(Pass::BackwardWeight, Algorithm::Polyphase).unwrap();
    assert_eq!(strict.recipe(Pass::BackwardWeight), plain.recipe(Pass::BackwardWeight));
}
