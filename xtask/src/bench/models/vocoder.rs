//! The decoder of a Piper voice, on the latent of a sentence. Both are fetched, and so is the ONNX model.

use std::collections::BTreeMap;
use std::path::Path;

use lucid::{Forward, StateDict, Var, no_grad};

use super::{Loaded, script};
use crate::error::{Error, Result};
use crate::files;

#[path = "../../../../crates/lucid-rs/examples/vocoder/model.rs"]
mod model;

const FOLDER: &str = "crates/lucid-rs/examples/vocoder";

pub(super) fn load(python: &Path) -> Result<Loaded> {
    let folder = files::root().join(FOLDER).join("fetched");
    let onnx = folder.join("decoder.onnx");
    if !onnx.exists() {
        script(python, &format!("{FOLDER}/fetch.py"), &[])?;
    }
    let network = model::Vocoder::with_weights(&StateDict::load(folder.join("decoder.safetensors"))?)?;
    let path = folder.join("reference.safetensors");
    let z = StateDict::load(&path)?.get("z").cloned().ok_or_else(|| Error::Network {
        name: "vocoder".into(),
        reason: format!("there is no z in {}", path.display()),
    })?;
    let input = Var::constant(z.clone());
    let run = move || Ok(BTreeMap::from([("audio", no_grad(|| network.forward(&input))?.value())]));
    Ok(Loaded { onnx, inputs: BTreeMap::from([("z", z)]), run: Box::new(run), max_difference: 1e-5 })
}
