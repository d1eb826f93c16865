//! Stochastic gradient descent, with momentum and Nesterov's look ahead.

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Optimizer;
use super::parameters::{Parameters, Reader, update, with_elements};
use crate::error::{Result, check};
use crate::number::{at_least_0, finite, number};
use crate::state_dict::StateDict;

/// What an [`Sgd`] is made from, under PyTorch's names and with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SgdConfig {
    /// The learning rate, 0 or above: 0.001 by default.
    pub lr: f64,
    /// How much of the last step goes into this one, 0 or above: 0 by default.
    pub momentum: f64,
    /// The part of each gradient that does not go into the momentum, from the second step on: 0 by default.
    pub dampening: f64,
    /// The pull of the parameters towards 0, 0 or above: 0 by default.
    pub weight_decay: f64,
    /// Whether the gradient is taken as if momentum had already moved on; needs momentum and no dampening.
    pub nesterov: bool,
}

impl Default for SgdConfig {
    fn default() -> Self {
        SgdConfig { lr: 1e-3, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false }
    }
}

impl SgdConfig {
    /// The numbers are checked as elements of type `T`.
    fn check<T: Element>(&self) -> Result<()> {
        at_least_0::<T>("lr", self.lr)?;
        at_least_0::<T>("momentum", self.momentum)?;
        finite::<T>("dampening", self.dampening)?;
        at_least_0::<T>("weight_decay", self.weight_decay)?;
        let possible = self.momentum > 0.0 && self.dampening == 0.0;
        let accepted = "true only with a momentum above 0 and a dampening of 0";
        check(!self.nesterov || possible, "nesterov", self.nesterov, accepted)
    }
}

/// Stochastic gradient descent: with `g = dp + weight_decay p`,
///
/// ```text
/// b <- momentum b + (1 - dampening) g       b <- g at the first step
/// p <- p - lr b                             p <- p - lr (g + momentum b) with nesterov
/// ```
///
/// and `p <- p - lr g` without momentum (Sutskever et al. 2013, in PyTorch's form). Its state is `momentum_buffer`, the
/// `b` of each parameter.
///
/// ```
/// use lucid_nn::{Var, optim::{Optimizer, Sgd, SgdConfig}};
/// use lucid_tensor::tensor;
///
/// let p = Var::leaf(tensor!([1.0]));
/// let config = SgdConfig { lr: 0.25, momentum: 0.9, ..Default::default() };
/// let mut optimizer = Sgd::new(vec![("p".to_string(), p.clone())], config)?;
/// p.square().backward()?;
/// optimizer.step()?;
/// assert_eq!(p.value(), tensor!([0.5]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Sgd<T: Element = f32> {
    parameters: Parameters<T>,
    config: SgdConfig,
    /// One place per parameter; empty until its first step with momentum.
    buffers: Vec<Option<Tensor<T>>>,
}

impl<T: Element> Sgd<T> {
    /// An optimiser of `parameters`, such as a module's `named_parameters()`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a number outside its range, for two parameters of one name, and
    /// for one that is not a leaf that requires a gradient.
    pub fn new(parameters: Vec<(String, Var<T>)>, config: SgdConfig) -> Result<Self> {
        config.check::<T>()?;
        let parameters = Parameters::new(parameters)?;
        let buffers = vec![None; parameters.len()];
        Ok(Sgd { parameters, config, buffers })
    }

    /// What the optimiser was made from, with the learning rate as it is now.
    pub fn config(&self) -> &SgdConfig {
        &self.config
    }
}

impl<T: Element> Optimizer<T> for Sgd<T> {
    fn step(&mut self) -> Result<()> {
        let SgdConfig { lr, momentum, dampening, weight_decay, nesterov } = self.config;
        let [lr, momentum, taken, decay] = [lr, momentum, 1.0 - dampening, weight_decay].map(number::<T>);
        let decayed = |p: T, dp: T| if decay == T::zero() { dp } else { dp + decay * p };
        for ((_, parameter), buffer) in self.parameters.iter().zip(&mut self.buffers) {
            update(parameter, |p, dp| {
                let pairs = p.iter().zip(dp);
                if momentum == T::zero() {
                    return pairs.map(|(&p, &dp)| p - lr * decayed(p, dp)).collect();
                }
                let is_first = buffer.is_none();
                let buffer = buffer.get_or_insert_with(|| parameter.value().zeros_like());
                with_elements(buffer, |buffer| {
                    let moved = pairs.zip(buffer).map(|((&p, &dp), b)| {
                        let g = decayed(p, dp);
                        *b = if is_first { g } else { momentum * *b + taken * g };
                        p - lr * if nesterov { g + momentum * *b } else { *b }
                    });
                    moved.collect()
                })
            })?;
        }
        Ok(())
    }

    fn zero_grad(&self) {
        self.parameters.zero_grad();
    }

    fn learning_rate(&self) -> f64 {
        self.config.lr
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        at_least_0::<T>("lr", learning_rate)?;
        self.config.lr = learning_rate;
        Ok(())
    }

    fn state_dict(&self) -> StateDict<T> {
        let named = self.parameters.iter().zip(&self.buffers);
        named
            .filter_map(|((path, _), buffer)| {
                Some((path.join("momentum_buffer").to_string(), buffer.clone()?))
            })
            .collect()
    }

    fn load_state_dict(&mut self, state: &StateDict<T>) -> Result<()> {
        let mut reader = Reader::new(state);
        let mut buffers = Vec::with_capacity(self.buffers.len());
        for (path, parameter) in self.parameters.iter() {
            let found = reader.read(path, [("momentum_buffer", &parameter.shape())]);
            buffers.push(found.map(|[buffer]| buffer));
        }
        reader.finish()?;
        self.buffers = buffers;
        Ok(())
    }
}
