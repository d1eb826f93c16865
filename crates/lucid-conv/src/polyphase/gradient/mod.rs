//! The gradient of the weight on the register tiles:
//!
//! ```text
//! dw[c, f, k] = sum over (batch item n, coarse position l) of coarse[n, c, l] * fine[n, f, l s + k d - p]
//! ```
//!
//! A tile kernel adds up `weights[term, m] * signal[term, v]` over terms, for rows `m` and the lanes of some vectors
//! `v`. Here positions are the terms. One operand gives the rows, the other the lanes, both position by position, so
//! each has to be transposed, a block of positions at a time; nothing is copied once per tap, unless one side is thin:
//!
//! - [`Roles::Phases`]: rows are coarse channels, lanes fine ones. In the fine side by source phases (see `lattice.rs`)
//!   a tap is a shift by whole positions, so one packed panel serves all taps.
//! - [`Roles::Windows`]: where few fine channels would leave most lanes empty, lanes are coarse channels and rows are
//!   (fine channel, tap), what the taps read at each position.
//!
//! With minimal filtering, up to three taps of a column of four positions take six products instead of twelve, each of lines that
//! both sides are transformed into.
//!
//! `phases.rs`, `lines.rs` and `windows.rs` pack, `products.rs` has what is multiplied, `schedule.rs` has the portions that
//! `choice.rs` chose, `pieces.rs` cuts the weight, `run.rs` does it.

mod choice;
mod lines;
mod phases;
mod pieces;
mod products;
mod run;
mod schedule;
mod windows;

pub(super) use lines::{CHUNK, Lines, Rows, transpose};
pub(crate) use run::{Sides, weight_gradient};
pub(crate) use schedule::Schedule;

use crate::runs::Block;

/// Which positions a block of terms is, of which batch items.
#[derive(Clone, Debug)]
struct Place<const N: usize> {
    group: usize,
    items: std::ops::Range<usize>,
    block: Block<N>,
}

/// What a tile's rows and lanes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roles {
    /// Rows are coarse channels, and lanes fine channels by source phase.
    Phases,
    /// Rows are pairs of a fine channel and a tap, and lanes coarse channels.
    Windows,
}
