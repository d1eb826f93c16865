//! Doubles the size of a picture with a network that others trained, waifu2x's upconv_7: its weights from a safetensors
//! file, its tiles one at a time, so that a picture of any size needs little memory.
//!
//! ```text
//! cargo run --release --example upscale -- --help
//! ```

mod args;
mod model;
mod picture;
mod run;
mod tiles;

#[path = "../common/allocator.rs"]
mod allocator;
#[path = "../common/console.rs"]
mod console;
#[path = "../common/error.rs"]
mod error;
#[path = "../common/files.rs"]
mod files;
#[path = "../common/kept.rs"]
mod kept;
#[path = "../common/progress.rs"]
mod progress;
#[path = "../common/threads.rs"]
mod threads;

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
