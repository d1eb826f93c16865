//! What can stop a task. A finding, a failing case or a failing step is printed where it is found; the error that
//! follows only says that there were some, and makes the exit status 1.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why a task did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },

    /// The terminal, or whatever stands for it, takes no more output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),

    /// The convolution was refused.
    #[error(transparent)]
    Conv(#[from] lucid_conv::Error),

    /// A tensor or a network was refused.
    #[error(transparent)]
    Lucid(#[from] lucid::Error),

    /// A network that can't be compared.
    #[error("network {name}: {reason}")]
    Network { name: String, reason: String },

    /// A list of another length than the operation has spatial axes.
    #[error("{parameter} = {given:?} is refused: accepted is a list of {rank}, one number per spatial axis")]
    NumAxes { parameter: &'static str, given: Vec<usize>, rank: usize },

    /// A file of layers that can't be used.
    #[error("{}: {reason}", path.display())]
    Layers { path: PathBuf, reason: String },

    /// No layer, or no network, has the text in its name.
    #[error("nothing has {filter:?} in its name: there are {names}")]
    NoLayer { filter: String, names: String },

    /// The threads could not be started.
    #[error("{num_threads} threads: {source}")]
    Threads { num_threads: usize, source: rayon::ThreadPoolBuildError },

    /// A program could not be started, or said that it failed.
    #[error("`{command}`: {reason}")]
    Command { command: String, reason: String },

    /// A peer that can't be started, ended, or doesn't speak the protocol.
    #[error("peer {name}: {reason}")]
    Peer { name: String, reason: String },

    /// Peers whose numbers are not lucid's.
    #[error("{num} result(s) of {peers} differ from lucid's: `cargo xtask verify` tells who is wrong")]
    Disagreement { num: usize, peers: String },

    /// A number of threads that only makes sense with peers.
    #[error("--threads {given} is refused: without --peers, accepted is one number")]
    ThreadList { given: String },

    /// A record that can't be rendered.
    #[error("record {}: {reason}", path.display())]
    Record { path: PathBuf, reason: String },

    /// Something that is always so, by a file format or by what ran before, was not so.
    #[error("{what}: {reason}")]
    Unexpected { what: String, reason: String },

    /// `verify` found cases that differ, or none to run; it has said which, and its last line is the count.
    #[error("the conformance cases do not pass")]
    Verify,

    /// Generated files that are not what `codegen` would write.
    #[error("stale: {files}; run `cargo xtask codegen`")]
    Stale { files: String },

    /// `tidy` found something.
    #[error("tidy: {0} finding(s)")]
    Findings(usize),

    /// A step of `ci` failed.
    #[error("ci stopped at step `{step}`: {source}")]
    Step { step: String, source: Box<Error> },
}

/// The result of everything here that can fail.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err` on what was said to a peer.
    pub(crate) fn peer(name: &str) -> impl FnOnce(String) -> Error {
        let name = name.to_owned();
        move |reason| Error::Peer { name, reason }
    }

    /// For `map_err` on an operation with `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    }
}
