//! The vocoder beside ONNX Runtime, where its weights were fetched, and what it says where they were not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

#[path = "../examples/vocoder/args.rs"]
mod args;
#[path = "../examples/vocoder/inputs.rs"]
mod inputs;
#[path = "../examples/vocoder/model.rs"]
mod model;
#[path = "../examples/vocoder/run.rs"]
mod run;

#[path = "../examples/common/error.rs"]
mod error;
#[path = "../examples/common/files.rs"]
mod files;
#[path = "../examples/common/plot.rs"]
mod plot;
#[path = "../examples/common/spectrogram.rs"]
mod spectrogram;
#[path = "../examples/common/stft.rs"]
mod stft;
#[path = "../examples/common/threads.rs"]
mod threads;
#[path = "../examples/common/wav.rs"]
mod wav;

use std::io::{self, Write, stderr};
use std::path::Path;

use clap::Parser;
use lucid::{Forward, Module, StateDict, Tensor, no_grad};

use args::Args;
use inputs::HOP;
use model::{LATENT_CHANNELS, Vocoder};
use run::{MAX_DIFFERENCE, largest_difference};

/// Weights that are small and everywhere another.
fn weights() -> StateDict<f32> {
    let names = [("conv_pre", vec![256, 192, 7]), ("conv_post", vec![1, 32, 7])];
    let ups = [[256, 128, 16], [128, 64, 16], [64, 32, 8]];
    let mut shapes: Vec<_> = names.map(|(name, shape)| (name.to_string(), shape)).to_vec();
    for (stage, up) in ups.into_iter().enumerate() {
        shapes.push((format!("ups.{stage}"), up.to_vec()));
        for (block, kernel) in [3, 5, 7].into_iter().enumerate() {
            let convs = (0..2).map(|conv| format!("resblocks.{}.convs.{conv}", 3 * stage + block));
            shapes.extend(convs.map(|name| (name, vec![up[1], up[1], kernel])));
        }
    }
    let mut state = StateDict::new();
    for (name, shape) in shapes {
        let values = |shape: &[usize]| {
            let len = shape.iter().product();
            let values = (0..len).map(|i: usize| ((i * 7919 + len) % 101) as f32 / 2000.0 - 0.025);
            Tensor::from_vec(shape, values.collect()).unwrap()
        };
        let is_transposed = name.starts_with("ups");
        if name != "conv_post" {
            state.insert(format!("{name}.bias"), values(&[shape[usize::from(is_transposed)]]));
        }
        state.insert(format!("{name}.weight"), values(&shape));
    }
    state
}

/// A reference that the decoder itself computed, so that a run finds no difference.
fn write_fetched(folder: &Path, shift: f32) {
    let weights = weights();
    let model = Vocoder::with_weights(&weights).unwrap();
    let len = LATENT_CHANNELS * 4;
    let z = Tensor::from_vec([1, LATENT_CHANNELS, 4], (0..len).map(|i| (i as f32).sin()).collect()).unwrap();
    let audio = no_grad(|| model.forward(&z.clone().into())).unwrap().value();
    let mut reference = StateDict::new();
    reference.insert("z", z);
    reference.insert("audio", audio.map(|sample| sample + shift));
    reference.metadata_mut().insert("sample_rate".into(), "22050".into());
    weights.save(folder.join("decoder.safetensors")).unwrap();
    reference.save(folder.join("reference.safetensors")).unwrap();
}

fn run_in(folder: &Path) -> error::Result<()> {
    let [fetched, output] = [folder.to_path_buf(), folder.join("out")].map(|path| path.display().to_string());
    run::run(&Args::try_parse_from(["vocoder", "--fetched", &fetched, "--output", &output])?, &mut io::sink())
}

#[test]
fn the_decoder_computes_what_onnx_runtime_does() {
    let folder = inputs::folder();
    if !folder.join("decoder.safetensors").exists() {
        let message = inputs::load(&folder).err().unwrap();
        // The harness keeps the output of macros of tests that pass to itself; this has to be seen.
        writeln!(stderr(), "skipped: the vocoder was not compared with ONNX Runtime: {message}").unwrap();
        return;
    }
    let (model, reference) = inputs::load(&folder).unwrap();
    let audio = no_grad(|| model.forward(&reference.latent.into())).unwrap().value();
    assert_eq!(audio.shape(), reference.audio.shape());
    let loudest = reference.audio.map(f32::abs).max(&[0, 1, 2], false).unwrap().item().unwrap();
    assert!(loudest > 0.1, "{loudest}");
    let difference = largest_difference(&audio, &reference.audio).unwrap();
    assert!(difference < MAX_DIFFERENCE, "{difference}");
}

#[test]
fn a_run_writes_sound_and_spectrograms_and_judges_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    write_fetched(folder.path(), 0.0);
    run_in(folder.path()).unwrap();
    let wav = hound::WavReader::open(folder.path().join("out/speech.wav")).unwrap();
    assert_eq!((wav.len() as usize, wav.spec().sample_rate), (4 * HOP, 22_050));
    assert!(folder.path().join("out/spectrograms.png").exists());
    write_fetched(folder.path(), 2e-5);
    let error = run_in(folder.path()).unwrap_err().to_string();
    assert!(error.contains("2.0e-5: accepted is less than 1e-5"), "{error}");
}

#[test]
fn names_are_pipers() {
    let (weights, model) = (weights(), Vocoder::with_weights(&weights()).unwrap());
    let state = model.state_dict();
    let mut names: Vec<_> = state.names().collect();
    names.sort_unstable();
    let mut expected: Vec<_> = weights.names().collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(names.len(), 20 + 3 + 22);
}

#[test]
fn what_is_missing_or_wrong_is_named_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = || run_in(folder.path()).unwrap_err().to_string();
    let error = refusal();
    let command = "python crates/lucid-rs/examples/vocoder/fetch.py";
    assert!(error.contains("decoder.safetensors") && error.contains(command), "{error}");
    assert!(!folder.path().join("out").exists());

    write_fetched(folder.path(), 0.0);
    let path = folder.path().join("reference.safetensors");
    let whole = StateDict::<f32>::load(&path).unwrap();
    for (name, shape) in [("z", [1, 192, 0]), ("z", [1, 191, 4]), ("audio", [1, 1, 1023])] {
        let mut wrong = whole.clone();
        wrong.insert(name, Tensor::zeros(shape).unwrap());
        wrong.save(&path).unwrap();
        let error = refusal();
        assert!(error.contains("accepted are [1, 192, frames] and [1, 1, 256 frames]"), "{error}");
    }
    let mut wrong = whole.clone();
    wrong.metadata_mut().clear();
    wrong.save(&path).unwrap();
    assert!(refusal().contains("sample_rate"));
}
