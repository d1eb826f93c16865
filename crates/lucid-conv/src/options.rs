//! What the caller wants, before any size is known.

use std::fmt;

use crate::axes::{Axes, Padding};
use crate::error::{Error, Result};

/// Which of the two grids is the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reads the fine grid, writes the coarse one.
    Conv,
    /// Reads the coarse grid, writes the fine one.
    ConvTranspose,
}

/// The parameters of a convolution of rank `N`, with PyTorch's names and defaults.
///
/// The kernel's size is not among them: the weight has it.
///
/// ```
/// use lucid_conv::Options;
///
/// let up = Options::<1>::conv_transpose().stride(2).padding(1).output_padding(1);
/// assert_eq!(*up.stride, [2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options<const N: usize> {
    /// Plain or transposed.
    pub kind: Kind,
    /// Fine positions per coarse position; 1 by default.
    pub stride: Axes<N>,
    /// What lies outside the fine grid; 0 by default.
    pub padding: Padding<N>,
    /// Fine positions from one tap to the next; 1 by default.
    pub dilation: Axes<N>,
    /// Blocks of channels that do not mix; 1 by default.
    pub groups: usize,
    /// Positions added at the end of a transposed convolution's output; 0 by default.
    pub output_padding: Axes<N>,
    /// The output's spatial size, in place of `output_padding`, for a transposed convolution.
    pub output_size: Option<Axes<N>>,
}

/// The channels of a module's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Channels {
    /// Channels of `x`.
    pub input: usize,
    /// Channels of `y`.
    pub output: usize,
}

impl<const N: usize> Options<N> {
    /// A plain convolution with stride 1, no padding, dilation 1 and one group.
    pub fn conv() -> Self {
        Options {
            kind: Kind::Conv,
            stride: 1.into(),
            padding: 0.into(),
            dilation: 1.into(),
            groups: 1,
            output_padding: 0.into(),
            output_size: None,
        }
    }

    /// A transposed convolution with stride 1, no padding, dilation 1 and one group.
    pub fn conv_transpose() -> Self {
        Options { kind: Kind::ConvTranspose, ..Options::conv() }
    }

    /// Sets the stride: at least 1.
    #[must_use]
    pub fn stride(self, stride: impl Into<Axes<N>>) -> Self {
        Options { stride: stride.into(), ..self }
    }

    /// Sets the padding: number(s), `(before, after)` pairs, [`Padding::Valid`] or [`Padding::Same`].
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding<N>>) -> Self {
        Options { padding: padding.into(), ..self }
    }

    /// Sets the dilation: at least 1.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Axes<N>>) -> Self {
        Options { dilation: dilation.into(), ..self }
    }

    /// Sets the number of groups: at least 1, a divisor of both channel counts.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Options { groups, ..self }
    }

    /// Sets the output padding of a transposed convolution: below `max(stride, dilation)`.
    #[must_use]
    pub fn output_padding(self, output_padding: impl Into<Axes<N>>) -> Self {
        Options { output_padding: output_padding.into(), ..self }
    }

    /// Asks for an output of this spatial size, in place of an output padding; transposed convolutions only.
    #[must_use]
    pub fn output_size(self, output_size: impl Into<Axes<N>>) -> Self {
        Options { output_size: Some(output_size.into()), ..self }
    }

    /// The same for a signal, where these are of rank 1: what code generic over the rank asks for to treat signals apart.
    pub fn along_one_axis(&self) -> Option<Options<1>> {
        let first = |axes: Axes<N>| axes.first().filter(|_| N == 1).map(|&value| Axes([value]));
        let padding = match self.padding {
            Padding::Explicit(pairs) => Padding::Explicit([*pairs.first()?]),
            Padding::Valid => Padding::Valid,
            Padding::Same => Padding::Same,
        };
        Some(Options {
            kind: self.kind,
            stride: first(self.stride)?,
            padding,
            dilation: first(self.dilation)?,
            groups: self.groups,
            output_padding: first(self.output_padding)?,
            output_size: self.output_size.and_then(first),
        })
    }

    /// `"conv1d"` ... `"conv_transpose3d"`.
    pub fn name(&self) -> String {
        format!("{}{N}d", self.kind)
    }

    /// Checks what can be checked without sizes.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a rank other than 1, 2 or 3, a zero stride, dilation or number of groups, an output
    /// padding of `max(stride, dilation)` or more, or one on a plain convolution or beside `"same"`.
    pub fn validate(&self) -> Result<()> {
        if !(1..=3).contains(&N) {
            return Err(refused("rank", None, N, "1, 2 or 3 spatial axes"));
        }
        at_least_one("groups", None, self.groups)?;
        for axis in 0..N {
            at_least_one("stride", Some(axis), self.stride[axis])?;
            at_least_one("dilation", Some(axis), self.dilation[axis])?;
            self.validate_output_padding(axis)?;
        }
        if self.kind == Kind::Conv && self.output_size.is_some() {
            return Err(refused(
                "output_size",
                None,
                "given",
                "none on a convolution that is not transposed",
            ));
        }
        Ok(())
    }

    fn validate_output_padding(&self, axis: usize) -> Result<()> {
        let given = self.output_padding[axis];
        let limit = self.stride[axis].max(self.dilation[axis]);
        let accepted = match (self.kind, self.padding) {
            _ if given == 0 => return Ok(()),
            (Kind::Conv, _) => "0 on a convolution that is not transposed".into(),
            (_, Padding::Same) => "0 with padding \"same\", which fixes the output's length".into(),
            _ if given < limit => return Ok(()),
            _ => format!("below max(stride, dilation) = {limit}"),
        };
        Err(refused("output_padding", Some(axis), given, accepted))
    }

    /// The weight's shape: `[channels of the coarse side, channels of the fine side / groups, taps...]`, which is
    /// PyTorch's for both kinds.
    ///
    /// ```
    /// use lucid_conv::{Axes, Channels, Options};
    ///
    /// let channels = Channels { input: 4, output: 2 };
    /// let shape = Options::conv_transpose().weight_shape(channels, Axes([3]))?;
    /// assert_eq!(shape, [4, 2, 3]);
    /// # Ok::<(), lucid_conv::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`validate`](Self::validate), and for a zero kernel, zero channels, or channels that `groups` does not divide.
    pub fn weight_shape(&self, channels: Channels, kernel_size: Axes<N>) -> Result<Vec<usize>> {
        self.validate()?;
        for (name, value) in [("in_channels", channels.input), ("out_channels", channels.output)] {
            at_least_one(name, None, value)?;
            if value % self.groups != 0 {
                return Err(refused(name, None, value, format!("a multiple of groups = {}", self.groups)));
            }
        }
        for axis in 0..N {
            at_least_one("kernel_size", Some(axis), kernel_size[axis])?;
        }
        let (coarse, fine) = match self.kind {
            Kind::Conv => (channels.output, channels.input),
            Kind::ConvTranspose => (channels.input, channels.output),
        };
        let shape: Vec<usize> = [coarse, fine / self.groups].into_iter().chain(*kernel_size).collect();
        crate::geometry::checked_len("the weight", &shape)?;
        Ok(shape)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Conv => "conv",
            Kind::ConvTranspose => "conv_transpose",
        })
    }
}

pub(crate) fn refused(
    parameter: &'static str,
    axis: Option<usize>,
    value: impl ToString,
    accepted: impl Into<String>,
) -> Error {
    Error::Parameter { parameter, axis, value: value.to_string(), accepted: accepted.into() }
}

pub(crate) fn at_least_one(parameter: &'static str, axis: Option<usize>, value: usize) -> Result<()> {
    if value == 0 { Err(refused(parameter, axis, value, "at least 1")) } else { Ok(()) }
}
