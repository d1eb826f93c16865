//! A pass in polyphase form: all axes together, flattened so that every tap is a single shift.
//!
//! The buffer of one source channel and phase is a box of `len + reach` entries per axis, row-major. Position `q` of the
//! result reads entry `q + offset`, and both flatten with the same pitches, so the flat shift of a tap does not depend
//! on `q`. Flat positions between two rows of results are computed and dropped; they are `reach` of `len + reach`. The
//! buffer is never in memory as a whole: strips of it are.
//!
//! Phases of the result whose taps have the same shifts form a class: one sum with a row per (channel, phase).

use std::collections::BTreeMap;

use super::lattice::{AxisTap, Lattice};
use super::place::Place;
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::runs::multi_indices;

/// Where one tap reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term<const N: usize> {
    /// Which phase of the source.
    pub(crate) slot: usize,
    /// How far after the position, per axis.
    pub(crate) offset: [usize; N],
}

/// Phases of the result with the same terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class<const N: usize> {
    pub(crate) terms: Vec<Term<N>>,
    pub(crate) phases: Vec<Phase<N>>,
}

/// One phase of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase<const N: usize> {
    pub(crate) index: [usize; N],
    /// The kernel's taps, row-major, in the order of the class's terms.
    pub(crate) taps: Vec<usize>,
}

/// How one pass reads its source and writes its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form<const N: usize> {
    pub(crate) axes: [Lattice; N],
    /// The phases of the source that some tap reads.
    pub(crate) slots: Vec<[usize; N]>,
    pub(crate) classes: Vec<Class<N>>,
    pub(crate) groups: usize,
    /// Of a group.
    pub(crate) source_channels: usize,
    /// Of a group.
    pub(crate) result_channels: usize,
    pub(crate) weight_strides: WeightStrides,
}

/// Distances within the weight: from one source channel of a group, one result channel and one group to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WeightStrides {
    pub(crate) source: usize,
    pub(crate) result: usize,
    pub(crate) group: usize,
}

impl<const N: usize> Form<N> {
    pub(crate) fn new(g: &Geometry<N>, pass: Pass) -> Self {
        let onto_fine = pass == Pass::BackwardData;
        let axes = g
            .axes
            .map(|axis| if onto_fine { Lattice::onto_fine(&axis) } else { Lattice::onto_coarse(&axis) });
        let (mut slots, mut slot_of) = (Vec::new(), BTreeMap::new());
        let mut classes: BTreeMap<Vec<Term<N>>, Vec<Phase<N>>> = BTreeMap::new();
        for index in multi_indices(axes.each_ref().map(|axis| axis.phases.len())) {
            let of_axis: [&[AxisTap]; N] =
                std::array::from_fn(|axis| axes[axis].phases[index[axis]].as_slice());
            let (mut terms, mut taps) = (Vec::new(), Vec::new());
            for choice in multi_indices(of_axis.map(<[AxisTap]>::len)) {
                let chosen: [AxisTap; N] = std::array::from_fn(|axis| of_axis[axis][choice[axis]]);
                let phase = chosen.map(|tap| tap.source_phase);
                let slot = *slot_of.entry(phase).or_insert_with(|| {
                    slots.push(phase);
                    slots.len() - 1
                });
                terms.push(Term { slot, offset: chosen.map(|tap| tap.offset) });
                taps.push((0..N).fold(0, |flat, axis| flat * g.axes[axis].taps + chosen[axis].tap));
            }
            classes.entry(terms).or_default().push(Phase { index, taps });
        }
        let classes = classes.into_iter().map(|(terms, phases)| Class { terms, phases }).collect();
        let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
        // The weight is [coarse][fine of the group][tap].
        let (coarse, fine) = (fine_g * taps, taps);
        let group = coarse_g * coarse;
        let (source_channels, result_channels) =
            if onto_fine { (coarse_g, fine_g) } else { (fine_g, coarse_g) };
        let weight_strides = if onto_fine {
            WeightStrides { source: coarse, result: fine, group }
        } else {
            WeightStrides { source: fine, result: coarse, group }
        };
        Form { axes, slots, classes, groups: g.groups, source_channels, result_channels, weight_strides }
    }

    /// Entries of the buffer per axis, for `rows` positions of the first axis.
    pub(crate) fn extents(&self, rows: usize) -> [usize; N] {
        let mut extents = self.axes.each_ref().map(|axis| axis.len + axis.reach);
        extents[0] = rows + self.axes[0].reach;
        extents
    }

    /// The last flat position of `rows` positions of the first axis, and one more.
    pub(crate) fn end(&self, rows: usize) -> usize {
        let mut last = self.axes.each_ref().map(|axis| axis.len - 1);
        last[0] = rows - 1;
        flatten(last, self.extents(rows)) + 1
    }

    /// Phases of the result, all classes together.
    pub(crate) fn num_phases(&self) -> usize {
        self.classes.iter().map(|class| class.phases.len()).sum()
    }

    /// Terms of one source channel in the largest class.
    pub(crate) fn max_terms(&self) -> usize {
        self.classes.iter().map(|class| class.terms.len()).max().unwrap_or(0)
    }

    /// Elements of a source plane.
    pub(crate) fn source_plane_len(&self) -> usize {
        self.axes.iter().map(|axis| axis.source_len).product()
    }

    /// The number of a source plane: batch item `item` of a place, and a channel of its group.
    pub(crate) fn source_plane(&self, place: &Place, item: usize, channel: usize) -> usize {
        ((place.batch.start + item) * self.groups + place.group) * self.source_channels + channel
    }

    /// Which of `len` entries of the buffer, from flat entry `entry` on and all in one row, exist: how many come before
    /// the first, how many there are, and where in the source plane the first is.
    pub(crate) fn source(
        &self,
        place: &Place,
        slot: usize,
        entry: usize,
        len: usize,
    ) -> Option<(usize, usize, usize)> {
        let phase = self.slots[slot];
        let extents = self.extents(place.rows.len());
        let mut index = [0; N];
        let mut outer = entry;
        for axis in (1..N).rev() {
            index[axis] = outer % extents[axis];
            outer /= extents[axis];
        }
        // Beyond the box, the first axis simply goes on.
        index[0] = outer + place.rows.start;
        let mut at = 0;
        for axis in 0..N - 1 {
            let (found, position) = self.axes[axis].existing(phase[axis], index[axis], 1);
            if found.is_empty() {
                return None;
            }
            at = at * self.axes[axis].source_len + position;
        }
        let last = &self.axes[N - 1];
        let (found, position) = last.existing(phase[N - 1], index[N - 1], len);
        (!found.is_empty()).then(|| (found.start, found.len(), at * last.source_len + position))
    }

    /// The first result position of the first axis that belongs to position `q` or a later one.
    pub(crate) fn first_result(&self, q: usize) -> usize {
        let axis = &self.axes[0];
        let at = axis.result_start + (q * axis.result_step) as isize;
        (at.max(0) as usize).min(axis.result_len)
    }
}

/// The flat index of `index` in a box of `extents`.
pub(crate) fn flatten<const N: usize>(index: [usize; N], extents: [usize; N]) -> usize {
    (0..N).fold(0, |flat, axis| flat * extents[axis] + index[axis])
}
