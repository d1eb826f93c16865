//! Speaks with the decoder of a Piper voice, a HiFi-GAN that others trained: a latent and weights in, sound out, compared
//! with what ONNX Runtime makes of the same numbers. docs/porting-a-model.md walks through how it got here.
//!
//! ```text
//! cargo run --release --example vocoder -- --help
//! ```

mod args;
mod inputs;
mod model;
mod run;

#[path = "../common/allocator.rs"]
mod allocator;
#[path = "../common/console.rs"]
mod console;
#[path = "../common/error.rs"]
mod error;
#[path = "../common/files.rs"]
mod files;
#[path = "../common/plot.rs"]
mod plot;
#[path = "../common/spectrogram.rs"]
mod spectrogram;
#[path = "../common/stft.rs"]
mod stft;
#[path = "../common/threads.rs"]
mod threads;
#[path = "../common/wav.rs"]
mod wav;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut out = console::Console(std::io::stdout());
    let Err(error) = run::run(&args::Args::parse(), &mut out) else { return ExitCode::SUCCESS };
    // Whoever closed the error stream does not want to know.
    let _ = writeln!(std::io::stderr(), "Error: {error}");
    ExitCode::FAILURE
}
