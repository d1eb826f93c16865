//! The crate's integration tests, in one program: what is generic in the library is compiled once for all of them.

mod clipping;
mod derive;
mod golden_modules;
mod half_precision;
mod hostile_files;
mod losses;
mod modules;
mod optimizers;
mod refusals;
mod renaming;
mod resume;
mod state_dict;
