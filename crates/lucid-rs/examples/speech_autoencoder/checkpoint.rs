//! A run on disk: one safetensors file with the model, the optimiser, the losses of all steps so far, and what the run
//! depends on.
//!
//! One file, because it replaces the one before in a single step: no interruption can leave the model of one step beside
//! the optimiser of another.

use std::path::Path;

use lucid::optim::Optimizer;
use lucid::{Module, StateDict, Strictness, Tensor};

use crate::error::Result;
use crate::train::{Losses, Training};

/// Writes the run to the file at `path`.
pub(crate) fn save(path: &Path, training: &Training<'_>) -> Result<()> {
    let mut state = StateDict::new();
    state.insert_part("model", training.model.state_dict());
    state.insert_part("optimizer", training.optimizer.state_dict());
    let losses = training.log.iter().flat_map(|losses| [losses.time, losses.spectral]).collect();
    state.insert("losses", Tensor::from_vec([training.log.len(), 2], losses)?);
    state.metadata_mut().extend(origin(training)?);
    Ok(state.save(path)?)
}

/// Brings a new run to where the one in the file at `path` was.
pub(crate) fn resume(path: &Path, training: &mut Training<'_>) -> Result<()> {
    let state = StateDict::load(path)?;
    restore(&state, training).map_err(|error| format!("resuming from {}: {error}", path.display()).into())
}

fn restore(state: &StateDict, training: &mut Training<'_>) -> Result<()> {
    check_origin(state, training)?;
    let Some(losses) = state.get("losses").filter(|losses| losses.ndim() == 2 && losses.shape()[1] == 2)
    else {
        return Err("it is no checkpoint: it has no losses of shape [steps, 2]".into());
    };
    let _complete = training.model.load_state_dict(&state.part("model"), Strictness::Strict)?;
    training.optimizer.load_state_dict(&state.part("optimizer"))?;
    training.log =
        losses.to_vec().chunks_exact(2).map(|pair| Losses { time: pair[0], spectral: pair[1] }).collect();
    Ok(())
}

/// What a run depends on, as strings.
fn origin(training: &Training<'_>) -> Result<[(String, String); 3]> {
    Ok([
        ("config".to_string(), training.config.to_json()?),
        ("seed".to_string(), training.seed.to_string()),
        ("clip".to_string(), fingerprint(&training.clip.samples)),
    ])
}

fn check_origin(state: &StateDict, training: &Training<'_>) -> Result<()> {
    for (name, expected) in origin(training)? {
        let Some(found) = state.metadata().get(&name) else {
            return Err(format!("it is no checkpoint: its metadata has no {name}").into());
        };
        // Equal numbers are written with equal digits, so comparing the text is comparing the configurations.
        if found != &expected && name == "config" {
            return Err("it is of another configuration: give its own with --config, or start anew without \
                        --resume"
                .into());
        }
        if found != &expected {
            return Err(format!(
                "it is of another run: its {name} is {found}, this one's is {expected}; start anew without --resume"
            )
            .into());
        }
    }
    Ok(())
}

/// The length and the FNV-1a hash of the samples' bits: enough to notice another clip.
fn fingerprint(samples: &[f32]) -> String {
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} samples, {hash:016x}", samples.len())
}
