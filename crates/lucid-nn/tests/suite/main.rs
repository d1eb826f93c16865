//! The crate's integration tests, in one program: what is generic in the library is compiled once for all of them.

mod averages;
mod clipping;
mod data;
mod derive;
mod fused;
mod golden_layers;
mod golden_modules;
mod half_precision;
mod hostile_files;
mod layers;
mod losses;
mod modules;
mod norms;
mod optimizers;
mod packed;
mod recurrent;
mod refusals;
mod renaming;
mod resume;
mod schedules;
mod state_dict;
mod streaming;
mod support;
mod weight_norm;
