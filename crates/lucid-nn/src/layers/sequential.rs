//! One layer after the other.

use std::fmt;

use lucid_autograd::{Element, Var};

use crate::error::{Error, Result};
use crate::module::Forward;
use crate::stream::{Chain, Stage};
use crate::{Module, Path};

/// Layers applied in order; their names are `0`, `1`, ... An error is an [`Error::InLayer`] with the layer's name.
///
/// ```
/// use lucid_nn::{Conv1d, ConvTranspose1d, Forward, LeakyRelu, Module, Sequential, Tensor, Var};
///
/// let autoencoder = Sequential::new()
///     .with(Conv1d::builder(1, 4, 4).stride(2).padding(1).build()?)
///     .with(LeakyRelu { slope: 0.1 })
///     .with(ConvTranspose1d::builder(4, 1, 4).stride(2).padding(1).build()?);
/// let y = autoencoder.forward(&Var::<f32>::constant(Tensor::zeros([1, 1, 16])?))?;
/// assert_eq!(y.shape(), [1, 1, 16]);
/// assert_eq!(autoencoder.named_parameters()[2].0, "2.weight");
/// # Ok::<(), lucid_nn::Error>(())
/// ```
pub struct Sequential<T: Element = f32> {
    layers: Vec<Box<dyn Forward<T>>>,
}

impl<T: Element> Sequential<T> {
    /// No layers: passes everything on.
    pub fn new() -> Self {
        Sequential { layers: Vec::new() }
    }

    /// With `layer` at the end.
    #[must_use]
    pub fn with(mut self, layer: impl Forward<T> + 'static) -> Self {
        self.push(layer);
        self
    }

    /// Adds `layer` at the end.
    pub fn push(&mut self, layer: impl Forward<T> + 'static) {
        self.layers.push(Box::new(layer));
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl<T: Element> Default for Sequential<T> {
    fn default() -> Self {
        Sequential::new()
    }
}

impl<T: Element> fmt::Debug for Sequential<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequential").field("num_layers", &self.len()).finish_non_exhaustive()
    }
}

impl<T: Element> Module<T> for Sequential<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.layers.visit(path, visit);
    }

    fn set_training(&mut self, training: bool) {
        self.layers.set_training(training);
    }
}

impl<T: Element> Forward<T> for Sequential<T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        self.layers.iter().enumerate().try_fold(x.clone(), |x, (index, layer)| {
            layer.forward(&x).map_err(|error| in_layer(index, error))
        })
    }

    fn stage(&self) -> Result<Box<dyn Stage<T>>> {
        Ok(Box::new(Chain::new(stages(&self.layers)?)?))
    }
}

/// The stages of numbered layers.
pub(super) fn stages<T: Element>(layers: &[Box<dyn Forward<T>>]) -> Result<Vec<Box<dyn Stage<T>>>> {
    let with_place = |(index, layer): (usize, Result<_>)| layer.map_err(|error| in_layer(index, error));
    layers.iter().map(|layer| layer.stage()).enumerate().map(with_place).collect()
}

/// An error with the place of the layer that it is from.
pub(super) fn in_layer(index: usize, error: Error) -> Error {
    match error {
        // A sequence in a sequence: one place, such as 2.0, in place of one error around another.
        Error::InLayer { path, source } => Error::InLayer { path: format!("{index}.{path}"), source },
        error => Error::InLayer { path: index.to_string(), source: Box::new(error) },
    }
}
