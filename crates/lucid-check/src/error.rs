//! The one error type of the crate. Whatever goes wrong while judging is a value that says where, so that a
//! test can print it and a verifier can count it and go on.

use std::path::PathBuf;

use crate::close::Mismatch;

/// What can go wrong while reading a case or comparing a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read but is no conformance case.
    #[error("{}: not a conformance case: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which tensor or metadata key is wrong, and how.
        reason: String,
    },
    /// A result has another shape than the expected one.
    #[error("{tensor}: shape {got:?}, expected {expected:?}")]
    Shape {
        /// The name of the tensor.
        tensor: String,
        /// The shape that came.
        got: Vec<usize>,
        /// The shape that was expected.
        expected: Vec<usize>,
    },
    /// A result has a value outside its error bound.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    /// Another number of gradients than inputs was given.
    #[error("{got} gradients given for {expected} inputs")]
    NumGradients {
        /// The number of gradients.
        got: usize,
        /// The number of inputs.
        expected: usize,
    },
    /// A golden value is not an object with `shape` and `data` of equal sizes.
    #[error("golden value: {reason}")]
    Golden {
        /// What is wrong with it.
        reason: String,
    },
    /// A gradient on the tape is wrong, or could not be computed.
    #[error("{reason}")]
    Tape {
        /// In which order, and how.
        reason: String,
    },
}
