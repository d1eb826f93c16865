//! A convolution with what surrounds it: the same bits as its parts, and where it is recorded the same gradients.

use lucid_nn::lucid_autograd::no_grad;
use lucid_nn::{
    Activation, Conv1d, Conv2d, ConvTranspose1d, Elu, Forward, Fused, Gelu, LeakyRelu, Module, PRelu,
    PaddingMode, Relu, Sigmoid, Silu, Snake, SnakeBeta, Softplus, Tanh, Tensor, Var,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const CHANNELS: usize = 16;

fn random(shape: &[usize], seed: u64) -> Tensor<f32> {
    Tensor::uniform(shape, -1.0, 1.0, &mut ChaCha8Rng::seed_from_u64(seed))
        .expect("the sizes of the test are valid")
}

fn conv() -> Conv1d {
    let conv = Conv1d::builder(CHANNELS, CHANNELS, 5).padding(4).dilation(2);
    conv.build_with(&mut ChaCha8Rng::seed_from_u64(1)).expect("the sizes of the test are valid")
}

/// Numbers that differ from channel to channel.
fn per_channel(seed: u64) -> Var<f32> {
    Var::leaf(random(&[CHANNELS], seed))
}

fn activations() -> Vec<(&'static str, Box<dyn Activation>)> {
    let with = |log_scale| -> [(&'static str, Box<dyn Activation>); 2] {
        let (alpha, beta) = (per_channel(2), per_channel(3));
        [
            ("snake", Box::new(Snake { alpha: alpha.clone(), log_scale })),
            ("snake beta", Box::new(SnakeBeta { alpha, beta, log_scale })),
        ]
    };
    let mut all: Vec<(&'static str, Box<dyn Activation>)> = vec![
        ("relu", Box::new(Relu)),
        ("tanh", Box::new(Tanh)),
        ("sigmoid", Box::new(Sigmoid)),
        ("silu", Box::new(Silu)),
        ("gelu", Box::new(Gelu { tanh: false })),
        ("gelu by tanh", Box::new(Gelu { tanh: true })),
        ("leaky relu", Box::new(LeakyRelu { slope: 0.3 })),
        ("elu", Box::new(Elu { alpha: 0.7 })),
        ("softplus", Box::new(Softplus { beta: 2.0 })),
        ("prelu", Box::new(PRelu { weight: per_channel(4) })),
        ("prelu of one", Box::new(PRelu::new(1).expect("a number of weights"))),
    ];
    all.extend(with(false).into_iter().chain(with(true)));
    all
}

/// The sum of squares of an output's elements has a gradient that depends on all of them.
fn gradients(y: &Var<f32>, of: &[Var<f32>]) -> Vec<Tensor<f32>> {
    of.iter().for_each(Var::zero_grad);
    y.square().sum_all().backward().expect("a number has a gradient");
    of.iter().map(|var| var.grad().expect("it was used")).collect()
}

fn run<'a>(fused: Fused<'a, f32>, x: &Var<f32>) -> Tensor<f32> {
    no_grad(|| fused.forward(x)).expect("the sizes of the test are valid").value()
}

#[test]
fn every_activation_gives_the_bits_of_the_parts_and_their_gradients() {
    let (conv, x, skip) =
        (conv(), Var::leaf(random(&[2, CHANNELS, 90], 5)), Var::leaf(random(&[2, CHANNELS, 90], 6)));
    for (name, act) in &activations() {
        let fused = conv.fused().before(&**act).skip(&skip).skip(&x).after(&**act);
        let recorded = fused.forward(&x).unwrap();
        let parts = ((conv.forward(&act.forward(&x).unwrap()).unwrap() + &skip).unwrap() + &x).unwrap();
        let parts = act.forward(&parts).unwrap();
        assert_eq!(recorded.value(), parts.value(), "{name}");
        assert_eq!(run(fused, &x), parts.value(), "{name}");
        let mut all = vec![x.clone(), skip.clone()];
        all.extend(conv.parameters());
        all.extend(act.parameters());
        assert_eq!(gradients(&recorded, &all), gradients(&parts, &all), "{name}");
    }
}

/// What learns is recorded, wherever it is: here in one part at a time, all others being constants.
#[test]
fn a_gradient_of_any_part_is_there() {
    let mut conv = conv();
    conv.weight = conv.weight.detach();
    conv.bias = None.or(conv.bias.map(|bias| bias.detach()));
    let constant = Var::constant(random(&[1, CHANNELS, 40], 5));
    let leaf = Var::leaf(constant.value());
    let fixed = PRelu { weight: per_channel(2).detach() };
    let learns = PRelu { weight: per_channel(3) };
    let plain = conv.fused().before(&fixed).skip(&constant).after(&fixed);
    assert!(!plain.forward(&constant).unwrap().requires_grad());
    assert!(plain.forward(&leaf).unwrap().requires_grad());
    for fused in [plain.clone().before(&learns), plain.clone().after(&learns), plain.clone().skip(&leaf)] {
        assert!(fused.forward(&constant).unwrap().requires_grad(), "{fused:?}");
        assert!(!no_grad(|| fused.forward(&constant)).unwrap().requires_grad());
    }
}

#[test]
fn transposed_convolutions_and_pictures() {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let up = ConvTranspose1d::builder(CHANNELS, 8, 8).stride(4).padding(2).build_with(rng).unwrap();
    let (x, act) =
        (Var::leaf(random(&[1, CHANNELS, 50], 5)), Snake { alpha: per_channel(7), log_scale: true });
    let expected = Tanh.forward(&up.forward(&act.forward(&x).unwrap()).unwrap()).unwrap();
    assert_eq!(run(up.fused().before(&act).after(&Tanh), &x), expected.value());

    let conv = Conv2d::builder(4, 6, 3).build_with(rng).unwrap();
    let act = PRelu { weight: Var::leaf(random(&[6], 8)) };
    // Without a batch.
    let x = Var::leaf(random(&[4, 12, 15], 9));
    let expected = act.forward(&conv.forward(&x.unsqueeze(0).unwrap()).unwrap()).unwrap();
    assert_eq!(run(conv.fused().after(&act), &x), expected.squeeze(0).unwrap().value());
}

#[test]
fn other_padding_modes_are_padded_after_the_activation() {
    let conv = Conv1d::builder(CHANNELS, CHANNELS, 3).padding(1).padding_mode(PaddingMode::Reflect);
    let conv = conv.build_with(&mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let x = Var::leaf(random(&[1, CHANNELS, 40], 5));
    let expected = (conv.forward(&Silu.forward(&x).unwrap()).unwrap() + &x).unwrap();
    assert_eq!(run(conv.fused().before(&Silu).skip(&x), &x), expected.value());
}

/// A shape that could be broadcast is refused as any other, recorded or not.
#[test]
fn a_skip_of_another_shape_is_refused() {
    let (conv, x) = (conv(), Var::leaf(random(&[1, CHANNELS, 40], 5)));
    for shape in [&[1, CHANNELS, 1][..], &[CHANNELS, 40], &[1, CHANNELS, 41]] {
        let skip = Var::leaf(random(shape, 6));
        let fused = conv.fused().skip(&x).skip(&skip);
        let recorded = fused.forward(&x).unwrap_err().to_string();
        assert_eq!(no_grad(|| fused.forward(&x)).unwrap_err().to_string(), recorded);
        assert!(
            recorded.contains(&format!("a skip has shape {shape:?}: accepted is [1, 16, 40]")),
            "{recorded}"
        );
    }
}

#[test]
fn an_activation_of_other_channels_is_refused() {
    let (conv, x) = (conv(), Var::leaf(random(&[1, CHANNELS, 40], 5)));
    let prelu = PRelu::new(CHANNELS + 1).unwrap();
    let snake = Snake::new(CHANNELS - 1, 1.0, false).unwrap();
    let snake_beta = SnakeBeta::new(1, 1.0, false).unwrap();
    let slope = LeakyRelu { slope: f64::NAN };
    for act in [&prelu as &dyn Activation, &snake, &snake_beta, &slope] {
        for fused in [conv.fused().before(act), conv.fused().after(act)] {
            assert!(fused.forward(&x).is_err());
            assert!(no_grad(|| fused.forward(&x)).is_err());
        }
    }
}
