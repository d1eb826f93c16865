//! Activations with learnable numbers per channel: `PRelu`, `Snake`, `SnakeBeta`.

use lucid_autograd::{Element, Var, scalar};
use lucid_conv::{Isa, map};
use lucid_tensor::Tensor;

use super::fused::{Activation, ChannelFunction};
use super::{channel_shape, check_parameter};
use crate::error::{Result, check};
use crate::module::Forward;
use crate::number::{finite, number};
use crate::{Module, Path};

/// `x` above 0, `weight x` elsewhere, with one learnable weight for all channels or one for each (He et al. 2015).
///
/// # Shapes
/// `x` is `(batch, channels, ...)`, or anything with a single weight; `weight` is `(num_parameters)`; the output has the
/// shape of `x`.
///
/// ```
/// use lucid_nn::{Forward, PRelu, Tensor, Var};
///
/// let y = PRelu::<f32>::new(1)?.forward(&Var::constant(Tensor::from([2.0, -2.0])))?;
/// assert_eq!(y.value(), Tensor::from([2.0, -0.5]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct PRelu<T: Element = f32> {
    /// What numbers below 0 are multiplied with: `(num_parameters)`.
    pub weight: Var<T>,
}

impl<T: Element> PRelu<T> {
    /// With `num_parameters` weights, 1 or as many as channels, that start as 0.25.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for no weights.
    pub fn new(num_parameters: usize) -> Result<Self> {
        check(num_parameters > 0, "num_parameters", num_parameters, "1, or the number of channels")?;
        Ok(PRelu { weight: Var::leaf(Tensor::full([num_parameters], number(0.25))?) })
    }
}

impl<T: Element> Forward<T> for PRelu<T> {
    /// # Errors
    /// For an input with another number of channels than weights, if there are several.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        if self.weight.len() == 1 {
            return Ok(x.prelu(&self.weight.reshape([])?)?);
        }
        Ok(x.prelu(&along_channels("the weight", &self.weight, x)?)?)
    }
}

impl<T: Element> Activation<T> for PRelu<T> {
    fn function(&self, num_channels: usize) -> Result<ChannelFunction<T>> {
        let num_parameters = self.weight.len();
        let expected = if num_parameters == 1 { 1 } else { num_channels };
        check_parameter("the weight", &self.weight, &[expected])?;
        let slopes = self.weight.value().to_vec();
        Ok(Box::new(move |channel, run| {
            let slope = slopes[if num_parameters == 1 { 0 } else { channel }];
            map(Isa::best(), run, |x| scalar::leaky_relu(x, slope));
        }))
    }
}

impl<T: Element> Module<T> for PRelu<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}

/// What BigVGAN adds to the denominator.
const NO_DIVISION_BY_0: f64 = 1e-9;

/// `x + sin^2(alpha x) / alpha` with a learnable `alpha` per channel (Ziyin et al. 2020), as BigVGAN (Lee et al. 2022)
/// defines it: with 1e-9 added to the denominator, and with `exp(alpha)` for `alpha` if `log_scale`.
///
/// # Shapes
/// `x` is `(batch, channels, ...)`; `alpha` is `(channels)`; the output has the shape of `x`.
///
/// ```
/// use lucid_nn::{Forward, Snake, Tensor, Var};
///
/// let x = Var::constant(Tensor::from([[std::f32::consts::FRAC_PI_2, 0.0]]));
/// let y = Snake::new(2, 1.0, false)?.forward(&x)?;
/// assert_eq!(y.value().to_vec(), [std::f32::consts::FRAC_PI_2 + 1.0, 0.0]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Snake<T: Element = f32> {
    /// The frequency, or its logarithm: `(channels)`.
    pub alpha: Var<T>,
    /// Whether `alpha` is a logarithm.
    pub log_scale: bool,
}

impl<T: Element> Snake<T> {
    /// With all of `alpha` as given: usually 1, or 0 for logarithms.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for 0 channels, or an `alpha` that is not finite.
    pub fn new(channels: usize, alpha: f64, log_scale: bool) -> Result<Self> {
        Ok(Snake { alpha: per_channel("alpha", channels, alpha)?, log_scale })
    }

    /// The frequency, and what the square is multiplied with.
    fn numbers(&self, alpha: Var<T>) -> [Var<T>; 2] {
        let frequency = if self.log_scale { alpha.exp() } else { alpha };
        let scale = (&frequency + number::<T>(NO_DIVISION_BY_0)).recip();
        [frequency, scale]
    }
}

impl<T: Element> Forward<T> for Snake<T> {
    /// # Errors
    /// For an input with another number of channels.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let [frequency, scale] = self.numbers(along_channels("alpha", &self.alpha, x)?);
        Ok(x.snake(&frequency, &scale)?)
    }
}

impl<T: Element> Activation<T> for Snake<T> {
    fn function(&self, num_channels: usize) -> Result<ChannelFunction<T>> {
        check_parameter("alpha", &self.alpha, &[num_channels])?;
        Ok(snake(self.numbers(self.alpha.detach())))
    }
}

impl<T: Element> Module<T> for Snake<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.alpha.visit(&path.join("alpha"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}

/// `x + sin^2(alpha x) / beta` with learnable `alpha` and `beta` per channel: [`Snake`] with a magnitude of its own
/// (BigVGAN). With `log_scale`, both are logarithms.
///
/// # Shapes
/// `x` is `(batch, channels, ...)`; `alpha` and `beta` are `(channels)`; the output has the shape of `x`.
#[derive(Debug)]
pub struct SnakeBeta<T: Element = f32> {
    /// The frequency, or its logarithm: `(channels)`.
    pub alpha: Var<T>,
    /// What the square is divided by, or its logarithm: `(channels)`.
    pub beta: Var<T>,
    /// Whether `alpha` and `beta` are logarithms.
    pub log_scale: bool,
}

impl<T: Element> SnakeBeta<T> {
    /// With all of `alpha` and of `beta` as given: usually 1, or 0 for logarithms.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for 0 channels, or an `alpha` that is not finite.
    pub fn new(channels: usize, alpha: f64, log_scale: bool) -> Result<Self> {
        let (alpha, beta) = (per_channel("alpha", channels, alpha)?, per_channel("alpha", channels, alpha)?);
        Ok(SnakeBeta { alpha, beta, log_scale })
    }

    /// The frequency, and what the square is multiplied with.
    fn numbers(&self, alpha: Var<T>, beta: Var<T>) -> [Var<T>; 2] {
        let (alpha, beta) = if self.log_scale { (alpha.exp(), beta.exp()) } else { (alpha, beta) };
        [alpha, (beta + number::<T>(NO_DIVISION_BY_0)).recip()]
    }
}

impl<T: Element> Forward<T> for SnakeBeta<T> {
    /// # Errors
    /// For an input with another number of channels.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let (alpha, beta) =
            (along_channels("alpha", &self.alpha, x)?, along_channels("beta", &self.beta, x)?);
        let [frequency, scale] = self.numbers(alpha, beta);
        Ok(x.snake(&frequency, &scale)?)
    }
}

impl<T: Element> Activation<T> for SnakeBeta<T> {
    fn function(&self, num_channels: usize) -> Result<ChannelFunction<T>> {
        check_parameter("alpha", &self.alpha, &[num_channels])?;
        check_parameter("beta", &self.beta, &[num_channels])?;
        Ok(snake(self.numbers(self.alpha.detach(), self.beta.detach())))
    }
}

impl<T: Element> Module<T> for SnakeBeta<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.alpha.visit(&path.join("alpha"), visit);
        self.beta.visit(&path.join("beta"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}

/// The function of a frequency and a scale per channel.
fn snake<T: Element>(numbers: [Var<T>; 2]) -> ChannelFunction<T> {
    let [frequencies, scales] = numbers.map(|numbers| numbers.value().to_vec());
    Box::new(move |channel, run| {
        let (frequency, scale) = (frequencies[channel], scales[channel]);
        map(Isa::best(), run, |x| scalar::snake(x, frequency, scale));
    })
}

fn per_channel<T: Element>(parameter: &'static str, channels: usize, value: f64) -> Result<Var<T>> {
    check(channels > 0, "channels", channels, "at least 1")?;
    Ok(Var::leaf(Tensor::full([channels], finite(parameter, value)?)?))
}

/// A number per channel, in the shape that broadcasts to `x` along its axis 1.
fn along_channels<T: Element>(what: &'static str, numbers: &Var<T>, x: &Var<T>) -> Result<Var<T>> {
    let shape = x.shape();
    let &[_, num_channels, ref spatial @ ..] = shape.as_slice() else {
        let accepted = "2 or more: (batch, channels, ...)";
        return Err(lucid_autograd::Error::Rank { what: "the input", given: shape, accepted }.into());
    };
    check_parameter(what, numbers, &[num_channels])?;
    Ok(numbers.reshape(channel_shape(num_channels, spatial.len()))?)
}
