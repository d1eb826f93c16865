//! `GroupNorm`, for any number of spatial axes.

use lucid_autograd::{Element, Var};
use serde::{Deserialize, Serialize};

use super::{channel_shape, default_eps, normalize, ones_and_zeros, scale_and_shift};
use crate::error::{Result, check};
use crate::layers::conv::yes;
use crate::module::Forward;
use crate::{Module, Path};

/// Everything about a [`GroupNorm`] but its numbers, under PyTorch's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNormConfig {
    /// Groups of neighbouring channels: a divisor of `num_channels`.
    pub num_groups: usize,
    /// Channels: at least 1.
    pub num_channels: usize,
    /// What is added to the variance, 0 or above; 1e-5 by default.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Whether each channel has a learnable scale and shift; so by default.
    #[serde(default = "yes")]
    pub affine: bool,
}

impl GroupNormConfig {
    /// The defaults.
    pub fn new(num_groups: usize, num_channels: usize) -> Self {
        GroupNormConfig { num_groups, num_channels, eps: default_eps(), affine: true }
    }
}

/// Group normalisation (Wu and He 2018): `y = (x - mean) / sqrt(variance + eps) weight + bias`, with mean and variance
/// per example and group of channels, and a scale and a shift per channel.
///
/// # Shapes
/// `x` is `(batch, num_channels, ...)`; `weight` and `bias` are `(num_channels)`; the output has the shape of `x`.
///
/// ```
/// use lucid_nn::{Forward, GroupNorm, Tensor, Var};
///
/// let norm = GroupNorm::<f32>::new(2, 4)?;
/// let y = norm.forward(&Var::constant(Tensor::from([[1.0, 3.0, 8.0, 2.0]])))?.value();
/// assert!(y.to_vec().iter().zip([-1.0, 1.0, 1.0, -1.0]).all(|(y, expected)| (y - expected).abs() < 1e-5));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct GroupNorm<T: Element = f32> {
    /// The learnable scale: `(num_channels)`.
    pub weight: Option<Var<T>>,
    /// The learnable shift: `(num_channels)`.
    pub bias: Option<Var<T>>,
    config: GroupNormConfig,
}

impl<T: Element> GroupNorm<T> {
    /// Group normalisation with the defaults of [`GroupNormConfig`].
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) when `num_groups` does not divide `num_channels`.
    pub fn new(num_groups: usize, num_channels: usize) -> Result<Self> {
        Self::from_config(GroupNormConfig::new(num_groups, num_channels))
    }

    /// Group normalisation with scale 1 and shift 0.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) when `num_groups` does not divide `num_channels`.
    pub fn from_config(config: GroupNormConfig) -> Result<Self> {
        let GroupNormConfig { num_groups, num_channels, affine, .. } = config;
        check(num_channels > 0, "num_channels", num_channels, "at least 1")?;
        let divides = num_groups > 0 && num_channels.is_multiple_of(num_groups);
        check(divides, "num_groups", num_groups, &format!("a divisor of num_channels = {num_channels}"))?;
        let (weight, bias) = affine.then(|| ones_and_zeros(&[num_channels])).transpose()?.unzip();
        Ok(GroupNorm { weight, bias, config })
    }

    /// What the module was made from.
    pub fn config(&self) -> &GroupNormConfig {
        &self.config
    }
}

impl<T: Element> Forward<T> for GroupNorm<T> {
    /// # Errors
    /// For an input of another shape, and for an `eps` that is refused.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let GroupNormConfig { num_groups, num_channels, eps, .. } = self.config;
        let shape = x.shape();
        let accepted = format!("(batch, {num_channels} channels, ...)");
        check(shape.get(1) == Some(&num_channels), "input", format_args!("shape {shape:?}"), &accepted)?;
        // The numbers of a group are neighbours: one axis.
        let group_len = num_channels / num_groups * shape[2..].iter().product::<usize>();
        let y = normalize(&x.reshape([shape[0], num_groups, group_len])?, &[2], eps)?.y.reshape(&shape)?;
        let as_shape = channel_shape(num_channels, shape.len() - 2);
        scale_and_shift(&y, (self.weight.as_ref(), self.bias.as_ref()), &[num_channels], &as_shape)
    }
}

impl<T: Element> Module<T> for GroupNorm<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
        self.bias.visit(&path.join("bias"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}
