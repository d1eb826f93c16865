//! Cutting the weight into pieces, and a piece's channels into panels.

use std::ops::Range;

use lucid_kernels::{Blank, Element};

use super::Roles;
use super::schedule::Schedule;
use crate::geometry::Geometry;

/// Some rows and columns of the weight of a group, as a matrix of coarse channels by (fine channel, tap).
pub(super) struct Piece<'a, T> {
    pub(super) group: usize,
    pub(super) coarse: Range<usize>,
    pub(super) columns: Range<usize>,
    /// By coarse channel.
    pub(super) dw: Vec<Blank<'a, T>>,
}

/// A piece's channels as panels.
pub(super) struct Panels {
    pub(super) rows: Vec<Panel>,
    pub(super) lanes: Vec<Panel>,
}

/// The channels that a panel reads. It may begin before those that it is needed for: it always reads as many as a tile
/// has, if there are so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panel {
    /// The first channel that it reads, within the group.
    pub(super) start: usize,
    /// Channels that it reads.
    pub(super) len: usize,
    /// The first channel that it is needed for.
    pub(super) first: usize,
    /// Channels that it is needed for.
    pub(super) needed: usize,
}

/// The panels of up to `width` channels that cover `range` of `total` channels; widths are multiples of `step`.
fn panels(range: Range<usize>, width: usize, step: usize, total: usize) -> Vec<Panel> {
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

/// Cuts the weight into pieces.
pub(super) fn pieces<'a, T: Element, const N: usize>(
    g: &Geometry<N>,
    schedule: &Schedule<T, N>,
    mut dw: Blank<'a, T>,
) -> Vec<Piece<'a, T>> {
    let (coarse_g, row_len) = (g.coarse_per_group(), g.fine_per_group() * g.num_taps());
    let mut pieces = Vec::new();
    for group in 0..g.groups {
        for start in (0..coarse_g).step_by(schedule.coarse) {
            let coarse = start..(start + schedule.coarse).min(coarse_g);
            let of_part = pieces.len();
            pieces.extend((0..row_len).step_by(schedule.columns).map(|column| Piece {
                group,
                coarse: coarse.clone(),
                columns: column..(column + schedule.columns).min(row_len),
                dw: Vec::with_capacity(coarse.len()),
            }));
            for _ in coarse {
                for piece in &mut pieces[of_part..] {
                    piece.dw.push(dw.split_off_first(piece.columns.len()));
                }
            }
        }
    }
    pieces
}

impl Panels {
    pub(super) fn new<T: Element, const N: usize>(
        g: &Geometry<N>,
        schedule: &Schedule<T, N>,
        piece: &Piece<'_, T>,
    ) -> Self {
        let (taps, Piece { coarse, columns, .. }) = (g.num_taps(), piece);
        let fine = columns.start / taps..columns.end / taps;
        let (m, width, lanes) = (schedule.kernel.rows(), schedule.width, schedule.kernel.lanes());
        match schedule.roles {
            Roles::Phases => Panels {
                rows: panels(coarse.clone(), m, m, g.coarse_per_group()),
                lanes: panels(fine, width, lanes, g.fine_per_group()),
            },
            Roles::Windows => Panels {
                rows: panels(columns.clone(), m, m, g.fine_per_group() * taps),
                lanes: panels(coarse.clone(), width, lanes, g.coarse_per_group()),
            },
        }
    }
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
