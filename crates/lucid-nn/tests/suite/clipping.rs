//! Clipping of gradients against PyTorch's values, and where it has nothing sound to do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::{check_close_relative, golden};
use lucid_nn::optim::{Norm, clip_grad_norm, clip_grad_norm_by};
use lucid_nn::{Tensor, Var};
use lucid_tensor::tensor;
use serde_json::Value;

fn tensor_of(value: &Value) -> Tensor<f64> {
    golden::array(value).unwrap().into()
}

#[test]
fn clipping_is_that_of_pytorch() {
    let cases = golden::nn()["clip_grad_norm"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 4);
    for case in &cases {
        let gradients = case["gradients"].as_array().unwrap().iter().map(tensor_of);
        let parameters: Vec<Var<f64>> = gradients
            .map(|gradient| {
                let parameter = Var::leaf(gradient.zeros_like());
                parameter.set_grad(gradient).unwrap();
                parameter
            })
            .collect();
        let norm = match &case["options"].get("norm_type") {
            None => Norm::L2,
            Some(Value::String(name)) if name == "inf" => Norm::Max,
            Some(p) => {
                assert_eq!(p.as_f64(), Some(1.0));
                Norm::L1
            }
        };
        let max_norm = case["options"]["max_norm"].as_f64().unwrap();
        let total = clip_grad_norm_by(norm, &parameters, max_norm).unwrap();
        let expected = case["norm"].as_f64().unwrap();
        assert!((total - expected).abs() < 1e-13 * expected, "{total} {expected}");
        for (parameter, expected) in parameters.iter().zip(case["clipped"].as_array().unwrap()) {
            let expected = golden::array(expected).unwrap();
            check_close_relative("clipped", parameter.grad().unwrap().view(), expected.view(), 1e-13)
                .unwrap();
        }
    }
}

#[test]
fn clipping_counts_each_gradient_once_and_lets_nan_show() {
    let (p, without) = (Var::<f64>::leaf(tensor!([0.0, 0.0])), Var::leaf(tensor!([1.0])));
    p.set_grad(tensor!([3.0, 4.0])).unwrap();
    assert_eq!(clip_grad_norm(&[p.clone(), without.clone(), p.clone()], 5e-6).unwrap(), 5.0);
    assert!((p.grad().unwrap().to_vec()[1] - 4e-6).abs() < 1e-12);
    assert_eq!(without.grad(), None);

    let q = Var::leaf(tensor!([0.0]));
    for norm in [Norm::L1, Norm::L2, Norm::Max] {
        p.set_grad(tensor!([f64::NAN, 4.0])).unwrap();
        q.set_grad(tensor!([1.0])).unwrap();
        assert!(clip_grad_norm_by(norm, &[p.clone(), q.clone()], 100.0).unwrap().is_nan());
        assert!(q.grad().unwrap().to_vec()[0].is_nan());
    }
    // Squares of f32 that overflow are no trouble.
    let large = [Var::leaf(tensor!([0.0_f32]))];
    large[0].set_grad(tensor!([1e30_f32])).unwrap();
    assert!((clip_grad_norm(&large, 1.0).unwrap() / 1e30 - 1.0).abs() < 1e-6);
    assert_eq!(large[0].grad().unwrap().to_vec(), [1.0]);
    assert!(clip_grad_norm(&large, -1.0).unwrap_err().to_string().contains("max_norm"));
}

#[test]
fn an_infinite_max_norm_measures_and_changes_nothing() {
    let p = Var::<f64>::leaf(tensor!([0.0, 0.0]));
    for (gradient, norm) in [([3.0, 4.0], 5.0), ([f64::INFINITY, 4.0], f64::INFINITY)] {
        p.set_grad(Tensor::from(gradient)).unwrap();
        assert_eq!(clip_grad_norm(std::slice::from_ref(&p), f64::INFINITY).unwrap(), norm);
        assert_eq!(p.grad(), Some(Tensor::from(gradient)));
    }
    assert!(clip_grad_norm(&[p], f64::NAN).is_err());
}

#[test]
fn squares_beyond_the_range_of_f64_are_no_trouble() {
    let p = Var::<f64>::leaf(tensor!([0.0, 0.0]));
    for unit in [1e200, 1e-200] {
        p.set_grad(tensor!([3.0 * unit, -4.0 * unit])).unwrap();
        let norm = clip_grad_norm(std::slice::from_ref(&p), 1.0).unwrap();
        assert!((norm / (5.0 * unit) - 1.0).abs() < 1e-15, "{norm}");
        let clipped = p.grad().unwrap().to_vec();
        let expected = if unit > 1.0 { [0.6, -0.8] } else { [3.0 * unit, -4.0 * unit] };
        for (clipped, expected) in clipped.into_iter().zip(expected) {
            assert!((clipped / expected - 1.0).abs() < 1e-15, "{clipped} {expected}");
        }
    }
    p.set_grad(tensor!([0.0, 0.0])).unwrap();
    assert_eq!(clip_grad_norm(&[p], 1.0).unwrap(), 0.0);
}
