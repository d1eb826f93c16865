//! Learning rates that follow from the number of the step.
//!
//! A schedule is a function and has no state: a run that is resumed at a step has that step's learning rate. What depends
//! on more than the step is a [`Plateau`](super::Plateau).

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// The learning rate as a part of a first one, by the number of the step, counted from 0.
///
/// The formulas are PyTorch's, in closed form; steps may as well be epochs. After its last step a schedule stays where it
/// ended.
///
/// ```
/// use lucid_nn::optim::Schedule;
///
/// let cosine = Schedule::Cosine { num_steps: 100, final_share: 0.1 };
/// let schedule = Schedule::WarmUp { num_steps: 10, first_share: 0.1, then: Box::new(cosine) };
/// let lr = |step| Ok::<_, lucid_nn::Error>(1e-3 * schedule.share_at(step)?);
/// assert_eq!([lr(0)?, lr(10)?, lr(110)?, lr(1000)?], [1e-4, 1e-3, 1e-4, 1e-4]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// `1` at every step.
    Constant,
    /// `gamma^floor(step / step_size)`.
    Step {
        /// Steps from one change to the next: at least 1.
        step_size: u64,
        /// The factor of each change, 0 or above.
        gamma: f64,
    },
    /// `gamma` to the number of milestones that are reached.
    MultiStep {
        /// The steps of the changes, in any order.
        milestones: Vec<u64>,
        /// The factor of each change, 0 or above.
        gamma: f64,
    },
    /// `gamma^step`.
    Exponential {
        /// The factor from step to step, 0 or above.
        gamma: f64,
    },
    /// `f + (1 - f) (1 + cos(pi t)) / 2` with `f` the final share and `t = step / num_steps`, 1 at most (Loshchilov and
    /// Hutter 2017, without restarts).
    Cosine {
        /// Steps to the lowest value: at least 1.
        num_steps: u64,
        /// The lowest value, 0 or above.
        final_share: f64,
    },
    /// From the first share up to 1, then down to the final one (Smith and Topin 2018). The first learning rate is the
    /// highest one here; PyTorch's `div_factor` is `1 / first_share`, its `final_div_factor` `first_share / final_share`.
    OneCycle {
        /// All steps, of which the last has the final share: at least 2.
        num_steps: u64,
        /// The part of the steps in which it rises, in 0..1: PyTorch's `pct_start`.
        rise: f64,
        /// The share of the first step, 0 or above.
        first_share: f64,
        /// The share of the last step, 0 or above.
        final_share: f64,
        /// The curve in between.
        anneal: Anneal,
    },
    /// In a straight line from the first share to 1; then another schedule, which counts its steps from there.
    WarmUp {
        /// Steps before the other schedule begins.
        num_steps: u64,
        /// The share of the first step, 0 or above.
        first_share: f64,
        /// The other schedule.
        then: Box<Schedule>,
    },
}

/// A curve between two values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cos,
    /// A straight line.
    Linear,
}

impl Anneal {
    /// From `from` at 0 to `to` at 1.
    fn between(self, from: f64, to: f64, progress: f64) -> f64 {
        match self {
            Anneal::Cos => to + (from - to) / 2.0 * (1.0 + (PI * progress).cos()),
            Anneal::Linear => from + (to - from) * progress,
        }
    }
}

impl Schedule {
    /// What the first learning rate is multiplied with at `step`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a number outside its range.
    pub fn share_at(&self, step: u64) -> Result<f64> {
        Ok(match *self {
            Schedule::Constant => 1.0,
            Schedule::Step { step_size, gamma } => {
                check(step_size >= 1, "step_size", step_size, "at least 1")?;
                at_least_0("gamma", gamma)?.powf((step / step_size) as f64)
            }
            Schedule::MultiStep { ref milestones, gamma } => {
                let num_reached = milestones.iter().filter(|&&milestone| milestone <= step).count();
                at_least_0("gamma", gamma)?.powf(num_reached as f64)
            }
            Schedule::Exponential { gamma } => at_least_0("gamma", gamma)?.powf(step as f64),
            Schedule::Cosine { num_steps, final_share } => {
                check(num_steps >= 1, "num_steps", num_steps, "at least 1")?;
                let progress = (step as f64 / num_steps as f64).min(1.0);
                Anneal::Cos.between(1.0, at_least_0("final_share", final_share)?, progress)
            }
            Schedule::OneCycle { num_steps, rise, first_share, final_share, anneal } => {
                check(num_steps >= 2, "num_steps", num_steps, "at least 2")?;
                check(rise > 0.0 && rise < 1.0, "rise", rise, "a number between 0 and 1")?;
                at_least_0("first_share", first_share)?;
                at_least_0("final_share", final_share)?;
                // The top lies between two steps where it falls so.
                let (top, last) = (rise * num_steps as f64 - 1.0, (num_steps - 1) as f64);
                let step = (step as f64).min(last);
                if step <= top {
                    anneal.between(first_share, 1.0, if top > 0.0 { step / top } else { 1.0 })
                } else {
                    anneal.between(1.0, final_share, (step - top) / (last - top))
                }
            }
            Schedule::WarmUp { num_steps, first_share, ref then } => {
                at_least_0("first_share", first_share)?;
                match step.checked_sub(num_steps) {
                    Some(step) => then.share_at(step)?,
                    None => Anneal::Linear.between(first_share, 1.0, step as f64 / num_steps as f64),
                }
            }
        })
    }
}

fn at_least_0(parameter: &'static str, value: f64) -> Result<f64> {
    check(value.is_finite() && value >= 0.0, parameter, value, "a finite number, 0 or above")?;
    Ok(value)
}
