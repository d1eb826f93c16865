//! `InstanceNorm1d`, `InstanceNorm2d`, `InstanceNorm3d`: one module, generic over the rank.

use lucid_autograd::{Element, Var};
use serde::{Deserialize, Serialize};

use super::{ChannelState, default_eps, default_momentum};
use crate::error::{Result, check};
use crate::module::Forward;
use crate::{Module, Path};

/// Everything about an [`InstanceNorm`] but its numbers, under PyTorch's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceNormConfig {
    /// Channels: at least 1.
    pub num_features: usize,
    /// What is added to the variance, 0 or above; 1e-5 by default.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// The part of a new batch in the running statistics, in 0..=1 and 0.1 by default; `None` makes them the plain
    /// average over all batches.
    #[serde(default = "default_momentum")]
    pub momentum: Option<f64>,
    /// Whether each channel has a learnable scale and shift; not by default.
    #[serde(default)]
    pub affine: bool,
    /// Whether evaluation uses running statistics rather than those of each example; not by default.
    #[serde(default)]
    pub track_running_stats: bool,
}

impl InstanceNormConfig {
    /// The defaults.
    pub fn new(num_features: usize) -> Self {
        let (eps, momentum) = (default_eps(), default_momentum());
        InstanceNormConfig { num_features, eps, momentum, affine: false, track_running_stats: false }
    }
}

/// Instance normalisation over `N` spatial axes (Ulyanov et al. 2016): per example and channel,
/// `y = (x - mean) / sqrt(variance + eps) weight + bias`.
///
/// Running statistics are counted and averaged as in [`BatchNorm`](crate::BatchNorm); PyTorch's layer never counts, and
/// without a momentum leaves them as they are.
///
/// # Shapes
/// `x` is `(batch, num_features, spatial...)` or without the batch; the output has the same shape.
///
/// ```
/// use lucid_nn::{Forward, InstanceNorm1d, Tensor, Var};
///
/// let norm = InstanceNorm1d::<f32>::new(2)?;
/// let y = norm.forward(&Var::constant(Tensor::from([[[1.0, 3.0], [8.0, 2.0]]])))?.value();
/// assert!(y.to_vec().iter().zip([-1.0, 1.0, 1.0, -1.0]).all(|(y, expected)| (y - expected).abs() < 1e-5));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct InstanceNorm<const N: usize, T: Element = f32> {
    /// The scale, the shift and the running statistics.
    pub channels: ChannelState<T>,
    config: InstanceNormConfig,
}

/// Instance normalisation over one axis.
pub type InstanceNorm1d<T = f32> = InstanceNorm<1, T>;
/// Instance normalisation over two axes.
pub type InstanceNorm2d<T = f32> = InstanceNorm<2, T>;
/// Instance normalisation over three axes.
pub type InstanceNorm3d<T = f32> = InstanceNorm<3, T>;

impl<const N: usize, T: Element> InstanceNorm<N, T> {
    /// Instance normalisation with the defaults of [`InstanceNormConfig`]: no parameters, no running statistics.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for 0 channels.
    pub fn new(num_features: usize) -> Result<Self> {
        Self::from_config(InstanceNormConfig::new(num_features))
    }

    /// Instance normalisation with scale 1, shift 0, running mean 0 and running variance 1, where it has them.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for 0 channels.
    pub fn from_config(config: InstanceNormConfig) -> Result<Self> {
        let InstanceNormConfig { num_features, affine, track_running_stats, .. } = config;
        Ok(InstanceNorm { channels: ChannelState::new(num_features, affine, track_running_stats)?, config })
    }

    /// What the module was made from.
    pub fn config(&self) -> &InstanceNormConfig {
        &self.config
    }
}

impl<const N: usize, T: Element> Forward<T> for InstanceNorm<N, T> {
    /// # Errors
    /// For an input of another shape; unless running statistics are used, also for one with fewer than two spatial
    /// positions; for an `eps` or a `momentum` that is refused.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let InstanceNormConfig { num_features, eps, momentum, .. } = self.config;
        let shape = x.shape();
        let has_rank = shape.len() == N + 2 || shape.len() == N + 1;
        let accepted = format!("(batch, {num_features} channels, {N} spatial) or without the batch");
        let holds = has_rank && shape[shape.len() - N - 1] == num_features;
        check(holds, "input", format_args!("shape {shape:?}"), &accepted)?;
        self.channels.forward(x, shape.len() - N, N, eps, momentum)
    }
}

impl<const N: usize, T: Element> Module<T> for InstanceNorm<N, T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.channels.visit(path, visit);
    }

    fn set_training(&mut self, training: bool) {
        self.channels.set_training(training);
    }
}
