//! A learning rate that sinks when the loss does not.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// What a [`Plateau`] is made from, under PyTorch's names and with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlateauConfig {
    /// What the learning rate is multiplied with, in 0..1: 0.1 by default.
    pub factor: f64,
    /// Losses without an improvement that are put up with: 10 by default.
    pub patience: u64,
    /// The part of the best loss that an improvement takes off at least, 0 or above: 1e-4 by default.
    pub threshold: f64,
    /// Losses after a change that don't count: none by default.
    pub cooldown: u64,
    /// The lowest share, in 0..=1: 0 by default.
    pub min_share: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        PlateauConfig { factor: 0.1, patience: 10, threshold: 1e-4, cooldown: 0, min_share: 0.0 }
    }
}

/// The learning rate as a part of a first one, lowered when losses no longer fall: PyTorch's `ReduceLROnPlateau`.
///
/// It is its own state: stored with `serde` and read again, it goes on as it was.
///
/// ```
/// use lucid_nn::optim::{Plateau, PlateauConfig};
///
/// let mut plateau = Plateau::new(PlateauConfig { factor: 0.5, patience: 1, ..Default::default() })?;
/// let shares = [3.0, 2.0, 2.0, 2.0, 2.0].map(|loss| plateau.observe(loss));
/// assert_eq!(shares, [1.0, 1.0, 1.0, 0.5, 0.5]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    config: PlateauConfig,
    share: f64,
    /// None before the first loss that is a number.
    best: Option<f64>,
    num_bad: u64,
    cooldown_left: u64,
}

impl Plateau {
    /// Before the first loss.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a number outside its range.
    pub fn new(config: PlateauConfig) -> Result<Self> {
        let PlateauConfig { factor, threshold, min_share, .. } = config;
        check((0.0..1.0).contains(&factor), "factor", factor, "at least 0 and below 1")?;
        check(
            (0.0..f64::INFINITY).contains(&threshold),
            "threshold",
            threshold,
            "a finite number, 0 or above",
        )?;
        check((0.0..=1.0).contains(&min_share), "min_share", min_share, "0 to 1")?;
        Ok(Plateau { config, share: 1.0, best: None, num_bad: 0, cooldown_left: 0 })
    }

    /// Takes notice of a loss (of an epoch, say), and gives the [`share`](Self::share) from here on. A loss that is not a
    /// number is no improvement.
    pub fn observe(&mut self, loss: f64) -> f64 {
        let PlateauConfig { factor, patience, threshold, cooldown, min_share } = self.config;
        let is_better = match self.best {
            Some(best) => loss < best * (1.0 - threshold),
            None => loss < f64::INFINITY,
        };
        if is_better {
            self.best = Some(loss);
            self.num_bad = 0;
        } else {
            self.num_bad = self.num_bad.saturating_add(1);
        }
        if self.cooldown_left > 0 {
            self.cooldown_left -= 1;
            self.num_bad = 0;
        }
        if self.num_bad > patience {
            self.share = (self.share * factor).max(min_share);
            self.cooldown_left = cooldown;
            self.num_bad = 0;
        }
        self.share
    }

    /// What the first learning rate is to be multiplied with.
    pub fn share(&self) -> f64 {
        self.share
    }
}
