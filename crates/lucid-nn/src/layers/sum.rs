//! The sum of layers with the same input: residual connections, and blocks that are averaged.

use std::fmt;

use lucid_autograd::{Element, Var};

use super::sequential::{in_layer, stages};
use crate::error::{Error, Result};
use crate::module::Forward;
use crate::stream::{self, Stage};
use crate::{Module, Path, Sequential};

/// `y = sum over branches of branch(x)`, or their mean; the branches' names are `0`, `1`, ...
///
/// # Shapes
/// All branches make the same shape of `x`: nothing is broadcast.
///
/// ```
/// use lucid_nn::{Conv1d, Forward, Sum, Tensor, Var};
///
/// let residual = Sum::residual(Conv1d::builder(2, 2, 3).padding(1).build()?);
/// let y = residual.forward(&Var::constant(Tensor::ones([1, 2, 9])?))?;
/// assert_eq!(y.shape(), [1, 2, 9]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
pub struct Sum<T: Element = f32> {
    branches: Vec<Box<dyn Forward<T>>>,
    is_mean: bool,
}

impl<T: Element> Sum<T> {
    /// The sum of no branches, which is an error to run.
    pub fn new() -> Self {
        Sum { branches: Vec::new(), is_mean: false }
    }

    /// `y = x + body(x)`: branch `0` passes `x` on, branch `1` is the body (He et al. 2015).
    pub fn residual(body: impl Forward<T> + 'static) -> Self {
        Sum::new().with(Sequential::new()).with(body)
    }

    /// With another branch.
    #[must_use]
    pub fn with(mut self, branch: impl Forward<T> + 'static) -> Self {
        self.branches.push(Box::new(branch));
        self
    }

    /// Divided by the number of branches.
    #[must_use]
    pub fn mean(mut self) -> Self {
        self.is_mean = true;
        self
    }

    /// What the sum is multiplied with.
    fn scale(&self) -> Option<T> {
        let number = <T as lucid_tensor::Element>::from_f64;
        self.is_mean.then(|| number(1.0 / self.branches.len() as f64))
    }
}

impl<T: Element> Default for Sum<T> {
    fn default() -> Self {
        Sum::new()
    }
}

impl<T: Element> fmt::Debug for Sum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sum").field("num_branches", &self.branches.len()).finish_non_exhaustive()
    }
}

impl<T: Element> Module<T> for Sum<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.branches.visit(path, visit);
    }

    fn set_training(&mut self, training: bool) {
        self.branches.set_training(training);
    }
}

impl<T: Element> Forward<T> for Sum<T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let mut sum: Option<Var<T>> = None;
        for (index, branch) in self.branches.iter().enumerate() {
            let y = branch.forward(x).map_err(|error| in_layer(index, error))?;
            sum = Some(match sum {
                None => y,
                Some(sum) if sum.shape() == y.shape() => (&sum + &y)?,
                Some(sum) => {
                    let (given, expected) = (y.shape(), sum.shape());
                    let error = lucid_autograd::Error::Shape { what: "the branch's output", given, expected };
                    return Err(in_layer(index, error.into()));
                }
            });
        }
        let none = || Error::Parameter {
            parameter: "branches",
            given: "none".into(),
            accepted: "at least one".into(),
        };
        let sum = sum.ok_or_else(none)?;
        Ok(match self.scale() {
            Some(scale) => sum * scale,
            None => sum,
        })
    }

    fn stage(&self) -> Result<Box<dyn Stage<T>>> {
        Ok(Box::new(stream::Sum::new(stages(&self.branches)?, self.scale())?))
    }
}
