//! Weight norm: gradients of both orders to lengths and directions, both naming schemes, folding.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::tape::{arbitrary, check_gradients};
use lucid_nn::{
    Conv1d, ConvBuilder, ConvTransposeBuilder, Forward, Module, Sequential, StateDict, Strictness, Tensor,
    Var, WeightNorm, Weighted,
};

use crate::refusals::refused;

fn check<L: Weighted<f64>>(shapes: [&[usize]; 3], dim: Option<usize>, layer: impl Fn() -> L) {
    let inputs = [0, 1, 2].map(|i| arbitrary(shapes[i], 21 + i as u64));
    check_gradients(&inputs, |v| {
        let mut norm = WeightNorm::with_dim(layer(), dim)?;
        (norm.g, norm.v) = (v[1].clone(), v[2].clone());
        norm.forward(&v[0])
    })
    .unwrap_or_else(|error| panic!("{dim:?}: {error}"));
}

#[test]
fn gradients() {
    let conv = || ConvBuilder::<1, f64>::new(2, 3, 2).bias(false).build().unwrap();
    check([&[1, 2, 4], &[3, 1, 1], &[3, 2, 2]], Some(0), conv);
    check([&[1, 2, 4], &[1, 1, 2], &[3, 2, 2]], Some(2), conv);
    check([&[1, 2, 4], &[], &[3, 2, 2]], None, conv);
    let deconv = || ConvTransposeBuilder::<2, f64>::new(2, 1, 2).stride(2).bias(false).build().unwrap();
    check([&[1, 2, 2, 2], &[2, 1, 1, 1], &[2, 1, 2, 2]], Some(0), deconv);
}

fn model() -> Sequential {
    Sequential::new().with(WeightNorm::new(Conv1d::builder(2, 4, 3).build().unwrap()).unwrap())
}

#[test]
fn both_naming_schemes_load_and_the_older_is_saved() {
    let (from, to) = (model(), model());
    let old = from.state_dict();
    assert_eq!(old.names().collect::<Vec<_>>(), ["0.bias", "0.weight_g", "0.weight_v"]);
    let mut new = StateDict::new();
    for (name, tensor) in old.iter() {
        let name = name.replace("weight_g", "parametrizations.weight.original0");
        new.insert(name.replace("weight_v", "parametrizations.weight.original1"), tensor.clone());
    }
    for state in [&old, &new] {
        let to = model();
        assert!(to.load_state_dict(state, Strictness::Strict).unwrap().is_complete());
        assert_eq!(to.state_dict().get("0.weight_v"), old.get("0.weight_v"));
        assert_eq!(to.state_dict().get("0.weight_g"), old.get("0.weight_g"));
    }
    // With both in one file, one is superfluous; with neither, the first name is missing.
    let mut both = old.clone();
    both.insert("0.parametrizations.weight.original0", new.iter().nth(1).unwrap().1.clone());
    refused(
        to.load_state_dict(&both, Strictness::Strict),
        &["unexpected 0.parametrizations.weight.original0"],
    );
    refused(
        to.load_state_dict(&StateDict::new(), Strictness::Strict),
        &["missing", "0.weight_g", "0.weight_v"],
    );
}

#[test]
fn folding_gives_the_plain_layer() {
    let mut norm = WeightNorm::new(Conv1d::builder(2, 4, 3).build().unwrap()).unwrap();
    norm.g = Var::leaf(norm.g.value() * 3.0);
    let x = Var::constant(Tensor::from(arbitrary(&[1, 2, 8], 1).mapv(|x| x as f32)));
    let plain = norm.fold().unwrap();
    assert_eq!(plain.forward(&x).unwrap().value(), norm.forward(&x).unwrap().value());
    let names: Vec<_> = plain.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["weight", "bias"]);
}

#[test]
fn what_is_refused() {
    let conv = || Conv1d::builder(2, 4, 3).build().unwrap();
    refused(WeightNorm::with_dim(conv(), Some(3)), &["dim = 3", "below 3"]);
    let x = Var::constant(Tensor::zeros([1, 2, 8]).unwrap());
    let mut norm = WeightNorm::new(conv()).unwrap();
    norm.g = Var::leaf(Tensor::ones([4]).unwrap());
    refused(norm.forward(&x), &["the lengths", "[4]", "[4, 1, 1]"]);
    norm.v = Var::leaf(Tensor::ones([4, 2, 1]).unwrap());
    refused(norm.fold(), &["the directions", "[4, 2, 1]", "[4, 2, 3]"]);
}
