//! The taps of the last axis, by phase of the result; and what a pass buffers.
//!
//! With `fine = coarse * s + tap * d - p` along the last axis:
//!
//! - onto the fine grid, position `q s + r` has the taps with `r + p - tap d = 0 (mod s)`, and reads the coarse row at
//!   `q + (r + p - tap d) / s`;
//! - onto the coarse grid, position `q` reads phase `(tap d - p) mod s` of the fine row at `q + floor((tap d - p) / s)`.

use crate::geometry::Geometry;
use crate::plan::Pass;

/// Channels that one channel of the other side is linked to, up to which filters beat packing.
const MAX_MULTIPLIER: usize = 8;
/// Phases of the result and taps of the kernel that are worth a table.
const MAX_PHASES: usize = 1024;
const MAX_TAPS: usize = 1 << 14;
/// How far apart taps may read, in steps of the row: each piece of a row is buffered with that much around it.
const MAX_REACH: usize = 1 << 14;

/// Positions of a piece of a row: with what it reads it stays in a core's first-level cache.
const MAX_PIECE_LEN: usize = 512;
const MIN_PIECE_LEN: usize = 32;
/// Elements that the rows of a piece take, where the kernel has not very many rows.
const BUFFER_LEN: usize = 8192;
/// Elements of the result per task: some microseconds of work.
const TASK_LEN: usize = 1 << 14;

/// One tap of the last axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tap {
    /// Which tap of the axis.
    pub(crate) tap: usize,
    /// The phase of the source row that it reads, as numbered in the buffer.
    pub(crate) slot: usize,
    /// How far it reads after the one that reads first.
    pub(crate) offset: usize,
}

/// How one pass reads rows of its source and writes rows of its result.
#[derive(Clone, Debug)]
pub(crate) struct Form<const N: usize> {
    pub(crate) onto_fine: bool,
    /// Sizes of both sides.
    pub(crate) source: [usize; N],
    pub(crate) result: [usize; N],
    /// Channels per group of both sides.
    pub(crate) source_channels: usize,
    pub(crate) result_channels: usize,
    /// From one position of the source row to the next of the same phase.
    pub(crate) step: usize,
    /// The phases of the source row that some tap reads; all of them in order where they are de-interleaved at once.
    pub(crate) slots: Vec<usize>,
    pub(crate) is_deinterleaved: bool,
    /// The taps by phase of the result.
    pub(crate) phases: Vec<Vec<Tap>>,
    /// Where the first of the taps reads for `q = 0`.
    pub(crate) low: isize,
    /// The largest offset.
    pub(crate) reach: usize,
    /// Rows of the source that a row of the result reads, at most.
    pub(crate) num_rows: usize,
    /// Positions `q` of a piece.
    pub(crate) piece_len: usize,
}

/// The largest distance between two taps, in steps.
fn reach_of<const N: usize>(g: &Geometry<N>) -> usize {
    let axis = &g.axes[N - 1];
    (axis.taps - 1) * axis.dilation / axis.stride
}

/// Phases of the result: those of a stride longer than the row are not all there.
fn num_phases<const N: usize>(g: &Geometry<N>, pass: Pass) -> usize {
    let axis = &g.axes[N - 1];
    if pass == Pass::BackwardData { axis.stride.min(axis.fine) } else { 1 }
}

/// Whether channels mix little enough for filters, and the filters are worth their tables.
pub(crate) fn accepts<const N: usize>(g: &Geometry<N>, pass: Pass) -> bool {
    let (coarse, fine) = (g.coarse_per_group(), g.fine_per_group());
    coarse.min(fine) == 1
        && coarse.max(fine) <= MAX_MULTIPLIER
        && num_phases(g, pass) <= MAX_PHASES
        && g.num_taps() <= MAX_TAPS
        && reach_of(g) < MAX_REACH
}

impl<const N: usize> Form<N> {
    pub(crate) fn new(g: &Geometry<N>, pass: Pass) -> Self {
        let onto_fine = pass == Pass::BackwardData;
        let axis = &g.axes[N - 1];
        let (s, d, p) = (axis.stride as isize, axis.dilation as isize, axis.pad_before as isize);
        // (phase of the result, tap, phase of the source, position that it reads for q = 0)
        let mut links = Vec::new();
        for phase in 0..num_phases(g, pass) {
            for tap in 0..axis.taps {
                let shift =
                    if onto_fine { phase as isize + p - tap as isize * d } else { tap as isize * d - p };
                let source_phase = if onto_fine { 0 } else { shift.rem_euclid(s) as usize };
                if !onto_fine || shift % s == 0 {
                    links.push((phase, tap, source_phase, shift.div_euclid(s)));
                }
            }
        }
        let low = links.iter().map(|link| link.3).min().unwrap_or(0);
        let reach = links.iter().map(|link| link.3 - low).max().unwrap_or(0) as usize;
        let step = if onto_fine { 1 } else { axis.stride };
        let mut slots: Vec<usize> = links.iter().map(|link| link.2).collect();
        slots.sort_unstable();
        slots.dedup();
        let is_deinterleaved = step > 1 && slots.len() >= step.div_ceil(2);
        if is_deinterleaved {
            slots = (0..step).collect();
        }
        let mut phases = vec![Vec::new(); num_phases(g, pass)];
        for (phase, tap, source_phase, position) in links {
            let slot = slots.binary_search(&source_phase).expect("a slot per phase that is read");
            phases[phase].push(Tap { tap, slot, offset: (position - low) as usize });
        }
        let (coarse, fine) = (g.coarse(), g.fine());
        let (source, result) = if onto_fine { (coarse, fine) } else { (fine, coarse) };
        let (coarse_g, fine_g) = (g.coarse_per_group(), g.fine_per_group());
        let (source_channels, result_channels) = match pass {
            Pass::Forward => (fine_g, coarse_g),
            Pass::BackwardData => (coarse_g, fine_g),
            // A pair of channels at a time.
            Pass::BackwardWeight => (1, 1),
        };
        let num_rows = source_channels * (g.num_taps() / axis.taps);
        let per_position = phases.len().max(num_rows * slots.len()).max(1);
        let most = (BUFFER_LEN / per_position).clamp(MIN_PIECE_LEN, MAX_PIECE_LEN);
        let positions = result[N - 1].div_ceil(phases.len());
        let piece_len = positions.div_ceil(positions.div_ceil(most));
        Form {
            onto_fine,
            source,
            result,
            source_channels,
            result_channels,
            step,
            slots,
            is_deinterleaved,
            phases,
            low,
            reach,
            num_rows,
            piece_len,
        }
    }

    /// Elements of the buffered rows of a piece and of its sums.
    pub(crate) fn workspace_len(&self) -> usize {
        let taps: usize = self.phases.iter().map(Vec::len).sum();
        let rows = self.num_rows * self.slots.len() * (self.piece_len + self.reach);
        rows + self.phases.len() * self.piece_len + self.num_rows * taps
    }

    /// Pieces of a row of the result.
    pub(crate) fn pieces_per_row(&self) -> usize {
        self.result[N - 1].div_ceil(self.phases.len() * self.piece_len)
    }

    /// Rows of a plane of the result.
    pub(crate) fn rows_per_plane(&self) -> usize {
        self.result[..N - 1].iter().product()
    }

    /// Pieces that make a task large enough.
    pub(crate) fn pieces_per_task(&self) -> usize {
        let piece = self.result[N - 1].min(self.phases.len() * self.piece_len);
        TASK_LEN.div_ceil(piece)
    }

    /// Where piece number `piece` of all starts in the result.
    pub(crate) fn start_of(&self, piece: usize) -> usize {
        let (row, number) = (piece / self.pieces_per_row(), piece % self.pieces_per_row());
        row * self.result[N - 1] + number * self.phases.len() * self.piece_len
    }

    /// Pairs of channels that make a task of a weight's gradient large enough.
    pub(crate) fn pairs_per_task(&self, batch: usize) -> usize {
        let plane: usize = self.result.iter().product();
        TASK_LEN.div_ceil(plane.saturating_mul(batch).max(1))
    }
}
