#![doc = include_str!("../README.md")]

extern crate self as lucid_nn;

mod error;
mod init;
mod layers;
pub mod loss;
mod module;
mod number;
pub mod optim;
mod state_dict;

pub use error::{Error, Misshapen, Result, Unreadable};
pub use init::uniform_fan_in;
pub use layers::{
    Conv, Conv1d, Conv2d, Conv3d, ConvBuilder, ConvConfig, ConvTranspose, ConvTranspose1d, ConvTranspose2d,
    ConvTranspose3d, ConvTransposeBuilder, ConvTransposeConfig, Dropout, Elu, Flatten, Gelu, LeakyRelu,
    Linear, LogSoftmax, PaddingMode, Relu, Sequential, Sigmoid, Silu, Softmax, Softplus, Tanh,
};
pub use lucid_autograd::{self, Element, Var};
pub use lucid_conv::{Axes, Padding};
pub use lucid_nn_derive::Module;
pub use lucid_tensor::Tensor;
/// The generators of random numbers that initial values are drawn from: one with a seed makes them the same each time.
pub use rand;

pub use module::{Forward, Module, Path};
pub use state_dict::{Damage, Dtype, LoadReport, StateDict, Strictness};
