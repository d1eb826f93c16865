//! The learning rate of every step: a linear rise, then half a cosine down to its last value.

use lucid::optim::Schedule;
use serde::{Deserialize, Serialize};

use super::settings::{above_0, in_range};
use crate::error::Result;

const MAX_STEPS: u64 = 1_000_000_000;

/// How the learning rate changes over a run. It depends on nothing but the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LearningRate {
    /// That of the first step after the warm-up.
    pub(crate) highest: f64,
    /// Steps over which it rises.
    pub(crate) warmup: u64,
    /// Steps after which it has sunk to its last value. A number of its own: did it follow from the length of the run, a
    /// short run could not be resumed as a longer one.
    pub(crate) horizon: u64,
    /// Its value from the horizon on, as a part of the highest.
    pub(crate) final_share: f64,
}

impl LearningRate {
    /// Refuses what no run could go on with; `key` is what the configuration calls it.
    pub(crate) fn check(&self, key: &str) -> Result<(), String> {
        in_range(&format!("{key}.horizon"), self.horizon, 1..=MAX_STEPS)?;
        in_range(&format!("{key}.warmup"), self.warmup, 0..=self.horizon)?;
        in_range(&format!("{key}.final_share"), self.final_share, 0.0..=1.0)?;
        above_0(&format!("{key}.highest"), self.highest, 1.0)
    }

    /// The learning rate of a step, counted from 0.
    pub(crate) fn at(&self, step: u64) -> Result<f64> {
        // At least one step, also where the horizon is the end of the warm-up.
        let num_steps = self.horizon.saturating_sub(self.warmup).max(1);
        let schedule = Schedule::WarmUp {
            num_steps: self.warmup,
            first_share: 1.0 / (self.warmup + 1) as f64,
            then: Box::new(Schedule::Cosine { num_steps, final_share: self.final_share }),
        };
        Ok(self.highest * schedule.share_at(step)?)
    }
}
