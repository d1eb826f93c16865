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
//! `phases.rs`, `lines.rs` and `windows.rs` pack, `schedule.rs` has the portions, `run.rs` does it.

mod lines;
mod phases;
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

impl<const N: usize> Place<N> {
    /// The number of terms.
    fn len(&self) -> usize {
        self.items.len() * self.block.len()
    }
}

/// What a tile's rows and lanes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roles {
    /// Rows are coarse channels, and lanes fine channels by source phase.
    Phases,
    /// Rows are pairs of a fine channel and a tap, and lanes coarse channels.
    Windows,
}

/// The channels that a panel reads. It may begin before those that it is needed for: it always reads as many as a tile
/// has, if there are so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Panel {
    /// The first channel that it reads, within the group.
    start: usize,
    /// Channels that it reads.
    len: usize,
    /// The first channel that it is needed for.
    first: usize,
    /// Channels that it is needed for.
    needed: usize,
}

/// The panels of up to `width` channels that cover `range` of `total` channels; widths are multiples of `step`.
fn panels(range: std::ops::Range<usize>, width: usize, step: usize, total: usize) -> Vec<Panel> {
    let firsts = range.clone().step_by(width);
    firsts
        .map(|first| {
            let needed = width.min(range.end - first);
            let len = needed.next_multiple_of(step).min(total);
            // start <= total - len <= total  =>  it reads existing channels only;
            // first + needed <= total and needed <= len  =>  it reads all that it is needed for.
            Panel { start: first.min(total - len), len, first, needed }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_read_what_exists_and_cover_what_is_needed() {
        for total in 1..40 {
            for (width, step) in [(1, 1), (6, 6), (16, 8), (24, 8), (8, 8)] {
                for start in 0..total {
                    for end in start + 1..=total {
                        let mut next = start;
                        for Panel { start, len, first, needed } in panels(start..end, width, step, total) {
                            assert_eq!(first, next);
                            assert!(start <= first && first + needed <= start + len && start + len <= total);
                            assert!(len.is_multiple_of(step) || len == total);
                            assert!(len <= width && needed >= 1);
                            next = first + needed;
                        }
                        assert_eq!(next, end);
                    }
                }
            }
        }
    }
}
