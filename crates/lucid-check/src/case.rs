//! One conformance case: a convolution or transposed convolution with its inputs, its output and, where
//! given, its gradients, as some other implementation computed them.
//!
//! A [`Case`] that came from a file is consistent: its shapes follow from one another by the size formula of
//! its operation, so whatever runs it meets wrong values, never wrong sizes.

use ndarray::{ArrayD, ArrayViewD, Axis};

use crate::op::{Dtype, Op};
use crate::reference::Problem;
use crate::{Error, Expected, check_close_relative};

/// The gradient that arrives at the output, and those it leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// What arrives at y; shape of y.
    pub dy: ArrayD<f64>,
    /// Gradient of the input; shape of x.
    pub dx: ArrayD<f64>,
    /// Gradient of the weight; shape of w.
    pub dw: ArrayD<f64>,
    /// Gradient of the bias; (output channels).
    pub db: Option<ArrayD<f64>>,
}

/// One conformance case; every list has one number per spatial axis.
///
/// # Shapes
/// `x` and `y` are (N, channels, spatial...) or, both of them, (channels, spatial...). The weight of a
/// convolution is (output channels, input channels / groups, taps...), that of a transposed one (input
/// channels, output channels / groups, taps...); `b` is (output channels).
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The operation.
    pub op: Op,
    /// Stride.
    pub stride: Vec<usize>,
    /// Padding before: added to the input of a convolution, cropped from the output of a transposed one.
    pub padding: Vec<usize>,
    /// Padding after; that before unless the file says otherwise.
    pub padding_after: Vec<usize>,
    /// Positions added to the end of the output of a transposed convolution; zeros for a plain one.
    pub output_padding: Vec<usize>,
    /// Dilation.
    pub dilation: Vec<usize>,
    /// Number of groups.
    pub groups: usize,
    /// The element type of the file.
    pub dtype: Dtype,
    /// Input.
    pub x: ArrayD<f64>,
    /// Weight.
    pub w: ArrayD<f64>,
    /// Bias.
    pub b: Option<ArrayD<f64>>,
    /// Output.
    pub y: ArrayD<f64>,
    /// The gradients, where the file has them.
    pub gradients: Option<Gradients>,
}

/// What the reference makes of a case, in the shapes of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceResult {
    /// Output.
    pub y: Expected,
    /// Gradients of input, weight and bias, where the case has a `dy`; that of the bias even without one.
    pub gradients: Option<[Expected; 3]>,
}

impl Case {
    /// Whether `x` has a batch axis.
    pub fn is_batched(&self) -> bool {
        self.x.ndim() == self.op.rank() + 2
    }

    /// The two grids of the case.
    pub fn problem(&self) -> Problem {
        let spatial = |array: &ArrayD<f64>| array.shape()[array.ndim() - self.op.rank()..].to_vec();
        let (x, y) = (spatial(&self.x), spatial(&self.y));
        let (fine, coarse) = if self.op.is_transposed() { (y, x) } else { (x, y) };
        Problem {
            stride: self.stride.clone(),
            dilation: self.dilation.clone(),
            pad_before: self.padding.clone(),
            groups: self.groups,
            fine,
            coarse,
        }
    }

    /// `x`, `y`, `dy` or `dx` of this case with a batch axis, one of length 1 where it has none.
    pub fn batched<'a>(&self, array: &'a ArrayD<f64>) -> ArrayViewD<'a, f64> {
        if self.is_batched() { array.view() } else { array.view().insert_axis(Axis(0)) }
    }

    /// Computes output and gradients with the float64 reference; those of the file are not looked at.
    pub fn reference(&self) -> ReferenceResult {
        let problem = self.problem();
        let (x, w) = (self.batched(&self.x), self.w.view());
        let y = match self.op.is_transposed() {
            true => Expected::backward_data(&problem, x.view(), w.view()),
            false => Expected::forward(&problem, x.view(), w.view()),
        };
        let y = match &self.b {
            Some(b) => y.with_bias(b.view()),
            None => y,
        };
        let gradients = self.gradients.as_ref().map(|Gradients { dy, .. }| {
            let dy = self.batched(dy);
            let db = Expected::bias_gradient(dy.view());
            let (dx, dw) = match self.op.is_transposed() {
                true => (
                    Expected::forward(&problem, dy.view(), w.view()),
                    Expected::backward_weight(&problem, dy, x, w.shape()),
                ),
                false => (
                    Expected::backward_data(&problem, dy.view(), w.view()),
                    Expected::backward_weight(&problem, x, dy, w.shape()),
                ),
            };
            [dx.reshaped(self.x.shape()), dw, db]
        });
        ReferenceResult { y: y.reshaped(self.y.shape()), gradients }
    }

    /// Compares the values of the file with the float64 reference, each to `tolerance` times the largest
    /// expected magnitude of its tensor.
    ///
    /// # Errors
    /// [`Error::Mismatch`] naming the first tensor of `y`, `dx`, `dw`, `db` that differs.
    pub fn check_against_reference(&self, tolerance: f64) -> Result<(), Error> {
        let result = self.reference();
        let check = |tensor: &str, computed: &Expected, file: &ArrayD<f64>| {
            check_close_relative(tensor, computed.value.view(), file.view(), tolerance)
        };
        check("y", &result.y, &self.y)?;
        if let (Some([dx, dw, db]), Some(file)) = (&result.gradients, &self.gradients) {
            check("dx", dx, &file.dx)?;
            check("dw", dw, &file.dw)?;
            if let Some(file_db) = &file.db {
                check("db", db, file_db)?;
            }
        }
        Ok(())
    }

    /// Whether the lists and shapes fit together, and if not, which does not and how.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let rank = self.op.rank();
        self.validate_lists(rank)?;
        let (x, w) = (self.x.shape(), self.w.shape());
        if x.len() != rank + 1 && x.len() != rank + 2 {
            return Err(format!("x of {} has shape {x:?}, not {} or {} axes", self.op, rank + 1, rank + 2));
        }
        if w.len() != rank + 2 {
            return Err(format!("w of {} has shape {w:?}, not {} axes", self.op, rank + 2));
        }
        if w.contains(&0) {
            return Err(format!("w has the empty shape {w:?}"));
        }
        if !w[0].is_multiple_of(self.groups) {
            return Err(format!("groups {} does not divide the {} channels of w {w:?}", self.groups, w[0]));
        }
        let per_group = w[1].checked_mul(self.groups).ok_or_else(|| format!("groups {}", self.groups))?;
        let (x_channels, y_channels) =
            if self.op.is_transposed() { (w[0], per_group) } else { (per_group, w[0]) };
        let channel_axis = x.len() - rank - 1;
        if x[channel_axis] != x_channels {
            return Err(format!("x has {} channels, w {w:?} takes {x_channels}", x[channel_axis]));
        }
        let mut y_shape = x.to_vec();
        y_shape[channel_axis] = y_channels;
        for axis in 0..rank {
            let at = channel_axis + 1 + axis;
            y_shape[at] = self.output_len(axis, x[at], w[axis + 2]).ok_or_else(|| {
                format!("spatial axis {axis} of x, length {}, leaves no output of positive length", x[at])
            })?;
        }
        self.validate_shapes(&y_shape, y_channels)
    }

    fn validate_lists(&self, rank: usize) -> Result<(), String> {
        for (name, list, least) in [
            ("stride", &self.stride, 1),
            ("dilation", &self.dilation, 1),
            ("padding", &self.padding, 0),
            ("padding_after", &self.padding_after, 0),
            ("output_padding", &self.output_padding, 0),
        ] {
            if list.len() != rank {
                return Err(format!("{name} {list:?} of {} has not {rank} numbers", self.op));
            }
            if let Some(value) = list.iter().find(|&&value| value < least) {
                return Err(format!("{name} {list:?} contains {value}"));
            }
        }
        if !self.op.is_transposed() && self.output_padding.iter().any(|&o| o != 0) {
            return Err(format!("output_padding {:?} for {}", self.output_padding, self.op));
        }
        if self.groups == 0 { Err("groups is 0".to_owned()) } else { Ok(()) }
    }

    /// The length formula of the operation; `None` where it is below 1 or not a `usize`.
    fn output_len(&self, axis: usize, x_len: usize, taps: usize) -> Option<usize> {
        let extent = self.dilation[axis].checked_mul(taps - 1)?;
        let padding = self.padding[axis].checked_add(self.padding_after[axis])?;
        let len = if self.op.is_transposed() {
            let last = x_len.checked_sub(1)?.checked_mul(self.stride[axis])?.checked_add(extent)?;
            last.checked_add(self.output_padding[axis])?.checked_add(1)?.checked_sub(padding)?
        } else {
            x_len.checked_add(padding)?.checked_sub(extent)?.checked_sub(1)? / self.stride[axis] + 1
        };
        (x_len > 0 && len > 0).then_some(len)
    }

    fn validate_shapes(&self, y_shape: &[usize], y_channels: usize) -> Result<(), String> {
        let shape = |name: &str, array: &ArrayD<f64>, expected: &[usize]| match array.shape() == expected {
            true => Ok(()),
            false => Err(format!("{name} has shape {:?}, expected {expected:?}", array.shape())),
        };
        shape("y", &self.y, y_shape)?;
        if let Some(b) = &self.b {
            shape("b", b, &[y_channels])?;
        }
        if let Some(Gradients { dy, dx, dw, db }) = &self.gradients {
            shape("dy", dy, y_shape)?;
            shape("dx", dx, self.x.shape())?;
            shape("dw", dw, self.w.shape())?;
            if let Some(db) = db {
                shape("db", db, &[y_channels])?;
            }
        }
        Ok(())
    }
}
