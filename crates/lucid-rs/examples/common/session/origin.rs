//! What a run depends on, stored with its checkpoint and compared before it is resumed.

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
                    "it is of another configuration: give its own with --config, or start anew without \
                            --resume"
                        .into(),
                );
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

    fn entries(&self) -> [(&'static str, String); 3] {
        [("config", self.config.clone()), ("seed", self.seed.to_string()), ("clip", self.clips.join("; "))]
    }
}
