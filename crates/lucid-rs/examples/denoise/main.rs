//! Takes the noise out of speech with a network that others trained, GTCRN, frame by frame as a phone would: 256 samples
//! go in, 256 come out, 32 milliseconds late at most.
//!
//! ```text
//! cargo run --release --example denoise -- --help
//! ```

mod args;
mod denoiser;
mod model;
mod noise;
mod run;
mod transform;

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
