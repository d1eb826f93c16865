//! Convolutions whose channels do not mix, at the speed of memory.
//!
//! A channel of the result has one channel of the source, or a few of its own (a channel multiplier): a matrix product
//! has nothing to reuse, and a sum over taps is over before a tile has been packed. So rows of the last axis go through
//! filters that read the signal where it lies:
//!
//! ```text
//! result[q s + r] = bias + sum over (source row, tap of phase r) of weight[tap] * row[q + shift(tap)]
//! ```
//!
//! Onto the fine grid, the `s` phases of the stride are filters of one row each, interleaved as they are stored; onto the
//! coarse grid, the row is de-interleaved first. Taps of the other axes only choose among rows, so the sum is over all
//! taps at once. The weight's gradient is the same walk with dot products. `form.rs` has the taps by phase,
//! `chunk.rs` how a result is cut, `window.rs` what a chunk reads of the source; `run.rs` does it. Signals of one axis that need no
//! de-interleaving go without chunks and windows: `signals.rs`.

mod chunk;
mod form;
mod run;
mod signals;
mod window;

pub(crate) use form::{Form, accepts};
pub(crate) use run::{Scratch, backward_weight, pass};
pub(crate) use signals::reads_in_place;
