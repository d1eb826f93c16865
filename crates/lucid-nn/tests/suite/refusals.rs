//! What the modules refuse, row by row of the specification: the message names the parameter, its value, the axis and
//! what would be accepted.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_nn::{
    Conv1d, Conv2d, ConvBuilder, ConvTranspose, ConvTranspose1d, Elu, Flatten, Forward, Gelu, LeakyRelu,
    Linear, LogSoftmax, Padding, Relu, Result, Sequential, Softmax, Softplus, Tensor, Var,
};

/// Checks that `result` is an error whose message has every one of `parts`.
#[track_caller]
pub(crate) fn refused<V>(result: Result<V>, parts: &[&str]) {
    let Err(error) = result else { panic!("accepted, but {parts:?} should be refused") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
}

fn zeros(shape: &[usize]) -> Var<f32> {
    Var::constant(Tensor::zeros(shape).unwrap())
}

#[test]
fn channels_and_groups() {
    let deconv = ConvTranspose1d::builder;
    refused(deconv(0, 2, 3).build(), &["in_channels", "= 0", "at least 1"]);
    refused(deconv(4, 0, 3).build(), &["out_channels", "= 0", "at least 1"]);
    refused(deconv(4, 2, 3).groups(0).build(), &["groups", "= 0", "at least 1"]);
    refused(deconv(4, 3, 3).groups(2).build(), &["out_channels", "= 3", "a multiple of groups = 2"]);
    refused(deconv(3, 4, 3).groups(2).build(), &["in_channels", "= 3", "a multiple of groups = 2"]);
    refused(Conv1d::builder(4, 6, 3).groups(4).build(), &["out_channels", "= 6", "groups = 4"]);
    refused(Linear::<f32>::new(0, 2, true, &mut rand::rng()), &["in_features", "0"]);
}

#[test]
fn kernel_size_stride_and_dilation() {
    refused(ConvTranspose1d::builder(4, 2, 0).build(), &["kernel_size[0]", "= 0", "at least 1"]);
    refused(Conv2d::builder(4, 2, [3, 0]).build(), &["kernel_size[1]", "= 0"]);
    refused(Conv2d::builder(4, 2, 3).stride([0, 1]).build(), &["stride[0]", "= 0", "at least 1"]);
    refused(Conv2d::builder(4, 2, 3).dilation([1, 0]).build(), &["dilation[1]", "= 0", "at least 1"]);
}

#[test]
fn padding() {
    let error = "sane".parse::<Padding<1>>().unwrap_err().to_string();
    assert!(error.contains("padding") && error.contains("\"sane\"") && error.contains("\"same\""), "{error}");
    let deconv = ConvTranspose1d::builder(1, 1, 3).padding(4).build().unwrap();
    refused(deconv.forward(&zeros(&[1, 1, 5])), &["axis 0", "(5 - 1) * 1 - 4 - 4"]);
    // More than d (K - 1) is fine as long as an output is left.
    let deconv = ConvTranspose1d::builder(1, 1, 3).padding(3).build().unwrap();
    assert_eq!(deconv.forward(&zeros(&[1, 1, 5])).unwrap().shape(), [1, 1, 1]);
}

#[test]
fn output_padding() {
    let deconv = || ConvTranspose::<2>::builder(4, 2, 3).stride([2, 1]).dilation([1, 3]);
    assert!(deconv().output_padding([1, 2]).build().is_ok());
    refused(
        deconv().output_padding([2, 0]).build(),
        &["output_padding[0]", "= 2", "max(stride, dilation) = 2"],
    );
    refused(
        deconv().output_padding([0, 3]).build(),
        &["output_padding[1]", "= 3", "max(stride, dilation) = 3"],
    );
}

#[test]
fn output_size() {
    let deconv = ConvTranspose1d::builder(1, 1, 3).stride(3).build().unwrap();
    let x = zeros(&[1, 1, 4]);
    for size in 12..=14 {
        assert_eq!(deconv.forward_with_output_size(&x, size).unwrap().shape(), [1, 1, size]);
    }
    refused(deconv.forward_with_output_size(&x, 11), &["output_size[0]", "= 11", "12 to 14"]);
    refused(deconv.forward_with_output_size(&x, 15), &["output_size[0]", "= 15", "12 to 14"]);
    // Honoured without a batch, too.
    assert_eq!(deconv.forward_with_output_size(&zeros(&[1, 4]), 13).unwrap().shape(), [1, 13]);
}

#[test]
fn input() {
    let deconv = ConvTranspose1d::builder(4, 2, 3).build().unwrap();
    assert_eq!(deconv.forward(&zeros(&[0, 4, 5])).unwrap().shape(), [0, 2, 7]);
    assert_eq!(deconv.forward(&zeros(&[4, 5])).unwrap().shape(), [2, 7]);
    refused(deconv.forward(&zeros(&[5])), &["[5]", "(batch, channels, 1 spatial)"]);
    refused(deconv.forward(&zeros(&[1, 4, 5, 5])), &["[1, 4, 5, 5]"]);
    refused(deconv.forward(&zeros(&[1, 3, 5])), &["[1, 3, 5]", "4 channels"]);
    refused(deconv.forward(&zeros(&[1, 4, 0])), &["length", "= 0", "at least 1"]);
    let conv = Conv1d::builder(4, 2, 9).build().unwrap();
    refused(conv.forward(&zeros(&[1, 4, 8])), &["axis 0"]);
}

#[test]
fn non_contiguous_input_is_read_right() {
    let conv = ConvBuilder::<1, f64>::new(2, 3, 3).build().unwrap();
    let x = Tensor::arange(0.0, 24.0, 1.0).unwrap().reshape([2, 6, 2]).unwrap();
    let permuted = Var::constant(x.permute([0, 2, 1]).unwrap());
    let copied = Var::constant(Tensor::from_vec([2, 2, 6], permuted.value().to_vec()).unwrap());
    assert_eq!(conv.forward(&permuted).unwrap().value(), conv.forward(&copied).unwrap().value());
}

#[test]
fn sizes_that_overflow() {
    let huge = usize::MAX / 2;
    refused(Conv1d::builder(huge, huge, 3).build(), &["too large"]);
    refused(ConvTranspose1d::builder(1, 1, huge).build(), &["too large"]);
    let deconv = ConvTranspose1d::builder(1, 1, 2).stride(huge).build().unwrap();
    refused(deconv.forward(&zeros(&[1, 1, 4])), &["too large", "stride"]);
    let conv = Conv1d::builder(1, 1, 2).padding(huge).build().unwrap();
    refused(conv.forward(&zeros(&[1, 1, 4])), &["too large"]);
}

#[test]
fn padding_modes_that_reach_too_far() {
    use lucid_nn::PaddingMode;
    let conv = Conv1d::builder(1, 1, 9).padding(4).padding_mode(PaddingMode::Reflect).build().unwrap();
    refused(conv.forward(&zeros(&[1, 1, 4])), &["4"]);
}

#[test]
fn parameters_that_were_replaced_by_others_of_another_shape() {
    let x = zeros(&[1, 2, 5]);
    let mut conv = Conv1d::builder(2, 4, 3).build().unwrap();
    conv.weight = zeros(&[4, 2, 2]);
    refused(conv.forward(&x), &["the weight", "[4, 2, 2]", "[4, 2, 3]"]);
    let mut conv = Conv1d::builder(2, 4, 3).build().unwrap();
    conv.bias = Some(zeros(&[1]));
    refused(conv.forward(&x), &["the bias", "[1]", "[4]"]);
    conv.bias = None;
    refused(conv.forward(&x), &["bias = absent", "there"]);
    let mut deconv = ConvTranspose1d::builder(2, 4, 3).build().unwrap();
    deconv.weight = zeros(&[2, 3, 3]);
    refused(deconv.forward(&x), &["the weight", "[2, 3, 3]", "[2, 4, 3]"]);
    let mut linear = Linear::<f32>::new(5, 1, true, &mut rand::rng()).unwrap();
    linear.bias = Some(zeros(&[4]));
    refused(linear.forward(&x), &["the bias", "[4]", "[1]"]);
    linear.weight = zeros(&[5]);
    refused(linear.forward(&x), &["the weight", "[5]", "2"]);
}

#[test]
fn options_of_activations() {
    let x = zeros(&[2, 3]);
    refused(Softmax { axis: 5 }.forward(&x), &["axis = 5 is refused: accepted is below 2"]);
    refused(LogSoftmax { axis: 2 }.forward(&x), &["axis = 2 is refused: accepted is below 2"]);
    refused(LeakyRelu { slope: 1e300 }.forward(&x), &["slope", "f32"]);
    refused(Elu { alpha: 1e300 }.forward(&x), &["alpha", "f32"]);
    refused(Softplus { beta: 1e-60 }.forward(&x), &["beta", "f32"]);
}

#[test]
fn a_sequence_names_the_layer() {
    let model = Sequential::new().with(Relu).with(Sequential::new().with(Relu).with(Softmax { axis: 5 }));
    let error = model.forward(&zeros(&[2, 3])).unwrap_err();
    assert_eq!(error.to_string(), "layer 1.1: axis = 5 is refused: accepted is below 2");
    assert!(std::error::Error::source(&error).unwrap().to_string().starts_with("axis = 5"));
}

#[test]
fn fields_that_are_left_out_have_their_defaults() {
    fn check<C: serde::de::DeserializeOwned + Default + PartialEq + std::fmt::Debug>() {
        assert_eq!(serde_json::from_str::<C>("{}").unwrap(), C::default());
        assert!(serde_json::from_str::<C>(r#"{"unknown":1}"#).is_err());
    }
    check::<LeakyRelu>();
    check::<Elu>();
    check::<Softplus>();
    check::<Gelu>();
    check::<Softmax>();
    check::<LogSoftmax>();
    check::<Flatten>();
}
