//! Where nothing is recorded, a convolution packs its weight once; never does it use one that has changed.

use lucid_nn::lucid_autograd::no_grad;
use lucid_nn::optim::{Optimizer, Sgd, SgdConfig};
use lucid_nn::{Conv1d, ConvTranspose1d, Forward, Module, Strictness, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn conv(seed: u64) -> Conv1d {
    Conv1d::builder(16, 16, 5)
        .padding(2)
        .build_with(&mut ChaCha8Rng::seed_from_u64(seed))
        .expect("the sizes of the test are valid")
}

fn input(len: usize) -> Var<f32> {
    Var::constant(
        Tensor::uniform([1, 16, len], -1.0, 1.0, &mut ChaCha8Rng::seed_from_u64(9))
            .expect("the sizes of the test are valid"),
    )
}

/// The bits of a recorded run, which packs nothing, twice where nothing is recorded, and what they are.
fn agrees(module: &impl Forward, len: usize) -> Tensor<f32> {
    let x = input(len);
    // The first run may pack, the second one may use it; the recorded one comes last, as it forgets.
    let packed =
        [(); 2].map(|()| no_grad(|| module.forward(&x).expect("the sizes of the test are valid").value()));
    let recorded = module.forward(&x).expect("the sizes of the test are valid");
    assert!(recorded.requires_grad());
    for packed in packed {
        assert_eq!(packed, recorded.value());
    }
    recorded.value()
}

/// Runs without recording only, so that what is packed stays from before a change to after it.
fn changes(module: &impl Forward, change: impl FnOnce()) {
    let x = input(80);
    let run = || no_grad(|| module.forward(&x).expect("the sizes of the test are valid").value());
    let before = run();
    assert_eq!(run(), before);
    change();
    let after = run();
    assert_ne!(after, before);
    assert_eq!(after, module.forward(&x).expect("the sizes of the test are valid").value());
}

#[test]
fn the_bits_are_those_of_a_recorded_run() {
    let up = ConvTranspose1d::builder(16, 16, 4).stride(2).padding(1);
    let up = up.build_with(&mut ChaCha8Rng::seed_from_u64(3)).unwrap();
    let wide = Conv1d::builder(16, 128, 3).padding(1).build_with(&mut ChaCha8Rng::seed_from_u64(3)).unwrap();
    // From matrix products to tiles and back, and with other forms of the phases.
    for len in [1, 80, 7, 400, 8, 80] {
        agrees(&conv(1), len);
        agrees(&up, len);
        agrees(&wide, len);
    }
    let kept = conv(1);
    let runs = [80, 400, 7, 80].map(|len| no_grad(|| kept.forward(&input(len)).unwrap().value()));
    for (run, len) in runs.into_iter().zip([80, 400, 7, 80]) {
        assert_eq!(run, agrees(&conv(1), len));
    }
    let runs = [80, 400, 7, 9, 80].map(|len| no_grad(|| up.forward(&input(len)).unwrap().value()));
    for (run, len) in runs.into_iter().zip([80, 400, 7, 9, 80]) {
        assert_eq!(run, agrees(&up, len));
    }
}

#[test]
fn a_new_value_is_used() {
    let module = conv(1);
    changes(&module, || module.weight.set_value(conv(2).weight.value()).unwrap());
}

#[test]
fn a_value_written_in_place_is_used() {
    let module = conv(1);
    changes(&module, || {
        let mut value = module.weight.value();
        value.view_mut()[[0, 0, 0]] += 1.0;
        module.weight.set_value(value).unwrap();
    });
}

#[test]
fn a_loaded_state_dict_is_used() {
    let module = conv(1);
    changes(&module, || {
        module.load_state_dict(&conv(2).state_dict(), Strictness::Strict).unwrap();
    });
}

#[test]
fn an_optimizer_s_step_is_used() {
    let module = conv(1);
    changes(&module, || {
        let mut optimizer = Sgd::new(module.named_parameters(), SgdConfig::default()).unwrap();
        module.weight.set_grad(Tensor::ones([16, 16, 5]).unwrap()).unwrap();
        optimizer.step().unwrap();
    });
}

#[test]
fn another_weight_in_the_field_is_used() {
    let mut module = conv(1);
    let x = input(80);
    let run = |module: &Conv1d| no_grad(|| module.forward(&x).unwrap().value());
    let before = run(&module);
    module.weight = conv(2).weight;
    let after = run(&module);
    assert_ne!(after, before);
    assert_eq!(after, module.forward(&x).unwrap().value());
    // A constant requires no gradient: packed without `no_grad`, too.
    module.weight = module.weight.detach();
    module.bias = module.bias.map(|bias| bias.detach());
    assert_eq!(module.forward(&x).unwrap().value(), after);
    module.weight = conv(1).weight.detach();
    assert_ne!(module.forward(&x).unwrap().value(), after);
}

/// The bias is not packed, and neither is what it was.
#[test]
fn another_bias_is_used() {
    let module = conv(1);
    changes(&module, || module.bias.as_ref().unwrap().set_value(Tensor::ones([16]).unwrap()).unwrap());
}

#[test]
fn threads_share_a_module_that_changes() {
    let (module, values) = (conv(1), [1, 2].map(|seed| conv(seed).weight.value()));
    let x = input(80);
    let bias = module.bias.as_ref();
    let accepted: Vec<Tensor<f32>> = values
        .iter()
        .map(|value| {
            let options = module.config().options();
            x.convolve(&Var::constant(value.clone()), bias, &options).unwrap().value()
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let y = no_grad(|| module.forward(&x).unwrap().value());
                    assert!(accepted.contains(&y));
                }
            });
        }
        for round in 0..50 {
            module.weight.set_value(values[round % 2].clone()).unwrap();
        }
    });
}
