//! Layers with PyTorch's state dicts give PyTorch's outputs and gradients, and leave PyTorch's running statistics.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::golden;
use lucid_nn::{
    BatchNorm, Forward, GroupNorm, InstanceNorm, LayerNorm, Module, Result, StateDict, Strictness, Tensor,
    Var,
};
use serde_json::Value;

type Layer = Box<dyn Forward<f64>>;

/// A configuration from PyTorch's argument names, which are ours.
fn config<C: serde::de::DeserializeOwned>(options: &Value) -> C {
    serde_json::from_value(options.clone()).unwrap_or_else(|error| panic!("{options}: {error}"))
}

fn layer(module: &str, options: &Value) -> Result<Layer> {
    Ok(match module {
        "BatchNorm1d" => Box::new(BatchNorm::<1, f64>::from_config(config(options))?),
        "BatchNorm2d" => Box::new(BatchNorm::<2, f64>::from_config(config(options))?),
        "BatchNorm3d" => Box::new(BatchNorm::<3, f64>::from_config(config(options))?),
        "InstanceNorm1d" => Box::new(InstanceNorm::<1, f64>::from_config(config(options))?),
        "InstanceNorm2d" => Box::new(InstanceNorm::<2, f64>::from_config(config(options))?),
        "InstanceNorm3d" => Box::new(InstanceNorm::<3, f64>::from_config(config(options))?),
        "GroupNorm" => Box::new(GroupNorm::from_config(config(options))?),
        "LayerNorm" => Box::new(LayerNorm::from_config(config(options))?),
        other => panic!("no such layer: {other}"),
    })
}

fn array(value: &Value) -> Tensor<f64> {
    golden::array(value).unwrap_or_else(|error| panic!("{value}: {error}")).into()
}

/// The tensors of a JSON object.
fn tensors(object: &Value) -> impl Iterator<Item = (&str, Tensor<f64>)> {
    object.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), array(value)))
}

#[track_caller]
fn assert_close(what: &str, entry: &Value, got: &Tensor<f64>, expected: &Tensor<f64>) {
    let describe = format!("{what} of {} {}", entry["module"], entry["options"]);
    assert_eq!(got.shape(), expected.shape(), "{describe}");
    let largest = expected.to_vec().into_iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    for (got, expected) in got.to_vec().into_iter().zip(expected.to_vec()) {
        assert!((got - expected).abs() <= 1e-12 * largest, "{describe}: {got}, PyTorch {expected}");
    }
}

/// Runs the steps of one entry, and compares every number that PyTorch computed.
fn check(entry: &Value) {
    let mut layer = layer(entry["module"].as_str().unwrap(), &entry["options"]).unwrap();
    let mut state = StateDict::new();
    tensors(&entry["state"]).for_each(|(name, tensor)| drop(state.insert(name, tensor)));
    let report = layer.load_state_dict(&state, Strictness::Strict);
    report.unwrap_or_else(|error| panic!("{} {}: {error}", entry["module"], entry["options"]));
    for step in entry["steps"].as_array().unwrap() {
        layer.set_training(step["training"].as_bool().unwrap());
        layer.zero_grad();
        let x = Var::leaf(array(&step["x"]));
        let y = layer.forward(&x).unwrap();
        assert_close("y", entry, &y.value(), &array(&step["y"]));
        y.backward_with(&array(&step["dy"])).unwrap();
        assert_close("dx", entry, &x.grad().unwrap(), &array(&step["dx"]));
        let parameters = layer.named_parameters();
        assert_eq!(parameters.len(), step["gradients"].as_object().unwrap().len());
        for (name, parameter) in parameters {
            let expected = array(&step["gradients"][&name]);
            assert_close(&format!("d {name}"), entry, &parameter.grad().unwrap(), &expected);
        }
    }
    let after = layer.state_dict();
    for (name, expected) in tensors(&entry["after"]) {
        assert_close(name, entry, after.get(name).unwrap(), &expected);
    }
}

#[test]
fn layers_compute_what_pytorch_computes() {
    let golden = golden::layers();
    let entries = golden["layers"].as_array().unwrap();
    assert!(entries.len() >= 17);
    entries.iter().for_each(check);
}
