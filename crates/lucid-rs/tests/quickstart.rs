//! The numbers of the quickstart, through the facade alone.

use lucid::{ConvTranspose1d, Forward, Module, Relu, Result, Tensor, Var, no_grad, tensor};

#[test]
fn the_first_snippet_prints_and_computes_what_the_formulas_say() -> Result<()> {
    let x = Var::leaf(tensor!([[[1.0, 2.0, 3.0]]]));
    let deconv = ConvTranspose1d::builder(1, 1, 2).bias(false).build()?;
    deconv.weight.set_value(tensor!([[[1.0, 0.5]]]))?;
    assert_eq!(deconv.weight.to_string(), "Tensor([[[1.0, 0.5]]], requires_grad=true)");
    let y = deconv.forward(&x)?;
    assert_eq!(y.detach().to_string(), "Tensor([[[1.0, 2.5, 4.0, 1.5]]])");
    y.backward()?;
    assert_eq!(x.grad(), Some(tensor!([[[1.5, 1.5, 1.5]]])));
    assert_eq!(deconv.weight.grad(), Some(tensor!([[[6.0, 6.0]]])));
    Ok(())
}

/// The derive finds the library under the facade's name.
#[derive(Module)]
struct Decoder {
    deconv1: ConvTranspose1d,
    relu: Relu,
}

impl Forward for Decoder {
    fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
        self.relu.forward(&self.deconv1.forward(x)?)
    }
}

#[test]
fn the_second_snippet_has_the_shape_and_the_gradients() -> Result<()> {
    let deconv1 = ConvTranspose1d::builder(4, 2, 3).stride(2).padding(1).output_padding(1).build()?;
    let model = Decoder { deconv1, relu: Relu };
    let z = Var::leaf(Tensor::normal([1, 4, 5], 0.0, 1.0, &mut rand::rng())?);
    let output = model.forward(&z)?;
    assert_eq!(output.shape(), [1, 2, 10]);
    output.backward()?;

    // The bias moves exactly the outputs that the activation lets through.
    let positive = output.value().map(|y| if y > 0.0 { 1.0 } else { 0.0 }).sum(&[0, 2], false)?;
    assert_eq!(model.deconv1.bias.as_ref().and_then(Var::grad), Some(positive));
    for var in model.parameters().iter().chain([&z]) {
        assert_eq!(var.grad().map(|grad| grad.shape().to_vec()), Some(var.shape()));
    }
    assert!(!no_grad(|| model.forward(&z))?.requires_grad());
    Ok(())
}
