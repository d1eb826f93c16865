//! The denoiser: its network beside ONNX Runtime, frame by frame beside all at once, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

#[path = "../examples/denoise/model/mod.rs"]
mod model;

use std::path::Path;

use lucid::{StateDict, Tensor, Var, no_grad};

use model::{Gtcrn, State};

/// What single precision leaves after two dozen layers and as many frames, of a spectrum whose largest numbers are of the
/// order of 10.
const ROUNDING: f32 = 1e-5;

fn largest_difference(a: &Tensor<f32>, b: &Tensor<f32>) -> f32 {
    a.sub(b).unwrap().map(f32::abs).max(&[0, 1, 2, 3], false).unwrap().item().unwrap()
}

/// Frames of a spectrum, and what ONNX Runtime makes of them.
fn reference() -> (Tensor<f32>, Tensor<f32>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/denoise/reference.safetensors");
    let reference = StateDict::load(path).unwrap();
    (reference.get("x").unwrap().clone(), reference.get("y").unwrap().clone())
}

/// What the network makes of `x`, given so many frames at a time.
fn enhanced(x: &Tensor<f32>, chunk: usize) -> Tensor<f32> {
    let (model, mut state) = (Gtcrn::trained().unwrap(), State::new().unwrap());
    let num_frames = x.shape()[2];
    let frames = |start: usize| x.slice(2, start..num_frames.min(start + chunk)).unwrap();
    let parts: Vec<Var<f32>> = (0..num_frames)
        .step_by(chunk)
        .map(|start| no_grad(|| model.enhance(&frames(start).into(), &mut state)).unwrap())
        .collect();
    Var::concatenate(&parts.iter().collect::<Vec<_>>(), 2).unwrap().value()
}

#[test]
fn the_network_computes_what_onnx_runtime_does() {
    let (x, expected) = reference();
    let loudest = expected.map(f32::abs).max(&[0, 1, 2, 3], false).unwrap().item().unwrap();
    assert!(loudest > 1.0 && largest_difference(&x, &expected) > 1.0);
    let computed = enhanced(&x, 1);
    assert_eq!(computed.shape(), expected.shape());
    let difference = largest_difference(&computed, &expected);
    assert!(difference < ROUNDING * loudest, "{difference} of {loudest}");
}

#[test]
fn frames_may_come_one_by_one_or_all_at_once() {
    let (x, expected) = reference();
    for chunk in [24, 7] {
        let difference = largest_difference(&enhanced(&x, chunk), &expected);
        assert!(difference < 10.0 * ROUNDING, "{chunk} at a time: {difference}");
    }
}
