//! Every module's gradients of first and second order, by its input and by its parameters, against central differences.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_autograd::Result as TapeResult;
use lucid_check::tape::{arbitrary, check_gradients};
use lucid_nn::{
    Conv, ConvBuilder, ConvTranspose, ConvTransposeBuilder, Dropout, Elu, Flatten, Forward, Gelu, LeakyRelu,
    Linear, LogSoftmax, Module, Padding, PaddingMode, Relu, Result, Sequential, Sigmoid, Silu, Softmax,
    Softplus, Tanh, Var,
};
use ndarray::ArrayD;

/// Checks the module that `make` builds from its parameters (as many as `shapes` has after the input's).
fn check<M: Forward<f64>>(name: &str, shapes: &[&[usize]], make: impl Fn(&[Var<f64>]) -> Result<M>) {
    // Off zero, where the activations have corners.
    let inputs: Vec<ArrayD<f64>> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| arbitrary(shape, 11 + i as u64).mapv(|x| x + 0.05 * x.signum()))
        .collect();
    check_gradients(&inputs, |vars| make(&vars[1..])?.forward(&vars[0]))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn conv<const N: usize>(
    vars: &[Var<f64>],
    kernel: [usize; N],
    set: impl Fn(ConvBuilder<N, f64>) -> ConvBuilder<N, f64>,
) -> Result<Conv<N, f64>> {
    let mut conv = set(ConvBuilder::new(2, 4, kernel)).build()?;
    conv.weight = vars[0].clone();
    conv.bias = vars.get(1).cloned();
    Ok(conv)
}

fn deconv<const N: usize>(
    vars: &[Var<f64>],
    kernel: [usize; N],
    set: impl Fn(ConvTransposeBuilder<N, f64>) -> ConvTransposeBuilder<N, f64>,
) -> Result<ConvTranspose<N, f64>> {
    let mut deconv = set(ConvTransposeBuilder::new(4, 2, kernel)).build()?;
    deconv.weight = vars[0].clone();
    deconv.bias = vars.get(1).cloned();
    Ok(deconv)
}

#[test]
fn conv_of_every_rank() {
    check("conv1d", &[&[2, 2, 6], &[4, 2, 3], &[4]], |v| conv(v, [3], |b| b.stride(2).padding(1)));
    check("conv1d groups, no bias", &[&[1, 2, 5], &[4, 1, 2]], |v| conv(v, [2], |b| b.groups(2).bias(false)));
    check("conv2d", &[&[1, 2, 4, 3], &[4, 2, 2, 2], &[4]], |v| conv(v, [2, 2], |b| b.dilation([2, 1])));
    check("conv3d", &[&[1, 2, 2, 3, 2], &[4, 2, 1, 2, 2], &[4]], |v| {
        conv(v, [1, 2, 2], |b| b.stride([2, 1, 1]))
    });
}

#[test]
fn conv_with_every_padding_mode() {
    for mode in [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
        let shapes: [&[usize]; 3] = [&[1, 2, 6], &[4, 2, 4], &[4]];
        check(&format!("{mode:?}"), &shapes, |v| conv(v, [4], |b| b.padding(3).padding_mode(mode)));
        check(&format!("{mode:?} same"), &shapes, |v| {
            conv(v, [4], |b| b.padding(Padding::Same).padding_mode(mode))
        });
    }
}

#[test]
fn conv_transpose_of_every_rank() {
    check("conv_transpose1d", &[&[2, 4, 3], &[4, 2, 3], &[2]], |v| {
        deconv(v, [3], |b| b.stride(2).padding(1).output_padding(1))
    });
    check("conv_transpose1d groups, no bias", &[&[4, 3], &[4, 1, 2]], |v| {
        deconv(v, [2], |b| b.groups(2).dilation(2).bias(false))
    });
    check("conv_transpose1d same", &[&[1, 4, 3], &[4, 2, 3], &[2]], |v| {
        deconv(v, [3], |b| b.stride(2).padding(Padding::Same))
    });
    check("conv_transpose2d", &[&[1, 4, 2, 2], &[4, 2, 2, 3], &[2]], |v| {
        deconv(v, [2, 3], |b| b.stride([2, 3]).padding([0, 1]))
    });
    check("conv_transpose3d", &[&[1, 4, 1, 2, 2], &[4, 2, 2, 1, 2], &[2]], |v| {
        deconv(v, [2, 1, 2], |b| b.stride([1, 2, 1]).output_padding([0, 1, 0]))
    });
}

#[test]
fn conv_transpose_with_an_output_size() {
    let inputs = [arbitrary(&[1, 4, 3], 1), arbitrary(&[4, 2, 3], 2)];
    check_gradients(&inputs, |v| {
        deconv(&v[1..], [3], |b| b.stride(3).bias(false))?.forward_with_output_size(&v[0], 11)
    })
    .unwrap();
}

#[test]
fn linear() {
    check("linear", &[&[2, 3, 4], &[5, 4], &[5]], |v| {
        let mut linear = Linear::new(4, 5, true, &mut rand::rng())?;
        (linear.weight, linear.bias) = (v[0].clone(), Some(v[1].clone()));
        Ok(linear)
    });
}

#[test]
fn activations() {
    let x: &[&[usize]] = &[&[2, 3, 2]];
    check("relu", x, |_| Ok(Relu));
    check("tanh", x, |_| Ok(Tanh));
    check("sigmoid", x, |_| Ok(Sigmoid));
    check("silu", x, |_| Ok(Silu));
    check("gelu", x, |_| Ok(Gelu { tanh: false }));
    check("gelu tanh", x, |_| Ok(Gelu { tanh: true }));
    check("leaky_relu", x, |_| Ok(LeakyRelu { slope: 0.2 }));
    check("elu", x, |_| Ok(Elu { alpha: 0.5 }));
    check("softplus", x, |_| Ok(Softplus { beta: 2.0 }));
    check("softmax", x, |_| Ok(Softmax { axis: 1 }));
    check("log_softmax", x, |_| Ok(LogSoftmax { axis: 2 }));
}

#[test]
fn flatten_dropout_sequential() {
    check("flatten", &[&[2, 3, 2]], |_| Ok(Sequential::new().with(Tanh).with(Flatten::default())));
    // The same seed drops the same elements each time.
    check("dropout", &[&[4, 5]], |_| Ok(Sequential::new().with(Tanh).with(Dropout::new(0.5, 3)?)));
    check("sequential", &[&[1, 2, 6], &[4, 2, 3], &[4], &[4, 2, 4], &[2]], |v| {
        Ok(Sequential::new()
            .with(conv(&v[..2], [3], |b| b.stride(2).padding(1))?)
            .with(LeakyRelu::default())
            .with(deconv(&v[2..], [4], |b| b.stride(2).padding(1))?))
    });
}

#[test]
fn dropout_keeps_the_mean_and_stops_in_evaluation() {
    let mut model = Sequential::<f64>::new().with(Dropout::new(0.25, 7).unwrap());
    let x = Var::constant(lucid_nn::Tensor::ones([40_000]).unwrap());
    let y = model.forward(&x).unwrap().value();
    let dropped = y.to_vec().iter().filter(|&&y| y == 0.0).count() as f64 / 40_000.0;
    // Five standard deviations of a proportion of 40,000 draws: 5 sqrt(0.25 * 0.75 / 40000) = 0.011.
    assert!((dropped - 0.25).abs() < 0.011, "{dropped}");
    assert!(y.to_vec().iter().all(|&y| y == 0.0 || y == 1.0 / 0.75));
    model.eval();
    assert_eq!(model.forward(&x).unwrap().value(), x.value());
    model.train();
    assert_ne!(model.forward(&x).unwrap().value(), x.value());
    assert!(Dropout::new(1.0, 0).is_err() && Dropout::new(f64::NAN, 0).is_err());
}

#[test]
fn unused_bias_is_no_parameter_and_gradients_can_be_cleared() {
    let conv = ConvBuilder::<1, f64>::new(2, 4, 3).bias(false).build().unwrap();
    assert_eq!(conv.named_parameters().len(), 1);
    let x = Var::constant(lucid_nn::Tensor::ones([1, 2, 5]).unwrap());
    let run = || -> TapeResult<()> { conv.forward(&x).unwrap().backward() };
    run().unwrap();
    assert!(conv.weight.grad().is_some());
    conv.zero_grad();
    assert!(conv.weight.grad().is_none());
}
