//! Instruction sets and inner loops of lucid.
//!
//! Every loop that needs `unsafe` lives here, so that the crates above can forbid it. A loop exists once per
//! [`Isa`] that this machine could run and test; the choice is made at run time.
//!
//! ```
//! use lucid_kernels::{Isa, fma_peak};
//!
//! assert!(Isa::available().contains(&Isa::Portable));
//! let flops = fma_peak::<f32>(Isa::best());
//! assert!(flops > 0.0);
//! ```
#![allow(unsafe_code, reason = "calling a function with a target feature is unsafe; each block is argued")]

mod element;
mod generated;
mod isa;
mod peak;
mod table;
mod tile;
mod vector;

pub use element::Element;
pub use isa::Isa;
pub use peak::fma_peak;
pub use table::{MAX_ROWS, tile_kernel};
pub use tile::{SignalLayout, Terms, TileKernel};
