//! A neural speech codec without the quantiser: trains an autoencoder on one sentence of speech and writes what it makes
//! of another one, as sound, as pictures and as a number.
//!
//! ```text
//! cargo run --release --example speech_autoencoder -- --help
//! ```

mod args;
mod audio;
mod checkpoint;
mod config;
mod error;
mod files;
mod metric;
mod model;
mod plot;
mod progress;
mod report;
mod run;
mod spectral;
mod train;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let Err(error) = run::run(&args::Args::parse()) else { return ExitCode::SUCCESS };
    // Whoever closed the error stream does not want to know.
    let _ = writeln!(std::io::stderr(), "Error: {error}");
    ExitCode::FAILURE
}
