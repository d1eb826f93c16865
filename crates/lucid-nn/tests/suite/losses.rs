//! The losses against PyTorch's values, against central differences, and where numbers are extreme.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::tape::check_gradients;
use lucid_check::{check_close_relative, golden};
use lucid_nn::loss::{
    BceOptions, CrossEntropyOptions, Reduction, bce_with_logits, cross_entropy, huber, l1, mse, smooth_l1,
};
use lucid_nn::{Result, Tensor, Var};
use lucid_tensor::tensor;
use ndarray::{ArrayD, array};
use serde_json::Value;

fn tensor_of(value: &Value) -> Tensor<f64> {
    golden::array(value).unwrap().into()
}

fn indices_of(value: &Value) -> Tensor<usize> {
    tensor_of(value).map(|index| index as usize)
}

/// The loss that a golden case names, of any input.
fn golden_loss(case: &Value, input: &Var<f64>) -> Result<Var<f64>> {
    let options = &case["options"];
    let number = |name: &str| options[name].as_f64().unwrap();
    let tensor_option = |name: &str| options.get(name).map(tensor_of);
    let reduction: Reduction = serde_json::from_value(options["reduction"].clone()).unwrap();
    let target = || Var::constant(tensor_of(&case["target"]));
    match case["loss"].as_str().unwrap() {
        "mse" => mse(input, &target(), reduction),
        "l1" => l1(input, &target(), reduction),
        "huber" => huber(input, &target(), number("delta"), reduction),
        "smooth_l1" => smooth_l1(input, &target(), number("beta"), reduction),
        "bce_with_logits" => {
            let options = BceOptions { pos_weight: tensor_option("pos_weight"), reduction };
            bce_with_logits(input, &target(), &options)
        }
        "cross_entropy" => {
            let (weight, label_smoothing) = (tensor_option("weight"), number("label_smoothing"));
            let options = CrossEntropyOptions { weight, label_smoothing, reduction };
            cross_entropy(input, &indices_of(&case["target"]), &options)
        }
        other => panic!("no such loss: {other}"),
    }
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    let cases = golden::nn()["losses"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 51);
    for case in &cases {
        let what = format!("{} {}", case["loss"], case["options"]);
        let input = Var::leaf(tensor_of(&case["input"]));
        let loss = golden_loss(case, &input).unwrap();
        let expected = golden::array(&case["value"]).unwrap();
        check_close_relative(&what, loss.value().view(), expected.view(), 1e-12).unwrap();
        loss.backward().unwrap();
        let expected = golden::array(&case["dinput"]).unwrap();
        check_close_relative(&what, input.grad().unwrap().view(), expected.view(), 1e-12).unwrap();
    }
}

#[test]
fn both_orders_of_derivatives_agree_with_differences() {
    // No difference is near a corner: 0 of l1, +-0.7 of the others.
    let prediction = array![[0.3, -1.2, 2.0], [0.9, -0.4, 0.05]].into_dyn();
    let target = array![[0.1, 0.4, 1.4], [-0.9, -0.1, 0.35]].into_dyn();
    let inputs = [prediction.clone(), target];
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
        check_gradients(&inputs, |x| mse(&x[0], &x[1], reduction)).unwrap();
        check_gradients(&inputs, |x| l1(&x[0], &x[1], reduction)).unwrap();
        check_gradients(&inputs, |x| huber(&x[0], &x[1], 0.7, reduction)).unwrap();
        check_gradients(&inputs, |x| smooth_l1(&x[0], &x[1], 0.7, reduction)).unwrap();
        for pos_weight in [None, Some(tensor!([0.5, 1.0, 3.0]))] {
            let options = BceOptions { pos_weight, reduction };
            check_gradients(&inputs, |x| bce_with_logits(&x[0], &x[1], &options)).unwrap();
        }
        let logits: [ArrayD<f64>; 1] =
            [array![[[0.3, -1.2], [2.0, 0.9], [-0.4, 0.05]], [[1.0, 0.2], [0.1, -0.7], [0.6, 1.5]]]
                .into_dyn()];
        for weight in [None, Some(tensor!([0.5, 2.0, 1.0]))] {
            for label_smoothing in [0.0, 0.2] {
                let options = CrossEntropyOptions { weight: weight.clone(), label_smoothing, reduction };
                let target = tensor!([[0, 2], [1, 1]]);
                check_gradients(&logits, |x| cross_entropy(&x[0], &target, &options)).unwrap();
            }
        }
    }
}

#[test]
fn extreme_numbers_neither_overflow_nor_become_nan() {
    let value_and_gradient = |x: Tensor<f32>, loss: &dyn Fn(&Var<f32>) -> Result<Var<f32>>| {
        let x = Var::leaf(x);
        let y = loss(&x).unwrap();
        y.backward().unwrap();
        (y.value().to_vec(), x.grad().unwrap().to_vec())
    };
    let (max, inf) = (f32::MAX, f32::INFINITY);

    let (y, dx) = value_and_gradient(tensor!([max, -max, inf]), &|x| {
        huber(x, &Tensor::zeros([3])?.into(), 0.5, Reduction::None)
    });
    assert_eq!((y[2], &dx[..]), (inf, [0.5, -0.5, 0.5].as_slice()));
    assert_eq!(&y[..2], [max * 0.5; 2]);

    let (y, dx) = value_and_gradient(tensor!([max, -max, -max, -60.0]), &|x| {
        let options = BceOptions { reduction: Reduction::None, ..Default::default() };
        bce_with_logits(x, &tensor!([1.0, 0.0, 1.0, 0.0]).into(), &options)
    });
    // The last one is e^-60, which a difference of two numbers near 60 would lose.
    assert_eq!((&y[..3], &dx[..3]), ([0.0, 0.0, max].as_slice(), [0.0, 0.0, -1.0].as_slice()));
    assert!((y[3] / (-60.0_f32).exp() - 1.0).abs() < 1e-5, "{}", y[3]);

    // A class that can't be chosen, as attention masks make them, does not disturb the others.
    let (y, dx) = value_and_gradient(tensor!([[0.0, -inf, 0.0], [max, 0.0, -max]]), &|x| {
        let options = CrossEntropyOptions { reduction: Reduction::None, ..Default::default() };
        cross_entropy(x, &tensor!([0, 2]), &options)
    });
    assert_eq!((y[0], y[1]), (2.0_f32.ln(), inf));
    assert_eq!(&dx[..3], [-0.5, 0.0, 0.5]);
    assert!(dx.iter().all(|dx| dx.is_finite()), "{dx:?}");
}

#[test]
fn nan_is_passed_on() {
    let x = Var::<f64>::constant(tensor!([[f64::NAN, 1.0]]));
    let zeros = Var::constant(tensor!([[0.0, 0.0]]));
    for loss in [
        mse(&x, &zeros, Reduction::Sum),
        l1(&x, &zeros, Reduction::Sum),
        huber(&x, &zeros, 1.0, Reduction::Sum),
        bce_with_logits(&x, &zeros, &BceOptions::default()),
        cross_entropy(&x, &tensor!([1]), &CrossEntropyOptions::default()),
    ] {
        assert!(loss.unwrap().item().unwrap().is_nan());
    }
}

#[test]
fn shapes_are_never_broadcast() {
    let zeros = |shape: &[usize]| Var::<f32>::constant(Tensor::zeros(shape).unwrap());
    for (prediction, target) in [(vec![4, 1], vec![4]), (vec![2, 3], vec![1, 3]), (vec![1], vec![])] {
        let (p, t) = (zeros(&prediction), zeros(&target));
        for loss in [
            mse(&p, &t, Reduction::Mean),
            l1(&p, &t, Reduction::Mean),
            huber(&p, &t, 1.0, Reduction::Mean),
            smooth_l1(&p, &t, 1.0, Reduction::Mean),
            bce_with_logits(&p, &t, &BceOptions::default()),
        ] {
            let message = loss.unwrap_err().to_string();
            assert!(message.contains(&format!("{prediction:?}")), "{message}");
            assert!(message.contains(&format!("{target:?}")), "{message}");
        }
    }
    let wide = BceOptions { pos_weight: Some(Tensor::ones([5, 1, 3]).unwrap()), ..Default::default() };
    assert!(bce_with_logits(&zeros(&[2, 3]), &zeros(&[2, 3]), &wide).is_err());
}

#[test]
fn refusals_of_cross_entropy_say_what_would_do() {
    let logits = Var::<f32>::constant(Tensor::zeros([2, 3, 4]).unwrap());
    let target = |shape: &[usize], class: usize| Tensor::full(shape, class).unwrap();
    let message = |logits: &Var<f32>, target: &Tensor<usize>, options: CrossEntropyOptions<f32>| {
        cross_entropy(logits, target, &options).unwrap_err().to_string()
    };
    let plain = CrossEntropyOptions::default;
    let text = message(&logits, &target(&[2, 3], 0), plain());
    assert!(text.contains("[2, 3]") && text.contains("[2, 4]"), "{text}");
    let text = message(&logits, &target(&[2, 4], 3), plain());
    assert!(text.contains("class 3") && text.contains("below 3"), "{text}");
    let text = message(&Var::constant(tensor!([0.0, 1.0])), &target(&[2], 0), plain());
    assert!(text.contains("[2]") && text.contains("(N, C)"), "{text}");
    let weight = Some(Tensor::ones([4]).unwrap());
    let text = message(&logits, &target(&[2, 4], 0), CrossEntropyOptions { weight, ..plain() });
    assert!(text.contains("[4]") && text.contains("[3]"), "{text}");
    for label_smoothing in [-0.1, 1.5, f64::NAN] {
        let text = message(&logits, &target(&[2, 4], 0), CrossEntropyOptions { label_smoothing, ..plain() });
        assert!(text.contains("label_smoothing") && text.contains("0..=1"), "{text}");
    }
}

#[test]
fn corners_outside_their_range_are_refused() {
    let x = Var::<f32>::constant(tensor!([1.0]));
    for delta in [0.0, -1.0, f64::NAN] {
        let message = huber(&x, &x, delta, Reduction::Mean).unwrap_err().to_string();
        assert!(message.contains("delta") && message.contains("above 0"), "{message}");
    }
    assert!(smooth_l1(&x, &x, -0.5, Reduction::Mean).is_err());
    let zero = Var::constant(tensor!([0.0]));
    assert_eq!(smooth_l1(&x, &zero, 0.0, Reduction::Sum).unwrap().item().unwrap(), 1.0);
}

#[test]
fn nothing_to_average_is_nan_and_nothing_to_add_is_0() {
    let logits = Var::<f64>::constant(Tensor::zeros([0, 3]).unwrap());
    let target = Tensor::full([0], 0).unwrap();
    let loss = |reduction| {
        let options = CrossEntropyOptions { reduction, ..Default::default() };
        cross_entropy(&logits, &target, &options).unwrap().value()
    };
    assert!(loss(Reduction::Mean).item().unwrap().is_nan());
    assert_eq!(loss(Reduction::Sum).item().unwrap(), 0.0);
    assert_eq!(loss(Reduction::None).shape(), [0]);
}

#[test]
fn corners_are_checked_as_the_elements_that_they_become() {
    let (x, zero) = (Var::constant(tensor!([1.0_f32])), Var::constant(tensor!([0.0_f32])));
    for corner in [1e-60, 1e60] {
        for result in [huber(&x, &zero, corner, Reduction::Sum), smooth_l1(&x, &zero, corner, Reduction::Sum)]
        {
            let message = result.unwrap_err().to_string();
            assert!(message.contains("f32"), "{message}");
        }
    }
    let (x, zero) = (Var::constant(tensor!([1.0])), Var::constant(tensor!([0.0])));
    let loss = smooth_l1(&x, &zero, 1e-60, Reduction::Sum).unwrap();
    assert!((loss.item().unwrap() - 1.0_f64).abs() < 1e-15);
}
