//! How much of a pass is done at a time, so that it stays in a core's caches.

use lucid_kernels::MAX_ROWS;

use super::form::{Form, MIN_POSITIONS};
use crate::geometry::Geometry;

/// Elements of the source that are buffered at a time: most of a second-level cache.
const BUFFER_LEN: usize = 144 * 1024;
/// Elements of weights that are packed at a time, one panel at least.
pub(crate) const PANELS_LEN: usize = 256 * 1024;
/// Tasks to make, so that several threads share a pass evenly.
const TASKS: usize = 8;
/// Rows that a task has at least: each one reads the whole buffer.
const MIN_TASK_ROWS: usize = 2 * MAX_ROWS;

/// What a task takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portions {
    /// Positions of the first axis.
    pub(crate) rows: usize,
    /// Channels of the result.
    pub(crate) channels: usize,
    /// Elements of workspace.
    pub(crate) workspace_len: usize,
}

impl Portions {
    pub(crate) fn new<const N: usize>(g: &Geometry<N>, form: &Form<N>) -> Self {
        let len = form.axes[0].len;
        let per_row = form.buffer_len(1) - form.buffer_len(0);
        let inner: usize = form.axes[1..].iter().map(|axis| axis.len).product();
        let fitting = (BUFFER_LEN / per_row).saturating_sub(form.axes[0].reach);
        let rows = fitting.max(MIN_POSITIONS.div_ceil(inner)).min(len);
        // In parts as equal as can be.
        let rows = len.div_ceil(len.div_ceil(rows));

        let phases: usize = form.classes.iter().map(|class| class.phases.len()).sum();
        let independent = g.batch().max(1).saturating_mul(g.groups).saturating_mul(len.div_ceil(rows));
        let channels = form.result_channels.div_ceil(TASKS.div_ceil(independent));
        let channels = channels.max(MIN_TASK_ROWS.div_ceil(phases)).min(form.result_channels);

        let terms =
            form.classes.iter().map(|class| class.shifts.len()).max().unwrap_or(0) * form.source_channels;
        let panels =
            (terms * (channels * phases).next_multiple_of(MAX_ROWS)).min(PANELS_LEN).max(terms * MAX_ROWS);
        let workspace_len = form.buffer_len(rows) + panels;
        Portions { rows, channels, workspace_len }
    }
}
