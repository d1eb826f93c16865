//! Weights that are packed once, for inputs of any length.

use lucid_conv::{Accuracy, Algorithm, Kind, Options, Padding, Pass, Plan, PreparedWeight, Shapes};
use ndarray::{Array3, ArrayD};

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

/// One position or two have vectors of rows, and so has a weight for them; others have vectors of positions.
#[test]
fn a_prepared_weight_serves_steps_and_whole_signals() {
    let options = Options::conv_transpose().stride(2);
    let lens = [1, 2, 7, 40];
    for prepared_for in lens {
        let prepared: PreparedWeight<f32, 1> = plan(&options, prepared_for).prepare(weight().view()).unwrap();
        assert!(prepared.suits(&plan(&options, prepared_for)));
        for len in lens {
            let (plan, x) = (plan(&options, len), signal(len));
            let y = plan.convolve_prepared(x.view(), &prepared, None).unwrap();
            assert_eq!(y, plan.convolve(x.view(), weight().view(), None).unwrap(), "{prepared_for} {len}");
        }
    }
    let step: PreparedWeight<f32, 1> = plan(&options, 1).prepare(weight().view()).unwrap();
    assert!(!step.suits(&plan(&options, 400)), "packed in another order");
}

/// The weights of one channel are more than a task packs: they are packed for some source channels at a time.
#[test]
fn a_channel_of_many_phases_is_packed_in_blocks() {
    let (channels, taps, len) = (800, 1024, 5);
    let options = Options::<1>::conv_transpose().stride(256);
    let number = |i: usize| ((i * 31 + i / 7) % 17) as f32 - 8.0;
    let x = Array3::from_shape_fn((1, channels, len), |(_, i, l)| number(i * 5 + l));
    let w = Array3::from_shape_fn((channels, 1, taps), |(i, _, k)| number(i * 3 + k));
    let plan = Plan::new(options.resolve(Shapes { x: x.shape(), w: w.shape() }).unwrap());
    let plan = plan.with_algorithm(Pass::BackwardData, Algorithm::Polyphase).unwrap();
    assert!(plan.workspace_bytes::<f32>(Pass::BackwardData) < channels * taps * size_of::<f32>());
    let y = plan.convolve(x.view(), w.view(), None).unwrap();
    let direct = plan.with_algorithm(Pass::BackwardData, Algorithm::Direct).unwrap();
    // Integers, so both are exact.
    assert_eq!(y, direct.convolve(x.view(), w.view(), None).unwrap());
    let prepared = plan.prepare(w.view()).unwrap();
    assert_eq!(y, plan.convolve_prepared(x.view(), &prepared, None).unwrap());
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

/// "same" comes to another padding at another length. The weight is packed from another phase on then, if it is.
#[test]
fn a_prepared_weight_serves_every_padding() {
    let (w, down, up) = (weight(), Options::conv().stride(3), Options::conv_transpose().stride(3));
    let same = [120, 121, 122, 123].map(|len| plan(&down.padding(Padding::Same), len));
    let cropped = [0, 1, 2, 3, 5].map(|before| plan(&up.padding([(before, 1)]), 60));
    for plans in [&same[..], &cropped] {
        for filtering in [Algorithm::Polyphase, Algorithm::Minimal] {
            let mut suiting = 0;
            let pass =
                if plans[0].geometry().kind() == Kind::Conv { Pass::Forward } else { Pass::BackwardData };
            let plans = plans.iter().map(|plan| plan.with_algorithm(pass, filtering).unwrap());
            let plans: Vec<Plan<1>> = plans.collect();
            for of in &plans {
                let prepared = of.prepare(w.view()).unwrap();
                for plan in &plans {
                    let x = signal(*plan.geometry().x_shape().last().unwrap());
                    let y = plan.convolve_prepared(x.view(), &prepared, None).unwrap();
                    assert_eq!(y, plan.convolve(x.view(), w.view(), None).unwrap(), "{filtering}");
                    suiting += usize::from(prepared.suits(plan));
                }
            }
            assert!(plans.len() < suiting && suiting < plans.len() * plans.len(), "{suiting}");
        }
    }
}

/// The message has what differs, and nothing else.
#[test]
fn a_weight_for_something_else_is_refused() {
    let up = Options::<2>::conv_transpose().stride([2, 1]);
    let plan = |options: Options<2>, x: &[usize], w: &[usize]| {
        Plan::new(options.resolve(Shapes { x, w }).expect("the sizes of the test are valid"))
    };
    let prepared: PreparedWeight<f32, 2> =
        plan(up, &[4, 9, 9], &[4, 6, 3, 5]).prepare(ArrayD::zeros(vec![4, 6, 3, 5]).view()).unwrap();
    for (plan, differing) in [
        (plan(up.stride([2, 3]), &[4, 9, 9], &[4, 6, 3, 5]), "stride = [2, 1]: accepted is stride = [2, 3]"),
        (plan(up.dilation(2), &[4, 9, 9], &[4, 6, 3, 5]), "dilation = [1, 1]: accepted is dilation = [2, 2]"),
        (plan(up, &[4, 9, 9], &[4, 6, 3, 4]), "kernel_size = [3, 5]: accepted is kernel_size = [3, 4]"),
        (plan(up, &[5, 9, 9], &[5, 6, 3, 5]), "in_channels = 4: accepted is in_channels = 5"),
        (plan(up.groups(2), &[4, 9, 9], &[4, 3, 3, 5]), "groups = 1: accepted is groups = 2"),
        (
            plan(up, &[1, 4, 9, 9], &[4, 7, 2, 5]),
            "out_channels = 6, kernel_size = [3, 5]: accepted is out_channels = 7, kernel_size = [2, 5]",
        ),
        (
            plan(Options::conv().stride([2, 1]), &[4, 9, 9], &[6, 4, 3, 5]),
            "kind = conv_transpose: accepted is kind = conv",
        ),
    ] {
        let x = ArrayD::zeros(plan.geometry().x_shape());
        let error = plan.convolve_prepared(x.view(), &prepared, None).unwrap_err();
        assert_eq!(error.to_string(), format!("the weight was prepared for {differing}"));
        assert!(!prepared.suits(&plan));
    }
}
