//! Training that is stored and goes on, and optimiser states that do not fit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use crate::support::{make, one_parameter};
use lucid_nn::loss::{Reduction, mse};
use lucid_nn::optim::{Adam, AdamConfig, Optimizer, clip_grad_norm};
use lucid_nn::{
    ConvTranspose1d, Forward, Module, Relu, Result, Sequential, StateDict, Strictness, Tensor, Var,
};
use lucid_tensor::tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;

/// Two layers, of which `late` is not used in the first two steps, and what they are trained on.
#[derive(Module)]
struct Model {
    early: ConvTranspose1d<f32>,
    late: Sequential<f32>,
}

impl Model {
    fn new(seed: u64) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let early = ConvTranspose1d::builder(2, 3, 4).stride(2).build_with(rng).unwrap();
        let late = ConvTranspose1d::builder(3, 3, 3).padding(1).build_with(rng).unwrap();
        Model { early, late: Sequential::new().with(late).with(Relu) }
    }

    fn train_step(&self, number: usize, optimizer: &mut dyn Optimizer) -> Result<()> {
        optimizer.zero_grad();
        let x = Var::constant(Tensor::normal(
            [2, 2, 5],
            0.0,
            1.0,
            &mut ChaCha8Rng::seed_from_u64(number as u64),
        )?);
        let y = self.early.forward(&x)?;
        let y = if number < 2 { y } else { self.late.forward(&y)? };
        mse(&y, &y.value().ones_like().into(), Reduction::Mean)?.backward()?;
        clip_grad_norm(&self.parameters(), 1.0)?;
        optimizer.step()
    }

    fn bits(&self) -> Vec<u32> {
        self.parameters().iter().flat_map(|p| p.value().to_vec()).map(f32::to_bits).collect()
    }
}

#[test]
fn training_goes_on_bit_for_bit_after_being_stored() {
    for (kind, options) in [
        ("SGD", json!({ "lr": 0.1 })),
        ("SGD", json!({ "lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.01 })),
        ("SGD", json!({ "lr": 0.1, "momentum": 0.9, "nesterov": true })),
        ("Adam", json!({ "lr": 0.01, "weight_decay": 0.1 })),
        ("AdamW", json!({ "lr": 0.01, "betas": [0.8, 0.99] })),
    ] {
        let whole = Model::new(1);
        let mut optimizer = make(kind, &options, whole.named_parameters());
        (0..6).for_each(|number| whole.train_step(number, &mut *optimizer).unwrap());

        // Stored after every step, also while one layer has had no gradient yet.
        let mut stored = Vec::new();
        let mut last = Model::new(1);
        for number in 0..6 {
            let model = Model::new(100 + number as u64);
            let mut optimizer = make(kind, &options, model.named_parameters());
            if number == 0 {
                model.load_state_dict(&last.state_dict(), Strictness::Strict).unwrap();
            } else {
                let checkpoint = StateDict::from_bytes(&stored).unwrap();
                model.load_state_dict(&checkpoint.part("model"), Strictness::Strict).unwrap();
                optimizer.load_state_dict(&checkpoint.part("optimizer")).unwrap();
            }
            model.train_step(number, &mut *optimizer).unwrap();
            let mut checkpoint = StateDict::new();
            checkpoint.insert_part("model", model.state_dict());
            checkpoint.insert_part("optimizer", optimizer.state_dict());
            stored = checkpoint.to_bytes().unwrap();
            last = model;
        }
        assert_eq!(last.bits(), whole.bits(), "{kind} {options}");
        assert_ne!(last.bits(), Model::new(1).bits());
    }
}

#[test]
fn a_state_dict_is_a_snapshot() {
    let (p, named) = one_parameter(tensor!([1.0, 2.0]));
    let mut adam = Adam::new(named, AdamConfig::default()).unwrap();
    let mut step = || {
        p.set_grad(tensor!([1.0, -1.0])).unwrap();
        adam.step().unwrap();
        adam.state_dict()
    };
    let (first, second) = (step(), step());
    assert_eq!(first.names().collect::<Vec<_>>(), ["p.step", "p.exp_avg", "p.exp_avg_sq"]);
    assert_eq!(first.get("p.step"), Some(&tensor!([1.0, 0.0, 0.0])));
    assert_eq!(second.get("p.step"), Some(&tensor!([2.0, 0.0, 0.0])));
    assert_ne!(first.get("p.exp_avg"), second.get("p.exp_avg"));
}

#[test]
fn a_state_that_does_not_fit_is_refused_as_a_whole() {
    let (p, named) = one_parameter(tensor!([1.0, 2.0]));
    let mut adam = Adam::new(named, AdamConfig::default()).unwrap();
    p.set_grad(tensor!([1.0, -1.0])).unwrap();
    adam.step().unwrap();
    let good = adam.state_dict();

    let mut bad = StateDict::new();
    bad.insert("p.step", tensor!([1.0, 0.0, 0.0]));
    bad.insert("p.exp_avg", tensor!([1.0, 2.0, 3.0]));
    bad.insert("q.exp_avg", tensor!([1.0]));
    let error = adam.load_state_dict(&bad).unwrap_err();
    let message = error.to_string();
    for part in ["p.exp_avg_sq", "q.exp_avg", "[3]", "[2]"] {
        assert!(message.contains(part), "{message}");
    }
    let mut no_count = good.clone();
    no_count.insert("p.step", tensor!([0.5, 0.0, 0.0]));
    assert!(adam.load_state_dict(&no_count).unwrap_err().to_string().contains("step"));
    let unchanged = adam.state_dict();
    assert!(good.iter().eq(unchanged.iter()), "{unchanged:?}");
}

#[test]
fn numbers_that_no_step_leaves_are_refused_by_name() {
    let (p, named) = one_parameter(tensor!([1.0, 2.0]));
    let mut adam = Adam::new(named, AdamConfig::default()).unwrap();
    p.set_grad(tensor!([1.0, -1.0])).unwrap();
    adam.step().unwrap();
    let good = adam.state_dict();
    let all_bits = tensor!([16777215.0, 16777215.0, 65535.0]);
    let negative = tensor!([0.5, -1.0]);
    for (name, value, given) in [("p.step", all_bits, "65535"), ("p.exp_avg_sq", negative, "-1")] {
        let mut bad = good.clone();
        bad.insert(name, value);
        let message = adam.load_state_dict(&bad).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(given), "{message}");
        assert!(good.iter().eq(adam.state_dict().iter()));
    }

    // The highest count that is accepted stays, and can be stored again.
    let mut last = good.clone();
    last.insert("p.step", tensor!([16777215.0, 16777215.0, 32767.0]));
    adam.load_state_dict(&last).unwrap();
    adam.step().unwrap();
    assert_eq!(adam.state_dict().get("p.step"), last.get("p.step"));
    assert!(p.value().to_vec().iter().all(|p| p.is_finite()));
    adam.load_state_dict(&adam.state_dict()).unwrap();
}
