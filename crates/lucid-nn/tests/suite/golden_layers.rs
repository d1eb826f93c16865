//! Layers with PyTorch's state dicts give PyTorch's outputs and gradients, and leave PyTorch's running statistics.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::golden;
use lucid_nn::{
    AdaptiveAvgPool, AvgPool, Axes, BatchNorm, Conv, ConvTranspose, Forward, GroupNorm, InstanceNorm,
    Interpolation, LayerNorm, MaxPool, Module, PRelu, Pad, PixelShuffle, Result, Snake, SnakeBeta, StateDict,
    Strictness, Tensor, Upsample, UpsampleTo, Var, WeightNorm, Weighted,
};
use lucid_tensor::PadMode;
use serde_json::Value;

type Layer = Box<dyn Forward<f64>>;

/// A configuration from PyTorch's argument names, which are ours.
fn config<C: serde::de::DeserializeOwned>(options: &Value) -> C {
    serde_json::from_value(options.clone()).unwrap_or_else(|error| panic!("{options}: {error}"))
}

fn layer(module: &str, options: &Value) -> Result<Layer> {
    if let Some(module) = module.strip_prefix("weight_norm ") {
        return weight_norm(module, options);
    }
    Ok(match module {
        "GroupNorm" => Box::new(GroupNorm::from_config(config(options))?),
        "LayerNorm" => Box::new(LayerNorm::from_config(config(options))?),
        "PReLU" => Box::new(PRelu::new(config(&options["num_parameters"]))?),
        "Snake" => Box::new(Snake::new(config(&options["channels"]), 1.0, config(&options["log_scale"]))?),
        "SnakeBeta" => {
            Box::new(SnakeBeta::new(config(&options["channels"]), 1.0, config(&options["log_scale"]))?)
        }
        "PixelShuffle" => Box::new(config::<PixelShuffle<2>>(options)),
        "Upsample" => {
            let axes = if options["size"].is_null() { &options["scale_factor"] } else { &options["size"] };
            match axes.as_array().unwrap().len() {
                1 => Box::new(upsample::<1>(options)),
                2 => Box::new(upsample::<2>(options)),
                _ => Box::new(upsample::<3>(options)),
            }
        }
        _ => match module.split_at(module.len() - 2) {
            (module, "1d") => of_rank::<1>(module, options)?,
            (module, "2d") => of_rank::<2>(module, options)?,
            (module, _) => of_rank::<3>(module, options)?,
        },
    })
}

fn of_rank<const N: usize>(module: &str, options: &Value) -> Result<Layer> {
    Ok(match module {
        "BatchNorm" => Box::new(BatchNorm::<N, f64>::from_config(config(options))?),
        "InstanceNorm" => Box::new(InstanceNorm::<N, f64>::from_config(config(options))?),
        "AvgPool" => Box::new(config::<AvgPool<N>>(options)),
        "MaxPool" => Box::new(config::<MaxPool<N>>(options)),
        "AdaptiveAvgPool" => Box::new(config::<AdaptiveAvgPool<N>>(options)),
        "ConstantPad" => pad::<N>(options, PadMode::Constant(config(&options["value"]))),
        "ReflectionPad" => pad::<N>(options, PadMode::Reflect),
        "ReplicationPad" => pad::<N>(options, PadMode::Replicate),
        "CircularPad" => pad::<N>(options, PadMode::Circular),
        other => panic!("no such layer: {other}"),
    })
}

/// PyTorch's padding begins at the last axis.
fn pad<const N: usize>(options: &Value, mode: PadMode<f64>) -> Layer {
    let flat: Vec<usize> = config(&options["padding"]);
    let padding = std::array::from_fn(|axis| (flat[2 * (N - 1 - axis)], flat[2 * (N - 1 - axis) + 1]));
    Box::new(Pad::<N, f64> { padding, mode })
}

fn upsample<const N: usize>(options: &Value) -> Upsample<N> {
    let to = match &options["size"] {
        Value::Null => {
            let factors: Vec<f64> = config(&options["scale_factor"]);
            UpsampleTo::Factor(factors.try_into().unwrap())
        }
        size => UpsampleTo::Size(config::<Axes<N>>(size)),
    };
    let interpolation = match options["mode"].as_str().unwrap() {
        "nearest" => Interpolation::Nearest,
        _ => Interpolation::Linear { align_corners: config(&options["align_corners"]) },
    };
    Upsample { to, interpolation }
}

fn weight_norm(module: &str, options: &Value) -> Result<Layer> {
    fn normed<L: Weighted<f64> + 'static>(layer: L, dim: Option<usize>) -> Result<Layer> {
        Ok(Box::new(WeightNorm::with_dim(layer, dim)?))
    }
    let mut options = options.clone();
    let dim = config(&options.as_object_mut().unwrap().remove("dim").unwrap());
    let (options, rng) = (&options, &mut rand::rng());
    match module {
        "Conv1d" => normed(Conv::<1, f64>::from_config(config(options), rng)?, dim),
        "Conv2d" => normed(Conv::<2, f64>::from_config(config(options), rng)?, dim),
        "Conv3d" => normed(Conv::<3, f64>::from_config(config(options), rng)?, dim),
        "ConvTranspose1d" => normed(ConvTranspose::<1, f64>::from_config(config(options), rng)?, dim),
        "ConvTranspose2d" => normed(ConvTranspose::<2, f64>::from_config(config(options), rng)?, dim),
        "ConvTranspose3d" => normed(ConvTranspose::<3, f64>::from_config(config(options), rng)?, dim),
        other => panic!("no such layer: {other}"),
    }
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
    assert!(entries.len() > 150);
    entries.iter().for_each(check);
}
