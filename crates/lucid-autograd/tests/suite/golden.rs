//! Values, gradients and second derivatives that PyTorch computed, corners and tails included.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_autograd::lucid_tensor::Tensor;
use lucid_autograd::{Graph, Var, grad, grad_with};
use lucid_check::golden;
use serde_json::Value;

fn array(entry: &Value, key: &str) -> Tensor<f64> {
    golden::array(&entry[key]).unwrap_or_else(|error| panic!("{key} of {entry}: {error}")).into()
}

fn option(entry: &Value, name: &str) -> f64 {
    entry["options"][name].as_f64().unwrap_or_else(|| panic!("no {name} in {entry}"))
}

/// The elementwise operation that an entry names.
fn apply(entry: &Value, x: &Var<f64>) -> Var<f64> {
    match entry["op"].as_str().unwrap() {
        "exp" => x.exp(),
        "ln" => x.ln(),
        "sqrt" => x.sqrt(),
        "powf" => x.powf(option(entry, "exponent")),
        "abs" => x.abs(),
        "tanh" => x.tanh(),
        "sigmoid" => x.sigmoid(),
        "relu" => x.relu(),
        "leaky_relu" => x.leaky_relu(option(entry, "negative_slope")),
        "elu" | "elu_alpha" => x.elu(option(entry, "alpha")),
        "gelu" => x.gelu().unwrap(),
        "gelu_tanh" => x.gelu_tanh().unwrap(),
        "silu" => x.silu(),
        "softplus" | "softplus_beta" => x.softplus(option(entry, "beta")),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "clamp" => x.clamp(option(entry, "min"), option(entry, "max")).unwrap(),
        other => panic!("no such operation: {other}"),
    }
}

/// Equal up to rounding: 1e-13 of the expected number, or of 1 where that is more. PyTorch's softplus is linear above
/// its threshold of 20, which is 2e-9 off the formula there.
fn assert_close(what: &str, entry: &Value, got: &Tensor<f64>, expected: &Tensor<f64>) {
    assert_eq!(got.shape(), expected.shape());
    let softplus = entry["op"].as_str().is_some_and(|op| op.starts_with("softplus"));
    let tolerance = if softplus { 3e-9 } else { 1e-13 };
    for (got, expected) in got.to_vec().into_iter().zip(expected.to_vec()) {
        let close = (got - expected).abs() <= tolerance * expected.abs().max(1.0) || got == expected;
        assert!(close, "{what} of {} {}: {got}, PyTorch {expected}", entry["op"], entry["options"]);
    }
}

#[test]
fn elementwise_operations() {
    let golden = golden::nn();
    let entries = golden["elementwise"].as_array().unwrap();
    assert!(entries.len() > 20);
    for entry in entries {
        let x = Var::leaf(array(entry, "x"));
        let y = apply(entry, &x);
        assert_close("value", entry, &y.value(), &array(entry, "y"));
        let first = grad(&[&y], &[&x], Graph::Create).unwrap().remove(0);
        assert_close("gradient", entry, &first.value(), &array(entry, "dx"));
        let second = if first.requires_grad() {
            grad(&[&first], &[&x], Graph::Free).unwrap().remove(0).value()
        } else {
            x.value().zeros_like()
        };
        assert_close("second derivative", entry, &second, &array(entry, "d2x"));
    }
}

#[test]
fn corners() {
    for entry in golden::nn()["kinks"].as_array().unwrap() {
        let x = Var::leaf(array(entry, "x"));
        let y = apply(entry, &x);
        assert_close("value", entry, &y.value(), &array(entry, "y"));
        y.backward().unwrap();
        assert_close("gradient", entry, &x.grad().unwrap(), &array(entry, "dx"));
    }
}

#[test]
fn along_an_axis() {
    for entry in golden::nn()["along_axis"].as_array().unwrap() {
        let x = Var::leaf(array(entry, "x"));
        let dim = entry["options"]["dim"].as_i64().unwrap();
        let axis = if dim < 0 { (x.ndim() as i64 + dim) as usize } else { dim as usize };
        let y = match entry["op"].as_str().unwrap() {
            "softmax" => x.softmax(axis).unwrap(),
            _ => x.log_softmax(axis).unwrap(),
        };
        assert_close("value", entry, &y.value(), &array(entry, "y"));
        let (dy, v) = (Var::constant(array(entry, "dy")), Var::constant(array(entry, "v")));
        let dx = grad_with(&[&y], &[&dy], &[&x], Graph::Create).unwrap().remove(0);
        assert_close("gradient", entry, &dx.value(), &array(entry, "dx"));
        let second = grad_with(&[&dx], &[&v], &[&x], Graph::Free).unwrap().remove(0);
        assert_close("second derivative", entry, &second.value(), &array(entry, "dvdx"));
    }
}

#[test]
fn equal_values_share_the_gradient() {
    let (a, b) = (
        Var::leaf(Tensor::from(ndarray::array![1.0, 2.0])),
        Var::leaf(Tensor::from(ndarray::array![1.0, 1.0])),
    );
    a.maximum(&b).unwrap().backward().unwrap();
    assert_eq!((a.grad().unwrap().to_vec(), b.grad().unwrap().to_vec()), (vec![0.5, 1.0], vec![0.5, 0.0]));
    let x = Var::leaf(Tensor::from(ndarray::array![3.0, 1.0, 3.0]));
    x.max(&[0], false).unwrap().backward().unwrap();
    assert_eq!(x.grad().unwrap().to_vec(), [0.5, 0.0, 0.5]);
}

#[test]
fn nan_stays_nan() {
    let x = Var::leaf(Tensor::from(ndarray::array![f64::NAN]));
    for y in [x.relu(), x.leaky_relu(0.1), x.sigmoid(), x.clamp(-1.0, 1.0).unwrap(), x.abs(), x.softplus(1.0)]
    {
        assert!(y.item().unwrap().is_nan());
    }
    let y = x.maximum(&Var::constant(Tensor::scalar(1.0))).unwrap();
    assert!(y.item().unwrap().is_nan());
}
