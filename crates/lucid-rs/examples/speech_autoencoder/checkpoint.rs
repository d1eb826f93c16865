//! A run on disk: one safetensors file with the model, the optimiser, the losses of all steps so far, and what the run
//! depends on.
//!
//! One file, because it replaces the one before in a single step: no interruption can leave the model of one step beside
//! the optimiser of another.

use std::path::Path;

use lucid::optim::Optimizer;
use lucid::{Module, StateDict, Strictness};

use crate::error::Result;
use crate::session::origin::Origin;
use crate::train::Training;

/// Writes the run to the file at `path`.
pub(crate) fn save(path: &Path, training: &Training<'_>) -> Result<()> {
    let mut state = StateDict::new();
    state.insert_part("model", training.model.state_dict());
    state.insert_part("optimizer", training.optimizer.state_dict());
    state.insert("losses", training.losses.to_tensor()?);
    origin(training)?.mark(&mut state);
    Ok(state.save(path)?)
}

/// Brings a new run to where the one in the file at `path` was.
pub(crate) fn resume(path: &Path, training: &mut Training<'_>) -> Result<()> {
    let state = StateDict::load(path)?;
    restore(&state, training).map_err(|error| format!("resuming from {}: {error}", path.display()).into())
}

/// Refuses to start a new run of `num_steps` steps where another one's file at `path` would be lost.
pub(crate) fn check_free(path: &Path, training: &Training<'_>, num_steps: u64) -> Result<()> {
    origin(training)?.check_free(path, num_steps)
}

fn restore(state: &StateDict, training: &mut Training<'_>) -> Result<()> {
    origin(training)?.check(state)?;
    training.losses.restore(state.get("losses"))?;
    let _complete = training.model.load_state_dict(&state.part("model"), Strictness::Strict)?;
    Ok(training.optimizer.load_state_dict(&state.part("optimizer"))?)
}

fn origin(training: &Training<'_>) -> Result<Origin> {
    Ok(Origin {
        config: training.config.to_json()?,
        seed: training.seed,
        clips: vec![Origin::fingerprint(&training.clip.samples)],
    })
}
