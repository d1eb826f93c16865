//! The crate's integration tests, in one program: what is generic in the library is compiled once for all of them.

mod filter;
mod filter_signals;
mod interleave;
