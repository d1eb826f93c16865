//! Everything that a run depends on, beside the clips it trains on and the seed: stored with each model, and compared
//! before a run is resumed.

use std::path::Path;

use lucid::optim::Betas;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::model::{ModelConfig, STRIDE};
use crate::session::learning_rate::LearningRate;
use crate::session::settings::{self, in_range};

/// Values in one tensor, 256 MiB of them: a step holds some dozens of that size, and a machine has an end.
const MAX_VALUES: usize = 1 << 26;
const MAX_WINDOW: usize = 1 << 15;
const MAX_CHANNELS: usize = 1 << 10;
const MAX_LATENT: usize = 1 << 10;
const MAX_FRAMES: usize = 1 << 6;
const MAX_LEVELS: usize = 7;
const MAX_CRITIC_STEPS: usize = 100;
const MAX_SCALE: f64 = 1e6;

/// The two networks and how they are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) model: ModelConfig,
    pub(crate) training: TrainingConfig,
}

/// How the networks are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingConfig {
    /// Windows per step of either network.
    pub(crate) batch: usize,
    /// The critic's steps for each of the generator's.
    pub(crate) critic_steps: usize,
    /// What the gradient penalty counts, where the Wasserstein estimate counts 1.
    pub(crate) penalty_weight: f64,
    /// That of both networks.
    pub(crate) learning_rate: LearningRate,
    /// How much of the past both optimisers keep.
    pub(crate) betas: Betas,
    /// How much of the past the averages of the generator's weights keep.
    pub(crate) ema_decay: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            model: ModelConfig { latent: 64, frames: 16, channels: vec![16, 32, 64, 128], phase_shuffle: 2 },
            training: TrainingConfig {
                batch: 16,
                critic_steps: 3,
                penalty_weight: 10.0,
                learning_rate: LearningRate { highest: 1e-3, warmup: 10, horizon: 2500, final_share: 0.1 },
                betas: [0.5, 0.9].into(),
                ema_decay: 0.98,
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
        in_range("model.latent", model.latent, 1..=MAX_LATENT)?;
        in_range("model.frames", model.frames, 1..=MAX_FRAMES)?;
        in_range("the number of model.channels", model.channels.len(), 1..=MAX_LEVELS)?;
        // 64 4^7 = 2^20 at most.
        in_range("the window, model.frames times 4 per level,", model.window(), STRIDE..=MAX_WINDOW)?;

        // The largest tensor that a step holds for one window, at most 2^10 2^13; a weight has at most
        // 25 2^20 values, or 2^10 (2^10 2^6) between the latent and the coarsest level.
        let (mut values_len, mut len) = (model.window(), model.window());
        for (i, &channels) in model.channels.iter().enumerate() {
            in_range(&format!("model.channels[{i}]"), channels, 1..=MAX_CHANNELS)?;
            len /= STRIDE;
            values_len = values_len.max(channels * len);
        }
        // The last layer that is shifted has 4 frames positions.
        in_range("model.phase_shuffle", model.phase_shuffle, 0..=STRIDE * model.frames - 1)?;
        // The critic sees real and made windows in one batch.
        in_range("training.batch", training.batch, 1..=MAX_VALUES / (2 * values_len))?;
        in_range("training.critic_steps", training.critic_steps, 1..=MAX_CRITIC_STEPS)?;
        in_range("training.penalty_weight", training.penalty_weight, 0.0..=MAX_SCALE)?;
        for (key, beta) in [("first", training.betas.first), ("second", training.betas.second)] {
            // 1 would keep everything, and f32 rounds what is nearer to it.
            in_range(&format!("the {key} of training.betas"), beta, 0.0..=0.999_999)?;
        }
        in_range("training.ema_decay", training.ema_decay, 0.0..=1.0)?;
        training.learning_rate.check("training.learning_rate")
    }
}
