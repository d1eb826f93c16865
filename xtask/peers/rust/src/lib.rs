//! The peer's side of the protocol of `xtask/peers/README.md`, so that a peer is one file: a [`Peer`] that prepares a
//! layer, and a `main` that calls [`serve`].

mod job;
mod serve;

/// As in `cargo xtask bench`: all that are written in Rust have the same allocator, one that keeps what is freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use job::{Arrays, Job, Layer, Pass};
pub use serve::{Iteration, Peer, Reason, Results, serve};

/// The version of a dependency in this workspace's lock file.
pub fn version_of(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let found = lock.split("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{package}\"\n")));
    let version = found.and_then(|entry| entry.split_once("version = \"")?.1.split_once('"'));
    version.map_or_else(|| "unknown".to_owned(), |(version, _)| version.to_owned())
}
