//! The crate's integration tests, in one program: what is generic in the library is compiled once for all of them.

mod accuracy;
mod adjoint;
mod bias;
mod depthwise;
mod elsewhere;
mod extremes;
mod forms;
mod fused;
mod golden;
mod nonfinite;
mod plan;
mod prepared;
mod reference;
mod refusals;
mod regressions;
mod support;
mod threads;
