//! Other libraries to compare with, each a program of its own that speaks the protocol of `xtask/peers/README.md`.
//!
//! A program keeps another library's threads, allocator and dependencies out of this process and this lock file, and
//! makes a library in any language a peer by one file.

mod child;
mod client;
mod protocol;
mod setup;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Result;
use crate::files;

pub(crate) use client::{Job, ModelJob, ModelMaker, Peer, Prepared, start};
pub(crate) use protocol::{Array, LayerRequest, PassRequest};
pub(crate) use setup::default_python;

/// Set up the libraries that `cargo xtask bench --peers` compares with
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Setup(setup::Args),
}

/// A library that there is a program for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Library {
    Torch,
    OnnxRuntime,
    Candle,
    Burn,
    Rten,
    Tract,
}

impl Library {
    pub(crate) const ALL: [Library; 6] =
        [Library::Torch, Library::OnnxRuntime, Library::Candle, Library::Burn, Library::Rten, Library::Tract];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Library::Torch => "torch",
            Library::OnnxRuntime => "onnxruntime",
            Library::Candle => "candle",
            Library::Burn => "burn",
            Library::Rten => "rten",
            Library::Tract => "tract",
        }
    }

    /// Whether its program is a Python script, the others being binaries of `xtask/peers/rust`.
    fn is_python(self) -> bool {
        matches!(self, Library::Torch | Library::OnnxRuntime)
    }

    /// Whether it computes a layer from an ONNX model.
    pub(crate) fn reads_onnx(self) -> bool {
        matches!(self, Library::OnnxRuntime | Library::Rten | Library::Tract)
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Library {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|library| library.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Library::name).join(", ");
            format!("peer {name:?} is unknown: accepted are {names}, with commas between")
        })
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Setup(args) => setup::run(args),
    }
}

/// Where the programs' sources are.
fn sources() -> PathBuf {
    files::root().join("xtask/peers")
}

/// Where `setup` puts what it makes.
fn installed() -> PathBuf {
    files::root().join("target/peers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_mistakes_name_what_is_accepted() {
        for library in Library::ALL {
            assert_eq!(library.name().parse(), Ok(library));
        }
        let error = "pytorch".parse::<Library>().unwrap_err();
        assert!(error.contains("\"pytorch\"") && error.contains("torch, onnxruntime, candle"), "{error}");
    }
}
