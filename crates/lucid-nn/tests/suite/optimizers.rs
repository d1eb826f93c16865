//! The optimisers against PyTorch's values, and what they take and refuse.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use crate::support::{make, one_parameter};
use lucid_check::{check_close_relative, golden};
use lucid_nn::optim::{Adam, AdamConfig, AdamW, AdamWConfig, Optimizer, Sgd, SgdConfig};
use lucid_nn::{Error, Tensor, Var};
use lucid_tensor::tensor;
use serde_json::{Value, json};

fn tensor_of(value: &Value) -> Tensor<f64> {
    golden::array(value).unwrap().into()
}

#[test]
fn trajectories_are_those_of_pytorch() {
    let section = &golden::nn()["optimizers"];
    let tensors = |value: &Value| value.as_array().unwrap().iter().map(tensor_of).collect::<Vec<_>>();
    let runs = section["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 11);
    for run in runs {
        let what = format!("{} {}", run["optimizer"], run["options"]);
        let parameters: Vec<Var<f64>> = tensors(&section["start"]).into_iter().map(Var::leaf).collect();
        let named = parameters.iter().enumerate().map(|(i, p)| (i.to_string(), p.clone())).collect();
        let mut optimizer = make(run["optimizer"].as_str().unwrap(), &run["options"], named);
        let steps =
            section["gradients"].as_array().unwrap().iter().zip(run["parameters"].as_array().unwrap());
        assert_eq!(steps.len(), 5);
        for (gradients, expected) in steps {
            for (parameter, gradient) in parameters.iter().zip(tensors(gradients)) {
                parameter.set_grad(gradient).unwrap();
            }
            optimizer.step().unwrap();
            for (parameter, expected) in parameters.iter().zip(tensors(expected)) {
                check_close_relative(&what, parameter.value().view(), expected.view(), 1e-13).unwrap();
            }
        }
    }
}

#[test]
fn parameters_without_a_gradient_stay_and_so_does_their_history() {
    let (p, named) = one_parameter(tensor!([1.0]));
    for kind in ["SGD", "Adam", "AdamW"] {
        let mut optimizer = make(kind, &json!({ "lr": 0.1, "weight_decay": 0.5 }), named.clone());
        p.zero_grad();
        optimizer.step().unwrap();
        assert_eq!(p.value(), tensor!([1.0]), "{kind}");
        assert!(optimizer.state_dict().is_empty());
    }
}

#[test]
fn tied_weights_are_moved_once() {
    let p = Var::leaf(tensor!([1.0]));
    let named = vec![("encoder".to_string(), p.clone()), ("decoder".to_string(), p.clone())];
    let mut sgd = Sgd::new(named, SgdConfig { lr: 0.25, ..Default::default() }).unwrap();
    p.set_grad(tensor!([1.0])).unwrap();
    sgd.step().unwrap();
    assert_eq!(p.value(), tensor!([0.75]));
}

#[test]
fn gradients_of_any_layout_are_taken_in_order() {
    let (p, named) = one_parameter(Tensor::zeros([2, 2]).unwrap());
    p.set_grad(tensor!([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1).unwrap()).unwrap();
    let config = SgdConfig { lr: 1.0, momentum: 0.5, ..Default::default() };
    Sgd::new(named, config).unwrap().step().unwrap();
    assert_eq!(p.value(), tensor!([[-1.0, -3.0], [-2.0, -4.0]]));
}

#[test]
fn the_learning_rate_can_be_changed() {
    let (p, named) = one_parameter(tensor!([1.0]));
    for kind in ["SGD", "Adam", "AdamW"] {
        let mut optimizer = make(kind, &json!({ "lr": 0.5 }), named.clone());
        assert_eq!(optimizer.learning_rate(), 0.5);
        optimizer.set_learning_rate(0.0).unwrap();
        p.set_grad(tensor!([1.0])).unwrap();
        optimizer.step().unwrap();
        assert_eq!((optimizer.learning_rate(), p.value()), (0.0, tensor!([1.0])));
        for refused in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(optimizer.set_learning_rate(refused).is_err());
        }
        assert_eq!(optimizer.learning_rate(), 0.0);
    }
}

#[test]
fn defaults_are_those_of_pytorch() {
    let sgd =
        json!({ "lr": 0.001, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": false });
    let adam = json!({ "lr": 0.001, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0 });
    let adamw = json!({ "lr": 0.001, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01 });
    assert_eq!(serde_json::to_value(SgdConfig::default()).unwrap(), sgd);
    assert_eq!(serde_json::to_value(AdamConfig::default()).unwrap(), adam);
    assert_eq!(serde_json::to_value(AdamWConfig::default()).unwrap(), adamw);
    for unknown in [json!({ "learning_rate": 0.1 }), json!({ "momentun": 0.9 })] {
        assert!(serde_json::from_value::<SgdConfig>(unknown.clone()).is_err());
        assert!(serde_json::from_value::<AdamConfig>(unknown).is_err());
    }
}

#[test]
fn numbers_outside_their_range_are_refused_by_name() {
    let (_, named) = one_parameter(tensor!([1.0]));
    let sgd = |options: Value| Sgd::new(named.clone(), serde_json::from_value(options).unwrap()).map(drop);
    let adam = |options: Value| Adam::new(named.clone(), serde_json::from_value(options).unwrap()).map(drop);
    let adamw =
        |options: Value| AdamW::new(named.clone(), serde_json::from_value(options).unwrap()).map(drop);
    let dampened = json!({ "nesterov": true, "momentum": 0.9, "dampening": 0.1 });
    for (result, parameter, given) in [
        (sgd(json!({ "lr": -1.0 })), "lr", "-1"),
        (sgd(json!({ "momentum": -0.5 })), "momentum", "-0.5"),
        (sgd(json!({ "weight_decay": -0.5 })), "weight_decay", "-0.5"),
        (sgd(json!({ "nesterov": true })), "nesterov", "momentum above 0"),
        (sgd(dampened), "nesterov", "dampening of 0"),
        (adam(json!({ "lr": -1.0 })), "lr", "-1"),
        (adam(json!({ "betas": [1.0, 0.9] })), "betas.first", "1"),
        (adam(json!({ "betas": [0.9, -0.1] })), "betas.second", "-0.1"),
        (adam(json!({ "eps": -1e-8 })), "eps", "-0.00000001"),
        (adamw(json!({ "betas": [0.9, 1.0] })), "betas.second", "0..1"),
        (adamw(json!({ "weight_decay": -0.1 })), "weight_decay", "-0.1"),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(parameter) && message.contains(given), "{message}");
    }
}

#[test]
fn only_leaves_with_distinct_names_are_taken() {
    let leaf = Var::leaf(tensor!([1.0]));
    for refused in [Var::constant(tensor!([1.0])), leaf.exp()] {
        let error = Sgd::new(vec![("p".to_string(), refused)], SgdConfig::default()).unwrap_err();
        assert!(matches!(&error, Error::Parameter { .. }) && error.to_string().contains("leaves"), "{error}");
    }
    let twice = vec![("p".to_string(), leaf), ("p".to_string(), Var::leaf(tensor!([2.0])))];
    assert!(Sgd::new(twice, SgdConfig::default()).unwrap_err().to_string().contains("distinct"));
}

#[test]
fn numbers_are_checked_as_the_elements_that_they_become() {
    let single = || vec![("p".to_string(), Var::<f32>::leaf(tensor!([1.0_f32])))];
    let (_, double) = one_parameter(tensor!([1.0]));
    for (options, parameter) in [
        (json!({ "eps": 1e-60 }), "eps"),
        (json!({ "eps": 1e60 }), "eps"),
        (json!({ "lr": 1e300 }), "lr"),
        (json!({ "lr": 1e38 }), "lr"),
        (json!({ "weight_decay": 1e60 }), "weight_decay"),
        (json!({ "betas": [0.9999999999, 0.9] }), "betas.first"),
        (json!({ "betas": [0.9, 0.9999999999] }), "betas.second"),
    ] {
        let message =
            Adam::new(single(), serde_json::from_value(options.clone()).unwrap()).unwrap_err().to_string();
        assert!(message.starts_with(parameter) && message.contains("f32"), "{message}");
        let is_fine = Adam::new(double.clone(), serde_json::from_value(options.clone()).unwrap()).is_ok();
        assert!(is_fine, "{options}");
    }
    let shrunk = AdamWConfig { lr: 1e30, weight_decay: 1e30, ..Default::default() };
    assert!(AdamW::new(single(), shrunk).unwrap_err().to_string().starts_with("weight_decay"));
    for (options, parameter) in [
        (json!({ "lr": 1e39 }), "lr"),
        (json!({ "momentum": 1e39 }), "momentum"),
        (json!({ "dampening": -1e39 }), "dampening"),
        (json!({ "weight_decay": 1e39 }), "weight_decay"),
    ] {
        let message = Sgd::new(single(), serde_json::from_value(options).unwrap()).unwrap_err().to_string();
        assert!(message.starts_with(parameter) && message.contains("f32"), "{message}");
    }
    let mut adam = Adam::new(single(), AdamConfig::default()).unwrap();
    let mut sgd = Sgd::new(single(), SgdConfig::default()).unwrap();
    assert!(adam.set_learning_rate(1e38).is_err() && sgd.set_learning_rate(1e39).is_err());
    assert_eq!((adam.learning_rate(), sgd.learning_rate()), (1e-3, 1e-3));
}
