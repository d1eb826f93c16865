//! `cargo xtask asan`: the tests of the only crate with `unsafe` under AddressSanitizer, which sees every read and write
//! that leaves its allocation.
//!
//! The flag is an unstable one, but the toolchain ships the sanitiser's runtime: `RUSTC_BOOTSTRAP` lets a stable compiler
//! take it, for this one command and in a target folder of its own.

use std::process::Command;

use crate::error::{Error, Result};
use crate::files;

/// Run the tests of lucid-kernels and lucid-conv under AddressSanitizer
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only lucid-kernels, whose tests run every kernel: some seconds instead of some minutes
    #[arg(long)]
    kernels: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Error::Command`] when the tests fail, or the sanitiser reports something.
pub(crate) fn run(args: &Args) -> Result<()> {
    let target = "x86_64-unknown-linux-gnu";
    let mut line = vec!["test", "--locked", "--target", target, "-p", "lucid-kernels"];
    if !args.kernels {
        line.extend(["-p", "lucid-conv"]);
    }
    // Doctests are linked without the runtime.
    line.extend(["--lib", "--tests"]);
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let failed = |reason: String| Error::Command { command: format!("cargo {}", line.join(" ")), reason };
    let status = Command::new(program)
        .args(&line)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // A test asks for more than there is, and is told so.
        .env("ASAN_OPTIONS", "allocator_may_return_null=1")
        .env("CARGO_TARGET_DIR", files::root().join("target/asan"))
        .current_dir(files::root())
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}
