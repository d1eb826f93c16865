#![doc = include_str!("../README.md")]

mod axes;
mod axis;
mod columns;
mod depthwise;
mod direct;
mod error;
mod fused;
mod geometry;
mod options;
mod plan;
mod polyphase;
mod prepared;
mod run;
mod runs;
mod tasks;
mod workspace;

pub use axes::{Axes, Padding};
pub use error::{Error, Result};
pub use fused::{Fused, Pointwise};
pub use geometry::{Geometry, Shapes};
pub use lucid_kernels::{Element, Isa, map};
pub use options::{Channels, Kind, Options};
pub use plan::{Accuracy, Algorithm, Pass, Plan, Recipe};
pub use prepared::PreparedWeight;
#[doc(hidden)]
pub use run::compiled_once;
pub use run::{Gradients, convolve};
pub use workspace::Workspace;
