//! The crate's integration tests, in one program: what is generic in the library is compiled once for all of them.

mod averages;
mod clipping;
mod data;
mod derive;
mod golden_modules;
mod half_precision;
mod hostile_files;
mod losses;
mod modules;
mod optimizers;
mod recurrent;
mod refusals;
mod renaming;
mod resume;
mod schedules;
mod state_dict;
