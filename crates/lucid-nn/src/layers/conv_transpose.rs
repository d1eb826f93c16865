//! `ConvTranspose1d`, `ConvTranspose2d`, `ConvTranspose3d`: one module, generic over the rank.

use std::marker::PhantomData;

use lucid_autograd::{Element, Var};
use lucid_conv::{Axes, Channels, Options, Padding};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::conv::{no_padding, one, one_group, shared_setters, yes};
use super::fused::{Fused, Fusible};
use super::packed::Packed;
use super::{check_bias, check_parameter, conv_stage};
use crate::error::Result;
use crate::init::uniform_fan_in;
use crate::module::Forward;
use crate::stream::Stage;
use crate::{Module, Path};

/// Everything about a [`ConvTranspose`] but its numbers, under PyTorch's names; a spatial parameter is a number or a
/// list with one number per axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTransposeConfig<const N: usize> {
    /// Channels of the input: at least 1, a multiple of `groups`.
    pub in_channels: usize,
    /// Channels of the output: at least 1, a multiple of `groups`.
    pub out_channels: usize,
    /// Taps: at least 1.
    pub kernel_size: Axes<N>,
    /// Output positions per input position: at least 1.
    #[serde(default = "one")]
    pub stride: Axes<N>,
    /// Positions cropped from the output's start and end.
    #[serde(default = "no_padding")]
    pub padding: Padding<N>,
    /// Positions added at the output's end: below `max(stride, dilation)`.
    #[serde(default = "no_output_padding")]
    pub output_padding: Axes<N>,
    /// Output positions from one tap to the next: at least 1.
    #[serde(default = "one")]
    pub dilation: Axes<N>,
    /// Blocks of channels that do not mix: at least 1.
    #[serde(default = "one_group")]
    pub groups: usize,
    /// Whether a learnable bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn no_output_padding<const N: usize>() -> Axes<N> {
    0.into()
}

impl<const N: usize> ConvTransposeConfig<N> {
    /// The defaults: stride 1, no padding or output padding, dilation 1, one group, a bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Axes<N>>) -> Self {
        ConvTransposeConfig {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into(),
            stride: one(),
            padding: no_padding(),
            output_padding: no_output_padding(),
            dilation: one(),
            groups: 1,
            bias: true,
        }
    }

    fn weight_shape(&self) -> Result<Vec<usize>> {
        let channels = Channels { input: self.in_channels, output: self.out_channels };
        Ok(self.options().weight_shape(channels, self.kernel_size)?)
    }

    /// The parameters as `lucid-conv` takes them.
    pub fn options(&self) -> Options<N> {
        Options::conv_transpose()
            .stride(self.stride)
            .padding(self.padding)
            .output_padding(self.output_padding)
            .dilation(self.dilation)
            .groups(self.groups)
    }
}

/// A transposed convolution of rank `N`, with `s` stride, `d` dilation, `p` padding before:
/// `y[n, c, j] = b[c] + sum over (i in the group of c, l, k) with j = l s + k d - p of x[n, i, l] w[i, c', k]`.
///
/// Where nothing is recorded (in [`no_grad`](lucid_autograd::no_grad), or as nothing requires a gradient) the weight is
/// packed once and kept beside it until it changes, however that happens: two to four times its memory, and the same bits.
///
/// # Shapes
/// `x` is `(N, in_channels, spatial...)` or without the batch; `weight` is `(in_channels, out_channels / groups,
/// kernel...)`; `bias` is `(out_channels)`; the output's length per axis is
/// `(L - 1) s - padding + d (K - 1) + output_padding + 1`.
///
/// ```
/// use lucid_nn::{ConvTranspose1d, Forward, Tensor, Var};
///
/// let deconv = ConvTranspose1d::builder(4, 2, 3).stride(2).padding(1).output_padding(1).build()?;
/// let y = deconv.forward(&Var::constant(Tensor::zeros([1, 4, 5])?))?;
/// assert_eq!(y.shape(), [1, 2, 10]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct ConvTranspose<const N: usize, T: Element = f32> {
    /// The weight: `(in_channels, out_channels / groups, kernel...)`.
    pub weight: Var<T>,
    /// The bias: `(out_channels)`.
    pub bias: Option<Var<T>>,
    pub(super) config: ConvTransposeConfig<N>,
    pub(super) packed: Packed<T, N>,
}

/// A transposed convolution over one axis.
pub type ConvTranspose1d<T = f32> = ConvTranspose<1, T>;
/// A transposed convolution over two axes.
pub type ConvTranspose2d<T = f32> = ConvTranspose<2, T>;
/// A transposed convolution over three axes.
pub type ConvTranspose3d<T = f32> = ConvTranspose<3, T>;

impl<const N: usize> ConvTranspose<N, f32> {
    /// Starts an `f32` module from the three parameters that have no default; [`ConvTransposeBuilder::new`] starts one of
    /// either element type.
    pub fn builder(
        in_channels: usize,
        out_channels: usize,
        kernel_size: impl Into<Axes<N>>,
    ) -> ConvTransposeBuilder<N, f32> {
        ConvTransposeBuilder::new(in_channels, out_channels, kernel_size)
    }
}

impl<const N: usize, T: Element> ConvTranspose<N, T> {
    /// A transposed convolution with initial values drawn from `rng`: uniform in +-1/sqrt(fan_in), with
    /// `fan_in = out_channels / groups * kernel`.
    ///
    /// # Errors
    /// For a parameter that is refused, naming it.
    pub fn from_config(config: ConvTransposeConfig<N>, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        let shape = config.weight_shape()?;
        let fan_in = shape[1..].iter().product();
        let weight = uniform_fan_in(&shape, fan_in, rng)?;
        let bias = config.bias.then(|| uniform_fan_in(&[config.out_channels], fan_in, rng)).transpose()?;
        Ok(ConvTranspose { weight, bias, config, packed: Packed::new() })
    }

    fn check(&self) -> Result<()> {
        check_parameter("the weight", &self.weight, &self.config.weight_shape()?)?;
        check_bias(self.bias.as_ref(), self.config.bias, self.config.out_channels)
    }

    /// What the module was made from.
    pub fn config(&self) -> &ConvTransposeConfig<N> {
        &self.config
    }

    /// This convolution together with an activation before it, additions and an activation after it: see [`Fused`].
    pub fn fused(&self) -> Fused<'_, T> {
        Fused::new(self)
    }

    /// As [`forward`](Forward::forward), with an output of the spatial size asked for.
    ///
    /// # Errors
    /// When no output padding gives that size: the message has the range that would do.
    pub fn forward_with_output_size(&self, x: &Var<T>, output_size: impl Into<Axes<N>>) -> Result<Var<T>> {
        self.run(x, self.config.options().output_size(output_size))
    }

    fn run(&self, x: &Var<T>, options: Options<N>) -> Result<Var<T>> {
        self.check()?;
        self.packed.convolve(x, &self.weight, self.bias.as_ref(), &options)
    }
}

impl<const N: usize, T: Element> Forward<T> for ConvTranspose<N, T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        self.run(x, self.config.options())
    }

    fn stage(&self) -> Result<Box<dyn Stage<T>>> {
        self.check()?;
        conv_stage(&self.config.options(), &self.weight, self.bias.as_ref())
    }
}

impl<const N: usize, T: Element> Fusible<T> for ConvTranspose<N, T> {
    fn channels(&self) -> Channels {
        Channels { input: self.config.in_channels, output: self.config.out_channels }
    }

    fn forward_fused(&self, x: &Var<T>, fused: &lucid_conv::Fused<'_, T>) -> Result<Option<Var<T>>> {
        self.check()?;
        let options = self.config.options();
        self.packed.convolve_fused(x, &self.weight, self.bias.as_ref(), &options, fused).map(Some)
    }
}

impl<const N: usize, T: Element> Module<T> for ConvTranspose<N, T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
        self.bias.visit(&path.join("bias"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}

/// Sets the parameters of a [`ConvTranspose`] that have defaults.
#[derive(Clone, Debug)]
pub struct ConvTransposeBuilder<const N: usize, T = f32> {
    config: ConvTransposeConfig<N>,
    element: PhantomData<T>,
}

impl<const N: usize, T: Element> ConvTransposeBuilder<N, T> {
    /// Starts from the three parameters that have no default.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Axes<N>>) -> Self {
        let config = ConvTransposeConfig::new(in_channels, out_channels, kernel_size);
        ConvTransposeBuilder { config, element: PhantomData }
    }

    shared_setters!();

    /// Positions added at the output's end: a number or one per axis, below `max(stride, dilation)`.
    #[must_use]
    pub fn output_padding(mut self, output_padding: impl Into<Axes<N>>) -> Self {
        self.config.output_padding = output_padding.into();
        self
    }

    /// The module, with initial values from the thread's own generator.
    ///
    /// # Errors
    /// For a parameter that is refused, naming it.
    pub fn build(self) -> Result<ConvTranspose<N, T>> {
        self.build_with(&mut rand::rng())
    }

    /// The module, with initial values from `rng`: the same ones for the same seed.
    ///
    /// # Errors
    /// For a parameter that is refused, naming it.
    pub fn build_with(self, rng: &mut (impl Rng + ?Sized)) -> Result<ConvTranspose<N, T>> {
        ConvTranspose::from_config(self.config, rng)
    }
}
