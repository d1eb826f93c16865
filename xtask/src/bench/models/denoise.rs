//! GTCRN, on one frame of a signal with what it remembers of the frames before: how it runs on a signal that comes in. The
//! weights are part of the repository; the ONNX model is fetched.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lucid::{StateDict, Tensor, Var, no_grad};

use super::{Loaded, script};
use crate::error::{Error, Result};
use crate::files;

#[path = "../../../../crates/lucid-rs/examples/denoise/model/mod.rs"]
mod model;

use model::{BlockState, DualPathState, Gtcrn, State};

const FOLDER: &str = "crates/lucid-rs/examples/denoise";

pub(super) fn load(python: &Path) -> Result<Loaded> {
    let folder = files::root().join("target/peers/models");
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let onnx = folder.join("denoise.onnx");
    if !onnx.exists() {
        script(python, &format!("{FOLDER}/reference.py"), &["--onnx".as_ref(), &onnx])?;
    }
    let path = files::root().join(FOLDER).join("reference.safetensors");
    let frames = StateDict::load(&path)?.get("x").cloned().ok_or_else(|| Error::Network {
        name: "denoise".into(),
        reason: format!("there is no x in {}", path.display()),
    })?;
    let (network, mut state) = (Gtcrn::trained()?, State::new()?);
    let last = frames.shape()[2] - 1;
    let of = |range| frames.slice(2, range).map_err(lucid::Error::from);
    let (before, frame) = (of(0..last)?, of(last..last + 1)?);
    let _enhanced = no_grad(|| network.enhance(&before.into(), &mut state))?;

    let mut inputs = BTreeMap::from([("mix", arranged(&frame)?)]);
    inputs.extend(CACHES.map(|[before, _]| before).into_iter().zip(caches(&state)?));
    let input = Var::constant(frame);
    let run = move || {
        let mut state = state.clone();
        let enhanced = no_grad(|| network.enhance(&input, &mut state))?.value();
        let mut outputs = BTreeMap::from([("enh", arranged(&enhanced)?)]);
        outputs.extend(CACHES.map(|[_, after]| after).into_iter().zip(caches(&state)?));
        Ok(outputs)
    };
    Ok(Loaded { onnx, inputs, run: Box::new(run), max_difference: 1e-4 })
}

/// Names of what the network remembers, before and after a frame.
const CACHES: [[&str; 2]; 3] =
    [["conv_cache", "conv_cache_out"], ["tra_cache", "tra_cache_out"], ["inter_cache", "inter_cache_out"]];

/// What the network remembers as the ONNX model has it, in the order of [`CACHES`].
fn caches(state: &State) -> lucid::Result<[Tensor<f32>; 3]> {
    let [e1, e2, e3] = &state.encoder;
    // The decoder's blocks look back the other way round.
    let [d3, d2, d1] = &state.decoder;
    let past = |[a, b, c]: [&BlockState; 3]| Var::concatenate(&[&a.past, &b.past, &c.past], 2);
    let hidden = |[a, b, c]: [&BlockState; 3]| Var::stack(&[&a.hidden, &b.hidden, &c.hidden], 0);
    let units = |DualPathState { inter: [a, b] }: &DualPathState| Var::concatenate(&[a, b], 2);
    let [first, second] = &state.dual_paths;
    let both = [
        [past([e1, e2, e3])?, past([d1, d2, d3])?],
        [hidden([e1, e2, e3])?, hidden([d3, d2, d1])?],
        [units(first)?, units(second)?],
    ];
    let [conv, tra, inter] = both.map(|[a, b]| Var::stack(&[&a, &b], 0));
    Ok([conv?.value(), tra?.value(), inter?.value()])
}

/// A spectrum `[1, 2, frames, 257]` as `[1, 257, frames, 2]`.
fn arranged(spectrum: &Tensor<f32>) -> lucid::Result<Tensor<f32>> {
    Ok(spectrum.permute([0, 3, 2, 1])?.contiguous())
}
