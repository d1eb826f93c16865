//! Everything that a run depends on, beside the clip it trains on and the seed: stored with each model, and compared
//! before a run is resumed.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::model::{Level, ModelConfig};
use crate::spectral::Resolution;

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
    /// The learning rate of the first step after the warm-up.
    pub(crate) learning_rate: f64,
    /// Steps over which the learning rate rises.
    pub(crate) warmup: u64,
    /// Steps after which the learning rate has sunk to its last value. A number of its own: did it follow from the
    /// length of the run, a short run could not be resumed as a longer one.
    pub(crate) horizon: u64,
    /// The learning rate from the horizon on, as a part of the first one.
    pub(crate) final_share: f64,
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
                learning_rate: 2e-3,
                warmup: 20,
                horizon: 1500,
                final_share: 0.02,
                max_grad_norm: 1.0,
            },
        }
    }
}

impl Config {
    /// Reads a configuration in JSON.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let config: Config = serde_json::from_str(&text)
            .with_context(|| format!("reading {} as a configuration", path.display()))?;
        config.check().with_context(|| path.display().to_string())?;
        Ok(config)
    }

    /// The configuration in JSON.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// What the layers can't check themselves.
    fn check(&self) -> Result<()> {
        let Config { model, training } = self;
        ensure!(!model.levels.is_empty(), "levels is empty: accepted is at least one");
        ensure!(model.levels.iter().all(|level| level.stride >= 1), "stride is 0: accepted is at least 1");
        ensure!(training.batch >= 1, "batch is 0: accepted is at least 1");
        let (segment, hop) = (training.segment, model.hop());
        ensure!(
            segment >= 1 && segment.is_multiple_of(hop),
            "segment = {segment} is refused: accepted is a multiple of {hop}, the samples per latent frame"
        );
        for Resolution { window, hop } in &training.resolutions {
            ensure!(
                *window >= 2 && window <= &segment && *hop >= 1,
                "window = {window}, hop = {hop} is refused: accepted is a window of 2 to {segment}, the samples per \
                 segment, and a hop of at least 1"
            );
        }
        Ok(())
    }
}

impl TrainingConfig {
    /// The learning rate at a step: a linear rise, then half a cosine down to the last value. It depends on nothing but
    /// the step.
    pub(crate) fn learning_rate_at(&self, step: u64) -> f64 {
        let rise = ((step + 1) as f64 / (self.warmup + 1) as f64).min(1.0);
        let past = step.saturating_sub(self.warmup) as f64;
        let progress = (past / self.horizon.saturating_sub(self.warmup).max(1) as f64).min(1.0);
        let cosine = 0.5 + 0.5 * (std::f64::consts::PI * progress).cos();
        self.learning_rate * rise * (self.final_share + (1.0 - self.final_share) * cosine)
    }
}
