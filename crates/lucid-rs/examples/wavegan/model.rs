//! A small WaveGAN (Donahue et al. 2019, "Adversarial audio synthesis"): each layer of the generator makes four positions
//! of one, each layer of the critic one of four.
//!
//! With kernel 25, stride 4, padding 11 and output padding 1 the lengths come out even:
//! `(4 L + 22 - 25) / 4 + 1 = L` down, rounded down, and `4 (L - 1) - 22 + 24 + 1 + 1 = 4 L` up.

use lucid::{Conv1d, ConvTranspose1d, Forward, Linear, Module, Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::shuffle::phase_shuffle;

const KERNEL: usize = 25;
/// Positions above a layer per position below.
pub(crate) const STRIDE: usize = 4;
const PADDING: usize = 11;
/// The slope of the critic's activations below 0.
const SLOPE: f32 = 0.2;

/// What both networks are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelConfig {
    /// Random numbers that one window of sound is made of.
    pub(crate) latent: usize,
    /// Positions at the coarsest level.
    pub(crate) frames: usize,
    /// Channels of each level, from the one next to the waveform to the coarsest.
    pub(crate) channels: Vec<usize>,
    /// Positions by which the critic's layers are shifted at most.
    pub(crate) phase_shuffle: usize,
}

impl ModelConfig {
    /// Samples that come out of the generator and go into the critic.
    pub(crate) fn window(&self) -> usize {
        self.channels.iter().fold(self.frames, |len, _| len * STRIDE)
    }

    fn coarsest(&self) -> usize {
        self.channels.last().copied().unwrap_or(1)
    }

    /// The channels above and below each layer, from the waveform on.
    fn layers(&self) -> Vec<(usize, usize)> {
        let above = std::iter::once(1).chain(self.channels.iter().copied());
        above.zip(self.channels.iter().copied()).collect()
    }
}

/// Latents to sound.
#[derive(Module)]
pub(crate) struct Generator {
    from_latent: Linear,
    up: Vec<ConvTranspose1d>,
    #[module(skip)]
    config: ModelConfig,
}

impl Generator {
    /// A generator with initial values drawn from `rng`.
    pub(crate) fn new(config: &ModelConfig, rng: &mut ChaCha8Rng) -> Result<Self> {
        let from_latent = Linear::new(config.latent, config.coarsest() * config.frames, true, rng)?;
        let mut up = Vec::new();
        for (above, below) in config.layers().into_iter().rev() {
            let conv = ConvTranspose1d::builder(below, above, KERNEL).stride(STRIDE).padding(PADDING);
            up.push(conv.output_padding(1).build_with(rng)?);
        }
        Ok(Generator { from_latent, up, config: config.clone() })
    }
}

impl Forward for Generator {
    /// # Shapes
    /// `[batch, latent]` to `[batch, 1, window]`, within -1..1.
    fn forward(&self, z: &Var<f32>) -> Result<Var<f32>> {
        let x = self.from_latent.forward(z)?;
        let mut x = x.reshape([z.shape()[0], self.config.coarsest(), self.config.frames])?;
        for conv in &self.up {
            x = conv.forward(&x.relu())?;
        }
        Ok(x.tanh())
    }
}

/// Sound to a score without bounds: what it learns is to score speech above all else.
#[derive(Module)]
pub(crate) struct Critic {
    down: Vec<Conv1d>,
    to_score: Linear,
}

impl Critic {
    /// A critic with initial values drawn from `rng`.
    pub(crate) fn new(config: &ModelConfig, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut down = Vec::new();
        for (above, below) in config.layers() {
            let conv = Conv1d::builder(above, below, KERNEL).stride(STRIDE).padding(PADDING);
            down.push(conv.build_with(rng)?);
        }
        let to_score = Linear::new(config.coarsest() * config.frames, 1, true, rng)?;
        Ok(Critic { down, to_score })
    }

    /// The scores of sounds, with the output of each layer but the last shifted by one of `shifts`; where there are none
    /// left, not at all.
    ///
    /// # Shapes
    /// `[batch, 1, window]` to `[batch, 1]`.
    pub(crate) fn score(&self, x: &Var<f32>, shifts: &[isize]) -> Result<Var<f32>> {
        let mut x = x.clone();
        let mut shifts = shifts.iter();
        for (index, conv) in self.down.iter().enumerate() {
            x = conv.forward(&x)?.leaky_relu(SLOPE);
            if index + 1 < self.down.len()
                && let Some(&shift) = shifts.next()
            {
                x = phase_shuffle(&x, shift)?;
            }
        }
        self.to_score.forward(&x.flatten(1..=2)?)
    }
}

/// What sounds are made of.
///
/// # Shapes
/// `[count, latent]`
pub(crate) fn latents(config: &ModelConfig, count: usize, rng: &mut ChaCha8Rng) -> Result<Var<f32>> {
    Ok(Var::constant(Tensor::uniform([count, config.latent], -1.0, 1.0, rng)?))
}
