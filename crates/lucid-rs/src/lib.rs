#![doc = include_str!("../README.md")]
//!
//! # The layers
//!
//! The root has what most programs need; each layer is also a crate of its own, and a module here:
//!
//! | module | what it is |
//! |---|---|
//! | [`tensor`](mod@tensor) | values: shapes, broadcasting, reductions, matrix products |
//! | [`conv`] | convolutions on `ndarray` views: options, geometry, plan, three passes |
//! | [`autograd`] | the tape: [`Var`], [`grad`], [`no_grad`], operations of your own |
//! | [`nn`] | modules, initial values, losses, optimisers, state dicts |

pub use lucid_autograd as autograd;
pub use lucid_conv as conv;
pub use lucid_nn as nn;
pub use lucid_tensor as tensor;

pub use lucid_autograd::{Graph, Links, Operation, grad, grad_with, is_recording, no_grad, record};
pub use lucid_nn::*;
pub use lucid_tensor::{Slice, tensor};

/// Runs the snippets of the workspace's README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeOfTheWorkspace;

/// Runs the snippets of the page on porting models.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/porting-a-model.md")]
struct PortingAModel;
