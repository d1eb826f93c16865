//! The autoencoder: strided convolutions down to the latent, transposed ones with `kernel = 2 stride` back up.
//!
//! Each output of such a layer is reached by exactly two inputs, which is the smallest kernel whose neighbouring outputs
//! overlap evenly: no checkerboard, and a length that is a multiple of the stride is kept exactly.

use lucid::{Conv1d, ConvTranspose1d, Elu, Error, Forward, Module, PadMode, Result, Tensor, Var, no_grad};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What the autoencoder is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelConfig {
    /// One level per entry, from the waveform down.
    pub(crate) levels: Vec<Level>,
    /// Numbers per latent frame.
    pub(crate) latent_channels: usize,
    /// Dilations of the residual units at each level.
    pub(crate) dilations: Vec<usize>,
}

/// One step down in the encoder, and the same step up in the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Level {
    /// Positions above per position below.
    pub(crate) stride: usize,
    /// Channels below.
    pub(crate) channels: usize,
}

impl ModelConfig {
    /// Samples per latent frame.
    pub(crate) fn hop(&self) -> usize {
        self.levels.iter().map(|level| level.stride).product()
    }

    /// The numbers that stand for `num_samples` samples, those of the padding included.
    pub(crate) fn num_latents(&self, num_samples: usize) -> usize {
        num_samples.div_ceil(self.hop()) * self.latent_channels
    }
}

/// `x + conv1(act(conv3(act(x))))`, the first with a dilation.
#[derive(Module)]
struct Residual {
    dilated: Conv1d,
    mix: Conv1d,
    act: Elu,
}

impl Residual {
    fn new(channels: usize, dilation: usize, rng: &mut ChaCha8Rng) -> Result<Self> {
        let dilated = Conv1d::builder(channels, channels, 3).dilation(dilation).padding(dilation);
        let mix = Conv1d::builder(channels, channels, 1);
        Ok(Residual { dilated: dilated.build_with(rng)?, mix: mix.build_with(rng)?, act: Elu::default() })
    }
}

impl Forward for Residual {
    fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let inner = self.dilated.forward(&self.act.forward(x)?)?;
        Ok((x + &self.mix.forward(&self.act.forward(&inner)?)?)?)
    }
}

/// A step down, then residual units.
#[derive(Module)]
struct Down {
    conv: Conv1d,
    residuals: Vec<Residual>,
}

/// Residual units, then a step up.
#[derive(Module)]
struct Up {
    residuals: Vec<Residual>,
    act: Elu,
    conv: ConvTranspose1d,
}

/// The model.
#[derive(Module)]
pub(crate) struct Autoencoder {
    down: Vec<Down>,
    to_latent: Conv1d,
    from_latent: Conv1d,
    up: Vec<Up>,
    #[module(skip)]
    config: ModelConfig,
}

impl Autoencoder {
    /// A model with initial values drawn from `rng`.
    pub(crate) fn new(config: ModelConfig, rng: &mut ChaCha8Rng) -> Result<Self> {
        let residuals = |channels: usize, rng: &mut ChaCha8Rng| -> Result<Vec<Residual>> {
            config.dilations.iter().map(|&dilation| Residual::new(channels, dilation, rng)).collect()
        };
        let (mut down, mut up) = (Vec::new(), Vec::new());
        let mut above = 1;
        for &Level { stride, channels } in &config.levels {
            // Padding s in all, so that L positions become L / s, and L / s become L.
            let padding = [(stride / 2, stride - stride / 2)];
            let conv = Conv1d::builder(above, channels, 2 * stride).stride(stride).padding(padding);
            down.push(Down { conv: conv.build_with(rng)?, residuals: residuals(channels, rng)? });
            let conv = ConvTranspose1d::builder(channels, above, 2 * stride).stride(stride).padding(padding);
            let residuals = residuals(channels, rng)?;
            up.push(Up { residuals, act: Elu::default(), conv: conv.build_with(rng)? });
            above = channels;
        }
        up.reverse();
        let to_latent = Conv1d::builder(above, config.latent_channels, 3).padding(1).build_with(rng)?;
        let from_latent = Conv1d::builder(config.latent_channels, above, 3).padding(1).build_with(rng)?;
        Ok(Autoencoder { down, to_latent, from_latent, up, config })
    }

    /// # Shapes
    /// `[batch, 1, len]` to `[batch, latent_channels, len / hop]`, with `len` a multiple of `hop`.
    pub(crate) fn encode(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let mut x = x.clone();
        for Down { conv, residuals } in &self.down {
            x = conv.forward(&x)?;
            for residual in residuals {
                x = residual.forward(&x)?;
            }
        }
        self.to_latent.forward(&x)
    }

    /// # Shapes
    /// `[batch, latent_channels, frames]` to `[batch, 1, frames hop]`.
    pub(crate) fn decode(&self, z: &Var<f32>) -> Result<Var<f32>> {
        let mut x = self.from_latent.forward(z)?;
        for Up { residuals, act, conv } in &self.up {
            for residual in residuals {
                x = residual.forward(&x)?;
            }
            x = conv.forward(&act.forward(&x)?)?;
        }
        Ok(x)
    }

    /// What the decoder makes of the latent of a clip of any length: it is padded to whole frames with zeros, and the
    /// padding cut off again.
    pub(crate) fn reconstruct(&self, samples: &[f32]) -> Result<Vec<f32>> {
        no_grad(|| {
            let x = Tensor::from_vec([1, 1, samples.len()], samples.to_vec())?;
            let after = samples.len().next_multiple_of(self.config.hop()) - samples.len();
            let x = x.pad(&[(0, 0), (0, 0), (0, after)], PadMode::Constant(0.0))?;
            let z = self.encode(&x.into())?;
            if z.len() != self.config.num_latents(samples.len()) {
                return Err(Error::Parameter {
                    parameter: "the latent",
                    given: format!("{:?}", z.shape()),
                    accepted: format!("{} numbers", self.config.num_latents(samples.len())),
                });
            }
            let mut y = self.decode(&z)?.value().to_vec();
            y.truncate(samples.len());
            Ok(y)
        })
    }
}

impl Forward for Autoencoder {
    fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
        self.decode(&self.encode(x)?)
    }
}
