//! `#[derive(Module)]`: names, element types, and everything that a struct of modules can be made of.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_nn::{
    Conv1d, ConvTranspose1d, ConvTransposeBuilder, Dropout, Forward, LeakyRelu, Module, Relu, Result,
    Sequential, Tensor, Var,
};

fn names<T: lucid_nn::Element>(vars: Vec<(String, Var<T>)>) -> Vec<String> {
    vars.into_iter().map(|(name, _)| name).collect()
}

#[derive(Module)]
struct Block {
    conv: Conv1d,
    #[module(name = "act")]
    activation: LeakyRelu,
    #[module(name = "shortcut.0")]
    skip: Option<Conv1d>,
}

#[derive(Module)]
struct Model {
    blocks: Vec<Block>,
    head: Box<dyn Forward>,
    scale: Var<f32>,
    mean: Var<f32>,
    dropout: Dropout,
    #[module(skip)]
    sample_rate: u32,
}

fn block(skip: bool) -> Block {
    Block {
        conv: Conv1d::builder(2, 2, 3).padding(1).build().unwrap(),
        activation: LeakyRelu::default(),
        skip: skip.then(|| Conv1d::builder(2, 2, 1).bias(false).build().unwrap()),
    }
}

fn model() -> Model {
    Model {
        blocks: vec![block(false), block(true)],
        // Leaky: a relu may be given negative numbers alone, and its output then says nothing of what came before.
        head: Box::new(
            Sequential::new()
                .with(LeakyRelu::default())
                .with(ConvTranspose1d::builder(2, 1, 4).build().unwrap()),
        ),
        scale: Var::leaf(Tensor::ones([2, 1]).unwrap()),
        mean: Var::constant(Tensor::zeros([2, 1]).unwrap()),
        dropout: Dropout::new(0.5, 0).unwrap(),
        sample_rate: 16_000,
    }
}

impl Forward for Model {
    fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let mut x = x.sub(&self.mean)?.mul(&self.scale)?;
        for block in &self.blocks {
            let y = block.activation.forward(&block.conv.forward(&x)?)?;
            x = match &block.skip {
                Some(skip) => y.add(&skip.forward(&x)?)?,
                None => y,
            };
        }
        self.head.forward(&self.dropout.forward(&x)?)
    }
}

#[test]
fn names_are_paths_of_fields() {
    let model = model();
    assert_eq!(
        names(model.named_parameters()),
        [
            "blocks.0.conv.weight",
            "blocks.0.conv.bias",
            "blocks.1.conv.weight",
            "blocks.1.conv.bias",
            "blocks.1.shortcut.0.weight",
            "head.1.weight",
            "head.1.bias",
            "scale"
        ]
    );
    assert_eq!(names(model.named_buffers()), ["mean"]);
    assert_eq!(model.num_parameters(), 2 * (12 + 2) + 4 + 8 + 1 + 2);
    assert_eq!(model.sample_rate, 16_000);
}

#[test]
fn every_parameter_gets_a_gradient() {
    let model = model();
    let x = Var::constant(Tensor::ones([1, 2, 8]).unwrap());
    model.forward(&x).unwrap().square().sum_all().backward().unwrap();
    for (name, parameter) in model.named_parameters() {
        assert!(parameter.grad().is_some(), "{name}");
    }
    model.zero_grad();
    assert!(model.parameters().iter().all(|parameter| parameter.grad().is_none()));
}

#[test]
fn the_mode_reaches_every_part() {
    let mut model = model();
    let x = Var::constant(Tensor::ones([1, 2, 64]).unwrap());
    model.eval();
    let run = |model: &Model| model.forward(&x).unwrap().value();
    assert_eq!(run(&model), run(&model));
    model.train();
    assert_ne!(run(&model), run(&model));
}

/// Generic over the element type: the type parameter bounded by `Element`.
#[derive(Module)]
struct Generic<T: lucid_nn::Element, M> {
    deconv: ConvTranspose1d<T>,
    rest: M,
}

#[derive(Module)]
#[module(element = f64)]
struct Double(ConvTranspose1d<f64>, Relu);

#[test]
fn element_types() {
    let deconv = ConvTransposeBuilder::<1, f64>::new(1, 1, 2).build().unwrap();
    let generic = Generic { deconv, rest: Relu };
    assert_eq!(names(generic.named_parameters()), ["deconv.weight", "deconv.bias"]);
    let Generic { deconv, rest } = generic;
    assert_eq!(names(Double(deconv, rest).named_parameters()), ["0.weight", "0.bias"]);
}

#[test]
fn modules_are_shared_between_threads() {
    let model = model();
    let x = Var::constant(Tensor::ones([1, 2, 8]).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| model.forward(&x).unwrap().sum_all().backward().unwrap());
        }
    });
    assert!(model.scale.grad().is_some());
}

/// No parameter is an element type, so it is `f32`; `M` is a module wherever a field contains it.
#[derive(Module)]
struct Wrapper<M: Forward> {
    parts: [M; 2],
    pair: (Option<M>, Relu),
}

#[derive(Module)]
struct Reversed<M, T>
where
    T: lucid_nn::Element,
{
    part: M,
    w: Var<T>,
}

#[test]
fn type_parameters_that_are_no_elements_are_modules() {
    let linear = || lucid_nn::Linear::<f32>::new(1, 1, false, &mut rand::rng()).unwrap();
    let wrapper = Wrapper { parts: [linear(), linear()], pair: (Some(linear()), Relu) };
    let expected = ["parts.0.weight", "parts.1.weight", "pair.0.weight"];
    assert_eq!(names(wrapper.named_parameters()), expected);
    let reversed = Reversed { part: Relu, w: Var::leaf(Tensor::<f64>::ones([1]).unwrap()) };
    assert_eq!(names(reversed.named_parameters()), ["w"]);
    assert_eq!(reversed.part, Relu);

    let mut dropouts = [Dropout::new(0.5, 0).unwrap()];
    Module::<f32>::eval(&mut dropouts);
    let x = Var::<f32>::constant(Tensor::ones([64]).unwrap());
    assert_eq!(dropouts[0].forward(&x).unwrap().value(), x.value());
}
