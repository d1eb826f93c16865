//! Normalisation. The layers differ in the axes that mean and variance are taken over, and in what has a scale and a shift
//! of its own. The computation is [`Var::normalize`]; what the layers share around it is here and in `channels.rs`.

mod batch;
mod channels;
mod group;
mod instance;
mod layer;

use lucid_autograd::{Element, Normalized, Var};
use lucid_tensor::Tensor;

pub use batch::{BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormConfig};
pub use channels::{ChannelState, RunningStatistics};
pub use group::{GroupNorm, GroupNormConfig};
pub use instance::{InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, InstanceNormConfig};
pub use layer::{LayerNorm, LayerNormConfig};

use super::{channel_shape, check_parameter};
use crate::error::Result;
use crate::number::at_least_0;

/// What is added to variances by default.
fn default_eps() -> f64 {
    1e-5
}

/// The part of a new value in running statistics by default.
fn default_momentum() -> Option<f64> {
    Some(0.1)
}

/// The learnable scale and shift that layers start with: ones and zeros.
fn ones_and_zeros<T: Element>(shape: &[usize]) -> Result<(Var<T>, Var<T>)> {
    Ok((Var::leaf(Tensor::ones(shape)?), Var::leaf(Tensor::zeros(shape)?)))
}

/// `x` normalised over `axes`; `eps` is the layer's parameter.
fn normalize<T: Element>(x: &Var<T>, axes: &[usize], eps: f64) -> Result<Normalized<T>> {
    Ok(x.normalize(axes, at_least_0("eps", eps)?)?)
}

/// `y weight + bias`, of those that there are: of shape `shape` both, and reshaped to `as_shape`, which broadcasts to `y`.
fn scale_and_shift<T: Element>(
    y: &Var<T>,
    (weight, bias): (Option<&Var<T>>, Option<&Var<T>>),
    shape: &[usize],
    as_shape: &[usize],
) -> Result<Var<T>> {
    let reshaped = |what, parameter: Option<&Var<T>>| match parameter {
        Some(parameter) => {
            check_parameter(what, parameter, shape)?;
            Ok::<_, crate::Error>(Some(parameter.reshape(as_shape)?))
        }
        None => Ok(None),
    };
    Ok(match (reshaped("the weight", weight)?, reshaped("the bias", bias)?) {
        (Some(weight), Some(bias)) => y.mul_add(&weight, &bias)?,
        (Some(weight), None) => y.mul(&weight)?,
        (None, Some(bias)) => y.add(&bias)?,
        (None, None) => y.clone(),
    })
}
