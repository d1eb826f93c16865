#![doc = include_str!("../README.md")]

extern crate self as lucid_nn;

pub mod data;
mod error;
mod init;
mod layers;
pub mod loss;
mod module;
mod number;
pub mod optim;
mod state_dict;
pub mod stream;

pub use error::{Error, Misshapen, Result, Unreadable};
pub use init::uniform_fan_in;
pub use layers::*;
pub use lucid_autograd::{self, Element, Var};
pub use lucid_conv::{Axes, Padding};
pub use lucid_nn_derive::Module;
pub use lucid_tensor::{PadMode, Tensor};
/// The generators of random numbers that initial values are drawn from: one with a seed makes them the same each time.
pub use rand;

pub use module::{Forward, Module, Path};
pub use state_dict::{Damage, Dtype, LoadReport, StateDict, Strictness};
pub use stream::Stream;
