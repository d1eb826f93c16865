//! Everything that a run depends on, beside the clip it trains on and the seed: stored with each model, and compared
//! before a run is resumed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::{Level, ModelConfig};
use crate::session::learning_rate::LearningRate;
use crate::session::settings::{self, above_0, in_range, refusal};
use crate::stft::Resolution;

/// Values in one tensor, 256 MiB of them: a step holds some dozens of that size, and a machine has an end.
const MAX_VALUES: usize = 1 << 26;
const MAX_SEGMENT: usize = 1 << 15;
const MAX_WINDOW: usize = 1 << 11;
const MAX_CHANNELS: usize = 1 << 10;
const MAX_DILATION: usize = 1 << 10;
/// Entries of a list.
const MAX_ENTRIES: usize = 16;
/// Of a loss or a norm: single precision has room for its square.
const MAX_SCALE: f64 = 1e6;

/// The model and how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) model: ModelConfig,
    pub(crate) training: TrainingConfig,
}

/// How the model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingConfig {
    /// Segments per step.
    pub(crate) batch: usize,
    /// Samples per segment.
    pub(crate) segment: usize,
    /// The transforms of the spectral loss.
    pub(crate) resolutions: Vec<Resolution>,
    /// What the spectral loss counts, where the time-domain loss counts 1.
    pub(crate) spectral_weight: f64,
    pub(crate) learning_rate: LearningRate,
    /// What all gradients together are clipped to.
    pub(crate) max_grad_norm: f64,
}

impl Default for Config {
    fn default() -> Self {
        let level = |stride, channels| Level { stride, channels };
        let resolution = |window, hop| Resolution { window, hop };
        Config {
            model: ModelConfig {
                levels: vec![level(4, 32), level(4, 64), level(4, 128)],
                latent_channels: 15,
                dilations: vec![1],
            },
            training: TrainingConfig {
                batch: 4,
                segment: 4096,
                resolutions: vec![resolution(512, 128), resolution(256, 64), resolution(128, 32)],
                spectral_weight: 0.3,
                learning_rate: LearningRate { highest: 2e-3, warmup: 20, horizon: 1500, final_share: 0.02 },
                max_grad_norm: 1.0,
            },
        }
    }
}

impl Config {
    /// Reads a configuration in JSON.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        settings::open(path, Config::check)
    }

    /// The configuration in JSON.
    pub(crate) fn to_json(&self) -> Result<String> {
        settings::to_json(self)
    }

    /// Refuses every value that the run could not go on with, so that nothing after it has to. Each is checked before it
    /// is multiplied.
    fn check(&self) -> Result<(), String> {
        let Config { model, training } = self;
        let segment = training.segment;
        in_range("training.segment", segment, 1..=MAX_SEGMENT)?;
        in_range("model.latent_channels", model.latent_channels, 1..=MAX_CHANNELS)?;
        in_range("the number of model.dilations", model.dilations.len(), 0..=MAX_ENTRIES)?;
        for (i, &dilation) in model.dilations.iter().enumerate() {
            in_range(&format!("model.dilations[{i}]"), dilation, 1..=MAX_DILATION)?;
        }
        let padding = 2 * model.dilations.iter().copied().max().unwrap_or(0);

        // The largest tensor that a step holds for one segment. It is at most MAX_VALUES, so that a batch of 1 always fits:
        // at a level 2^10 channels (2^15 + 2^11 positions), of a transform (2^11 + 2) (2^15 - 2^11 + 1).
        let mut values_len = segment;
        in_range("the number of model.levels", model.levels.len(), 1..=MAX_ENTRIES)?;
        let (mut above, mut hop) = (1, 1);
        for (i, &Level { stride, channels }) in model.levels.iter().enumerate() {
            in_range(&format!("model.levels[{i}].channels"), channels, 1..=MAX_CHANNELS)?;
            // stride <= segment / hop => the new hop is at most segment. The other bound is the weights', of which there are
            // above channels (2 stride).
            let max_stride = (segment / hop).min(MAX_VALUES / (2 * above * channels));
            in_range(&format!("model.levels[{i}].stride"), stride, 1..=max_stride)?;
            (above, hop) = (channels, hop * stride);
            values_len = values_len.max(channels * (segment / hop + padding));
        }
        if !segment.is_multiple_of(hop) {
            let accepted = format!("a multiple of {hop}, the samples per latent frame");
            return Err(refusal("training.segment", segment, &accepted));
        }
        let resolutions = &training.resolutions;
        in_range("the number of training.resolutions", resolutions.len(), 0..=MAX_ENTRIES)?;
        for (i, &Resolution { window, hop }) in resolutions.iter().enumerate() {
            let key = format!("training.resolutions[{i}]");
            in_range(&format!("{key}.window"), window, 2..=segment.min(MAX_WINDOW))?;
            in_range(&format!("{key}.hop"), hop, 1..=window)?;
            values_len = values_len.max((window + 2) * ((segment - window) / hop + 1));
        }
        in_range("training.batch", training.batch, 1..=MAX_VALUES / values_len)?;

        in_range("training.spectral_weight", training.spectral_weight, 0.0..=MAX_SCALE)?;
        training.learning_rate.check("training.learning_rate")?;
        above_0("training.max_grad_norm", training.max_grad_norm, MAX_SCALE)
    }
}
