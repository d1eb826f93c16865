//! A neural speech codec without the quantiser: trains an autoencoder on one sentence of speech and writes what it makes
//! of another one, as sound, as pictures and as a number.
//!
//! ```text
//! cargo run --release --example speech_autoencoder -- --help
//! ```

mod args;
mod checkpoint;
mod config;
mod model;
mod report;
mod run;
mod spectral;
mod train;

#[path = "../common/allocator.rs"]
mod allocator;
#[path = "../common/audio.rs"]
mod audio;
#[path = "../common/console.rs"]
mod console;
#[path = "../common/error.rs"]
mod error;
#[path = "../common/files.rs"]
mod files;
#[path = "../common/kept.rs"]
mod kept;
#[path = "../common/metric.rs"]
mod metric;
#[path = "../common/plot.rs"]
mod plot;
#[path = "../common/progress.rs"]
mod progress;
#[path = "../common/session/mod.rs"]
mod session;
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
