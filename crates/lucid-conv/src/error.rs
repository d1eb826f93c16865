//! What a caller can get wrong, with what was given and what would be accepted.

use crate::plan::{Algorithm, Pass};

/// A mistake in the options, the shapes or the choice of an algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter outside its range.
    #[error("{parameter}{} = {value} is refused: accepted is {accepted}", on_axis(*axis))]
    Parameter {
        /// The parameter's name, as the modules and PyTorch call it.
        parameter: &'static str,
        /// The spatial axis, where there is one value per axis.
        axis: Option<usize>,
        /// The value given.
        value: String,
        /// What would be accepted.
        accepted: String,
    },

    /// An array with the wrong number of axes.
    #[error("{operand} has {} axes (shape {shape:?}): accepted is {accepted}", shape.len())]
    Rank {
        /// Which array.
        operand: &'static str,
        /// Its shape.
        shape: Vec<usize>,
        /// The layouts that would be accepted.
        accepted: String,
    },

    /// An array whose shape does not fit the others.
    #[error("{operand} has shape {given:?}: accepted is {accepted}")]
    Shape {
        /// Which array.
        operand: &'static str,
        /// Its shape.
        given: Vec<usize>,
        /// The shape that would be accepted, and why.
        accepted: String,
    },

    /// The padding takes away the whole output, or the kernel does not fit the padded input.
    #[error("no output is left on spatial axis {axis}: {formula} is below 1")]
    EmptyOutput {
        /// The spatial axis.
        axis: usize,
        /// The output length's formula with the numbers put in.
        formula: String,
    },

    /// `output_size` asks for a length that no output padding gives.
    #[error("output_size[{axis}] = {given} is refused: accepted is {min} to {max}")]
    OutputSize {
        /// The spatial axis.
        axis: usize,
        /// The length asked for.
        given: usize,
        /// The shortest length.
        min: usize,
        /// The longest length.
        max: usize,
    },

    /// A size that does not fit the address space.
    #[error("{quantity} is too large: it does not fit the address space ({given})")]
    Overflow {
        /// What overflows.
        quantity: &'static str,
        /// The numbers that lead to it.
        given: String,
    },

    /// An array that there is no memory for.
    #[error("{quantity} of shape {shape:?} does not fit the memory that this process can get")]
    OutOfMemory {
        /// What would have been allocated.
        quantity: &'static str,
        /// Its shape.
        shape: Vec<usize>,
    },

    /// An algorithm that can't compute the pass it was asked for.
    #[error("algorithm {algorithm} does not compute the {pass} pass: accepted is {accepted}")]
    Algorithm {
        /// The algorithm asked for.
        algorithm: Algorithm,
        /// The pass.
        pass: Pass,
        /// The algorithms that do.
        accepted: String,
    },

    /// A prepared weight that was packed for something else.
    #[error("the weight was prepared for {given}: accepted is {accepted}")]
    Prepared {
        /// What it was prepared for, where that is something else: `stride = [2]`, say.
        given: String,
        /// What is computed there.
        accepted: String,
    },

    /// A name that is none of the accepted ones.
    #[error("unknown {what} {given:?}: accepted is {accepted}")]
    Name {
        /// What is named.
        what: &'static str,
        /// The name given.
        given: String,
        /// The names that exist.
        accepted: String,
    },
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn on_axis(axis: Option<usize>) -> String {
    axis.map(|axis| format!("[{axis}]")).unwrap_or_default()
}
