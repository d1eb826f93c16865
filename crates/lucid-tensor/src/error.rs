//! What can go wrong: one variant per kind of mistake.
//!
//! A message is read by someone who has the shapes in front of them but not this crate's source, so each one
//! shows every shape involved, names the argument at fault and says what would have been accepted.

/// A caller's mistake, with what was given and what would be accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes have no common broadcast shape.
    #[error(
        "shapes {left:?} and {right:?} do not broadcast together: aligned at their last axes, lengths must be \
         equal or one of them 1"
    )]
    Broadcast {
        /// Shape of the first operand.
        left: Vec<usize>,
        /// Shape of the second operand.
        right: Vec<usize>,
    },

    /// A tensor cannot be broadcast to the shape asked for.
    #[error(
        "shape {from:?} cannot be broadcast to {to:?}: aligned at their last axes, each length of {from:?} must \
         be 1 or equal to that of {to:?}, which may have more axes but not fewer"
    )]
    BroadcastTo {
        /// Shape that was to be broadcast.
        from: Vec<usize>,
        /// Shape asked for.
        to: Vec<usize>,
    },

    /// A tensor cannot be summed to a shape that does not broadcast to its own.
    #[error("shape {from:?} cannot be summed to {to:?}: {to:?} must be a shape that broadcasts to {from:?}")]
    SumTo {
        /// Shape of the tensor.
        from: Vec<usize>,
        /// Shape asked for.
        to: Vec<usize>,
    },

    /// The number of values does not fill the shape.
    #[error("shape {shape:?} holds {expected} elements, but {given} values were given")]
    DataLen {
        /// Shape asked for.
        shape: Vec<usize>,
        /// Number of elements of that shape.
        expected: usize,
        /// Number of values given.
        given: usize,
    },

    /// The size of a shape in bytes does not fit in the address space.
    #[error("shape {shape:?} of {element_bytes}-byte elements is larger than the address space")]
    TooLarge {
        /// Shape of the tensor that was to be made.
        shape: Vec<usize>,
        /// Size of one element in bytes.
        element_bytes: usize,
    },

    /// The allocator refused the storage of a tensor.
    #[error("no memory for a tensor of shape {shape:?}, which needs {bytes} bytes")]
    OutOfMemory {
        /// Shape of the tensor that was to be made.
        shape: Vec<usize>,
        /// Size of its storage in bytes.
        bytes: usize,
    },

    /// A reshape would change the number of elements.
    #[error("cannot reshape {from:?} ({from_len} elements) to {to:?} ({to_len} elements)")]
    Reshape {
        /// Shape of the tensor.
        from: Vec<usize>,
        /// Its number of elements.
        from_len: usize,
        /// Shape asked for.
        to: Vec<usize>,
        /// Number of elements of that shape.
        to_len: usize,
    },

    /// An axis that the tensor does not have.
    #[error("{op}: axis {axis} of shape {shape:?}: an axis must be below {limit}")]
    Axis {
        /// Operation.
        op: &'static str,
        /// Axis given.
        axis: usize,
        /// Number of axes to choose from.
        limit: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// The same axis given twice.
    #[error("{op}: axis {axis} appears more than once in {axes:?} (tensor of shape {shape:?})")]
    DuplicateAxis {
        /// Operation.
        op: &'static str,
        /// Axis that is repeated.
        axis: usize,
        /// All axes given.
        axes: Vec<usize>,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// Not one entry per axis of the tensor.
    #[error("{op}: {given} entries were given for shape {shape:?}, which has {} axes: one per axis", shape.len())]
    AxisCount {
        /// Operation.
        op: &'static str,
        /// Number of entries given.
        given: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// An inclusive range of axes that is empty.
    #[error("flatten: axes {start}..={end} of shape {shape:?}: the range must not be empty")]
    FlattenRange {
        /// First axis given.
        start: usize,
        /// Last axis given.
        end: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// An axis to be squeezed away is not of length 1.
    #[error("squeeze: axis {axis} of shape {shape:?} has length {len}, not 1")]
    Squeeze {
        /// Axis given.
        axis: usize,
        /// Its length.
        len: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// A slice that does not lie within its axis.
    #[error(
        "slice {start}..{end} step {step} of axis {axis} (length {len}, shape {shape:?}): needs start <= end <= \
         {len} and step >= 1"
    )]
    Slice {
        /// First position given.
        start: usize,
        /// End position given.
        end: usize,
        /// Step given.
        step: usize,
        /// Axis that was to be sliced.
        axis: usize,
        /// Length of that axis.
        len: usize,
        /// Shape of the tensor that was to be sliced.
        shape: Vec<usize>,
    },

    /// A tensor that is not as long as the places it is to be put in.
    #[error(
        "{op}: {places} places along axis {axis} need a tensor of shape {expected:?}, but the tensor has shape \
         {shape:?}"
    )]
    Places {
        /// Operation.
        op: &'static str,
        /// Number of places along the axis.
        places: usize,
        /// Axis.
        axis: usize,
        /// Shape of the tensor that would be accepted.
        expected: Vec<usize>,
        /// Shape of the tensor given.
        shape: Vec<usize>,
    },

    /// An index beyond the end of its axis.
    #[error("{op}: index {index} (entry {entry}) of axis {axis} of shape {shape:?}: must be below {len}")]
    Index {
        /// Operation.
        op: &'static str,
        /// Index given.
        index: usize,
        /// Its position in the list of indices.
        entry: usize,
        /// Axis that is indexed.
        axis: usize,
        /// Length of that axis.
        len: usize,
        /// Shape that is indexed.
        shape: Vec<usize>,
    },

    /// A list of tensors that must not be empty.
    #[error("{op}: no tensors were given: needs at least one")]
    NoTensors {
        /// Operation.
        op: &'static str,
    },

    /// Tensors that cannot be joined.
    #[error(
        "{op} along axis {axis}: tensor {entry} has shape {other:?}, but tensor 0 has shape {first:?}: {rule}"
    )]
    Join {
        /// Operation.
        op: &'static str,
        /// Axis along which to join.
        axis: usize,
        /// Position of the tensor that does not fit.
        entry: usize,
        /// Shape of the first tensor.
        first: Vec<usize>,
        /// Shape of the tensor that does not fit.
        other: Vec<usize>,
        /// What would be accepted.
        rule: &'static str,
    },

    /// More padding than the mode can fill.
    #[error(
        "pad: {mode} padding ({before}, {after}) of axis {axis} (length {len}, shape {shape:?}): each must be at \
         most {limit}"
    )]
    Pad {
        /// Name of the padding mode.
        mode: &'static str,
        /// Padding given before.
        before: usize,
        /// Padding given after.
        after: usize,
        /// Axis that was to be padded.
        axis: usize,
        /// Length of that axis.
        len: usize,
        /// Largest padding that would be accepted.
        limit: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// Constant padding asked for its source positions, which it has none of.
    #[error("pad: constant padding has no source positions: only reflect, replicate and circular do")]
    PadSource,

    /// Two tensors that have no matrix product.
    #[error("matmul of shapes {left:?} and {right:?}: {rule}")]
    Matmul {
        /// Shape of the first operand.
        left: Vec<usize>,
        /// Shape of the second operand.
        right: Vec<usize>,
        /// What would be accepted.
        rule: &'static str,
    },

    /// A tensor that was to hold exactly one element.
    #[error("item: shape {shape:?} holds {len} elements, not 1")]
    Item {
        /// Number of elements.
        len: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// The largest or smallest element along an axis that has none.
    #[error("{op}: axis {axis} of shape {shape:?} is empty: needs at least one element")]
    EmptyAxis {
        /// Operation.
        op: &'static str,
        /// Empty axis.
        axis: usize,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },

    /// An arithmetic progression that never ends, or never starts.
    #[error(
        "arange from {start} to {end} by {step}: all three must be finite and the step must lead from start \
         towards end"
    )]
    Arange {
        /// First value.
        start: f64,
        /// End value.
        end: f64,
        /// Step.
        step: f64,
    },

    /// Bounds of a uniform distribution.
    #[error("uniform from {low} to {high}: needs finite low <= high whose difference is finite")]
    Uniform {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },

    /// Parameters of a normal distribution.
    #[error("normal of mean {mean} and standard deviation {std}: needs both finite and {std} >= 0")]
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },

    /// Bounds to clamp to.
    #[error("clamp to {lo}..={hi}: needs lo <= hi, neither of them NaN")]
    Clamp {
        /// Lower bound.
        lo: f64,
        /// Upper bound.
        hi: f64,
    },
}

/// What fallible functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
