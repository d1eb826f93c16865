//! What batch and instance normalisation keep per channel: a learnable scale and shift, and running statistics.
//!
//! Running statistics are buffers: constants, which are saved and loaded under their names, which optimisers never see,
//! and which `forward` replaces in training. So forward passes in training belong on one thread at a time: of two at
//! once, the statistics of one may be lost.

use lucid_autograd::{Element, Normalized, Var};
use lucid_tensor::Tensor;

use super::{channel_shape, normalize, ones_and_zeros, scale_and_shift};
use crate::error::{Result, check};
use crate::layers::check_parameter;
use crate::number::{at_least_0, number};
use crate::{Module, Path};

/// The mean and variance of what a layer was given in training, per channel.
#[derive(Debug)]
pub struct RunningStatistics<T: Element = f32> {
    /// The running mean: `(channels)`, `running_mean` in state dicts.
    pub mean: Var<T>,
    /// The running variance, each new value divided by one less than the number of values: `(channels)`, `running_var`
    /// in state dicts.
    pub variance: Var<T>,
    /// How many times both were updated, a single number: `num_batches_tracked` in state dicts. In `f32` it stops at
    /// 2^24.
    pub num_batches: Var<T>,
}

impl<T: Element> RunningStatistics<T> {
    /// Mean 0, variance 1, no batches.
    fn new(num_channels: usize) -> Result<Self> {
        Ok(RunningStatistics {
            mean: Var::constant(Tensor::zeros([num_channels])?),
            variance: Var::constant(Tensor::ones([num_channels])?),
            num_batches: Var::constant(Tensor::scalar(T::zero())),
        })
    }

    /// Moves both towards the statistics of another batch by the part `momentum`, or to the plain average over all
    /// batches without one.
    fn update(&self, batch: &Normalized<T>, channel_axis: usize, momentum: Option<f64>) -> Result<()> {
        let num_batches = self.num_batches.value().item()? + T::one();
        let part = match momentum {
            Some(momentum) => number(momentum),
            None => num_batches.recip(),
        };
        // The statistics of a batch are averages over `count` values each.
        let count = number::<T>(batch.y.len() as f64 / batch.mean.len() as f64);
        let unbiased = batch.variance.clone() * (count / (count - T::one()));
        let others: Vec<usize> = (0..batch.mean.ndim()).filter(|&axis| axis != channel_axis).collect();
        for (running, new) in [(&self.mean, &batch.mean), (&self.variance, &unbiased)] {
            let new = new.mean(&others, false)?;
            running.set_value(running.value().zip_map(&new, |old, new| old + (new - old) * part)?)?;
        }
        Ok(self.num_batches.set_value(Tensor::scalar(num_batches))?)
    }
}

impl<T: Element> Module<T> for RunningStatistics<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.mean.visit(&path.join("running_mean"), visit);
        self.variance.visit(&path.join("running_var"), visit);
        self.num_batches.visit(&path.join("num_batches_tracked"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}

/// What a normalisation keeps per channel.
#[derive(Debug)]
pub struct ChannelState<T: Element = f32> {
    /// The learnable scale: `(channels)`.
    pub weight: Option<Var<T>>,
    /// The learnable shift: `(channels)`.
    pub bias: Option<Var<T>>,
    /// What evaluation normalises with; without it, evaluation is as training.
    pub running: Option<RunningStatistics<T>>,
    num_channels: usize,
    training: bool,
}

impl<T: Element> ChannelState<T> {
    pub(super) fn new(num_channels: usize, affine: bool, track_running_stats: bool) -> Result<Self> {
        check(num_channels > 0, "num_features", num_channels, "at least 1")?;
        let (weight, bias) = affine.then(|| ones_and_zeros(&[num_channels])).transpose()?.unzip();
        let running = track_running_stats.then(|| RunningStatistics::new(num_channels)).transpose()?;
        Ok(ChannelState { weight, bias, running, num_channels, training: true })
    }

    /// `x` normalised over all axes from `first_axis` on but that of the channels, which is followed by `num_spatial`
    /// more; or, in evaluation, with the running statistics.
    pub(super) fn forward(
        &self,
        x: &Var<T>,
        first_axis: usize,
        num_spatial: usize,
        eps: f64,
        momentum: Option<f64>,
    ) -> Result<Var<T>> {
        let channel_axis = x.ndim() - num_spatial - 1;
        let (shape, as_shape) = ([self.num_channels], channel_shape(self.num_channels, num_spatial));
        let affine = (self.weight.as_ref(), self.bias.as_ref());
        if let Some(running) = self.running.as_ref().filter(|_| !self.training) {
            let (scale, shift) = self.folded(running, at_least_0("eps", eps)?)?;
            return scale_and_shift(x, (Some(&scale), Some(&shift)), &shape, &as_shape);
        }
        if let Some(momentum) = momentum {
            check((0.0..=1.0).contains(&momentum), "momentum", momentum, "a number in 0..=1")?;
        }
        let axes: Vec<usize> = (first_axis..x.ndim()).filter(|&axis| axis != channel_axis).collect();
        let count: usize = axes.iter().map(|&axis| x.shape()[axis]).product();
        let given = format!("shape {:?}, {count} for each mean", x.shape());
        check(count > 1, "input", given, "at least 2 values for each mean that is taken")?;
        let normalized = normalize(x, &axes, eps)?;
        let y = scale_and_shift(&normalized.y, affine, &shape, &as_shape)?;
        if let Some(running) = &self.running {
            running.update(&normalized, channel_axis, momentum)?;
        }
        Ok(y)
    }

    /// The one scale and the one shift per channel that evaluation comes to:
    /// `scale = weight / sqrt(variance + eps)`, `shift = bias - mean scale`.
    fn folded(&self, running: &RunningStatistics<T>, eps: T) -> Result<(Var<T>, Var<T>)> {
        let shape = [self.num_channels];
        check_parameter("the running mean", &running.mean, &shape)?;
        check_parameter("the running variance", &running.variance, &shape)?;
        let r = Var::constant(running.variance.value().map(|variance| (variance + eps).sqrt().recip()));
        let centre = Var::constant(-running.mean.value());
        let affine = (self.weight.as_ref(), self.bias.as_ref());
        let scale = scale_and_shift(&r, (affine.0, None), &shape, &shape)?;
        let shift = scale_and_shift(&scale.mul(&centre)?, (None, affine.1), &shape, &shape)?;
        Ok((scale, shift))
    }
}

impl<T: Element> Module<T> for ChannelState<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
        self.bias.visit(&path.join("bias"), visit);
        self.running.visit(path, visit);
    }

    fn set_training(&mut self, training: bool) {
        self.training = training;
    }
}
