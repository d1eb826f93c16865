//! `cargo xtask`: what is done to the workspace rather than shipped with it.
//!
//! One file or folder per command, each of which drives the libraries through their public API and the tools through
//! `cargo`, as a user would. That is the invariant: a task that needs a crate's internals belongs into that crate.

mod asan;
mod bench;
mod ci;
mod codegen;
mod convolution;
mod error;
mod files;
mod peers;
mod tidy;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use crate::error::{Error, Result};

/// As in the examples, and in the other libraries' programs: what is timed shall not be the system clearing pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Development tasks of the lucid workspace
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
enum Task {
    Verify(verify::Args),
    Bench(Box<bench::Args>),
    Peers(peers::Args),
    Codegen(codegen::Args),
    Asan(asan::Args),
    Tidy(tidy::Args),
    Ci(ci::Args),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // The count that `verify` printed stays the last line.
        Err(Error::Verify) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Verify(args) => verify::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Peers(args) => peers::run(&args),
        Task::Codegen(args) => codegen::run(&args),
        Task::Asan(args) => asan::run(&args),
        Task::Tidy(args) => tidy::run(&args),
        Task::Ci(args) => ci::run(&args),
    }
}
