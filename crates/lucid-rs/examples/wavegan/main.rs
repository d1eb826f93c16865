//! A WaveGAN with gradient penalty, trained on two sentences of speech: gradients of gradients through convolutions, and
//! everything that a long training needs, so that it can be stopped and resumed at any time.
//!
//! ```text
//! cargo run --release --example wavegan -- --help
//! ```

mod args;
mod checkpoint;
mod config;
mod metric;
mod model;
mod penalty;
mod report;
mod run;
mod shuffle;
mod train;
mod windows;

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
