//! The denoiser: its network beside ONNX Runtime, frame by frame beside all at once, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

#[path = "../examples/denoise/args.rs"]
mod args;
#[path = "../examples/denoise/denoiser.rs"]
mod denoiser;
#[path = "../examples/denoise/model/mod.rs"]
mod model;
#[path = "../examples/denoise/noise.rs"]
mod noise;
#[path = "../examples/denoise/run.rs"]
mod run;
#[path = "../examples/denoise/transform.rs"]
mod transform;

#[path = "../examples/common/audio.rs"]
mod audio;
#[path = "../examples/common/console.rs"]
mod console;
#[path = "../examples/common/error.rs"]
mod error;
#[path = "../examples/common/files.rs"]
mod files;
#[path = "../examples/common/kept.rs"]
mod kept;
#[path = "../examples/common/metric.rs"]
mod metric;
#[path = "../examples/common/plot.rs"]
mod plot;
#[path = "../examples/common/progress.rs"]
mod progress;
#[path = "../examples/common/spectrogram.rs"]
mod spectrogram;
#[path = "../examples/common/stft.rs"]
mod stft;
#[path = "../examples/common/threads.rs"]
mod threads;
#[path = "../examples/common/wav.rs"]
mod wav;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use clap::Parser;
use lucid::{StateDict, Tensor, Var, no_grad};

use args::Args;
use audio::{Clip, SAMPLE_RATE};
use console::Console;
use denoiser::{Denoiser, denoise};
use metric::si_snr;
use model::{Gtcrn, State};
use transform::{HOP, Transform, WINDOW};

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

/// The sum of a frame's cosines, in both directions, is of 512 products of numbers below 1.
#[test]
fn frames_that_overlap_add_up_to_the_sound() {
    let [clip, _] = noise::built_in().unwrap();
    let transform = Transform::new().unwrap();
    let sound = &clip.samples[20_000..20_000 + 2 * WINDOW];
    let mut sum = vec![0.0; sound.len()];
    for start in (0..=sound.len() - WINDOW).step_by(HOP) {
        let spectrum = transform.spectrum(sound[start..start + WINDOW].try_into().unwrap()).unwrap();
        let frame = transform.frame(&spectrum).unwrap();
        sum[start..].iter_mut().zip(frame).for_each(|(sum, part)| *sum += part);
    }
    // The first and the last half of a window have one frame only.
    let inside = HOP..sound.len() - HOP;
    let largest = inside.map(|at| (sum[at] - sound[at]).abs()).fold(0.0, f32::max);
    assert!(largest < 512.0 * f32::EPSILON, "{largest}");
}

#[test]
fn noise_goes_and_speech_stays_where_it_was() {
    let [clean, noisy] = noise::built_in().unwrap();
    let denoised = denoise(Denoiser::new().unwrap(), &noisy.samples, || ()).unwrap();
    assert_eq!(denoised.len(), clean.samples.len());
    let [before, after] = [&noisy.samples, &denoised].map(|samples| si_snr(samples, &clean.samples));
    assert!((before - 5.0).abs() < 0.1 && after > before + 6.0, "{before} dB, {after} dB");
    // As it comes: late by the samples of one hop, and the same.
    let mut denoiser = Denoiser::new().unwrap();
    let mut late = Vec::new();
    for samples in noisy.samples.chunks_exact(HOP).take(9) {
        late.extend(denoiser.push(samples.try_into().unwrap()).unwrap());
    }
    assert_eq!(late[HOP..], denoised[..8 * HOP]);
}

/// Runs the example with `flags`.
fn run_with(flags: &[&str]) -> error::Result<()> {
    run::run(&Args::try_parse_from([&["denoise"], flags].concat())?, &mut io::sink())
}

#[test]
fn a_file_becomes_a_file_of_the_same_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [clean, noisy] = noise::built_in().unwrap();
    let [input, target, output] = ["in.wav", "clean.wav", "new/out"].map(path);
    wav::write(Path::new(&input), SAMPLE_RATE, &noisy.samples[..10_000]).unwrap();
    wav::write(Path::new(&target), SAMPLE_RATE, &clean.samples[..10_000]).unwrap();
    run_with(&["--input", &input, "--clean", &target, "--output", &output, "--threads", "1"]).unwrap();
    let denoised = Clip::open(&Path::new(&output).join("denoised.wav")).unwrap();
    assert_eq!(denoised.samples.len(), 10_000);
    let mut names: Vec<_> = fs::read_dir(&output).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["denoised.wav", "noisy.wav", "spectrograms.png"]);
}

/// A reader of what is printed who takes nothing.
struct Failing(ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[test]
fn a_reader_who_leaves_loses_no_file_and_a_full_disk_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [input, output] = ["in.wav", "out"].map(path);
    let [_, noisy] = noise::built_in().unwrap();
    wav::write(Path::new(&input), SAMPLE_RATE, &noisy.samples[..1000]).unwrap();
    let args = Args::try_parse_from(["denoise", "--input", &input, "--output", &output]).unwrap();
    run::run(&args, &mut Console(Failing(ErrorKind::BrokenPipe))).unwrap();
    assert_eq!(fs::read_dir(&output).unwrap().count(), 3);
    Console(Failing(ErrorKind::BrokenPipe)).flush().unwrap();
    let error = run::run(&args, &mut Console(Failing(ErrorKind::StorageFull))).unwrap_err().to_string();
    assert_eq!(error, format!("writing to standard output: {}", io::Error::from(ErrorKind::StorageFull)));

    let mut printed = Console(Vec::new());
    run::run(&args, &mut printed).unwrap();
    let printed = String::from_utf8(printed.0).unwrap();
    assert!(printed.contains(&format!("written to  {output}\n")), "{printed}");
}

#[test]
fn what_cannot_be_cleaned_up_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [input, target, output] = ["in.wav", "clean.wav", "out"].map(path);
    let refusal = |flags: &[&str]| {
        let error = run_with(&[flags, &["--output", &output]].concat()).unwrap_err().to_string();
        assert!(!Path::new(&output).exists(), "{error}");
        error
    };
    let ramp: Vec<f32> = (0..2000).map(|n| n as f32 / 4000.0).collect();
    wav::write(Path::new(&input), 44_100, &ramp).unwrap();
    let error = refusal(&["--input", &input]);
    assert!(error.contains("in.wav has 44100 samples per second: accepted is 16000"), "{error}");
    wav::write(Path::new(&input), SAMPLE_RATE, &ramp[..500]).unwrap();
    assert!(refusal(&["--input", &input]).contains("has 500 samples: accepted are at least 512"));
    wav::write(Path::new(&input), SAMPLE_RATE, &ramp).unwrap();
    wav::write(Path::new(&target), SAMPLE_RATE, &ramp[1..]).unwrap();
    let error = refusal(&["--input", &input, "--clean", &target]);
    assert!(error.contains("clean.wav has 1999 samples: accepted are 2000, as in "), "{error}");
    fs::write(&input, b"RIFF and no more").unwrap();
    assert!(refusal(&["--input", &input]).contains("in.wav as a WAV file"));
    assert!(refusal(&["--input", "absent.wav"]).starts_with("opening absent.wav: "));
    assert!(refusal(&["--clean", &target]).contains("--input"));
    assert!(refusal(&["--threads", "0"]).contains("--threads"));
}

/// An input that the outputs, all in one folder, could take the place of.
#[test]
fn inputs_are_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("noisy.wav");
    let ramp: Vec<f32> = (0..2000).map(|n| n as f32 / 4000.0).collect();
    wav::write(&input, SAMPLE_RATE, &ramp).unwrap();
    let before = fs::read(&input).unwrap();
    let flags = ["--input", input.to_str().unwrap(), "--output", folder.path().to_str().unwrap()];
    let error = run_with(&flags).unwrap_err().to_string();
    assert!(error.contains("noisy.wav could be written over"), "{error}");
    assert_eq!(fs::read(&input).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
