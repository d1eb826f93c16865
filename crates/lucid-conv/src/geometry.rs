//! Resolved facts: the sizes of both grids and how they are linked.
//!
//! Per spatial axis, `fine = coarse * stride + tap * dilation - pad_before`. `output_padding`, `"same"`, asymmetric
//! padding and `output_size` matter only here, while the two sizes are worked out; no kernel sees them. All
//! validation happens in [`Options::resolve`].

use crate::axis::Axis;
use crate::error::{Error, Result};
use crate::options::{Kind, Options, at_least_one, refused};
use crate::plan::Pass;

/// The shapes that a geometry is resolved from.
#[derive(Clone, Copy, Debug)]
pub struct Shapes<'a> {
    /// `(batch, channels, spatial...)`, or `(channels, spatial...)` without a batch.
    pub x: &'a [usize],
    /// `[channels of the coarse side, channels of the fine side / groups, taps...]`.
    pub w: &'a [usize],
}

/// Everything about one convolution but its numbers. Made by [`Options::resolve`]; plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry<const N: usize> {
    pub(crate) kind: Kind,
    pub(crate) batch: Option<usize>,
    pub(crate) groups: usize,
    pub(crate) coarse_channels: usize,
    pub(crate) fine_channels: usize,
    pub(crate) axes: [Axis; N],
}

impl<const N: usize> Options<N> {
    /// Works out both grids.
    ///
    /// With `s` stride, `d` dilation, `K` taps, `p` and `q` the padding before and after, `o` the output padding,
    /// each per axis:
    ///
    /// - convolution: `L_out = floor((L_in + p + q - d (K - 1) - 1) / s) + 1`
    /// - transposed: `L_out = (L_in - 1) s - p - q + d (K - 1) + o + 1`
    ///
    /// ```
    /// use lucid_conv::{Options, Shapes};
    ///
    /// let options = Options::<1>::conv_transpose().stride(2).padding(1).output_padding(1);
    /// let geometry = options.resolve(Shapes { x: &[1, 4, 5], w: &[4, 2, 3] })?;
    /// assert_eq!(geometry.y_shape(), [1, 2, 10]);
    /// # Ok::<(), lucid_conv::Error>(())
    /// ```
    ///
    /// # Errors
    /// Any of [`Error`] but [`Error::Algorithm`]: options out of range, shapes that don't fit, an empty output, an
    /// output size that can't be had, sizes that overflow.
    pub fn resolve(&self, shapes: Shapes<'_>) -> Result<Geometry<N>> {
        self.validate()?;
        let Shapes { x, w } = shapes;
        let batch = match x.len().checked_sub(N + 1) {
            Some(0) => None,
            Some(1) => Some(x[0]),
            _ => {
                let accepted = format!("(batch, channels, {N} spatial) or (channels, {N} spatial)");
                return Err(Error::Rank { operand: "x", shape: x.to_vec(), accepted });
            }
        };
        if w.len() != N + 2 {
            let accepted = format!("{} (two of channels, {N} of taps)", N + 2);
            return Err(Error::Rank { operand: "w", shape: w.to_vec(), accepted });
        }
        let x_channels = x[x.len() - N - 1];
        let (coarse_channels, fine_channels) = self.channels(x_channels, x, w)?;

        let mut axes = [Axis { fine: 0, coarse: 0, taps: 0, stride: 0, dilation: 0, pad_before: 0 }; N];
        for (axis, link) in axes.iter_mut().enumerate() {
            *link = self.resolve_axis(axis, x[x.len() - N + axis], w[2 + axis])?;
        }
        let geometry =
            Geometry { kind: self.kind, batch, groups: self.groups, coarse_channels, fine_channels, axes };
        checked_len("the weight", &geometry.weight_shape())?;
        checked_len("the fine side", &geometry.fine_shape())?;
        checked_len("the coarse side", &geometry.coarse_shape())?;
        Ok(geometry)
    }

    /// The channels of the coarse and of the fine side.
    fn channels(&self, x_channels: usize, x: &[usize], w: &[usize]) -> Result<(usize, usize)> {
        let groups = self.groups;
        let (outer, inner) = match self.kind {
            Kind::Conv => ("out_channels", "in_channels / groups"),
            Kind::ConvTranspose => ("in_channels", "out_channels / groups"),
        };
        at_least_one("in_channels", None, x_channels)?;
        at_least_one(outer, None, w[0])?;
        at_least_one(inner, None, w[1])?;
        if !w[0].is_multiple_of(groups) {
            return Err(refused(outer, None, w[0], format!("a multiple of groups = {groups}")));
        }
        let fine_channels = w[1].checked_mul(groups).ok_or_else(|| Error::Overflow {
            quantity: "the number of channels of the fine side",
            given: format!("{} per group in {groups} groups", w[1]),
        })?;
        let expected = match self.kind {
            Kind::Conv => fine_channels,
            Kind::ConvTranspose => w[0],
        };
        if x_channels != expected {
            let accepted = format!("{expected} channels, as weight {w:?} and groups = {groups} ask for");
            return Err(Error::Shape { operand: "x", given: x.to_vec(), accepted });
        }
        Ok((w[0], fine_channels))
    }
}

/// One of the two grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Fine,
    Coarse,
}

impl Side {
    /// As an operand of an error.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Side::Fine => "the fine side",
            Side::Coarse => "the coarse side",
        }
    }
}

impl<const N: usize> Geometry<N> {
    /// Plain or transposed.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Items in the batch; 1 for an input without a batch axis.
    pub fn batch(&self) -> usize {
        self.batch.unwrap_or(1)
    }

    /// Blocks of channels that do not mix.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The shape of the array on the fine grid: `x` of a convolution, `y` of a transposed one.
    pub fn fine_shape(&self) -> Vec<usize> {
        self.sizes(Side::Fine).collect()
    }

    /// The shape of the array on the coarse grid: `y` of a convolution, `x` of a transposed one.
    pub fn coarse_shape(&self) -> Vec<usize> {
        self.sizes(Side::Coarse).collect()
    }

    /// The shape of the input.
    pub fn x_shape(&self) -> Vec<usize> {
        self.sizes(self.output_pass().source()).collect()
    }

    /// The shape of the output.
    pub fn y_shape(&self) -> Vec<usize> {
        self.sizes(self.output_pass().result()).collect()
    }

    /// `[channels of the coarse side, channels of the fine side / groups, taps...]`.
    pub fn weight_shape(&self) -> Vec<usize> {
        self.weight_sizes().collect()
    }

    /// Multiplications of the plain definition, edges included: the same for all three passes.
    pub fn multiplications(&self) -> f64 {
        let sizes = [self.batch(), self.coarse_channels, self.fine_per_group()];
        sizes.into_iter().chain(self.coarse()).chain(self.taps()).map(|size| size as f64).product()
    }

    /// How many positions `(before, after)` the fine grid, per axis, taps reach: what a padding other than zeros has to
    /// supply.
    ///
    /// ```
    /// use lucid_conv::{Options, Padding, Shapes};
    ///
    /// let options = Options::<1>::conv().stride(2).padding(Padding::Same);
    /// let geometry = options.resolve(Shapes { x: &[1, 1, 6], w: &[1, 1, 3] })?;
    /// assert_eq!(geometry.overhang(), [(0, 1)]);
    /// # Ok::<(), lucid_conv::Error>(())
    /// ```
    pub fn overhang(&self) -> [(usize, usize); N] {
        self.axes.map(|axis| {
            let end = (axis.coarse - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1;
            (axis.pad_before, end.saturating_sub(axis.fine + axis.pad_before))
        })
    }

    pub(crate) fn fine(&self) -> [usize; N] {
        self.axes.map(|axis| axis.fine)
    }

    pub(crate) fn coarse(&self) -> [usize; N] {
        self.axes.map(|axis| axis.coarse)
    }

    pub(crate) fn taps(&self) -> [usize; N] {
        self.axes.map(|axis| axis.taps)
    }

    pub(crate) fn num_taps(&self) -> usize {
        self.taps().iter().product()
    }

    pub(crate) fn fine_len(&self) -> usize {
        self.fine().iter().product()
    }

    pub(crate) fn coarse_len(&self) -> usize {
        self.coarse().iter().product()
    }

    pub(crate) fn fine_per_group(&self) -> usize {
        self.fine_channels / self.groups
    }

    pub(crate) fn coarse_per_group(&self) -> usize {
        self.coarse_channels / self.groups
    }

    /// Whether no tap of any coarse position falls outside the fine grid.
    pub(crate) fn is_inside(&self) -> bool {
        self.axes.iter().all(Axis::is_inside)
    }

    /// The pass that computes the output.
    pub(crate) fn output_pass(&self) -> Pass {
        match self.kind {
            Kind::Conv => Pass::Forward,
            Kind::ConvTranspose => Pass::BackwardData,
        }
    }

    pub(crate) fn channels_of(&self, side: Side) -> usize {
        match side {
            Side::Fine => self.fine_channels,
            Side::Coarse => self.coarse_channels,
        }
    }

    /// Elements of a plane on a side.
    pub(crate) fn len_of(&self, side: Side) -> usize {
        match side {
            Side::Fine => self.fine_len(),
            Side::Coarse => self.coarse_len(),
        }
    }

    /// The shape of the array on a side.
    pub(crate) fn sizes(&self, side: Side) -> impl Iterator<Item = usize> + Clone + use<N> {
        let spatial = match side {
            Side::Fine => self.fine(),
            Side::Coarse => self.coarse(),
        };
        self.batch.into_iter().chain([self.channels_of(side)]).chain(spatial)
    }

    /// The shape of the weight.
    pub(crate) fn weight_sizes(&self) -> impl Iterator<Item = usize> + Clone + use<N> {
        [self.coarse_channels, self.fine_per_group()].into_iter().chain(self.taps())
    }
}

/// The number of elements of `shape`, once it is sure that twice as many bytes as the widest element has fit an
/// `isize`, the limit of any allocation. An empty batch counts as one item, so that it hides no overflow.
pub(crate) fn checked_len(quantity: &'static str, shape: &[usize]) -> Result<usize> {
    let len = shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size.max(1)));
    match len {
        Some(len) if len <= isize::MAX as usize / (2 * size_of::<f64>()) => Ok(len),
        _ => Err(Error::Overflow { quantity, given: format!("shape {shape:?}") }),
    }
}
