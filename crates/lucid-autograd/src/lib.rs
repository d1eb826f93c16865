#![doc = include_str!("../README.md")]

mod element;
mod error;
mod node;
mod ops;
mod record;
pub mod scalar;
mod sweep;
mod var;

pub use element::Element;
pub use error::{Error, Result};
pub use lucid_conv;
pub use lucid_tensor;
pub use node::{Links, Operation};
pub use ops::Normalized;
pub use record::{is_recording, no_grad, record};
pub use sweep::{Graph, grad, grad_with};
pub use var::Var;
