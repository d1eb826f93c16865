//! `BatchNorm1d`, `BatchNorm2d`, `BatchNorm3d`: one module, generic over the rank.

use lucid_autograd::{Element, Var};
use serde::{Deserialize, Serialize};

use super::{ChannelState, default_eps, default_momentum};
use crate::error::{Result, check};
use crate::layers::conv::yes;
use crate::module::Forward;
use crate::{Module, Path};

/// Everything about a [`BatchNorm`] but its numbers, under PyTorch's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormConfig {
    /// Channels: at least 1.
    pub num_features: usize,
    /// What is added to the variance, 0 or above; 1e-5 by default.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// The part of a new batch in the running statistics, in 0..=1 and 0.1 by default; `None` makes them the plain
    /// average over all batches.
    #[serde(default = "default_momentum")]
    pub momentum: Option<f64>,
    /// Whether each channel has a learnable scale and shift; so by default.
    #[serde(default = "yes")]
    pub affine: bool,
    /// Whether evaluation uses running statistics rather than those of its batch; so by default.
    #[serde(default = "yes")]
    pub track_running_stats: bool,
}

impl BatchNormConfig {
    /// The defaults.
    pub fn new(num_features: usize) -> Self {
        let (eps, momentum) = (default_eps(), default_momentum());
        BatchNormConfig { num_features, eps, momentum, affine: true, track_running_stats: true }
    }
}

/// Batch normalisation over `N` spatial axes (Ioffe and Szegedy 2015): per channel,
/// `y = (x - mean) / sqrt(variance + eps) weight + bias`.
///
/// In training, mean and variance are those of the channel in the whole batch, and move the running statistics; in
/// evaluation they are the running statistics, and the layer is one scale and one shift per channel.
///
/// # Shapes
/// `x` is `(batch, num_features, spatial...)`, or `(batch, num_features)` with `N = 1`; the output has the same shape.
///
/// ```
/// use lucid_nn::{BatchNorm1d, Forward, Module, Tensor, Var};
///
/// let mut norm = BatchNorm1d::<f32>::new(1)?;
/// let x = Var::constant(Tensor::from([[[1.0], [3.0]]]).reshape([2, 1, 1])?);
/// assert!((norm.forward(&x)?.value().to_vec()[1] - 1.0).abs() < 1e-5);
/// norm.eval();
/// assert!((norm.forward(&x)?.value().to_vec()[1] - 2.8 / 1.1_f32.sqrt()).abs() < 1e-4);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchNorm<const N: usize, T: Element = f32> {
    /// The scale, the shift and the running statistics.
    pub channels: ChannelState<T>,
    config: BatchNormConfig,
}

/// Batch normalisation of vectors or over one axis.
pub type BatchNorm1d<T = f32> = BatchNorm<1, T>;
/// Batch normalisation over two axes.
pub type BatchNorm2d<T = f32> = BatchNorm<2, T>;
/// Batch normalisation over three axes.
pub type BatchNorm3d<T = f32> = BatchNorm<3, T>;

impl<const N: usize, T: Element> BatchNorm<N, T> {
    /// Batch normalisation with the defaults of [`BatchNormConfig`].
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for 0 channels.
    pub fn new(num_features: usize) -> Result<Self> {
        Self::from_config(BatchNormConfig::new(num_features))
    }

    /// Batch normalisation with scale 1, shift 0, running mean 0 and running variance 1.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for 0 channels.
    pub fn from_config(config: BatchNormConfig) -> Result<Self> {
        let BatchNormConfig { num_features, affine, track_running_stats, .. } = config;
        Ok(BatchNorm { channels: ChannelState::new(num_features, affine, track_running_stats)?, config })
    }

    /// What the module was made from.
    pub fn config(&self) -> &BatchNormConfig {
        &self.config
    }
}

impl<const N: usize, T: Element> Forward<T> for BatchNorm<N, T> {
    /// # Errors
    /// For an input of another shape; in training also when a channel has fewer than two values; for an `eps` or a
    /// `momentum` that is refused.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let BatchNormConfig { num_features, eps, momentum, .. } = self.config;
        let shape = x.shape();
        let has_rank = shape.len() == N + 2 || (N == 1 && shape.len() == 2);
        let accepted = format!(
            "(batch, {num_features} channels, {N} spatial){}",
            if N == 1 { " or without the spatial axis" } else { "" }
        );
        check(has_rank && shape[1] == num_features, "input", format_args!("shape {shape:?}"), &accepted)?;
        self.channels.forward(x, 0, shape.len() - 2, eps, momentum)
    }
}

impl<const N: usize, T: Element> Module<T> for BatchNorm<N, T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.channels.visit(path, visit);
    }

    fn set_training(&mut self, training: bool) {
        self.channels.set_training(training);
    }
}
