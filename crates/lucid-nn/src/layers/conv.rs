//! `Conv1d`, `Conv2d`, `Conv3d`: one module, generic over the rank.

use std::marker::PhantomData;

use lucid_autograd::{Element, Var};
use lucid_conv::{Axes, Channels, Options, Padding, Shapes};
use lucid_tensor::PadMode;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::fused::{Fused, Fusible};
use super::packed::Packed;
use super::{check_bias, check_parameter, conv_stage};
use crate::error::{Error, Result};
use crate::init::uniform_fan_in;
use crate::module::Forward;
use crate::stream::Stage;
use crate::{Module, Path};

/// What a convolution reads outside its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The input mirrored at its ends, which are not repeated.
    Reflect,
    /// The first and the last element.
    Replicate,
    /// The input continued from its other end.
    Circular,
}

/// Everything about a [`Conv`] but its numbers, under PyTorch's names; a spatial parameter is a number or a list with
/// one number per axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvConfig<const N: usize> {
    /// Channels of the input: at least 1, a multiple of `groups`.
    pub in_channels: usize,
    /// Channels of the output: at least 1, a multiple of `groups`.
    pub out_channels: usize,
    /// Taps: at least 1.
    pub kernel_size: Axes<N>,
    /// Input positions per output position: at least 1.
    #[serde(default = "one")]
    pub stride: Axes<N>,
    /// Positions read before and after the input.
    #[serde(default = "no_padding")]
    pub padding: Padding<N>,
    /// Input positions from one tap to the next: at least 1.
    #[serde(default = "one")]
    pub dilation: Axes<N>,
    /// Blocks of channels that do not mix: at least 1.
    #[serde(default = "one_group")]
    pub groups: usize,
    /// Whether a learnable bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// What is read outside the input.
    #[serde(default)]
    pub padding_mode: PaddingMode,
}

pub(crate) fn one<const N: usize>() -> Axes<N> {
    1.into()
}

pub(crate) fn no_padding<const N: usize>() -> Padding<N> {
    0.into()
}

pub(crate) fn one_group() -> usize {
    1
}

pub(crate) fn yes() -> bool {
    true
}

impl<const N: usize> ConvConfig<N> {
    /// The defaults: stride 1, no padding, dilation 1, one group, a bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Axes<N>>) -> Self {
        ConvConfig {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into(),
            stride: one(),
            padding: no_padding(),
            dilation: one(),
            groups: 1,
            bias: true,
            padding_mode: PaddingMode::Zeros,
        }
    }

    fn weight_shape(&self) -> Result<Vec<usize>> {
        let channels = Channels { input: self.in_channels, output: self.out_channels };
        Ok(self.options().weight_shape(channels, self.kernel_size)?)
    }

    /// The parameters as `lucid-conv` takes them.
    pub fn options(&self) -> Options<N> {
        Options::conv().stride(self.stride).padding(self.padding).dilation(self.dilation).groups(self.groups)
    }
}

/// A convolution of rank `N`:
/// `y[n, c, l] = b[c] + sum over (i in the group of c, k) of w[c, i', k] x[n, i, l s + k d - p]`.
///
/// Where nothing is recorded (in [`no_grad`](lucid_autograd::no_grad), or as nothing requires a gradient) the weight is
/// packed once and kept beside it until it changes, however that happens: two to four times its memory, and the same bits.
///
/// # Shapes
/// `x` is `(N, in_channels, spatial...)` or without the batch; `weight` is `(out_channels, in_channels / groups,
/// kernel...)`; `bias` is `(out_channels)`; the output's length per axis is
/// `floor((L + padding - d (K - 1) - 1) / s) + 1`.
///
/// ```
/// use lucid_nn::{Conv1d, Forward, Tensor, Var};
///
/// let conv = Conv1d::builder(2, 8, 5).stride(2).padding(2).build()?;
/// let y = conv.forward(&Var::constant(Tensor::zeros([1, 2, 100])?))?;
/// assert_eq!(y.shape(), [1, 8, 50]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Conv<const N: usize, T: Element = f32> {
    /// The weight: `(out_channels, in_channels / groups, kernel...)`.
    pub weight: Var<T>,
    /// The bias: `(out_channels)`.
    pub bias: Option<Var<T>>,
    pub(super) config: ConvConfig<N>,
    pub(super) packed: Packed<T, N>,
}

/// A convolution over one axis.
pub type Conv1d<T = f32> = Conv<1, T>;
/// A convolution over two axes.
pub type Conv2d<T = f32> = Conv<2, T>;
/// A convolution over three axes.
pub type Conv3d<T = f32> = Conv<3, T>;

impl<const N: usize> Conv<N, f32> {
    /// Starts an `f32` module from the three parameters that have no default; [`ConvBuilder::new`] starts one of either
    /// element type.
    pub fn builder(
        in_channels: usize,
        out_channels: usize,
        kernel_size: impl Into<Axes<N>>,
    ) -> ConvBuilder<N, f32> {
        ConvBuilder::new(in_channels, out_channels, kernel_size)
    }
}

impl<const N: usize, T: Element> Conv<N, T> {
    /// A convolution with initial values drawn from `rng`: uniform in +-1/sqrt(fan_in), with
    /// `fan_in = in_channels / groups * kernel`.
    ///
    /// # Errors
    /// For a parameter that is refused, naming it.
    pub fn from_config(config: ConvConfig<N>, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        let shape = config.weight_shape()?;
        let fan_in = shape[1..].iter().product();
        let weight = uniform_fan_in(&shape, fan_in, rng)?;
        let bias = config.bias.then(|| uniform_fan_in(&[config.out_channels], fan_in, rng)).transpose()?;
        Ok(Conv { weight, bias, config, packed: Packed::new() })
    }

    fn check(&self) -> Result<()> {
        check_parameter("the weight", &self.weight, &self.config.weight_shape()?)?;
        check_bias(self.bias.as_ref(), self.config.bias, self.config.out_channels)
    }

    /// What the module was made from.
    pub fn config(&self) -> &ConvConfig<N> {
        &self.config
    }

    /// This convolution together with an activation before it, additions and an activation after it: see [`Fused`].
    pub fn fused(&self) -> Fused<'_, T> {
        Fused::new(self)
    }
}

impl<const N: usize, T: Element> Forward<T> for Conv<N, T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        self.check()?;
        let options = self.config.options();
        let mode = match self.config.padding_mode {
            PaddingMode::Zeros => return self.packed.convolve(x, &self.weight, self.bias.as_ref(), &options),
            PaddingMode::Reflect => PadMode::Reflect,
            PaddingMode::Replicate => PadMode::Replicate,
            PaddingMode::Circular => PadMode::Circular,
        };
        // What the taps read outside the input is put around it, so the convolution itself pads nothing.
        let geometry = options.resolve(Shapes { x: &x.shape(), w: &self.weight.shape() })?;
        let channel_axes = x.ndim() - N;
        let padding: Vec<_> = std::iter::repeat_n((0, 0), channel_axes).chain(geometry.overhang()).collect();
        let padded = x.pad(&padding, mode)?;
        self.packed.convolve(&padded, &self.weight, self.bias.as_ref(), &options.padding(0))
    }

    fn stage(&self) -> Result<Box<dyn Stage<T>>> {
        if self.config.padding_mode != PaddingMode::Zeros {
            let reason = format!("padding mode {:?}, where accepted is zeros", self.config.padding_mode);
            return Err(Error::NotStreamable { module: self.config.options().name(), reason });
        }
        self.check()?;
        conv_stage(&self.config.options(), &self.weight, self.bias.as_ref())
    }
}

impl<const N: usize, T: Element> Fusible<T> for Conv<N, T> {
    fn channels(&self) -> Channels {
        Channels { input: self.config.in_channels, output: self.config.out_channels }
    }

    fn forward_fused(&self, x: &Var<T>, fused: &lucid_conv::Fused<'_, T>) -> Result<Option<Var<T>>> {
        if self.config.padding_mode != PaddingMode::Zeros {
            return Ok(None);
        }
        self.check()?;
        let options = self.config.options();
        self.packed.convolve_fused(x, &self.weight, self.bias.as_ref(), &options, fused).map(Some)
    }
}

impl<const N: usize, T: Element> Module<T> for Conv<N, T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
        self.bias.visit(&path.join("bias"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}

/// Sets the parameters of a [`Conv`] that have defaults.
#[derive(Clone, Debug)]
pub struct ConvBuilder<const N: usize, T = f32> {
    config: ConvConfig<N>,
    element: PhantomData<T>,
}

/// The setters that the builders of [`Conv`] and [`ConvTranspose`](crate::ConvTranspose) share.
macro_rules! shared_setters {
    () => {
        /// Fine positions per coarse position: a number or one per axis, at least 1.
        #[must_use]
        pub fn stride(mut self, stride: impl Into<Axes<N>>) -> Self {
            self.config.stride = stride.into();
            self
        }

        /// Number(s), `(before, after)` pairs, [`Padding::Valid`] or [`Padding::Same`] (`"same".parse()?`).
        #[must_use]
        pub fn padding(mut self, padding: impl Into<Padding<N>>) -> Self {
            self.config.padding = padding.into();
            self
        }

        /// Positions from one tap to the next: a number or one per axis, at least 1.
        #[must_use]
        pub fn dilation(mut self, dilation: impl Into<Axes<N>>) -> Self {
            self.config.dilation = dilation.into();
            self
        }

        /// Blocks of channels that do not mix: a divisor of both channel counts.
        #[must_use]
        pub fn groups(mut self, groups: usize) -> Self {
            self.config.groups = groups;
            self
        }

        /// Whether a learnable bias is added.
        #[must_use]
        pub fn bias(mut self, bias: bool) -> Self {
            self.config.bias = bias;
            self
        }
    };
}
pub(crate) use shared_setters;

impl<const N: usize, T: Element> ConvBuilder<N, T> {
    /// Starts from the three parameters that have no default.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Axes<N>>) -> Self {
        ConvBuilder { config: ConvConfig::new(in_channels, out_channels, kernel_size), element: PhantomData }
    }

    shared_setters!();

    /// What is read outside the input; zeros by default.
    #[must_use]
    pub fn padding_mode(mut self, padding_mode: PaddingMode) -> Self {
        self.config.padding_mode = padding_mode;
        self
    }

    /// The module, with initial values from the thread's own generator.
    ///
    /// # Errors
    /// For a parameter that is refused, naming it.
    pub fn build(self) -> Result<Conv<N, T>> {
        self.build_with(&mut rand::rng())
    }

    /// The module, with initial values from `rng`: the same ones for the same seed.
    ///
    /// # Errors
    /// For a parameter that is refused, naming it.
    pub fn build_with(self, rng: &mut (impl Rng + ?Sized)) -> Result<Conv<N, T>> {
        Conv::from_config(self.config, rng)
    }
}
