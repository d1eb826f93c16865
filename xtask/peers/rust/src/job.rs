//! A layer to compute, with its arrays, as a request describes it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// The output.
    Forward,
    /// The output, and the gradients of input, weight and bias.
    Train,
}

/// A layer with PyTorch's parameters; lists have one number per spatial axis.
#[derive(Clone, Debug, Deserialize)]
pub struct Layer {
    /// `conv1d` to `conv3d`, `conv_transpose1d` to `conv_transpose3d`.
    pub op: String,
    /// Number of examples.
    pub batch: usize,
    /// Channels of x.
    pub in_channels: usize,
    /// Channels of y.
    pub out_channels: usize,
    /// Groups of channels that don't mix.
    pub groups: usize,
    /// Size of x.
    pub input: Vec<usize>,
    /// Size of y.
    pub output: Vec<usize>,
    /// Number of taps.
    pub kernel: Vec<usize>,
    /// Stride.
    pub stride: Vec<usize>,
    /// Padding, the same on both sides.
    pub padding: Vec<usize>,
    /// What a transposed convolution appends to y.
    pub output_padding: Vec<usize>,
    /// Dilation.
    pub dilation: Vec<usize>,
}

/// The inputs of a layer, in row-major order.
#[derive(Clone, Debug)]
pub struct Arrays {
    /// The input.
    pub x: Vec<f32>,
    /// The weight.
    pub w: Vec<f32>,
    /// The bias, where the layer has one.
    pub b: Option<Vec<f32>>,
    /// The gradient of y, to train.
    pub dy: Option<Vec<f32>>,
}

/// What a peer is asked to prepare.
#[derive(Clone, Debug)]
pub struct Job {
    /// The layer.
    pub layer: Layer,
    /// Its arrays.
    pub arrays: Arrays,
    /// What is timed.
    pub pass: Pass,
    /// How many threads may compute.
    pub threads: usize,
    /// The layer as an ONNX model with its weights, where one was made.
    pub onnx: Option<PathBuf>,
}

impl Layer {
    /// Whether the weight is of shape `[in_channels, out_channels / groups, ...]`.
    pub fn is_transposed(&self) -> bool {
        self.op.starts_with("conv_transpose")
    }

    /// `[batch, in_channels, input...]`.
    pub fn x_shape(&self) -> Vec<usize> {
        [&[self.batch, self.in_channels], &self.input[..]].concat()
    }

    /// `[batch, out_channels, output...]`.
    pub fn y_shape(&self) -> Vec<usize> {
        [&[self.batch, self.out_channels], &self.output[..]].concat()
    }

    /// PyTorch's shape of the weight.
    pub fn w_shape(&self) -> Vec<usize> {
        let (outer, inner) = if self.is_transposed() {
            (self.in_channels, self.out_channels)
        } else {
            (self.out_channels, self.in_channels)
        };
        [&[outer, inner / self.groups], &self.kernel[..]].concat()
    }
}

impl Arrays {
    /// Reads the raw files of a request.
    ///
    /// # Errors
    /// A file that is missing, or of another length than the layer's.
    pub fn read(layer: &Layer, files: &HashMap<String, PathBuf>) -> Result<Self, String> {
        let file = |name: &str, shape: &[usize]| -> Result<Option<Vec<f32>>, String> {
            files.get(name).map(|path| read(path, shape.iter().product())).transpose()
        };
        let needed =
            |array: Option<_>, name: &str| array.ok_or_else(|| format!("there is no file of {name}"));
        Ok(Arrays {
            x: needed(file("x", &layer.x_shape())?, "x")?,
            w: needed(file("w", &layer.w_shape())?, "w")?,
            b: file("b", &[layer.out_channels])?,
            dy: file("dy", &layer.y_shape())?,
        })
    }
}

fn read(path: &Path, len: usize) -> Result<Vec<f32>, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if numbers.len() != len || !rest.is_empty() {
        return Err(format!("{} holds {} bytes: expected are {len} numbers", path.display(), bytes.len()));
    }
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}
