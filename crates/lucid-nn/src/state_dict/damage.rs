//! What can be wrong with a safetensors file, by name.

use super::header::MAX_HEADER_BYTES;

/// Why a file is no state dict that can be read.
///
/// All of these are found before any tensor is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A folder, a pipe or a device.
    #[error("it is not a regular file")]
    NotAFile,

    /// Fewer bytes than tell the length of the header.
    #[error("it has {len} bytes: at least 8 tell the length of the header")]
    TooShort {
        /// The length of the file in bytes.
        len: u64,
    },

    /// A header that does not fit into the file, or is longer than any reader of the format accepts.
    #[error(
        "its header is said to have {given} bytes: {left} are left of the file, and at most {MAX_HEADER_BYTES} are accepted"
    )]
    HeaderLength {
        /// The length that the file gives, in bytes.
        given: u64,
        /// The bytes that follow.
        left: u64,
    },

    /// A header that is no JSON, or none of a state dict.
    #[error("its header: {reason}")]
    Header {
        /// What was found where, and what was expected.
        reason: String,
    },

    /// A name that comes twice: one of its tensors would be lost.
    #[error("its header has {name} twice")]
    DuplicateName {
        /// The name.
        name: String,
    },

    /// A shape that no array in memory has.
    #[error("its tensor {name} has shape {shape:?}, which is more than can be addressed")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape.
        shape: Vec<usize>,
    },

    /// A range of bytes whose end lies before its start.
    #[error("its tensor {name} is said to begin at byte {start} and to end at byte {end}")]
    RangeBackwards {
        /// The tensor's name.
        name: String,
        /// The range's first byte.
        start: usize,
        /// The byte behind its last one.
        end: usize,
    },

    /// A range of bytes that is not as long as the shape says.
    #[error(
        "its tensor {name} is said to have {given} bytes: not as many as shape {shape:?} of {dtype} takes"
    )]
    RangeLength {
        /// The tensor's name.
        name: String,
        /// The length of the range in bytes.
        given: usize,
        /// The shape.
        shape: Vec<usize>,
        /// What the file calls the type of the elements.
        dtype: String,
    },

    /// A range of bytes that begins before the one before it ends.
    #[error("its tensor {name} begins at byte {start}, within another one that ends at byte {end}")]
    Overlap {
        /// The tensor's name.
        name: String,
        /// The range's first byte.
        start: usize,
        /// Where the range before it ends.
        end: usize,
    },

    /// Bytes that belong to no tensor.
    #[error("its tensor {name} begins at byte {start}, but what is before it ends at byte {end}")]
    Gap {
        /// The tensor's name.
        name: String,
        /// The range's first byte.
        start: usize,
        /// Where the range before it ends.
        end: usize,
    },

    /// A file that was cut off, or has something behind its tensors.
    #[error("its tensors are said to have {expected} bytes, but {given} follow the header")]
    DataLength {
        /// The bytes that follow the header.
        given: u64,
        /// The bytes that its tensors take.
        expected: u64,
    },
}
