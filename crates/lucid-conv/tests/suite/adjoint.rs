//! The three functions are one trilinear form: `<forward(x, w), y> = <x, backward_data(y, w)> = <w, backward_weight(x, y)>`.
//!
//! This needs no reference values, so it holds the passes to each other on any geometry. The products of the form are
//! the same ones in all three, each sum of them is off by at most `gamma` of the number of additions times the sum of
//! their absolute values, and that sum comes from the reference: it also says when the form must not be zero.

use crate::support::{Setup, config, every_plan, random, relative_error, setups};
use lucid_check::reference;
use lucid_conv::{Algorithm, Kind, Pass};
use ndarray::{ArrayD, Axis};
use proptest::prelude::*;

fn inner(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn check_identity<const N: usize>(setup: &Setup<N>) {
    let plan = setup.plan();
    let (fine_shape, coarse_shape) = match setup.options.kind {
        Kind::Conv => (setup.x_shape(), setup.y_shape()),
        Kind::ConvTranspose => (setup.y_shape(), setup.x_shape()),
    };
    let (x, y, w) = (random(1, &fine_shape), random(2, &coarse_shape), random(3, &setup.w_shape()));

    let mut absolute = [&x, &y, &w].map(|array| array.mapv(f64::abs));
    if setup.batch.is_none() {
        absolute[0].insert_axis_inplace(Axis(0));
        absolute[1].insert_axis_inplace(Axis(0));
    }
    let [x_abs, y_abs, w_abs] = &absolute;
    let magnitude = inner(&reference::forward(&setup.problem(), x_abs.view(), w_abs.view()), y_abs);
    // An element of a result is a sum of products, at most as many as the two operands could form; the inner product
    // sums over the result. Every one of them is at most the product of the two largest lengths.
    let tolerance = relative_error(x.len() + y.len() + 2 * w.len()) * magnitude;

    // What neighbours share cancels, where the definition has no product, but for rounding.
    let sums = x.len() + y.len() + w.len();
    let shared = relative_error(sums) * absolute.iter().map(|array| array.sum()).product::<f64>();
    let mut forms = Vec::new();
    for (pass, algorithm, plan) in every_plan(&plan) {
        let form = match pass {
            Pass::Forward => plan.forward(x.view(), w.view(), None).map(|result| inner(&result, &y)),
            Pass::BackwardData => {
                plan.backward_data(y.view(), w.view(), None).map(|result| inner(&result, &x))
            }
            Pass::BackwardWeight => plan.backward_weight(x.view(), y.view()).map(|result| inner(&result, &w)),
        };
        let form = form.expect("the arrays have the shapes of the setup");
        if algorithm != Algorithm::Minimal {
            assert_eq!(form != 0.0, magnitude > 0.0, "{pass} by {algorithm} is {form}: {setup:?}");
        }
        forms.push((pass, algorithm, form));
    }
    let (.., first) = forms[0];
    for (pass, algorithm, form) in forms {
        let error = (form - first).abs();
        let tolerance = if algorithm == Algorithm::Minimal { tolerance + shared } else { tolerance };
        assert!(
            error <= tolerance,
            "{pass} by {algorithm}: {form} and {first}, {error} > {tolerance}: {setup:?}"
        );
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn of_signals(setup in setups::<1>(60)) {
        check_identity(&setup);
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn of_planes(setup in setups::<2>(12)) {
        check_identity(&setup);
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn of_volumes(setup in setups::<3>(6)) {
        check_identity(&setup);
    }
}
