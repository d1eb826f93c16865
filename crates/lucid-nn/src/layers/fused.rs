//! A convolution with what surrounds it: `y = after(conv(before(x)) + skips)`.
//!
//! By itself, an activation or an addition reads and writes its tensors once more and hardly computes anything. Where nothing
//! is recorded, a convolution does both in its own passes over memory.

use std::fmt;

use lucid_autograd::{Element, Var, is_recording};
use lucid_conv::{Channels, Isa, map};

use crate::Path;
use crate::error::Result;
use crate::module::Forward;

/// A function of some elements of the channel with this number, in place.
pub type ChannelFunction<T> = Box<dyn Fn(usize, &mut [T]) + Send + Sync>;

/// A layer that is a function of one number, which may differ from channel to channel: what a convolution can do by itself, with
/// [`Fused`].
///
/// ```
/// use lucid_nn::{Activation, ChannelFunction, Forward, Module, Result, Var};
///
/// #[derive(Module)]
/// struct Square;
///
/// impl Forward for Square {
///     fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
///         Ok(x.square())
///     }
/// }
///
/// impl Activation for Square {
///     fn function(&self, _num_channels: usize) -> Result<ChannelFunction<f32>> {
///         Ok(Box::new(|_channel, run| run.iter_mut().for_each(|x| *x *= *x)))
///     }
/// }
/// ```
pub trait Activation<T: Element = f32>: Forward<T> {
    /// What [`forward`](Forward::forward) makes of every element of an input with so many channels, now. It is given the
    /// elements of a channel in any portions and any order, and some of them several times.
    ///
    /// # Errors
    /// Where the layer has parameters for other channels.
    fn function(&self, num_channels: usize) -> Result<ChannelFunction<T>>;
}

/// A function of one number as one of runs.
pub(super) fn of_each<T: Element>(
    function: impl Fn(usize, T) -> T + Send + Sync + 'static,
) -> ChannelFunction<T> {
    Box::new(move |channel, run| map(Isa::best(), run, |x| function(channel, x)))
}

/// A convolution that a [`Fused`] is made of.
pub(super) trait Fusible<T: Element>: Forward<T> {
    fn channels(&self) -> Channels;

    /// The output, as a constant; nothing where the convolution pads with something else than zeros.
    fn forward_fused(&self, x: &Var<T>, fused: &lucid_conv::Fused<'_, T>) -> Result<Option<Var<T>>>;
}

/// A convolution together with what surrounds it: `y = after(conv(before(x)) + skip)`, made by
/// [`Conv::fused`](crate::Conv::fused) and [`ConvTranspose::fused`](crate::ConvTranspose::fused).
///
/// Where nothing is recorded (in [`no_grad`](lucid_autograd::no_grad), or as nothing requires a gradient) all of it is done in
/// the convolution's own passes over memory. Else, and with a padding mode other than zeros, its parts run one after the other;
/// the bits are the same.
///
/// ```
/// use lucid_nn::{Conv1d, Forward, LeakyRelu, Tensor, Var};
///
/// let (act, conv) = (LeakyRelu { slope: 0.1 }, Conv1d::builder(4, 4, 3).padding(1).build()?);
/// let x = Var::constant(Tensor::ones([1, 4, 10])?);
/// // x + conv(act(x))
/// let y = conv.fused().before(&act).skip(&x).forward(&x)?;
/// assert_eq!(y.value(), (conv.forward(&act.forward(&x)?)? + &x)?.value());
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct Fused<'a, T: Element = f32> {
    conv: &'a dyn Fusible<T>,
    before: Option<&'a dyn Activation<T>>,
    skips: Vec<&'a Var<T>>,
    after: Option<&'a dyn Activation<T>>,
}

impl<'a, T: Element> Fused<'a, T> {
    pub(super) fn new(conv: &'a dyn Fusible<T>) -> Self {
        Fused { conv, before: None, skips: Vec::new(), after: None }
    }

    /// With an activation of the input, in place of one that was there.
    #[must_use]
    pub fn before(mut self, activation: &'a dyn Activation<T>) -> Self {
        self.before = Some(activation);
        self
    }

    /// With a value of the output's shape that is added to the convolution, after those that were there.
    #[must_use]
    pub fn skip(mut self, skip: &'a Var<T>) -> Self {
        self.skips.push(skip);
        self
    }

    /// With an activation of the sum, in place of one that was there.
    #[must_use]
    pub fn after(mut self, activation: &'a dyn Activation<T>) -> Self {
        self.after = Some(activation);
        self
    }

    /// `after(conv(before(x)) + skip)`
    ///
    /// # Errors
    /// Those of the layers, and for a skip that has not the output's shape.
    pub fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        if !self.is_recorded(x) {
            let Channels { input, output } = self.conv.channels();
            let before = self.before.map(|activation| activation.function(input)).transpose()?;
            let after = self.after.map(|activation| activation.function(output)).transpose()?;
            let skips: Vec<_> = self.skips.iter().map(|skip| skip.value()).collect();
            let skips: Vec<_> = skips.iter().map(|skip| skip.view()).collect();
            let fused = lucid_conv::Fused {
                before: before.as_ref().map(|function| function as _),
                skips: &skips,
                after: after.as_ref().map(|function| function as _),
            };
            if let Some(y) = self.conv.forward_fused(x, &fused)? {
                return Ok(y);
            }
        }
        let activate = |activation: Option<&dyn Activation<T>>, x: Var<T>| {
            activation.map_or(Ok(x.clone()), |activation| activation.forward(&x))
        };
        let mut y = self.conv.forward(&activate(self.before, x.clone())?)?;
        for skip in &self.skips {
            // Else it would be broadcast.
            if skip.shape() != y.shape() {
                let (given, accepted) = (skip.shape(), format!("{:?}", y.shape()));
                return Err(lucid_conv::Error::Shape { operand: "a skip", given, accepted }.into());
            }
            y = (y + *skip)?;
        }
        activate(self.after, y)
    }

    /// Whether gradients may be asked for.
    fn is_recorded(&self, x: &Var<T>) -> bool {
        if !is_recording() {
            return false;
        }
        let mut learns = x.requires_grad() || self.skips.iter().any(|skip| skip.requires_grad());
        let mut visit = |_: &Path, var: &Var<T>| learns |= var.requires_grad();
        self.conv.visit(&Path::root(), &mut visit);
        for activation in self.before.iter().chain(&self.after) {
            activation.visit(&Path::root(), &mut visit);
        }
        learns
    }
}

impl<T: Element> fmt::Debug for Fused<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fused")
            .field("before", &self.before.is_some())
            .field("skips", &self.skips)
            .field("after", &self.after.is_some())
            .finish_non_exhaustive()
    }
}
