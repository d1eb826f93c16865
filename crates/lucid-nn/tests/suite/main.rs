//! The crate's integration tests, in one program: what is generic in the library is compiled once for all of them.

mod clipping;
mod derive;
mod golden_layers;
mod golden_modules;
mod hostile_files;
mod layers;
mod losses;
mod modules;
mod norms;
mod optimizers;
mod packed;
mod refusals;
mod resume;
mod state_dict;
mod streaming;
mod weight_norm;
