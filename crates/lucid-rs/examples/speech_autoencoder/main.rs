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
mod files;
mod metric;
mod model;
mod plot;
mod progress;
mod report;
mod run;
mod spectral;
mod train;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    run::run(&args::Args::parse())
}
