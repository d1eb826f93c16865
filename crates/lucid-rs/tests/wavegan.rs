//! The parts of the example that are worth a test: its penalty, its layers, what it refuses, and that a run which is
//! stopped and resumed ends in the same bytes as one that is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

#[path = "../examples/wavegan/args.rs"]
mod args;
#[path = "../examples/wavegan/checkpoint.rs"]
mod checkpoint;
#[path = "../examples/wavegan/config.rs"]
mod config;
#[path = "../examples/wavegan/metric.rs"]
mod metric;
#[path = "../examples/wavegan/model.rs"]
mod model;
#[path = "../examples/wavegan/penalty.rs"]
mod penalty;
#[path = "../examples/wavegan/report.rs"]
mod report;
#[path = "../examples/wavegan/run.rs"]
mod run;
#[path = "../examples/wavegan/shuffle.rs"]
mod shuffle;
#[path = "../examples/wavegan/train.rs"]
mod train;
#[path = "../examples/wavegan/windows.rs"]
mod windows;

#[path = "../examples/common/audio.rs"]
mod audio;
#[path = "../examples/common/error.rs"]
mod error;
#[path = "../examples/common/files.rs"]
mod files;
#[path = "../examples/common/kept.rs"]
mod kept;
#[path = "../examples/common/plot.rs"]
mod plot;
#[path = "../examples/common/progress.rs"]
mod progress;
#[path = "../examples/common/session/mod.rs"]
mod session;
#[path = "../examples/common/spectrogram.rs"]
mod spectrogram;
#[path = "common/starting_over.rs"]
mod starting_over;
#[path = "../examples/common/stft.rs"]
mod stft;
#[path = "../examples/common/threads.rs"]
mod threads;
#[path = "../examples/common/wav.rs"]
mod wav;

use std::fs;
use std::io;
use std::path::Path;

use clap::Parser;
use lucid::data::Dataset;
use lucid::rand::SeedableRng;
use lucid::rand::rngs::StdRng;
use lucid::{Conv1d, ConvBuilder, Forward, Module, Tensor, Var, tensor};

use args::Args;
use audio::Clip;
use config::Config;
use error::Result;
use metric::Spectrum;
use model::{Critic, Generator, latents};
use penalty::gradient_penalty;
use session::rng::rng;
use shuffle::phase_shuffle;
use windows::Windows;

/// A configuration that trains in no time.
fn tiny() -> Config {
    let mut config = Config::default();
    config.model.latent = 3;
    config.model.frames = 4;
    config.model.channels = vec![2, 3, 4];
    config.training.batch = 20;
    config.training.critic_steps = 2;
    config.training.learning_rate.warmup = 2;
    config.training.learning_rate.horizon = 5;
    config
}

/// Runs the example with `flags` and an output folder below `folder`.
fn run_in(folder: &Path, output: &str, flags: &[&str]) -> Result<()> {
    let output = folder.join(output).display().to_string();
    let flags = ["wavegan", "--output", &output].into_iter().chain(flags.iter().copied());
    run::run(&Args::try_parse_from(flags)?, &mut io::sink())
}

/// A folder with the tiny configuration, and that configuration's path.
fn folder() -> Result<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tiny.json");
    fs::write(&path, tiny().to_json()?)?;
    let path = path.display().to_string();
    Ok((folder, path))
}

#[test]
fn a_resumed_run_ends_in_the_bytes_of_one_that_was_not_stopped() {
    let (folder, config) = folder().unwrap();
    // 89 windows: five batches per epoch, the last with 9.
    let clip = folder.path().join("clip.wav").display().to_string();
    let noise = Tensor::<f32>::uniform([5904], -0.5, 0.5, &mut rng(0, 0)).unwrap().to_vec();
    wav::write(Path::new(&clip), audio::SAMPLE_RATE, &noise).unwrap();
    let run = |output: &str, flags: &[&str]| {
        let always = ["--config", &config, "--train", &clip, "--seed", "7"];
        run_in(folder.path(), output, &[&always, flags].concat()).unwrap();
    };
    run("whole", &["--steps", "8", "--threads", "1"]);
    run("parts", &["--steps", "4", "--threads", "2"]);
    let bytes = |output: &str, name: &str| fs::read(folder.path().join(output).join(name)).unwrap();
    for name in ["generator.safetensors", "samples.wav"] {
        assert!(bytes("whole", name) != bytes("parts", name), "{name} is the same after fewer steps");
    }
    // With two batches per step, it was stopped within an epoch.
    let state = lucid::StateDict::<f32>::load(folder.path().join("parts/checkpoint.safetensors")).unwrap();
    assert_eq!(state.metadata()["loader"], r#"{"epoch":1,"batch":3}"#);
    run("parts", &["--steps", "8", "--threads", "2", "--resume"]);
    let mut names: Vec<String> = fs::read_dir(folder.path().join("whole"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "checkpoint.safetensors",
        "config.json",
        "generator.safetensors",
        "loss.csv",
        "loss.png",
        "real.wav",
        "samples.wav",
        "spectrograms.png",
    ];
    assert_eq!(names, expected);
    for name in expected {
        assert!(bytes("whole", name) == bytes("parts", name), "{name} differs");
    }
    let log = String::from_utf8(bytes("parts", "loss.csv")).unwrap();
    assert_eq!(log.lines().count(), 1 + 8, "{log}");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let (folder, config) = folder().unwrap();
    let run = |flags: &[&str]| run_in(folder.path(), "out", &[&["--config", &config], flags].concat());
    let refusal = |flags: &[&str]| run(flags).unwrap_err().to_string();
    run(&["--steps", "2", "--seed", "1"]).unwrap();
    let checkpoint = folder.path().join("out/checkpoint.safetensors");
    let before = fs::read(&checkpoint).unwrap();
    let message = refusal(&["--steps", "3", "--seed", "2", "--resume"]);
    assert!(message.contains("its seed is 1, this one's is 2"), "{message}");
    let message = refusal(&["--steps", "1", "--seed", "1", "--resume"]);
    assert!(message.contains("--steps 1 ") && message.contains("the 2 steps"), "{message}");
    let clip = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/speech_autoencoder/arctic_a0009.wav");
    let message = refusal(&["--steps", "3", "--seed", "1", "--resume", "--train", clip]);
    assert!(message.contains("its clip is 64000 samples") && message.contains("; 49520"), "{message}");

    let mut other = tiny();
    other.training.batch += 1;
    fs::write(&config, other.to_json().unwrap()).unwrap();
    let message = refusal(&["--steps", "3", "--seed", "1", "--resume"]);
    assert!(message.contains("another configuration"), "{message}");
    assert_eq!(fs::read(&checkpoint).unwrap(), before);
}

#[test]
fn a_run_is_started_over_only_where_nothing_is_lost() {
    let (folder, config) = folder().unwrap();
    let run = |flags: &[&str]| run_in(folder.path(), "out", &[&["--config", &config], flags].concat());
    starting_over::check(&folder.path().join("out"), run);
}

#[test]
fn a_run_that_cannot_start_names_the_cause_and_leaves_no_folder() {
    let (folder, config) = folder().unwrap();
    let refusal = |flags: &[&str]| {
        let flags = [&["--config", &config], flags].concat();
        run_in(folder.path(), "absent", &flags).unwrap_err().to_string()
    };
    let message = refusal(&["--resume"]);
    assert!(message.contains("absent/checkpoint.safetensors: "), "{message}");
    let message = refusal(&["--train", "absent.wav"]);
    assert!(message.starts_with("opening absent.wav: "), "{message}");
    for (flag, value) in [("--threads", "0"), ("--threads", "1025"), ("--steps", "x"), ("--seed", "1.5")] {
        let message = refusal(&[flag, value]);
        assert!(message.contains(flag) && message.contains(&format!("'{value}'")), "{message}");
    }
    let short = folder.path().join("short.wav").display().to_string();
    wav::write(Path::new(&short), audio::SAMPLE_RATE, &[0.5, -0.5]).unwrap();
    let message = refusal(&["--train", &short]);
    assert_eq!(message, format!("{short} has 2 samples: accepted for training are at least 256, one window"));
    assert!(!folder.path().join("absent").exists());
}

#[test]
fn a_configuration_is_refused_by_its_file_key_and_value() {
    let (_folder, path) = folder().unwrap();
    let open = |json: &str| {
        fs::write(&path, json).unwrap();
        Config::open(Path::new(&path))
    };
    let (default, small) = (Config::default(), tiny());
    for accepted in [&default, &small] {
        assert_eq!(&open(&accepted.to_json().unwrap()).unwrap(), accepted);
    }
    let huge = (1_u64 << 60).to_string();
    let cases: &[(&str, &str, &str, &str)] = &[
        ("/model/latent", "0", "model.latent", "1 to 1024"),
        ("/model/latent", &huge, "model.latent", "1 to 1024"),
        ("/model/frames", "65", "model.frames", "1 to 64"),
        ("/model/channels", "[]", "the number of model.channels", "1 to 7"),
        ("/model/channels", "[1,1,1,1,1,1,1,1]", "the number of model.channels", "1 to 7"),
        ("/model/channels/1", "0", "model.channels[1]", "1 to 1024"),
        ("/model/channels/3", &huge, "model.channels[3]", "1 to 1024"),
        ("/model/phase_shuffle", "64", "model.phase_shuffle", "0 to 63"),
        // 2^26 values over the 16 (4096 / 4) of the first level, twice.
        ("/training/batch", "2049", "training.batch", "1 to 2048"),
        ("/training/batch", "0", "training.batch", "1 to 2048"),
        ("/training/critic_steps", "0", "training.critic_steps", "1 to 100"),
        ("/training/penalty_weight", "-1", "training.penalty_weight", "0 to 1000000"),
        ("/training/betas/0", "1", "the first of training.betas", "0 to 0.999999"),
        ("/training/betas/1", "-1", "the second of training.betas", "0 to 0.999999"),
        ("/training/ema_decay", "2", "training.ema_decay", "0 to 1"),
        ("/training/learning_rate/horizon", "0", "training.learning_rate.horizon", "1 to 1000000000"),
        (
            "/training/learning_rate/highest",
            "0",
            "training.learning_rate.highest",
            "a number above 0, and at most 1",
        ),
    ];
    for &(pointer, value, key, accepted) in cases {
        let mut json = serde_json::to_value(&default).unwrap();
        *json.pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
        let message = open(&json.to_string()).unwrap_err().to_string();
        let given = match key {
            "the number of model.channels" => value.matches('1').count().to_string(),
            _ => value.to_string(),
        };
        assert_eq!(message, format!("{path}: {key} = {given} is refused: accepted is {accepted}"));
    }
    // 64 4^5
    let mut json = serde_json::to_value(&default).unwrap();
    json["model"]["frames"] = 64.into();
    json["model"]["channels"] = serde_json::json!([1, 1, 1, 1, 1]);
    let message = open(&json.to_string()).unwrap_err().to_string();
    assert!(message.contains("65536 is refused: accepted is 4 to 32768"), "{message}");
}

#[test]
fn the_penalty_of_a_linear_critic_is_what_its_definition_says() {
    // D(x) = <w, x> with |w| = 5: at any points the penalty is (5 - 1)^2, and its gradient 2 (5 - 1) w / 5.
    let w = Var::leaf(tensor!([[3.0], [4.0]]));
    let x = tensor!([[0.5, -1.0], [2.0, 7.0], [0.0, 0.0]]);
    let penalty = gradient_penalty(|x| Ok(x.matmul(&w)?), x).unwrap();
    assert!((penalty.item().unwrap() - 16.0_f64).abs() < 1e-9);
    penalty.backward().unwrap();
    for (found, expected) in w.grad().unwrap().to_vec().into_iter().zip([4.8, 6.4]) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    // A critic that nothing moves: the penalty is 1, and nothing becomes NaN.
    let w = Var::leaf(Tensor::<f64>::zeros([2, 1]).unwrap());
    let penalty = gradient_penalty(|x| Ok(x.matmul(&w)?), tensor!([[1.0, 2.0]])).unwrap();
    assert!((penalty.item().unwrap() - 1.0).abs() < 1e-5);
    penalty.backward().unwrap();
    assert!(w.grad().unwrap().to_vec().iter().all(|g| g.is_finite()));
}

#[test]
fn the_gradient_of_the_penalty_of_convolutions_is_that_of_differences() {
    // As the critic is made, in double precision; tanh, because a kink would spoil the differences.
    let mut rng = rng(3, 0);
    let conv = |from, to, rng: &mut _| -> Conv1d<f64> {
        ConvBuilder::new(from, to, 25).stride(4).padding(11).build_with(rng).unwrap()
    };
    let (first, second) = (conv(1, 3, &mut rng), conv(3, 1, &mut rng));
    let x = Tensor::uniform([2, 1, 64], -1.0, 1.0, &mut rng).unwrap();
    let penalty = || {
        let critic = |x: &Var<f64>| {
            let x = phase_shuffle(&first.forward(x)?.tanh(), -2)?;
            Ok(second.forward(&x)?.tanh().sum(&[1, 2], false)?)
        };
        gradient_penalty(critic, x.clone()).unwrap()
    };
    penalty().backward().unwrap();
    for (name, parameter) in first.named_parameters().into_iter().chain(second.named_parameters()) {
        let value = parameter.value();
        // Every parameter has some derivative: tanh lets even the last bias move the gradient.
        let found = parameter.grad().unwrap().to_vec();
        for index in [0, value.len() / 2, value.len() - 1] {
            let h = 1e-5;
            let moved = |by: f64| {
                let mut values = value.to_vec();
                values[index] += by;
                parameter.set_value(Tensor::from_vec(value.shape(), values).unwrap()).unwrap();
                penalty().item().unwrap()
            };
            let difference = (moved(h) - moved(-h)) / (2.0 * h);
            parameter.set_value(value.clone()).unwrap();
            // h^2 times a third derivative of order 1, and eps / h.
            let tolerance = 1e-8 * (1.0 + difference.abs());
            assert!((found[index] - difference).abs() < tolerance, "{name}: {} {difference}", found[index]);
        }
    }
}

#[test]
fn shifted_positions_come_from_their_reflection() {
    let x = Var::constant(tensor!([[[1.0_f32, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]));
    for (shift, expected) in [
        (0, [1.0, 2.0, 3.0, 4.0]),
        (1, [2.0, 1.0, 2.0, 3.0]),
        (3, [4.0, 3.0, 2.0, 1.0]),
        (-1, [2.0, 3.0, 4.0, 3.0]),
        (-2, [3.0, 4.0, 3.0, 2.0]),
    ] {
        let found = phase_shuffle(&x, shift).unwrap().value().to_vec();
        assert_eq!(found[..4], expected, "{shift}");
        assert_eq!(found[4..], expected.map(|value| value + 4.0), "{shift}");
    }
    let drawn = shuffle::draw(1000, 2, &mut rng(0, 0));
    assert!((-2..=2).all(|shift| drawn.contains(&shift)) && drawn.iter().all(|shift| shift.abs() <= 2));
}

#[test]
fn windows_go_into_the_critic_as_they_come_out_of_the_generator() {
    for channels in [vec![3], vec![2, 3, 4]] {
        let mut config = tiny().model;
        config.channels = channels;
        let mut rng = rng(0, 0);
        let generator = Generator::new(&config, &mut rng).unwrap();
        let sound = generator.forward(&latents(&config, 5, &mut rng).unwrap()).unwrap();
        assert_eq!(sound.shape(), [5, 1, config.window()]);
        let critic = Critic::new(&config, &mut rng).unwrap();
        let plain = critic.score(&sound, &[]).unwrap();
        assert_eq!(plain.shape(), [5, 1]);
        let shifted = critic.score(&sound, &[1, -2]).unwrap();
        assert_eq!(plain.value() == shifted.value(), config.channels.len() == 1);
    }
}

#[test]
fn windows_reach_from_the_first_sample_to_the_last() {
    let clip = |samples: std::ops::Range<u16>| {
        let name = "a.wav".to_string();
        Clip { name, samples: samples.map(|sample| f32::from(sample) / 64.0).collect() }
    };
    // Peaks of 1: samples of the first clip lie in 0..=16/16, of the second in 48/64..=1.
    let windows = Windows::new(&[clip(0..17), clip(48..65)], 8).unwrap();
    // Starts 0, 2, ..., 8, or one later where that is within the clip.
    assert_eq!(windows.len(), 10);
    let mut rng = StdRng::seed_from_u64(0);
    for (index, clip, first) in [(0, 0, 0.0), (1, 0, 2.0), (4, 0, 8.0), (5, 1, 48.0), (9, 1, 56.0)] {
        let peak = if clip == 0 { 16.0 } else { 64.0 };
        let mut starts: Vec<f32> = (0..40)
            .map(|_| {
                let window = windows.item(index, &mut rng).unwrap();
                assert_eq!(window.shape(), [1, 8]);
                window.to_vec()[0] * peak
            })
            .collect();
        starts.sort_by(f32::total_cmp);
        starts.dedup();
        assert_eq!(starts, [first, first + 1.0], "window {index}");
    }
    let spread = windows.spread(5);
    assert_eq!(spread.iter().map(|window| window[0]).collect::<Vec<_>>()[..3], [0.0, 0.25, 0.5]);
    assert!(spread.iter().all(|window| window.len() == 8));
}

#[test]
fn ten_times_the_amplitude_is_twenty_decibels_away() {
    let x = Tensor::<f32>::uniform([3, 1, 600], -0.05, 0.05, &mut rng(0, 0)).unwrap();
    let spectrum = |scale: f32| Spectrum::of(&x.map(|x| x * scale)).unwrap();
    assert!(spectrum(1.0).distance(&spectrum(1.0)) == 0.0);
    let distance = spectrum(10.0).distance(&spectrum(1.0));
    assert!((distance - 20.0).abs() < 1e-2, "{distance}");
}
