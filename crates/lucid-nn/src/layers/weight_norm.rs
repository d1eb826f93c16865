//! Weights as direction and length.

use lucid_autograd::{Element, Var};

use super::check_parameter;
use super::packed::Packed;
use crate::error::{Result, check};
use crate::module::Forward;
use crate::{Conv, ConvTranspose, Linear, Module, Path};

/// A layer with one weight, which [`WeightNorm`] can take apart.
pub trait Weighted<T: Element = f32>: Forward<T> + Sized {
    /// The weight, as the layer visits it under the name `weight`.
    fn weight(&self) -> &Var<T>;

    /// The same layer, sharing all other parameters, with another weight.
    #[must_use]
    fn with_weight(&self, weight: Var<T>) -> Self;
}

impl<const N: usize, T: Element> Weighted<T> for Conv<N, T> {
    fn weight(&self) -> &Var<T> {
        &self.weight
    }

    fn with_weight(&self, weight: Var<T>) -> Self {
        Conv { weight, bias: self.bias.clone(), config: self.config.clone(), packed: Packed::new() }
    }
}

impl<const N: usize, T: Element> Weighted<T> for ConvTranspose<N, T> {
    fn weight(&self) -> &Var<T> {
        &self.weight
    }

    fn with_weight(&self, weight: Var<T>) -> Self {
        ConvTranspose { weight, bias: self.bias.clone(), config: self.config.clone(), packed: Packed::new() }
    }
}

impl<T: Element> Weighted<T> for Linear<T> {
    fn weight(&self) -> &Var<T> {
        &self.weight
    }

    fn with_weight(&self, weight: Var<T>) -> Self {
        Linear { weight, bias: self.bias.clone() }
    }
}

/// A layer whose weight is `g v / ||v||`, with the length `g` and the direction `v` learned apart (Salimans and Kingma
/// 2016).
///
/// There is one length for each index along the axis `dim`, 0 by default as in PyTorch; so the norm is taken over all
/// other axes. Axis 0 of a convolution's weight are its output channels, that of a transposed convolution's the input
/// channels. With `dim` `None` there is a single length.
///
/// State dicts have the names that `torch.nn.utils.weight_norm` gives, `weight_g` and `weight_v`; those of
/// `torch.nn.utils.parametrizations.weight_norm`, `parametrizations.weight.original0` and `original1`, are loaded as
/// well. PyTorch loads the former into both.
///
/// ```
/// use lucid_nn::{Conv1d, Forward, Module, Tensor, Var, WeightNorm};
///
/// let conv = Conv1d::builder(2, 4, 3).build()?;
/// let x = Var::constant(Tensor::ones([1, 2, 8])?);
/// let y = conv.forward(&x)?.value();
/// let norm = WeightNorm::new(conv)?;
/// let names: Vec<String> = norm.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["bias", "weight_g", "weight_v"]);
/// let plain: Conv1d = norm.fold()?;
/// assert!(plain.forward(&x)?.value().sub(&y)?.to_vec().iter().all(|d| d.abs() < 1e-5));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct WeightNorm<L, T: Element = f32> {
    /// The lengths: as long as the weight along `dim`, 1 along the other axes; of rank 0 without `dim`.
    pub g: Var<T>,
    /// The directions, of any length: of the weight's shape.
    pub v: Var<T>,
    /// What the weight is for; its own is not read.
    layer: L,
    dim: Option<usize>,
}

impl<L: Weighted<T>, T: Element> WeightNorm<L, T> {
    /// The layer as it is, with a length for each index of its weight's axis 0.
    ///
    /// # Errors
    /// As [`with_dim`](Self::with_dim).
    pub fn new(layer: L) -> Result<Self> {
        Self::with_dim(layer, Some(0))
    }

    /// The layer as it is, with a length for each index of its weight's axis `dim`, or a single one.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for an axis that the weight does not have.
    pub fn with_dim(layer: L, dim: Option<usize>) -> Result<Self> {
        let weight = layer.weight();
        if let Some(dim) = dim {
            check(dim < weight.ndim(), "dim", dim, &format!("below {}", weight.ndim()))?;
        }
        let g = Var::leaf(norm(&weight.detach(), dim)?.value());
        let v = Var::leaf(weight.value());
        Ok(WeightNorm { g, v, layer, dim })
    }

    /// The weight that `g` and `v` stand for.
    ///
    /// # Errors
    /// When `g` or `v` was replaced by one of another shape.
    pub fn weight(&self) -> Result<Var<T>> {
        check_parameter("the directions", &self.v, &self.layer.weight().shape())?;
        let norm = norm(&self.v, self.dim)?;
        check_parameter("the lengths", &self.g, &norm.shape())?;
        Ok(self.v.mul(&self.g.div(&norm)?)?)
    }

    /// The plain layer with the weight that `g` and `v` stand for, for inference: it computes the same for less.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub fn fold(&self) -> Result<L> {
        Ok(self.layer.with_weight(Var::leaf(self.weight()?.value())))
    }
}

/// The Euclidean norm over all axes but `dim`, which it keeps; over all of them, a number.
fn norm<T: Element>(v: &Var<T>, dim: Option<usize>) -> Result<Var<T>> {
    let axes: Vec<usize> = (0..v.ndim()).filter(|&axis| Some(axis) != dim).collect();
    Ok(v.square().sum(&axes, dim.is_some())?.sqrt())
}

impl<L: Weighted<T>, T: Element> Forward<T> for WeightNorm<L, T> {
    /// # Errors
    /// Those of the layer.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        self.layer.with_weight(self.weight()?).forward(x)
    }
}

impl<L: Weighted<T>, T: Element> Module<T> for WeightNorm<L, T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.layer.visit(path, &mut |path, var| {
            if !var.is_same(self.layer.weight()) {
                visit(path, var);
            }
        });
        let new = path.join("parametrizations").join("weight");
        self.g.visit(&path.join("weight_g").or(new.join("original0")), visit);
        self.v.visit(&path.join("weight_v").or(new.join("original1")), visit);
    }

    fn set_training(&mut self, training: bool) {
        self.layer.set_training(training);
    }
}
