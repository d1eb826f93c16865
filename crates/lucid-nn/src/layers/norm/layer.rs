//! `LayerNorm`, over the last axes.

use lucid_autograd::{Element, Var};
use serde::{Deserialize, Serialize};

use super::{default_eps, normalize, ones_and_zeros, scale_and_shift};
use crate::error::{Result, check};
use crate::layers::conv::yes;
use crate::module::Forward;
use crate::{Module, Path};

/// Everything about a [`LayerNorm`] but its numbers, under PyTorch's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNormConfig {
    /// The lengths of the last axes, which are normalised together: at least one axis, each at least 1 long.
    pub normalized_shape: Vec<usize>,
    /// What is added to the variance, 0 or above; 1e-5 by default.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Whether each element of the last axes has a learnable scale; so by default.
    #[serde(default = "yes")]
    pub elementwise_affine: bool,
    /// Whether it has a learnable shift beside the scale; so by default.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl LayerNormConfig {
    /// The defaults.
    pub fn new(normalized_shape: impl Into<Vec<usize>>) -> Self {
        let (normalized_shape, eps) = (normalized_shape.into(), default_eps());
        LayerNormConfig { normalized_shape, eps, elementwise_affine: true, bias: true }
    }
}

/// Layer normalisation over the last axes (Ba et al. 2016): `y = (x - mean) / sqrt(variance + eps) weight + bias`.
///
/// # Shapes
/// `x` is `(..., normalized_shape...)`; `weight` and `bias` are `(normalized_shape...)`; the output has the shape of `x`.
///
/// ```
/// use lucid_nn::{Forward, LayerNorm, Tensor, Var};
///
/// let norm = LayerNorm::<f32>::new([2])?;
/// let y = norm.forward(&Var::constant(Tensor::from([[1.0, 3.0], [8.0, 2.0]])))?.value();
/// assert!(y.to_vec().iter().zip([-1.0, 1.0, 1.0, -1.0]).all(|(y, expected)| (y - expected).abs() < 1e-5));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct LayerNorm<T: Element = f32> {
    /// The learnable scale: `(normalized_shape...)`.
    pub weight: Option<Var<T>>,
    /// The learnable shift: `(normalized_shape...)`.
    pub bias: Option<Var<T>>,
    config: LayerNormConfig,
}

impl<T: Element> LayerNorm<T> {
    /// Layer normalisation with the defaults of [`LayerNormConfig`].
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a shape without elements or axes.
    pub fn new(normalized_shape: impl Into<Vec<usize>>) -> Result<Self> {
        Self::from_config(LayerNormConfig::new(normalized_shape))
    }

    /// Layer normalisation with scale 1 and shift 0.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a shape without elements or axes.
    pub fn from_config(config: LayerNormConfig) -> Result<Self> {
        let shape = &config.normalized_shape;
        let accepted = "at least one axis, each at least 1 long";
        let holds = !shape.is_empty() && !shape.contains(&0);
        check(holds, "normalized_shape", format_args!("{shape:?}"), accepted)?;
        let (weight, bias) = config.elementwise_affine.then(|| ones_and_zeros(shape)).transpose()?.unzip();
        Ok(LayerNorm { weight, bias: bias.filter(|_| config.bias), config })
    }

    /// What the module was made from.
    pub fn config(&self) -> &LayerNormConfig {
        &self.config
    }
}

impl<T: Element> Forward<T> for LayerNorm<T> {
    /// # Errors
    /// For an input of another shape, and for an `eps` that is refused.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let LayerNormConfig { normalized_shape, eps, .. } = &self.config;
        let shape = x.shape();
        let accepted = format!("(..., {normalized_shape:?})");
        check(shape.ends_with(normalized_shape), "input", format_args!("shape {shape:?}"), &accepted)?;
        let axes: Vec<usize> = (shape.len() - normalized_shape.len()..shape.len()).collect();
        let y = normalize(x, &axes, *eps)?.y;
        let affine = (self.weight.as_ref(), self.bias.as_ref());
        scale_and_shift(&y, affine, normalized_shape, normalized_shape)
    }
}

impl<T: Element> Module<T> for LayerNorm<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
        self.bias.visit(&path.join("bias"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}
