//! A run on disk: one safetensors file with both networks, their optimisers, the averages, the place in the data, the
//! losses of all steps so far, and what the run depends on.
//!
//! Learning rates and random numbers are not in it: they follow from the number of the step.

use std::path::Path;

use lucid::data::LoaderPosition;
use lucid::optim::Optimizer;
use lucid::{Module, StateDict, Strictness};

use crate::error::Result;
use crate::session::origin::Origin;
use crate::train::Training;

/// Writes the run to the file at `path`.
pub(crate) fn save(path: &Path, training: &Training) -> Result<()> {
    let mut state = StateDict::new();
    state.insert_part("critic", training.critic.state_dict());
    state.insert_part("critic_optimizer", training.critic_optimizer.state_dict());
    state.insert_part("generator", training.generator.state_dict());
    state.insert_part("generator_optimizer", training.generator_optimizer.state_dict());
    state.insert_part("ema", training.ema.state_dict());
    state.insert("losses", training.losses.to_tensor()?);
    let position = serde_json::to_string(&training.loader.position())?;
    state.metadata_mut().insert("loader".to_string(), position);
    origin(training)?.mark(&mut state);
    Ok(state.save(path)?)
}

/// Brings a new run to where the one in the file at `path` was.
pub(crate) fn resume(path: &Path, training: &mut Training) -> Result<()> {
    let state = StateDict::load(path)?;
    restore(&state, training).map_err(|error| format!("resuming from {}: {error}", path.display()).into())
}

/// Refuses to start a new run of `num_steps` steps where another one's file at `path` would be lost.
pub(crate) fn check_free(path: &Path, training: &Training, num_steps: u64) -> Result<()> {
    origin(training)?.check_free(path, num_steps)
}

fn restore(state: &StateDict, training: &mut Training) -> Result<()> {
    origin(training)?.check(state)?;
    training.losses.restore(state.get("losses"))?;
    let position = state.metadata().get("loader").map(String::as_str).unwrap_or_default();
    let position: LoaderPosition = serde_json::from_str(position)
        .map_err(|error| format!("it is no checkpoint: its metadata has no place in the data: {error}"))?;
    training.loader.set_position(position)?;
    let _complete = training.critic.load_state_dict(&state.part("critic"), Strictness::Strict)?;
    let _complete = training.generator.load_state_dict(&state.part("generator"), Strictness::Strict)?;
    training.critic_optimizer.load_state_dict(&state.part("critic_optimizer"))?;
    training.generator_optimizer.load_state_dict(&state.part("generator_optimizer"))?;
    Ok(training.ema.load_state_dict(&state.part("ema"))?)
}

fn origin(training: &Training) -> Result<Origin> {
    Ok(Origin { config: training.config.to_json()?, seed: training.seed, clips: training.clips.clone() })
}
