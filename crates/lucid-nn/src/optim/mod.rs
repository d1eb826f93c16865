//! Optimisers: rules that move parameters against their gradients, and what goes with them: learning rates that change,
//! clipped gradients, averaged parameters.
//!
//! The rules, defaults and names are PyTorch's. Elements are updated one by one in the parameters' own type, each
//! depending on nothing but its own history, so the same gradients give the same bits for any number of threads; and an
//! optimiser that was stored and loaded goes on bit for bit like one that was not.

mod adam;
mod clip;
mod count;
mod ema;
mod parameters;
mod plateau;
mod schedule;
mod sgd;

use lucid_autograd::Element;

pub use adam::{Adam, AdamConfig, AdamW, AdamWConfig, Betas};
pub use clip::{Norm, clip_grad_norm, clip_grad_norm_by};
pub use ema::Ema;
pub use plateau::{Plateau, PlateauConfig};
pub use schedule::{Anneal, Schedule};
pub use sgd::{Sgd, SgdConfig};

use crate::error::Result;
use crate::state_dict::StateDict;

/// A rule that moves parameters against their gradients.
///
/// ```
/// use lucid_nn::{Forward, Linear, Module, Tensor, Var};
/// use lucid_nn::optim::{Optimizer, Sgd, SgdConfig};
///
/// let linear = Linear::<f32>::new(3, 1, true, &mut rand::rng())?;
/// let mut optimizer = Sgd::new(linear.named_parameters(), SgdConfig { lr: 0.1, ..Default::default() })?;
/// optimizer.zero_grad();
/// linear.forward(&Var::constant(Tensor::ones([2, 3])?))?.square().backward()?;
/// optimizer.step()?;
/// # Ok::<(), lucid_nn::Error>(())
/// ```
pub trait Optimizer<T: Element = f32> {
    /// Moves every parameter that has a gradient. One that has none stays as it is, and so does its history.
    ///
    /// # Errors
    /// When a parameter's value can't be replaced.
    fn step(&mut self) -> Result<()>;

    /// Forgets the gradients of all parameters.
    fn zero_grad(&self);

    /// The learning rate.
    fn learning_rate(&self) -> f64;

    /// Changes the learning rate, as schedules do.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless it is 0 or above, and finite in the element type.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()>;

    /// What the optimiser remembers of the steps before, under `<parameter's name>.<what>`; nothing for a parameter that
    /// never had a gradient. The configuration and the learning rate are not part of it.
    fn state_dict(&self) -> StateDict<T>;

    /// Goes on from a state that an optimiser of the same kind and parameters had.
    ///
    /// # Errors
    /// [`Error::StateDict`](crate::Error::StateDict) with everything that does not fit, and
    /// [`Error::Entry`](crate::Error::Entry) for a tensor with numbers that no step leaves, such as a negative mean of
    /// squares: the state is then as it was.
    fn load_state_dict(&mut self, state: &StateDict<T>) -> Result<()>;
}
