//! Moving averages of weights: the formula, the exchange, and a run that is stored and goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_nn::optim::Ema;
use lucid_nn::{Error, Linear, Module, StateDict, Strictness, Tensor, Var};
use lucid_tensor::tensor;

fn linear() -> Linear<f32> {
    Linear::new(2, 3, true, &mut rand::rng()).unwrap()
}

fn move_on(linear: &Linear<f32>, step: u8) {
    for p in linear.parameters() {
        let moved = p.value().map(|x| x * 0.5 + f32::from(step));
        p.set_value(moved).unwrap();
    }
}

#[test]
fn averages_follow_the_formula() {
    let p = Var::leaf(tensor!([2.0_f64, -1.0]));
    let mut ema = Ema::new(vec![("p".to_string(), p.clone())], 0.9).unwrap();
    let mut expected = [2.0, -1.0];
    for step in 1..20 {
        let value = [f64::from(step), 1.0 / f64::from(step)];
        p.set_value(Tensor::from(value)).unwrap();
        ema.update().unwrap();
        for (average, value) in expected.iter_mut().zip(value) {
            *average = 0.9 * *average + 0.1 * value;
        }
    }
    let got = ema.state_dict().get("p").unwrap().to_vec();
    // 19 steps of three roundings each, of numbers below 20.
    for (got, expected) in got.into_iter().zip(expected) {
        assert!((got - expected).abs() <= 19.0 * 3.0 * 20.0 * f64::EPSILON, "{got} {expected}");
    }
}

#[test]
fn a_stored_average_goes_on_bit_for_bit_and_a_module_loads_it() {
    let model = linear();
    let mut whole = Ema::new(model.named_parameters(), 0.75).unwrap();
    let mut stored = None;
    for step in 0..6 {
        if step == 3 {
            stored = Some((model.state_dict(), whole.state_dict().to_bytes().unwrap()));
        }
        move_on(&model, step);
        whole.update().unwrap();
    }
    let (state, bytes) = stored.unwrap();
    let other = linear();
    other.load_state_dict(&state, Strictness::Strict).unwrap();
    let mut resumed = Ema::new(other.named_parameters(), 0.75).unwrap();
    resumed.load_state_dict(&StateDict::from_bytes(&bytes).unwrap()).unwrap();
    for step in 3..6 {
        move_on(&other, step);
        resumed.update().unwrap();
    }
    assert!(whole.state_dict().iter().eq(resumed.state_dict().iter()));

    let before = other.weight.value();
    let inside = resumed.with_averages(|| other.weight.value()).unwrap();
    assert_eq!(Some(&inside), whole.state_dict().get("weight"));
    assert_ne!(inside, before);
    assert_eq!(other.weight.value(), before);
    assert!(other.load_state_dict(&resumed.state_dict(), Strictness::Strict).unwrap().is_complete());
    assert_eq!(other.weight.value(), inside);
}

#[test]
fn states_that_do_not_fit_are_refused_as_a_whole() {
    let model = linear();
    let mut ema = Ema::new(model.named_parameters(), 0.5).unwrap();
    let good = ema.state_dict();
    let zeros = |shape: &[usize]| Tensor::<f32>::zeros(shape).unwrap();
    let only = |name: &str, shape: &[usize]| -> StateDict {
        [(name.to_string(), zeros(shape))].into_iter().collect()
    };
    for (state, parts) in [
        (only("weight", &[3, 2]), vec!["missing bias"]),
        (only("weight", &[2, 3]), vec!["weight has shape"]),
        (StateDict::new(), vec!["missing weight, bias"]),
        (only("other", &[1]), vec!["unexpected other"]),
    ] {
        let error = ema.load_state_dict(&state).unwrap_err();
        assert!(matches!(error, Error::StateDict { .. }));
        parts.iter().for_each(|part| assert!(error.to_string().contains(part), "{error}"));
        assert!(good.iter().eq(ema.state_dict().iter()));
    }
    for decay in [-0.1, 1.1, f64::NAN] {
        assert!(Ema::new(model.named_parameters(), decay).is_err());
    }
}
