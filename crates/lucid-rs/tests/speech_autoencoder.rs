//! The parts of the example that are worth a test: its transform, its metric, what it refuses, and that a run which is
//! stopped and resumed ends in the same bytes as one that is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

#[path = "../examples/speech_autoencoder/args.rs"]
mod args;
#[path = "../examples/speech_autoencoder/checkpoint.rs"]
mod checkpoint;
#[path = "../examples/speech_autoencoder/config.rs"]
mod config;
#[path = "../examples/speech_autoencoder/model.rs"]
mod model;
#[path = "../examples/speech_autoencoder/report.rs"]
mod report;
#[path = "../examples/speech_autoencoder/run.rs"]
mod run;
#[path = "../examples/speech_autoencoder/spectral.rs"]
mod spectral;
#[path = "../examples/speech_autoencoder/train.rs"]
mod train;

#[path = "../examples/common/audio.rs"]
mod audio;
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

use std::f64::consts::TAU;
use std::fs;
use std::io::{self, Cursor};
use std::path::Path;

use clap::Parser;
use hound::{SampleFormat, WavSpec, WavSpecEx, WavWriter};
use lucid::Tensor;

use args::Args;
use audio::Clip;
use config::Config;
use error::Result;
use metric::si_snr;
use model::{Level, ModelConfig};
use progress::Tenths;
use stft::{Resolution, Stft};

/// A configuration that trains in no time.
fn tiny() -> Config {
    let mut config = Config::default();
    config.model.levels = vec![Level { stride: 4, channels: 4 }, Level { stride: 2, channels: 6 }];
    config.model.latent_channels = 1;
    config.training.batch = 2;
    config.training.segment = 256;
    config.training.resolutions = vec![Resolution { window: 32, hop: 8 }];
    config.training.learning_rate.warmup = 2;
    config.training.learning_rate.horizon = 5;
    config
}

/// Runs the example with `flags` and an output folder below `folder`.
fn run_in(folder: &Path, output: &str, flags: &[&str]) -> Result<()> {
    let output = folder.join(output).display().to_string();
    let flags = ["speech_autoencoder", "--output", &output].into_iter().chain(flags.iter().copied());
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
    let run = |output: &str, flags: &[&str]| {
        run_in(folder.path(), output, &[&["--config", &config, "--seed", "7"], flags].concat()).unwrap();
    };
    run("whole", &["--steps", "8", "--threads", "1"]);
    run("parts", &["--steps", "4", "--threads", "2"]);
    let bytes = |output: &str, name: &str| fs::read(folder.path().join(output).join(name)).unwrap();
    assert_ne!(bytes("whole", "model.safetensors"), bytes("parts", "model.safetensors"));
    run("parts", &["--steps", "8", "--threads", "2", "--resume"]);
    let names =
        ["model.safetensors", "checkpoint.safetensors", "config.json", "loss.csv", "reconstruction.wav"];
    for name in names {
        assert!(bytes("whole", name) == bytes("parts", name), "{name} differs");
    }
    let log = String::from_utf8(bytes("parts", "loss.csv")).unwrap();
    assert_eq!(log.lines().count(), 1 + 8, "{log}");

    // Nothing temporary is left behind.
    let mut left: Vec<_> =
        fs::read_dir(folder.path().join("parts")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left.len(), names.len() + 2, "{left:?}");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let (folder, config) = folder().unwrap();
    let run = |flags: &[&str]| run_in(folder.path(), "out", &[&["--config", &config], flags].concat());
    let refusal = |flags: &[&str]| run(flags).unwrap_err().to_string();
    run(&["--steps", "2", "--seed", "1"]).unwrap();
    let model = folder.path().join("out/model.safetensors");
    let before = fs::read(&model).unwrap();
    let message = refusal(&["--steps", "3", "--seed", "2", "--resume"]);
    assert!(message.contains("its seed is 1, this one's is 2"), "{message}");
    let message = refusal(&["--steps", "1", "--seed", "1", "--resume"]);
    assert!(message.contains("--steps 1 ") && message.contains("the 2 steps"), "{message}");
    let clip = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/speech_autoencoder/arctic_a0009.wav");
    let message = refusal(&["--steps", "3", "--seed", "1", "--resume", "--train", clip]);
    assert!(message.contains("its clip is 64000 samples"), "{message}");

    let mut other = tiny();
    other.training.batch += 1;
    fs::write(&config, other.to_json().unwrap()).unwrap();
    let message = refusal(&["--steps", "3", "--seed", "1", "--resume"]);
    assert!(message.contains("another configuration"), "{message}");
    assert_eq!(fs::read(&model).unwrap(), before);
}

#[test]
fn a_run_is_started_over_only_where_nothing_is_lost() {
    let (folder, config) = folder().unwrap();
    let run = |flags: &[&str]| run_in(folder.path(), "out", &[&["--config", &config], flags].concat());
    starting_over::check(&folder.path().join("out"), run);
}

#[test]
fn a_run_that_cannot_start_names_the_cause_once_and_leaves_no_folder() {
    let (folder, config) = folder().unwrap();
    let refusal = |output: &str, flags: &[&str]| {
        let flags = [&["--config", &config, "--steps", "1"], flags].concat();
        run_in(folder.path(), output, &flags).unwrap_err().to_string()
    };
    let absent = folder.path().join("absent");
    let checkpoint = absent.join("checkpoint.safetensors").display().to_string();
    let message = refusal("absent", &["--resume"]);
    assert_eq!(message, format!("reading {checkpoint}: {}", fs::read(&checkpoint).unwrap_err()));
    assert!(!absent.exists());
    refusal("absent", &["--train", "absent.wav"]);
    assert!(!absent.exists());

    // A file where the folder should be, and a folder where a file should be.
    let message = refusal("tiny.json", &[]);
    let cause = fs::create_dir_all(&config).unwrap_err();
    assert_eq!(message, format!("making the folder {config}: {cause}"));
    for (name, cause) in [("checkpoint.safetensors", "it is a folder"), ("loss.csv", "(os error")] {
        fs::create_dir_all(folder.path().join(name).join(name)).unwrap();
        let message = refusal(name, &[]);
        let path = folder.path().join(name).join(name).display().to_string();
        assert!(message.starts_with(&format!("writing {path}: ")), "{message}");
        assert_eq!(message.matches(cause).count(), 1, "{message}");
        assert_eq!(message.matches(&path).count(), 1, "{message}");
    }
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
    let batch = (1_u64 << 50).to_string();
    let wide =
        Config { model: ModelConfig { dilations: vec![1024], ..small.model.clone() }, ..small.clone() };
    let cases: &[(&Config, &str, &str, &str)] = &[
        // 2^26 values over the 32 (4096 / 4 + 2) of the first level.
        (&default, "/training/batch", &batch, "1 to 2044"),
        (&default, "/training/batch", "2045", "1 to 2044"),
        (&default, "/training/batch", "0", "1 to 2044"),
        // 2^26 values over the 6 (256 / 8 + 2048) of the second level.
        (&wide, "/training/batch", "5378", "1 to 5377"),
        (&default, "/training/segment", &huge, "1 to 32768"),
        (&default, "/training/segment", "0", "1 to 32768"),
        (&default, "/training/segment", "4000", "a multiple of 64, the samples per latent frame"),
        (&default, "/model/levels/0/stride", &huge, "1 to 4096"),
        (&default, "/model/levels/1/stride", "1025", "1 to 1024"),
        (&default, "/model/levels/1/stride", "0", "1 to 1024"),
        (&default, "/model/levels/2/channels", &huge, "1 to 1024"),
        (&default, "/model/levels/2/channels", "0", "1 to 1024"),
        (&default, "/model/latent_channels", "0", "1 to 1024"),
        (&default, "/model/latent_channels", &huge, "1 to 1024"),
        (&default, "/model/dilations/0", "0", "1 to 1024"),
        (&default, "/model/dilations/0", &huge, "1 to 1024"),
        (&small, "/training/resolutions/0/window", "1", "2 to 256"),
        (&small, "/training/resolutions/0/window", "257", "2 to 256"),
        (&default, "/training/resolutions/1/window", &huge, "2 to 2048"),
        (&default, "/training/resolutions/1/hop", "0", "1 to 256"),
        (&default, "/training/resolutions/1/hop", &huge, "1 to 256"),
        (&default, "/training/spectral_weight", "-1", "0 to 1000000"),
        (&default, "/training/spectral_weight", "1000000000000", "0 to 1000000"),
        (&default, "/training/learning_rate/final_share", "5", "0 to 1"),
        (&default, "/training/learning_rate/final_share", "-0.5", "0 to 1"),
        (&default, "/training/learning_rate/horizon", "0", "1 to 1000000000"),
        (&default, "/training/learning_rate/horizon", "18446744073709551615", "1 to 1000000000"),
        (&default, "/training/learning_rate/warmup", "18446744073709551615", "0 to 1500"),
        (&default, "/training/learning_rate/highest", "-1", "a number above 0, and at most 1"),
        (&default, "/training/learning_rate/highest", "0", "a number above 0, and at most 1"),
        (&default, "/training/learning_rate/highest", "2", "a number above 0, and at most 1"),
        (&default, "/training/max_grad_norm", "0", "a number above 0, and at most 1000000"),
    ];
    for &(config, pointer, value, accepted) in cases {
        let mut json = serde_json::to_value(config).unwrap();
        *json.pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
        let message = open(&json.to_string()).unwrap_err().to_string();
        let key =
            ["levels", "dilations", "resolutions"].into_iter().fold(pointer[1..].to_string(), |key, list| {
                let Some((before, after)) = key.split_once(&format!("{list}/")) else { return key };
                let (entry, after) = after.split_at(1);
                format!("{before}{list}[{entry}]{after}")
            });
        let key = key.replace('/', ".");
        assert_eq!(message, format!("{path}: {key} = {value} is refused: accepted is {accepted}"));
    }
    for (list, entries, accepted) in [
        ("/model/levels", 0, "1 to 16"),
        ("/model/levels", 17, "1 to 16"),
        ("/model/dilations", 17, "0 to 16"),
        ("/training/resolutions", 17, "0 to 16"),
    ] {
        let mut json = serde_json::to_value(&default).unwrap();
        let found = json.pointer_mut(list).unwrap();
        *found = vec![found[0].clone(); entries].into();
        let message = open(&json.to_string()).unwrap_err().to_string();
        let key = list[1..].replace('/', ".");
        let expected = format!("the number of {key} = {entries} is refused: accepted is {accepted}");
        assert_eq!(message, format!("{path}: {expected}"));
    }
    // 2^26 over twice 1024 times 1024.
    let mut json = serde_json::to_value(&default).unwrap();
    for level in 0..3 {
        json["model"]["levels"][level] = serde_json::json!({ "stride": 1, "channels": 1024 });
    }
    json["model"]["levels"][1]["stride"] = 64.into();
    let message = open(&json.to_string()).unwrap_err().to_string();
    assert!(message.ends_with("model.levels[1].stride = 64 is refused: accepted is 1 to 32"), "{message}");
}

#[test]
fn the_transform_is_the_windowed_fourier_sum() {
    for (window, hop, len) in [(16, 4, 50), (32, 8, 32), (30, 7, 101)] {
        let x: Vec<f32> = (0..len).map(|n| (n as f32 * 0.37).sin() + 0.3 * (n as f32 * 1.9).cos()).collect();
        let input = Tensor::from_vec([1, 1, len], x.clone()).unwrap();
        let power = Stft::new(Resolution { window, hop }).unwrap().power(&input.into()).unwrap().value();
        let num_frames = (len - window) / hop + 1;
        assert_eq!(power.shape(), [1, window / 2 + 1, num_frames]);

        let hann = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / window as f64).cos();
        let sum: f64 = (0..window).map(hann).sum();
        for bin in 0..window / 2 + 1 {
            for frame in 0..num_frames {
                let (mut re, mut im) = (0.0, 0.0);
                for n in 0..window {
                    let value = f64::from(x[frame * hop + n]) * hann(n) / sum;
                    let angle = TAU * (bin * n) as f64 / window as f64;
                    (re, im) = (re + value * angle.cos(), im - value * angle.sin());
                }
                let (expected, found) = (re * re + im * im, f64::from(power.view()[[0, bin, frame]]));
                // |x| < 1.3 and the weights add up to 1 => each part is below 1.3 and its error below 1.3 (window + 2) eps.
                let tolerance = 8.0 * (window + 2) as f64 * f64::from(f32::EPSILON);
                assert!((expected - found).abs() < tolerance, "{window} {bin} {frame}: {expected} {found}");
            }
        }
    }
}

#[test]
fn the_ratio_is_what_its_definition_says() {
    // Over whole periods both sines have mean 0, power 1/2, and are orthogonal.
    let wave = |turns: f64| (0..1000).map(move |n| (TAU * turns * f64::from(n) / 1000.0).sin());
    let mix = |scale: f64, noise: f64, offset: f64| -> Vec<f32> {
        wave(3.0).zip(wave(8.0)).map(|(x, n)| (scale * x + noise * n + offset) as f32).collect()
    };
    let target = mix(1.0, 0.0, 0.25);
    for (estimate, expected) in [
        (mix(1.0, 0.1, 0.0), 20.0),
        (mix(5.0, 0.5, 0.0), 20.0),
        (mix(-1.0, 0.1, 3.0), 20.0),
        (mix(1.0, 10.0, 0.0), -20.0),
    ] {
        let found = si_snr(&estimate, &target);
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }
    assert!(si_snr(&mix(2.0, 0.0, 0.0), &target) > 100.0);
}

#[test]
fn the_latent_is_a_quarter_of_the_samples_at_most() {
    let config = Config::default().model;
    for num_samples in [64_000, 49_520, 16_000, 16_001, 1_025] {
        assert!(4 * config.num_latents(num_samples) <= num_samples, "{num_samples}");
    }
    // 773 frames of 64 samples hold 49472 of them, and one more the rest; each has 15 numbers.
    assert_eq!(config.num_latents(49_520), 774 * 15);
}

fn wav(spec: WavSpec, write: impl Fn(&mut WavWriter<&mut Cursor<Vec<u8>>>)) -> Result<Clip> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec)?;
    write(&mut writer);
    writer.finalize()?;
    Clip::read(Cursor::new(bytes.into_inner()), "a.wav")
}

#[test]
fn every_sample_format_gives_the_same_clip_and_another_rate_is_refused() {
    let spec = |channels, bits_per_sample, sample_format| WavSpec {
        channels,
        sample_rate: 16_000,
        bits_per_sample,
        sample_format,
    };
    let expected = [0.0, 0.5, -1.0, 0.25];
    for bits in [8, 16, 24, 32] {
        let clip = wav(spec(1, bits, SampleFormat::Int), |writer| {
            for sample in expected {
                writer.write_sample((sample * 2.0_f64.powi(i32::from(bits) - 1)) as i32).unwrap();
            }
        });
        assert_eq!(clip.unwrap().samples, expected.map(|sample| sample as f32), "{bits} bits");
    }
    let stereo = wav(spec(2, 32, SampleFormat::Float), |writer| {
        for sample in expected {
            writer.write_sample(sample as f32 + 0.125).unwrap();
            writer.write_sample(sample as f32 - 0.125).unwrap();
        }
    });
    assert_eq!(stereo.unwrap().samples, expected.map(|sample| sample as f32));

    let refusal = |clip: Result<Clip>| clip.err().unwrap().to_string();
    let mono = spec(1, 16, SampleFormat::Int);
    let message = refusal(wav(WavSpec { sample_rate: 44_100, ..mono }, |_| {}));
    assert!(message.contains("44100") && message.contains("16000"), "{message}");
    let message = refusal(wav(mono, |_| {}));
    assert!(message.contains("no samples"), "{message}");
    let message = refusal(wav(mono, |writer| writer.write_sample(0_i16).unwrap()));
    assert!(message.contains("silent"), "{message}");
    let message = refusal(Clip::read(Cursor::new(b"not a WAV file"), "a.wav"));
    assert!(message.contains("a.wav"), "{message}");
}

#[test]
fn floats_are_clipped_and_what_is_no_number_is_refused() {
    let floats = |channels, samples: &[f32]| {
        let spec = WavSpec {
            channels,
            sample_rate: 16_000,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        wav(spec, |writer| samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap()))
    };
    let samples = floats(1, &[0.5, 1.0, 1.5, -1.0, -1e38]).unwrap().samples;
    assert_eq!(samples, [0.5, 1.0, 1.0, -1.0, -1.0]);
    // The mean is what has to lie within, and an overflow of the sum is no infinity of the file's.
    let samples = floats(2, &[1.5, -0.5, f32::MAX, f32::MAX]).unwrap().samples;
    assert_eq!(samples, [0.5, 1.0]);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let message = floats(2, &[0.0, 0.5, 0.25, 0.5, 0.0, value]).err().unwrap().to_string();
        let expected =
            format!("a.wav holds {value} at sample 2, counted from 0: accepted are finite numbers");
        assert_eq!(message, expected);
    }
}

/// hound takes them for the lower 24 bits, where most files have them in the upper ones.
#[test]
fn twenty_four_bits_in_thirty_two_are_refused() {
    let spec =
        WavSpec { channels: 2, sample_rate: 16_000, bits_per_sample: 24, sample_format: SampleFormat::Int };
    for (bytes_per_sample, is_accepted) in [(3, true), (4, false)] {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer =
            WavWriter::new_with_spec_ex(&mut bytes, WavSpecEx { spec, bytes_per_sample }).unwrap();
        (0..8).for_each(|sample| writer.write_sample(sample << 20).unwrap());
        writer.finalize().unwrap();
        match Clip::read(Cursor::new(bytes.into_inner()), "a.wav") {
            Ok(clip) => assert!(is_accepted && clip.samples[1] == 2.5 / 8.0),
            Err(error) => {
                let error = error.to_string();
                assert!(!is_accepted && error.starts_with("a.wav has samples of 24 bits in 32: "), "{error}");
            }
        }
    }
}

#[test]
fn without_a_terminal_every_tenth_is_told_but_the_end() {
    let told = |first: u64, count| {
        let mut tenths = Tenths::new(first, count);
        (first + 1..=count).filter(|&position| tenths.advance(position)).collect::<Vec<_>>()
    };
    assert_eq!(told(0, 20), [2, 4, 6, 8, 10, 12, 14, 16, 18]);
    assert_eq!(told(0, 3), [1, 2]);
    assert_eq!(told(1000, 1500), [1050, 1200, 1350]);
    assert!(told(0, 1).is_empty());
}
