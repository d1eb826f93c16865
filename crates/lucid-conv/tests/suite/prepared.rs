//! Weights that are packed once, for inputs of any length.

use lucid_conv::{Accuracy, Algorithm, Options, Pass, Plan, PreparedWeight, Shapes};
use ndarray::Array3;

const CHANNELS: usize = 32;

fn weight() -> Array3<f32> {
    Array3::from_shape_fn((CHANNELS, CHANNELS, 4), |(i, o, k)| ((i * 7 + o * 3 + k) % 11) as f32 - 5.0)
}

fn signal(len: usize) -> Array3<f32> {
    Array3::from_shape_fn((1, CHANNELS, len), |(_, i, l)| ((i * 5 + l) % 13) as f32 - 6.0)
}

/// Of plain sums, whatever the planner would choose at this size.
fn plan(options: &Options<1>, len: usize) -> Plan<1> {
    let geometry = options
        .resolve(Shapes { x: &[1, CHANNELS, len], w: weight().shape() })
        .expect("the sizes of the test are valid");
    Plan::new(geometry).with_accuracy(Accuracy::Strict)
}

/// Short signals count phases from another position than long ones do: a weight prepared for either serves both.
#[test]
fn a_prepared_weight_serves_short_and_long_signals() {
    let options = Options::conv_transpose().stride(2).padding(1);
    let lens = [8, 15, 400];
    for prepared_for in lens {
        let of = plan(&options, prepared_for);
        assert_eq!(of.recipe(Pass::BackwardData).algorithm, Algorithm::Polyphase);
        let prepared = of.prepare(weight().view()).unwrap();
        for len in lens {
            let (plan, x) = (plan(&options, len), signal(len));
            let y = plan.convolve_prepared(x.view(), &prepared, None).unwrap();
            assert_eq!(y, plan.convolve(x.view(), weight().view(), None).unwrap(), "{prepared_for} {len}");
        }
    }
}

#[test]
fn a_weight_suits_plans_of_its_options_and_algorithm() {
    let options = Options::conv_transpose().stride(2).padding(1);
    let of = plan(&options, 100);
    let prepared: PreparedWeight<f32, 1> = of.prepare(weight().view()).unwrap();
    assert!(prepared.suits(&of) && prepared.suits(&plan(&options, 50)));
    assert!(!prepared.suits(&plan(&options.padding(0), 100)));
    assert!(!prepared.suits(&of.with_algorithm(Pass::BackwardData, Algorithm::Minimal).unwrap()));
    assert!(!prepared.suits(&of.with_algorithm(Pass::BackwardData, Algorithm::Direct).unwrap()));
}

/// It is not packed then, but made for the plan all the same: a caller who keeps weights that suit need not prepare it again.
#[test]
fn a_weight_that_is_not_finite_suits_the_plan_that_prepared_it() {
    let of = plan(&Options::conv_transpose().stride(2).padding(1), 100);
    let mut w = weight();
    *w.first_mut().unwrap() = f32::NAN;
    let prepared: PreparedWeight<f32, 1> = of.prepare(w.view()).unwrap();
    assert!(prepared.suits(&of));
    assert!(!prepared.suits(&of.with_algorithm(Pass::BackwardData, Algorithm::Minimal).unwrap()));
}

/// Minimal filtering is not what a strict plan asked for, whatever the weight was packed for.
#[test]
fn a_strict_plan_stays_strict() {
    let options = Options::conv_transpose().stride(2).padding(1);
    let minimal = plan(&options, 300).with_algorithm(Pass::BackwardData, Algorithm::Minimal).unwrap();
    let prepared = minimal.prepare((weight() / 3.0).view()).unwrap();
    let strict = plan(&options, 300);
    let x = signal(300) / 7.0;
    let y = strict.convolve_prepared(x.view(), &prepared, None).unwrap();
    assert_eq!(y, strict.convolve(x.view(), (weight() / 3.0).view(), None).unwrap());
    assert_ne!(y, minimal.convolve_prepared(x.view(), &prepared, None).unwrap());
}
