//! A training run from the command line: its steps with a progress bar, and checkpoints to resume it from.
//!
//! What the examples that train have in common is here and in the files beside this one.

pub(crate) mod curves;
pub(crate) mod folder;
pub(crate) mod learning_rate;
pub(crate) mod losses;
pub(crate) mod origin;
pub(crate) mod rng;
pub(crate) mod settings;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::progress::Progress;

/// A run that is trained step by step.
pub(crate) trait Run {
    /// Steps after which a run that is interrupted can be resumed.
    const CHECKPOINT_STEPS: u64;

    /// The number of steps so far.
    fn num_steps(&self) -> u64;

    /// One step.
    fn step(&mut self) -> Result<()>;

    /// The losses of the last step, to look at.
    fn message(&self) -> String;

    /// Writes the run to the file at `path`.
    fn save(&self, path: &Path) -> Result<()>;
}

/// Refuses to go on to a step that the run is past, before anything is written.
pub(crate) fn check_steps(run: &impl Run, num_steps: u64) -> Result<()> {
    let first = run.num_steps();
    if first > num_steps {
        return Err(format!(
            "--steps {num_steps} is refused: accepted are at least the {first} steps that the run has already"
        )
        .into());
    }
    Ok(())
}

/// Goes on until the run has `num_steps` steps, and says how long that took.
pub(crate) fn train<R: Run>(run: &mut R, num_steps: u64, checkpoint: &Path) -> Result<Duration> {
    let start = Instant::now();
    let mut progress = Progress::new("steps", run.num_steps(), num_steps);
    while run.num_steps() < num_steps {
        run.step()?;
        progress.advance(&run.message());
        if run.num_steps().is_multiple_of(R::CHECKPOINT_STEPS) {
            run.save(checkpoint)?;
        }
    }
    progress.finish();
    let elapsed = start.elapsed();
    run.save(checkpoint)?;
    Ok(elapsed)
}
