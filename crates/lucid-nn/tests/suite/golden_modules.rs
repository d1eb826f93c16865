//! Modules with PyTorch's weights give PyTorch's outputs and gradients; they start from PyTorch's bounds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::golden;
use lucid_nn::{
    Axes, Conv, ConvConfig, ConvTranspose, ConvTransposeConfig, Forward, Linear, Result, Tensor, Var,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

fn array(entry: &Value, key: &str) -> Tensor<f64> {
    golden::array(&entry[key]).unwrap_or_else(|error| panic!("{key} of {entry}: {error}")).into()
}

fn leaf(entry: &Value, key: &str) -> Option<Var<f64>> {
    entry.get(key).map(|_| Var::leaf(array(entry, key)))
}

/// A configuration from PyTorch's argument names, which are ours.
fn config<C: serde::de::DeserializeOwned>(options: &Value) -> C {
    serde_json::from_value(options.clone()).unwrap_or_else(|error| panic!("{options}: {error}"))
}

/// The parameters of a module, weight first, and its output.
type Run = (Vec<Option<Var<f64>>>, Var<f64>);

fn conv<const N: usize>(entry: &Value, x: &Var<f64>) -> Result<Run> {
    let mut conv = Conv::<N, f64>::from_config(
        config::<ConvConfig<N>>(&entry["options"]),
        &mut ChaCha8Rng::seed_from_u64(0),
    )?;
    assert_eq!(Some(conv.weight.shape()), leaf(entry, "weight").map(|weight| weight.shape()));
    conv.weight = leaf(entry, "weight").unwrap();
    conv.bias = leaf(entry, "bias");
    let y = conv.forward(x)?;
    Ok((vec![Some(conv.weight), conv.bias], y))
}

fn conv_transpose<const N: usize>(entry: &Value, x: &Var<f64>) -> Result<Run> {
    let config = config::<ConvTransposeConfig<N>>(&entry["options"]);
    let mut deconv = ConvTranspose::<N, f64>::from_config(config, &mut ChaCha8Rng::seed_from_u64(0))?;
    deconv.weight = leaf(entry, "weight").unwrap();
    deconv.bias = leaf(entry, "bias");
    let y = match entry.get("output_size") {
        Some(size) => {
            let size: Vec<usize> = serde_json::from_value(size.clone()).unwrap();
            deconv.forward_with_output_size(x, Axes(size.try_into().unwrap()))?
        }
        None => deconv.forward(x)?,
    };
    Ok((vec![Some(deconv.weight), deconv.bias], y))
}

fn assert_close(what: &str, entry: &Value, got: &Tensor<f64>, expected: &Tensor<f64>) {
    let describe = || format!("{what} of {} {}", entry["module"], entry["options"]);
    assert_eq!(got.shape(), expected.shape(), "{}", describe());
    let largest = expected.to_vec().into_iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    for (got, expected) in got.to_vec().into_iter().zip(expected.to_vec()) {
        assert!((got - expected).abs() <= 1e-12 * largest, "{}: {got}, PyTorch {expected}", describe());
    }
}

#[test]
fn modules_compute_what_pytorch_computes() {
    let golden = golden::nn();
    let entries = golden["modules"].as_array().unwrap();
    assert!(entries.len() > 25);
    for entry in entries {
        let x = leaf(entry, "x").unwrap();
        let (parameters, y) = match entry["module"].as_str().unwrap() {
            "Linear" => {
                let number = |name: &str| entry["options"][name].as_u64().unwrap() as usize;
                let (inputs, outputs) = (number("in_features"), number("out_features"));
                let mut linear =
                    Linear::new(inputs, outputs, true, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
                linear.weight = leaf(entry, "weight").unwrap();
                linear.bias = leaf(entry, "bias");
                let y = linear.forward(&x).unwrap();
                (vec![Some(linear.weight), linear.bias], y)
            }
            "Conv1d" => conv::<1>(entry, &x).unwrap(),
            "Conv2d" => conv::<2>(entry, &x).unwrap(),
            "ConvTranspose1d" => conv_transpose::<1>(entry, &x).unwrap(),
            "ConvTranspose2d" => conv_transpose::<2>(entry, &x).unwrap(),
            other => panic!("no such module: {other}"),
        };
        assert_close("y", entry, &y.value(), &array(entry, "y"));
        y.backward_with(&array(entry, "dy")).unwrap();
        assert_close("dx", entry, &x.grad().unwrap(), &array(entry, "dx"));
        for (parameter, key) in parameters.into_iter().zip(["dw", "db"]) {
            if let Some(parameter) = parameter {
                assert_close(key, entry, &parameter.grad().unwrap(), &array(entry, key));
            }
        }
    }
}

#[test]
fn initial_values_fill_pytorchs_bounds() {
    for entry in golden::nn()["init"].as_array().unwrap() {
        let bound = entry["bound"].as_f64().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let options = &entry["options"];
        let (weight, bias) = match entry["module"].as_str().unwrap() {
            "Conv1d" => {
                let conv = Conv::<1, f64>::from_config(config(options), &mut rng).unwrap();
                (conv.weight, conv.bias)
            }
            "Conv2d" => {
                let conv = Conv::<2, f64>::from_config(config(options), &mut rng).unwrap();
                (conv.weight, conv.bias)
            }
            "ConvTranspose1d" => {
                let deconv = ConvTranspose::<1, f64>::from_config(config(options), &mut rng).unwrap();
                (deconv.weight, deconv.bias)
            }
            "ConvTranspose2d" => {
                let deconv = ConvTranspose::<2, f64>::from_config(config(options), &mut rng).unwrap();
                (deconv.weight, deconv.bias)
            }
            "Linear" => {
                let number = |name: &str| options[name].as_u64().unwrap() as usize;
                let linear =
                    Linear::new(number("in_features"), number("out_features"), true, &mut rng).unwrap();
                (linear.weight, linear.bias)
            }
            other => panic!("no such module: {other}"),
        };
        for (name, var) in [("weight", Some(weight)), ("bias", bias)] {
            let Some(var) = var else { continue };
            let values = var.value().to_vec();
            let largest = values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            assert!(largest <= bound, "{name} of {entry}: {largest} is outside");
            // With n values the largest falls below 1 - 10/n of the bound with probability about e^-10.
            let filled = 1.0 - 10.0 / values.len() as f64;
            assert!(largest >= bound * filled, "{name} of {entry}: only up to {largest}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_module() {
    let make = |seed| {
        let deconv = ConvTranspose::<1>::builder(4, 2, 3).build_with(&mut ChaCha8Rng::seed_from_u64(seed));
        let deconv = deconv.unwrap();
        (deconv.weight.value().to_vec(), deconv.bias.unwrap().value().to_vec())
    };
    assert_eq!(make(3), make(3));
    assert_ne!(make(3), make(4));
}

#[test]
fn configurations_round_trip_and_refuse_what_they_do_not_know() {
    let conv: ConvConfig<2> = config(&json!({
        "in_channels": 4, "out_channels": 8, "kernel_size": 3, "stride": [1, 2], "padding": "same",
        "padding_mode": "circular"
    }));
    assert_eq!(*conv.kernel_size, [3, 3]);
    assert_eq!(config::<ConvConfig<2>>(&serde_json::to_value(&conv).unwrap()), conv);

    let deconv: ConvTransposeConfig<1> = config(&json!({
        "in_channels": 4, "out_channels": 2, "kernel_size": [3], "stride": 2, "padding": [[1, 2]],
        "output_padding": 1, "bias": false
    }));
    let text = serde_json::to_string(&deconv).unwrap();
    assert_eq!(serde_json::from_str::<ConvTransposeConfig<1>>(&text).unwrap(), deconv);

    for (options, named) in [
        (json!({"in_channels": 4, "out_channels": 2, "kernel_size": 3, "strid": 2}), "strid"),
        (json!({"in_channels": 4, "out_channels": 2, "kernel_size": 3, "padding": "sane"}), "sane"),
        (json!({"in_channels": 4, "out_channels": 2, "kernel_size": [3, 3]}), "one per spatial axis, 1"),
        (json!({"in_channels": 4, "out_channels": 2}), "kernel_size"),
    ] {
        let error = serde_json::from_value::<ConvTransposeConfig<1>>(options).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
