//! Activations with parameters, resizing, padding, pooling, embedding: gradients of both orders, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::tape::{arbitrary, check_gradients};
use lucid_nn::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AvgPool, AvgPool1d, Element, Embedding, Forward, Interpolation,
    MaxPool, MaxPool1d, Module, PRelu, Pad, Pad1d, PixelShuffle, PixelShuffle1d, PixelShuffle2d, Result,
    Sequential, Snake, SnakeBeta, Tanh, Tensor, Upsample, Upsample1d, UpsampleTo, Var,
};
use lucid_tensor::{PadMode, tensor};
use ndarray::ArrayD;

use crate::refusals::refused;

/// Checks the layer that `make` builds from its parameters (as many as `shapes` has after the input's).
fn check<M: Forward<f64>>(name: &str, shapes: &[&[usize]], make: impl Fn(&[Var<f64>]) -> Result<M>) {
    // Off zero, where some have corners.
    let inputs: Vec<ArrayD<f64>> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| arbitrary(shape, 13 + i as u64).mapv(|x| x + 0.1 * x.signum()))
        .collect();
    check_gradients(&inputs, |vars| make(&vars[1..])?.forward(&vars[0]))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Checks a layer that is linear in its input, behind one that is not.
fn check_linear<M: Forward<f64> + Copy + 'static>(name: &str, shape: &[usize], layer: M) {
    check(name, &[shape], |_| Ok(Sequential::new().with(Tanh).with(layer)));
}

#[test]
fn gradients_of_activations_with_parameters() {
    check("prelu", &[&[2, 3, 4], &[3]], |v| Ok(PRelu { weight: v[0].clone() }));
    check("prelu of one", &[&[4], &[1]], |v| Ok(PRelu { weight: v[0].clone() }));
    for log_scale in [false, true] {
        check("snake", &[&[2, 3, 4], &[3]], |v| Ok(Snake { alpha: &v[0] * 0.2 + 1.0, log_scale }));
        check("snake_beta", &[&[2, 3, 2, 2], &[3], &[3]], |v| {
            Ok(SnakeBeta { alpha: v[0].clone(), beta: &v[1] * 0.2 + 1.0, log_scale })
        });
    }
}

#[test]
fn gradients_of_resizing_and_padding() {
    check_linear("pixel_shuffle 1d", &[1, 6, 2], PixelShuffle::<1> { upscale_factor: 3 });
    check_linear("pixel_shuffle 2d", &[4, 2, 3], PixelShuffle::<2> { upscale_factor: 2 });
    let linear = |align_corners| Interpolation::Linear { align_corners };
    for interpolation in [Interpolation::Nearest, linear(false), linear(true)] {
        check_linear(
            "upsample 1d",
            &[2, 1, 4],
            Upsample::<1> { to: UpsampleTo::Factor([1.5]), interpolation },
        );
        let to = UpsampleTo::Size([3, 5].into());
        check_linear("upsample 2d", &[1, 2, 3], Upsample::<2> { to, interpolation });
        let to = UpsampleTo::Factor([2.0, 1.0, 0.5]);
        check_linear("upsample 3d", &[1, 1, 2, 2, 2], Upsample::<3> { to, interpolation });
    }
    for mode in [PadMode::Constant(0.5), PadMode::Reflect, PadMode::Replicate, PadMode::Circular] {
        check_linear("pad 1d", &[2, 3], Pad::<1, f64> { padding: [(2, 1)], mode });
        check_linear("pad 2d", &[1, 1, 2, 3], Pad::<2, f64> { padding: [(1, 0), (0, 2)], mode });
    }
}

#[test]
fn gradients_of_pooling() {
    let average = |ceil_mode, count_include_pad| AvgPool::<1> {
        stride: Some(2.into()),
        padding: 1.into(),
        ceil_mode,
        count_include_pad,
        ..AvgPool::new(3)
    };
    for (ceil_mode, count_include_pad) in [(false, true), (true, true), (true, false)] {
        check_linear("average 1d", &[1, 2, 6], average(ceil_mode, count_include_pad));
    }
    check_linear(
        "average 2d",
        &[1, 1, 3, 4],
        AvgPool::<2> { stride: Some(1.into()), ..AvgPool::new([2, 3]) },
    );
    check_linear("average 3d", &[1, 2, 2, 3], AvgPool::<3>::new([1, 2, 2]));
    check_linear("adaptive", &[1, 1, 3, 5], AdaptiveAvgPool::<2> { output_size: [2, 3].into() });
    let dilated =
        MaxPool::<1> { stride: Some(1.into()), dilation: 2.into(), padding: 1.into(), ..MaxPool::new(2) };
    check_linear("max 1d", &[1, 2, 6], dilated);
    check_linear("max 2d", &[1, 3, 4], MaxPool::<2> { ceil_mode: true, ..MaxPool::new(2) });
    check_linear("max 3d", &[1, 1, 2, 3, 2], MaxPool::<3> { stride: Some(1.into()), ..MaxPool::new(2) });
}

#[test]
fn embeddings() {
    let indices = tensor!([[2, 0], [2, 1]]);
    let of = |weight: &Var<f64>, padding_idx| Embedding { weight: weight.clone(), padding_idx };
    check_gradients(&[arbitrary(&[4, 3], 1)], |v| of(&v[0].sin(), None).lookup(&indices)).unwrap();
    let embedding = of(&Var::leaf(arbitrary(&[4, 3], 1).into()), Some(2));
    embedding.lookup(&indices).unwrap().backward().unwrap();
    let gradient = embedding.weight.grad().unwrap();
    // PyTorch: ones for 0 and 1, nothing for 2, which is the padding, and for 3, which was not asked for.
    assert_eq!(gradient.to_vec(), [[1.0; 6], [0.0; 6]].concat());
    assert_eq!(embedding.named_parameters()[0].0, "weight");
    assert_eq!(embedding.lookup(&Tensor::from_vec([0, 5], vec![]).unwrap()).unwrap().shape(), [0, 5, 3]);
    let message = embedding.lookup(&tensor!([1, 4])).unwrap_err().to_string();
    assert!(message.contains("index 4") && message.contains("below 4"), "{message}");
    let make = |n, dim, padding| Embedding::<f32>::new(n, dim, padding, &mut rand::rng());
    refused(make(0, 1, None), &["num_embeddings = 0"]);
    refused(make(1, 0, None), &["embedding_dim = 0"]);
    refused(make(3, 1, Some(3)), &["padding_idx = 3", "num_embeddings = 3"]);
}

fn zeros(shape: &[usize]) -> Var<f32> {
    Var::constant(Tensor::zeros(shape).unwrap())
}

#[test]
fn what_is_refused() {
    refused(PRelu::<f32>::new(0), &["num_parameters = 0"]);
    refused(PRelu::<f32>::new(3).unwrap().forward(&zeros(&[2, 4])), &["the weight", "[3]", "[4]"]);
    refused(PRelu::<f32>::new(3).unwrap().forward(&zeros(&[3])), &["[3]", "(batch, channels, ...)"]);
    refused(Snake::<f32>::new(2, f64::NAN, false), &["alpha", "NaN", "finite"]);
    refused(SnakeBeta::<f32>::new(0, 1.0, false), &["channels = 0"]);
    refused(Snake::<f32>::new(2, 1.0, true).unwrap().forward(&zeros(&[1, 3, 4])), &["alpha", "[2]", "[3]"]);

    refused(PixelShuffle1d { upscale_factor: 0 }.forward(&zeros(&[2, 2])), &["upscale_factor = 0"]);
    refused(PixelShuffle2d { upscale_factor: 2 }.forward(&zeros(&[6, 2, 2])), &["[6, 2, 2]", "2^2 channels"]);
    refused(PixelShuffle2d { upscale_factor: usize::MAX }.forward(&zeros(&[4, 2, 2])), &["[4, 2, 2]"]);
    refused(PixelShuffle2d { upscale_factor: 2 }.forward(&zeros(&[4, 2])), &["[4, 2]", "2 spatial"]);

    let resize =
        |to, shape: &[usize]| Upsample1d { to, interpolation: Interpolation::Nearest }.forward(&zeros(shape));
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(resize(UpsampleTo::Factor([factor]), &[1, 4]), &["factor", "above 0"]);
    }
    refused(resize(UpsampleTo::Factor([0.1]), &[1, 4]), &["0 for an axis of length 4"]);
    refused(resize(UpsampleTo::Size(0.into()), &[1, 4]), &["0 for an axis of length 4"]);
    refused(resize(UpsampleTo::Size(3.into()), &[1, 0]), &["axis of length 0"]);
    refused(resize(UpsampleTo::Size(3.into()), &[4]), &["[4]", "1 spatial"]);
    refused(resize(UpsampleTo::Size(usize::MAX.into()), &[1, 4]), &["larger than the address space"]);
    refused(resize(UpsampleTo::Factor([1e300]), &[1, 4]), &["larger than the address space"]);

    let pad = |padding, mode| Pad1d { padding: [padding], mode }.forward(&zeros(&[1, 3]));
    refused(pad((3, 0), PadMode::Reflect), &["reflect", "at most 2"]);
    refused(pad((0, 4), PadMode::Circular), &["circular", "at most 3"]);
    refused(Pad1d { padding: [(1, 1)], mode: PadMode::Constant(0.0) }.forward(&zeros(&[3])), &["[3]"]);
}

#[test]
fn poolings_that_are_refused() {
    fn run<L: Forward<f32>>(layer: &L, shape: &[usize]) -> Result<Var<f32>> {
        layer.forward(&zeros(shape))
    }
    let average = AvgPool1d::new(3);
    refused(run(&AvgPool1d::new(0), &[1, 5]), &["kernel_size = 0"]);
    refused(run(&AvgPool1d { stride: Some(0.into()), ..average }, &[1, 5]), &["stride = 0"]);
    refused(run(&AvgPool1d { padding: 2.into(), ..average }, &[1, 5]), &["padding = 2", "at most 1"]);
    refused(run(&average, &[1, 2]), &["the padded length = 2", "3"]);
    refused(run(&average, &[5]), &["[5]", "1 spatial"]);
    let max = MaxPool1d::new(2);
    refused(run(&MaxPool1d { dilation: 0.into(), ..max }, &[1, 5]), &["dilation = 0"]);
    refused(run(&MaxPool1d { dilation: usize::MAX.into(), ..max }, &[1, 5]), &["the padded length"]);
    refused(run(&MaxPool1d::new(usize::MAX), &[1, 5]), &["the padded length"]);
    // Taps at -2 and 2 of an axis of length 1.
    let around = MaxPool1d { dilation: 4.into(), padding: 2.into(), ..max };
    refused(run(&around, &[1, 1]), &["the window", "at least one position"]);
    refused(run(&AdaptiveAvgPool1d { output_size: 0.into() }, &[1, 5]), &["output_size = 0"]);
    refused(
        run(&AdaptiveAvgPool1d { output_size: usize::MAX.into() }, &[1, 5]),
        &["larger than the address space"],
    );
    refused(run(&AdaptiveAvgPool1d { output_size: 2.into() }, &[1, 0]), &["the length = 0"]);
    // A stride and a padding beyond any axis are no error by themselves.
    let far = AvgPool1d { stride: Some(usize::MAX.into()), ceil_mode: true, ..average };
    assert_eq!(run(&far, &[1, 5]).unwrap().shape(), [1, 1]);
    let wide =
        MaxPool1d { padding: (1 << 40).into(), stride: Some((1 << 40).into()), ..MaxPool1d::new(1 << 41) };
    assert_eq!(run(&wide, &[1, 5]).unwrap().shape(), [1, 1]);
    assert_eq!(run(&average, &[0, 2, 5]).unwrap().shape(), [0, 2, 1]);
}

#[test]
fn the_largest_may_be_nan_or_come_twice() {
    let x = Var::leaf(tensor!([[[1.0, 2.0, 2.0], [0.0, 2.0, f64::NAN]]]));
    let y = MaxPool::<2> { stride: Some(1.into()), ..MaxPool::new(2) }.forward(&x).unwrap();
    assert!(y.value().to_vec()[0] == 2.0 && y.value().to_vec()[1].is_nan());
    y.backward().unwrap();
    assert_eq!(x.grad().unwrap().to_vec(), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn configurations_have_pytorchs_defaults() {
    fn of<C: serde::de::DeserializeOwned>(text: &str) -> serde_json::Result<C> {
        serde_json::from_str(text)
    }
    assert_eq!(of::<AvgPool1d>(r#"{"kernel_size":2}"#).unwrap(), AvgPool1d::new(2));
    assert_eq!(of::<MaxPool<2>>(r#"{"kernel_size":[2,3]}"#).unwrap(), MaxPool::new([2, 3]));
    assert!(of::<MaxPool1d>(r#"{"kernel_size":2,"padded":1}"#).is_err());
    let norm: lucid_nn::BatchNormConfig = of(r#"{"num_features":2}"#).unwrap();
    assert_eq!(norm, lucid_nn::BatchNormConfig::new(2));
    let norm: lucid_nn::InstanceNormConfig = of(r#"{"num_features":2}"#).unwrap();
    assert_eq!(norm, lucid_nn::InstanceNormConfig::new(2));
}

/// Layers without parameters serve both element types, and are found in a sequence of either.
#[test]
fn both_element_types() {
    fn run<T: Element>() {
        let model = Sequential::<T>::new().with(AvgPool1d::new(2)).with(PixelShuffle1d { upscale_factor: 2 });
        let y = model.forward(&Var::constant(Tensor::zeros([1, 2, 4]).unwrap())).unwrap();
        assert_eq!((y.shape(), model.named_parameters().len()), (vec![1, 1, 4], 0));
    }
    run::<f32>();
    run::<f64>();
}
