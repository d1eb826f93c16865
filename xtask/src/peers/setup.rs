//! `cargo xtask peers setup`: a virtual environment for the Python peers, and a release build of the Rust ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Library, installed, sources};
use crate::error::{Error, Result};

/// What the scripts import; versions are whatever is newest, and go into the record.
const PACKAGES: [&str; 4] = ["torch", "onnxruntime", "onnx", "numpy"];

/// Install and build the peers under target/peers
///
/// A virtual environment with torch, onnxruntime, onnx and numpy, and the binaries of xtask/peers/rust, built for this
/// machine's processor. pip's own variables choose where packages come from.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these, with commas between [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    peers: Vec<Library>,
    /// The Python that the virtual environment is made with
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let chosen = if args.peers.is_empty() { Library::ALL.to_vec() } else { args.peers.clone() };
    if chosen.iter().any(|library| library.is_python() || library.reads_onnx()) {
        set_up_python(&args.python)?;
    }
    let rust: Vec<_> = chosen.iter().filter(|library| !library.is_python()).map(|peer| peer.name()).collect();
    if !rust.is_empty() {
        build(&rust)?;
    }
    println!("peers: set up in {}", installed().display());
    Ok(())
}

/// The interpreter of the virtual environment.
pub(crate) fn default_python() -> PathBuf {
    let python = if cfg!(windows) { "venv/Scripts/python.exe" } else { "venv/bin/python" };
    installed().join(python)
}

fn set_up_python(python: &Path) -> Result<()> {
    let own = default_python();
    if !own.is_file() {
        step(Command::new(python).args(["-m", "venv"]).arg(installed().join("venv")))?;
    }
    step(Command::new(own).args(["-m", "pip", "install"]).args(PACKAGES))
}

fn build(peers: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    step(
        Command::new(cargo)
            .args(["build", "--release", "--locked", "--no-default-features", "--features"])
            .arg(peers.join(","))
            .arg("--target-dir")
            .arg(installed().join("rust"))
            .current_dir(sources().join("rust"))
            // Some of them choose instructions as they are compiled, lucid as it runs.
            .env("RUSTFLAGS", "-C target-cpu=native"),
    )
}

/// Runs a program that has to succeed, with its output where this one's goes.
fn step(command: &mut Command) -> Result<()> {
    println!("peers: {command:?}");
    let shown = format!("{command:?}");
    let failed = |reason: String| Error::Command { command: shown, reason };
    let status = match command.status() {
        Ok(status) => status,
        Err(error) => return Err(failed(error.to_string())),
    };
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}
