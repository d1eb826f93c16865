//! What fetch.py has fetched: weights that are not part of this repository, and a reference to compare with.

use std::path::{Path, PathBuf};

use lucid::{StateDict, Tensor};

use crate::error::Result;
use crate::model::{LATENT_CHANNELS, Vocoder};

/// Samples per frame of the latent.
pub(crate) const HOP: usize = 256;
/// The script, from the workspace's folder.
const SCRIPT: &str = "crates/lucid-rs/examples/vocoder/fetch.py";

/// The folder that the script fills.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/vocoder/fetched")
}

/// A sentence as a latent, and as what ONNX Runtime makes of it.
pub(crate) struct Reference {
    /// `[1, 192, frames]`
    pub(crate) latent: Tensor<f32>,
    /// `[1, 1, 256 frames]`
    pub(crate) audio: Tensor<f32>,
    /// Samples per second.
    pub(crate) sample_rate: u32,
}

/// Reads the weights and the reference in `folder`.
pub(crate) fn load(folder: &Path) -> Result<(Vocoder, Reference)> {
    let weights = StateDict::load(present(&folder.join("decoder.safetensors"))?)?;
    let path = folder.join("reference.safetensors");
    let reference = StateDict::load(present(&path)?)?;
    let reference =
        Reference::from_state(&reference).map_err(|error| format!("reading {}: {error}", path.display()))?;
    Ok((Vocoder::with_weights(&weights)?, reference))
}

/// `path`, if there is a file.
fn present(path: &Path) -> Result<&Path> {
    if path.exists() {
        return Ok(path);
    }
    Err(format!(
        "there is no {}: the weights are not part of this repository, so fetch them first, with `python {SCRIPT}` (in \
         an environment with `pip install numpy onnx onnxruntime`)",
        path.display()
    )
    .into())
}

impl Reference {
    fn from_state(state: &StateDict<f32>) -> Result<Self> {
        let tensor = |name: &str| state.get(name).cloned().ok_or_else(|| format!("it has no tensor {name}"));
        let (latent, audio) = (tensor("z")?, tensor("audio")?);
        let is_latent = matches!(latent.shape(), &[1, LATENT_CHANNELS, frames] if frames > 0);
        if !is_latent || audio.shape() != [1, 1, latent.shape()[2] * HOP] {
            return Err(format!(
                "z has shape {:?} and audio {:?}: accepted are [1, {LATENT_CHANNELS}, frames] and [1, 1, {HOP} frames]",
                latent.shape(),
                audio.shape()
            )
            .into());
        }
        let sample_rate = state.metadata().get("sample_rate").and_then(|text| text.parse().ok());
        let sample_rate =
            sample_rate.filter(|&rate| rate > 0).ok_or("its metadata has no sample_rate above 0")?;
        Ok(Reference { latent, audio, sample_rate })
    }
}
