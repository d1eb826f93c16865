//! What a caller can get wrong on the tape.

/// A mistake in an operation or a sweep.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A shape or argument that a tensor operation refuses.
    #[error(transparent)]
    Tensor(#[from] lucid_tensor::Error),

    /// A shape or option that a convolution refuses.
    #[error(transparent)]
    Conv(#[from] lucid_conv::Error),

    /// A sweep from a value that nothing was recorded for.
    #[error(
        "{what} requires no gradient: a sweep starts from a value computed, outside `no_grad`, \
         from at least one leaf that requires one"
    )]
    NoGradient {
        /// Which value.
        what: String,
    },

    /// A sweep over operations whose saved values an earlier sweep has freed.
    #[error(
        "the graph behind {operation} was freed by an earlier sweep: sweep the first time with Graph::Retain"
    )]
    GraphFreed {
        /// The operation that was reached.
        operation: &'static str,
    },

    /// A value whose shape has to be another one's.
    #[error("{what} has shape {given:?}: accepted is {expected:?}")]
    Shape {
        /// Which value.
        what: &'static str,
        /// Its shape.
        given: Vec<usize>,
        /// The shape it must have.
        expected: Vec<usize>,
    },

    /// A value with the wrong number of axes.
    #[error("{what} has {} axes (shape {given:?}): accepted is {accepted}", given.len())]
    Rank {
        /// Which value.
        what: &'static str,
        /// Its shape.
        given: Vec<usize>,
        /// The axes that it must have.
        accepted: &'static str,
    },

    /// Lists of which one has more entries than the other.
    #[error("{given} {what} given: accepted is one per output, {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many were given.
        given: usize,
        /// How many would be accepted.
        expected: usize,
    },

    /// An operation whose `backward` gave something else than one gradient per input, of the input's shape.
    #[error("the operation {operation} gave {given}: accepted is {accepted}")]
    Backward {
        /// The operation's name.
        operation: &'static str,
        /// What its `backward` returned.
        given: String,
        /// What it has to return.
        accepted: String,
    },

    /// Something that can only be done to a leaf.
    #[error("{action} is refused on the result of an operation: accepted are leaves and constants")]
    NotALeaf {
        /// What was tried.
        action: &'static str,
    },
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;
