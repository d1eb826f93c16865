//! The two examples of Lucid's page on `ConvTranspose1d`, with the numbers that its formulas give.
//!
//! What is printed is also asserted, so running this is a test.

#[path = "common/console.rs"]
mod console;
#[path = "common/error.rs"]
mod error;

use std::io::Write;

use lucid::{ConvTranspose1d, Forward, Module, Relu, Tensor, Var, tensor};

use error::Result;

fn main() -> Result<()> {
    let mut out = console::Console(std::io::stdout());
    basic_usage(&mut out)?;
    stacked_usage(&mut out)
}

/// One layer, forward and backward.
fn basic_usage(out: &mut impl Write) -> Result<()> {
    let x = Var::leaf(tensor!([[[1.0, 2.0, 3.0]]])); // shape (1, 1, 3)
    let deconv1d = ConvTranspose1d::builder(1, 1, 2).stride(1).bias(false).build()?;
    deconv1d.weight.set_value(tensor!([[[1.0, 0.5]]]))?;
    writeln!(out, "{}", deconv1d.weight)?;

    let y = deconv1d.forward(&x)?; // shape (1, 1, 4)
    writeln!(out, "{y}")?;
    assert_eq!(y.value(), tensor!([[[1.0, 2.5, 4.0, 1.5]]]));

    // As no gradient of y is given, it is one everywhere.
    y.backward()?;
    show(out, "x.grad", &x, tensor!([[[1.5, 1.5, 1.5]]]))?;
    show(out, "deconv1d.weight.grad", &deconv1d.weight, tensor!([[[6.0, 6.0]]]))
}

fn show(out: &mut impl Write, name: &str, var: &Var<f32>, expected: Tensor<f32>) -> Result<()> {
    let grad = var.grad().unwrap_or_else(|| panic!("{name} has arrived"));
    writeln!(out, "{name}: {grad}")?;
    assert_eq!(grad, expected, "{name}");
    Ok(())
}

/// A layer and an activation as one module.
#[derive(Module)]
struct Decoder {
    deconv1: ConvTranspose1d,
    relu: Relu,
}

impl Decoder {
    fn new() -> lucid::Result<Self> {
        let deconv1 = ConvTranspose1d::builder(4, 2, 3).stride(2).padding(1).output_padding(1).build()?;
        Ok(Decoder { deconv1, relu: Relu })
    }
}

impl Forward for Decoder {
    fn forward(&self, x: &Var<f32>) -> lucid::Result<Var<f32>> {
        self.relu.forward(&self.deconv1.forward(x)?)
    }
}

fn stacked_usage(out: &mut impl Write) -> Result<()> {
    let model = Decoder::new()?;
    let z = Var::leaf(Tensor::normal([1, 4, 5], 0.0, 1.0, &mut rand::rng())?);
    let output = model.forward(&z)?;
    writeln!(out, "z {:?} -> output {:?}", z.shape(), output.shape())?;
    assert_eq!(output.shape(), [1, 2, 10]);

    output.backward()?;
    for (name, parameter) in model.named_parameters() {
        writeln!(out, "{name} {:?} has a gradient: {}", parameter.shape(), parameter.grad().is_some())?;
        assert_eq!(parameter.grad().map(|grad| grad.shape().to_vec()), Some(parameter.shape()), "{name}");
    }
    assert_eq!(z.grad().map(|grad| grad.shape().to_vec()), Some(z.shape()));
    Ok(())
}
