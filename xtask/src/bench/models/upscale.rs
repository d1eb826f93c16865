//! waifu2x's upconv_7, on a tile of 128 by 128 pixels with its margin. The weights are part of the repository; the ONNX model
//! is written from them each time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lucid::{Forward, Tensor, Var, no_grad};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Loaded, script};
use crate::error::{Error, Result};
use crate::files;

#[path = "../../../../crates/lucid-rs/examples/upscale/model.rs"]
mod model;

use model::{MARGIN, UpConv7};

const TILE: usize = 128;

pub(super) fn load(python: &Path) -> Result<Loaded> {
    let folder = files::root().join("target/peers/models");
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let onnx = folder.join("upscale.onnx");
    script(python, "crates/lucid-rs/examples/upscale/reference.py", &["--onnx".as_ref(), &onnx])?;
    let network = UpConv7::trained()?;
    let size = TILE + 2 * MARGIN;
    let x: Tensor<f32> = Tensor::uniform([1, 3, size, size], 0.0, 1.0, &mut ChaCha8Rng::seed_from_u64(0))
        .map_err(lucid::Error::from)?;
    let input = Var::constant(x.clone());
    let run = move || Ok(BTreeMap::from([("y", no_grad(|| network.forward(&input))?.value())]));
    Ok(Loaded { onnx, inputs: BTreeMap::from([("x", x)]), run: Box::new(run), max_difference: 1e-4 })
}
