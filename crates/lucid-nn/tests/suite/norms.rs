//! Normalisation: gradients of both orders, running statistics as buffers, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::tape::{arbitrary, check_gradients};
use lucid_nn::optim::{AdamW, AdamWConfig, Optimizer};
use lucid_nn::{
    BatchNorm, BatchNorm1d, BatchNorm2d, BatchNormConfig, Forward, GroupNorm, InstanceNorm, InstanceNorm1d,
    InstanceNormConfig, LayerNorm, LayerNormConfig, Module, Result, Strictness, Tensor, Var,
};
use ndarray::ArrayD;

use crate::refusals::refused;

/// Checks a layer by its input and, where there are further shapes, by its weight and bias.
fn check<M: Forward<f64>>(name: &str, shapes: &[&[usize]], make: impl Fn(&[Var<f64>]) -> Result<M>) {
    let inputs: Vec<ArrayD<f64>> =
        shapes.iter().enumerate().map(|(i, shape)| arbitrary(shape, 3 + i as u64)).collect();
    check_gradients(&inputs, |vars| make(&vars[1..])?.forward(&vars[0]))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// The gradients grow with 1 / sqrt(variance + eps), and a small eps lets no difference of them be accurate.
const EPS: f64 = 0.05;

#[test]
fn gradients_of_batch_normalization() {
    fn norm<const N: usize>(v: &[Var<f64>], evaluate: bool) -> Result<BatchNorm<N, f64>> {
        let mut norm = BatchNorm::from_config(BatchNormConfig { eps: EPS, ..BatchNormConfig::new(3) })?;
        (norm.channels.weight, norm.channels.bias) = (Some(v[0].clone()), Some(v[1].clone()));
        if evaluate {
            norm.forward(&Var::constant(arbitrary(&vec![2; N + 2], 7).into()).index_select(1, &[0, 1, 1])?)?;
            norm.eval();
        }
        Ok(norm)
    }
    for evaluate in [false, true] {
        check("vectors", &[&[4, 3], &[3], &[3]], |v| norm::<1>(v, evaluate));
        check("1d", &[&[2, 3, 4], &[3], &[3]], |v| norm::<1>(v, evaluate));
        check("2d", &[&[2, 3, 2, 2], &[3], &[3]], |v| norm::<2>(v, evaluate));
        check("3d", &[&[1, 3, 2, 2, 1], &[3], &[3]], |v| norm::<3>(v, evaluate));
    }
}

#[test]
fn gradients_of_the_others() {
    let instance = InstanceNormConfig { eps: EPS, affine: true, ..InstanceNormConfig::new(2) };
    check("instance", &[&[2, 2, 4], &[2], &[2]], |v| {
        let mut norm = InstanceNorm::<1, f64>::from_config(instance.clone())?;
        (norm.channels.weight, norm.channels.bias) = (Some(v[0].clone()), Some(v[1].clone()));
        Ok(norm)
    });
    check("instance without a batch", &[&[2, 2, 3]], |_| InstanceNorm::<2, f64>::new(2));
    check("group", &[&[2, 4, 3], &[4], &[4]], |v| {
        let mut norm = GroupNorm::new(2, 4)?;
        (norm.weight, norm.bias) = (Some(v[0].clone()), Some(v[1].clone()));
        Ok(norm)
    });
    check("layer", &[&[2, 3, 4], &[3, 4], &[3, 4]], |v| {
        let mut norm = LayerNorm::from_config(LayerNormConfig { eps: EPS, ..LayerNormConfig::new([3, 4]) })?;
        (norm.weight, norm.bias) = (Some(v[0].clone()), Some(v[1].clone()));
        Ok(norm)
    });
    check("layer without a bias", &[&[4, 3], &[3]], |v| {
        let config = LayerNormConfig { eps: EPS, bias: false, ..LayerNormConfig::new([3]) };
        let mut norm = LayerNorm::from_config(config)?;
        norm.weight = Some(v[0].clone());
        Ok(norm)
    });
}

#[test]
fn running_statistics_are_buffers() {
    let mut norm = BatchNorm1d::<f32>::new(2).unwrap();
    let names = |vars: Vec<(String, Var<f32>)>| vars.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(norm.named_parameters()), ["weight", "bias"]);
    assert_eq!(names(norm.named_buffers()), ["running_mean", "running_var", "num_batches_tracked"]);

    // An optimiser of the parameters leaves them alone, and refuses them.
    let mut adam = AdamW::new(norm.named_parameters(), AdamWConfig::default()).unwrap();
    refused(
        AdamW::new(norm.named_buffers(), AdamWConfig::default()),
        &["running_mean", "leaves that require"],
    );
    let x = Var::constant(arbitrary(&[3, 2, 4], 1).mapv(|x| x as f32 + 5.0).into());
    norm.forward(&x).unwrap().square().backward().unwrap();
    let before = norm.state_dict();
    adam.step().unwrap();
    for name in ["running_mean", "running_var", "num_batches_tracked"] {
        assert_eq!(norm.state_dict().get(name), before.get(name), "{name}");
    }
    assert_ne!(norm.state_dict().get("weight"), before.get("weight"));
    assert_eq!(before.get("num_batches_tracked").unwrap().item().unwrap(), 1.0);

    // Saved and loaded, they evaluate the same; evaluation changes nothing.
    let mut other = BatchNorm1d::<f32>::new(2).unwrap();
    let state = lucid_nn::StateDict::from_bytes(&norm.state_dict().to_bytes().unwrap()).unwrap();
    other.load_state_dict(&state, Strictness::Strict).unwrap();
    norm.eval();
    other.eval();
    assert_eq!(norm.forward(&x).unwrap().value(), other.forward(&x).unwrap().value());
    assert_eq!(norm.state_dict().get("running_mean"), state.get("running_mean"));
}

#[test]
fn means_far_from_zero_lose_no_digits() {
    // Values 1e4 + {0, 1} have variance 1/4; the difference of mean square and squared mean would have lost it in f32.
    let x = Tensor::from_vec([1, 1, 4], vec![1e4_f32, 1e4 + 1.0, 1e4, 1e4 + 1.0]).unwrap();
    let norm = InstanceNorm1d::<f32>::new(1).unwrap();
    let y = norm.forward(&Var::constant(x)).unwrap().value().to_vec();
    let expected = 0.5 / (0.25_f32 + 1e-5).sqrt();
    // Each of three roundings is one part in 2^24.
    let close = |y: f32, expected: f32| (y - expected).abs() < 4.0 * f32::EPSILON;
    assert!(close(y[0], -expected) && close(y[1], expected), "{y:?}");
}

#[test]
fn what_is_refused() {
    let zeros = |shape: &[usize]| Var::<f32>::constant(Tensor::zeros(shape).unwrap());
    refused(BatchNorm1d::<f32>::new(0), &["num_features = 0", "at least 1"]);
    let norm = BatchNorm1d::<f32>::new(3).unwrap();
    refused(norm.forward(&zeros(&[2, 4, 5])), &["[2, 4, 5]", "3 channels", "1 spatial"]);
    refused(norm.forward(&zeros(&[3])), &["[3]"]);
    refused(norm.forward(&zeros(&[1, 3])), &["[1, 3]", "1 for each mean", "at least 2"]);
    refused(norm.forward(&zeros(&[0, 3, 4])), &["[0, 3, 4]", "at least 2"]);
    refused(BatchNorm2d::<f32>::new(3).unwrap().forward(&zeros(&[2, 3])), &["[2, 3]", "2 spatial"]);
    let config = BatchNormConfig { eps: -1.0, ..BatchNormConfig::new(3) };
    let mut norm = BatchNorm1d::<f32>::from_config(config).unwrap();
    refused(norm.forward(&zeros(&[2, 3])), &["eps = -1", "0 or above"]);
    norm.eval();
    refused(norm.forward(&zeros(&[2, 3])), &["eps = -1", "0 or above"]);
    for momentum in [1.5, f64::NAN] {
        let config = BatchNormConfig { momentum: Some(momentum), ..BatchNormConfig::new(3) };
        let norm = BatchNorm1d::<f32>::from_config(config).unwrap();
        refused(norm.forward(&zeros(&[2, 3])), &["momentum", "0..=1"]);
    }
    let mut norm = BatchNorm1d::<f32>::new(3).unwrap();
    norm.channels.weight = Some(zeros(&[1]));
    refused(norm.forward(&zeros(&[2, 3])), &["the weight", "[1]", "[3]"]);
    norm.channels.running.as_mut().unwrap().mean = zeros(&[2]);
    norm.eval();
    refused(norm.forward(&zeros(&[2, 3])), &["the running mean", "[2]", "[3]"]);

    refused(InstanceNorm1d::<f32>::new(3).unwrap().forward(&zeros(&[2, 3, 1])), &["[2, 3, 1]", "at least 2"]);
    refused(
        InstanceNorm1d::<f32>::new(3).unwrap().forward(&zeros(&[2, 2, 4])),
        &["3 channels", "without the batch"],
    );
    refused(GroupNorm::<f32>::new(2, 3), &["num_groups = 2", "a divisor of num_channels = 3"]);
    refused(GroupNorm::<f32>::new(0, 3), &["num_groups = 0"]);
    refused(GroupNorm::<f32>::new(1, 0), &["num_channels = 0"]);
    refused(GroupNorm::<f32>::new(1, 3).unwrap().forward(&zeros(&[3])), &["[3]", "(batch, 3 channels, ...)"]);
    refused(LayerNorm::<f32>::new([]), &["normalized_shape = []"]);
    refused(LayerNorm::<f32>::new([3, 0]), &["normalized_shape = [3, 0]"]);
    refused(LayerNorm::<f32>::new([3]).unwrap().forward(&zeros(&[3, 2])), &["[3, 2]", "(..., [3])"]);
    assert_eq!(LayerNorm::<f32>::new([3]).unwrap().forward(&zeros(&[0, 3])).unwrap().shape(), [0, 3]);
}
