//! What a run depends on, stored with its checkpoint and compared before it is resumed.

use std::path::Path;

use lucid::StateDict;

use crate::error::Result;

/// What can't change in the middle of a run.
pub(crate) struct Origin {
    /// The configuration in JSON.
    pub(crate) config: String,
    pub(crate) seed: u64,
    /// The clips that it trains on.
    pub(crate) clips: Vec<String>,
}

impl Origin {
    /// The length and the FNV-1a hash of a clip's samples: enough to notice another one.
    pub(crate) fn fingerprint(samples: &[f32]) -> String {
        let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{} samples, {hash:016x}", samples.len())
    }

    /// Stores it with a checkpoint.
    pub(crate) fn mark(&self, state: &mut StateDict) {
        state.metadata_mut().extend(self.entries().map(|(name, text)| (name.to_string(), text)));
    }

    /// Refuses a checkpoint of another run.
    pub(crate) fn check(&self, state: &StateDict) -> Result<()> {
        for (name, expected) in self.entries() {
            let Some(found) = state.metadata().get(name) else {
                return Err(format!("it is no checkpoint: its metadata has no {name}").into());
            };
            // Equal numbers are written with equal digits, so comparing the text is comparing the configurations.
            if found != &expected && name == "config" {
                return Err(
                    "it is of another configuration: give its own with --config, or start anew in another --output"
                        .into(),
                );
            }
            if found != &expected {
                return Err(format!(
                    "it is of another run: its {name} is {found}, this one's is {expected}; start anew in another --output"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Refuses to start where the file at `path` is the checkpoint of a run that would be lost. This very run after all of
    /// its `num_steps` would not: the same would come again.
    pub(crate) fn check_free(&self, path: &Path, num_steps: u64) -> Result<()> {
        let is_this_run = |state: &StateDict| {
            let found = state.get("losses").and_then(|losses| losses.shape().first().copied());
            found.map(|found| found as u64) == Some(num_steps) && self.check(state).is_ok()
        };
        if !path.is_file() || StateDict::load(path).is_ok_and(|state| is_this_run(&state)) {
            return Ok(());
        }
        Err(format!(
            "{} is the checkpoint of a run, which would be lost: go on with it by --resume, give another --output, or \
             remove it",
            path.display()
        )
        .into())
    }

    fn entries(&self) -> [(&'static str, String); 3] {
        [("config", self.config.clone()), ("seed", self.seed.to_string()), ("clip", self.clips.join("; "))]
    }
}
