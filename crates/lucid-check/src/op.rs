//! The names that a conformance file has for operations and element types.

use std::fmt;
use std::str::FromStr;

/// The operation of a case: its rank and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Reads the fine grid of one axis, writes the coarse one.
    Conv1d,
    /// Reads the fine grid of two axes, writes the coarse one.
    Conv2d,
    /// Reads the fine grid of three axes, writes the coarse one.
    Conv3d,
    /// Reads the coarse grid of one axis, writes the fine one.
    ConvTranspose1d,
    /// Reads the coarse grid of two axes, writes the fine one.
    ConvTranspose2d,
    /// Reads the coarse grid of three axes, writes the fine one.
    ConvTranspose3d,
}

impl Op {
    /// Every operation, plain ones first.
    pub const ALL: [Self; 6] = [
        Self::Conv1d,
        Self::Conv2d,
        Self::Conv3d,
        Self::ConvTranspose1d,
        Self::ConvTranspose2d,
        Self::ConvTranspose3d,
    ];

    /// Number of spatial axes.
    pub fn rank(self) -> usize {
        match self {
            Self::Conv1d | Self::ConvTranspose1d => 1,
            Self::Conv2d | Self::ConvTranspose2d => 2,
            Self::Conv3d | Self::ConvTranspose3d => 3,
        }
    }

    /// Whether it writes the fine grid.
    pub fn is_transposed(self) -> bool {
        matches!(self, Self::ConvTranspose1d | Self::ConvTranspose2d | Self::ConvTranspose3d)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}d", if self.is_transposed() { "conv_transpose" } else { "conv" }, self.rank())
    }
}

impl FromStr for Op {
    type Err = String;

    /// The names of the conformance files: `conv1d` to `conv_transpose3d`.
    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|op| op.to_string() == name);
        found.ok_or_else(|| format!("op {name:?} is none of conv1d, conv2d, conv3d, conv_transpose1d to 3d"))
    }
}

/// The element type of the tensors of a file; in memory they are always float64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// float32.
    F32,
    /// float64.
    F64,
}
