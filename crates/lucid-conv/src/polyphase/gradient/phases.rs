//! The fine side by source phases, a line of channels per entry.
//!
//! A tap reads phase `(k d - p) mod s` of the fine grid at `l + floor((k d - p) / s)`, per axis. So with a box of
//! entries per phase, `block + reach` of them per axis, every tap is one shift for all positions of a block: positions
//! read at the same distances from one another, whatever the tap. Neighbouring fine positions are transposed together,
//! straight to where the lines of their phases are. See `products.rs` for what the entries are used for.

use lucid_kernels::{Element, Isa};

use super::super::form::flatten;
use super::super::lattice::Lattice;
use super::Place;
use super::lines::{Columns, Rows};
use super::pieces::Panel;
use super::products::volume;
use crate::geometry::Geometry;
use crate::runs::{Block, multi_indices};

/// What the taps read of the fine side.
#[derive(Clone, Debug)]
pub(super) struct Phases<const N: usize> {
    axes: [Lattice; N],
    /// Per axis, the phases that some tap reads, in order.
    phases: [Vec<usize>; N],
}

/// Entries of one phase that exist in a row of the fine grid.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// The line of the first entry.
    line: usize,
    /// Its position in the row.
    position: usize,
    len: usize,
}

impl<const N: usize> Phases<N> {
    pub(super) fn new(g: &Geometry<N>) -> Self {
        let axes = g.axes.map(|axis| Lattice::onto_coarse(&axis));
        let phases = axes.each_ref().map(|axis| {
            let mut phases: Vec<usize> = axis.phases[0].iter().map(|tap| tap.source_phase).collect();
            phases.sort_unstable();
            phases.dedup();
            phases
        });
        Phases { axes, phases }
    }

    /// The number of phases, all axes together.
    pub(super) fn num_slots(&self) -> usize {
        self.phases.iter().map(Vec::len).product()
    }

    /// Which of the phases one is.
    pub(super) fn slot(&self, phase: [usize; N]) -> usize {
        let slot = std::array::from_fn(|axis| self.phases[axis].partition_point(|&at| at < phase[axis]));
        flatten(slot, self.phases.each_ref().map(Vec::len))
    }

    /// Packs the fine channels of a panel for a place: `[phase][item][entry]`, a line each, of so many entries from the first of
    /// the block on.
    pub(super) fn pack<T: Element>(
        &self,
        g: &Geometry<N>,
        isa: Isa,
        fine: &[T],
        (place, extents): (&Place<N>, [usize; N]),
        panel: Panel,
        mut lines: Columns<'_, T>,
    ) {
        let pitch = lines.pitch;
        let Block { start, .. } = place.block;
        let (box_len, num_items) = (volume(extents), place.items.len());
        let (mut outer_slots, mut outer_box) = (self.phases.each_ref().map(Vec::len), extents);
        let of_last = outer_slots[N - 1];
        (outer_slots[N - 1], outer_box[N - 1]) = (1, 1);
        let mut segments = Vec::with_capacity(of_last);
        for (number, item) in place.items.clone().enumerate() {
            let plane = item * g.fine_channels + place.group * g.fine_per_group() + panel.start;
            let planes = &fine[plane * g.fine_len()..];
            for (outer, slot) in multi_indices(outer_slots).enumerate() {
                for entry in multi_indices(outer_box) {
                    let row =
                        self.outer_position(slot, entry, start).map(|at| at * self.axes[N - 1].source_len);
                    segments.clear();
                    for (last, &phase) in self.phases[N - 1].iter().enumerate() {
                        let slot = outer * of_last + last;
                        let line = (slot * num_items + number) * box_len + flatten(entry, extents);
                        let len = extents[N - 1];
                        let (found, position) = match row {
                            Some(_) => self.axes[N - 1].existing(phase, start[N - 1], len),
                            None => (0..0, 0),
                        };
                        lines.values[line * pitch..(line + found.start) * pitch].fill(T::zero());
                        lines.values[(line + found.end) * pitch..(line + len) * pitch].fill(T::zero());
                        if !found.is_empty() {
                            segments.push(Segment { line: line + found.start, position, len: found.len() });
                        }
                    }
                    if let Some(row) = row {
                        let rows = Rows {
                            values: &planes[row..],
                            row_stride: g.fine_len(),
                            num_rows: panel.len,
                            len: self.axes[N - 1].source_len,
                        };
                        self.pack_row(isa, &rows, &segments, &mut lines);
                    }
                }
            }
        }
    }

    /// Where in a plane the row of an entry is, counted in rows, if it exists.
    fn outer_position(&self, slot: [usize; N], entry: [usize; N], start: [usize; N]) -> Option<usize> {
        (0..N - 1).try_fold(0, |at, axis| {
            let lattice = &self.axes[axis];
            let (found, position) =
                lattice.existing(self.phases[axis][slot[axis]], start[axis] + entry[axis], 1);
            (!found.is_empty()).then(|| at * lattice.source_len + position)
        })
    }

    /// Packs the segments of one row of the fine grid.
    fn pack_row<T: Element>(
        &self,
        isa: Isa,
        rows: &Rows<'_, T>,
        segments: &[Segment],
        lines: &mut Columns<'_, T>,
    ) {
        let (stride, pitch) = (self.axes[N - 1].source_step, lines.pitch);
        // Moving a line takes about as long as reading two numbers one by one.
        if segments.len() * 4 < stride {
            for &Segment { line, position, len } in segments {
                for (number, line) in lines.values[line * pitch..].chunks_mut(pitch).take(len).enumerate() {
                    let row = rows.values[position + number * stride..].iter().step_by(rows.row_stride);
                    for (to, &from) in line.iter_mut().zip(row.take(rows.num_rows)) {
                        *to = from;
                    }
                }
            }
            return;
        }
        let ends = segments.iter().map(|segment| segment.position + (segment.len - 1) * stride + 1);
        let end = ends.max().unwrap_or_default();
        let start = segments.iter().map(|segment| segment.position).min().unwrap_or_default();
        // What no tap reads goes to the last line, which nobody reads.
        let unread = lines.values.len() - pitch;
        lines.places.clear();
        lines.places.resize(end - start, unread);
        for segment in segments {
            let places = lines.places[segment.position - start..].iter_mut().step_by(stride);
            for (place, line) in places.zip(segment.line..segment.line + segment.len) {
                *place = line * pitch;
            }
        }
        rows.scatter(isa, start, lines);
    }
}
