//! A pass in polyphase form: all axes together, flattened so that every tap is a single shift.
//!
//! The buffer of one source channel and phase is a box of `len + reach` entries per axis, row-major. Position `q` of the
//! result reads entry `q + offset`, and both flatten with the same pitches, so the flat shift of a tap does not depend
//! on `q`. Flat positions between two rows of results are computed and dropped; they are `reach` of `len + reach`.
//!
//! Phases of the result whose taps have the same shifts form a class: one sum with a row per (channel, phase).

use std::collections::BTreeMap;

use super::lattice::{AxisTap, Lattice};
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::runs::multi_indices;

/// Positions for which a panel of weights is worth packing, however large the buffer then is.
pub(crate) const MIN_POSITIONS: usize = 64;

/// Phases of the result with the same shifts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class<const N: usize> {
    /// Where each tap reads: the phase's slot and the offset per axis.
    pub(crate) shifts: Vec<(usize, [usize; N])>,
    pub(crate) phases: Vec<Phase<N>>,
}

/// One phase of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase<const N: usize> {
    pub(crate) index: [usize; N],
    /// The kernel's taps, row-major, in the order of the class's shifts.
    pub(crate) taps: Vec<usize>,
}

/// How one pass reads its source and writes its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form<const N: usize> {
    pub(crate) axes: [Lattice; N],
    /// The phases of the source that some tap reads.
    pub(crate) slots: Vec<[usize; N]>,
    pub(crate) classes: Vec<Class<N>>,
    pub(crate) source_channels: usize,
    pub(crate) result_channels: usize,
    /// Distances within the weight from one source channel of a group, and one result channel, to the next.
    pub(crate) weight_strides: WeightStrides,
}

/// Distances within the weight.
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
        let mut classes: BTreeMap<Vec<(usize, [usize; N])>, Vec<Phase<N>>> = BTreeMap::new();
        for index in multi_indices(axes.each_ref().map(|axis| axis.phases.len())) {
            let of_axis: [&[AxisTap]; N] =
                std::array::from_fn(|axis| axes[axis].phases[index[axis]].as_slice());
            let (mut shifts, mut taps) = (Vec::new(), Vec::new());
            for choice in multi_indices(of_axis.map(<[AxisTap]>::len)) {
                let chosen: [AxisTap; N] = std::array::from_fn(|axis| of_axis[axis][choice[axis]]);
                let phase = chosen.map(|tap| tap.source_phase);
                let slot = *slot_of.entry(phase).or_insert_with(|| {
                    slots.push(phase);
                    slots.len() - 1
                });
                shifts.push((slot, chosen.map(|tap| tap.offset)));
                taps.push((0..N).fold(0, |flat, axis| flat * g.axes[axis].taps + chosen[axis].tap));
            }
            classes.entry(shifts).or_default().push(Phase { index, taps });
        }
        let classes = classes.into_iter().map(|(shifts, phases)| Class { shifts, phases }).collect();
        let (coarse_g, fine_g, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
        // The weight is [coarse][fine of the group][tap].
        let (coarse, fine) = (fine_g * taps, taps);
        let group = coarse_g * coarse;
        if onto_fine {
            let weight_strides = WeightStrides { source: coarse, result: fine, group };
            Form { axes, slots, classes, source_channels: coarse_g, result_channels: fine_g, weight_strides }
        } else {
            let weight_strides = WeightStrides { source: fine, result: coarse, group };
            Form { axes, slots, classes, source_channels: fine_g, result_channels: coarse_g, weight_strides }
        }
    }

    /// Entries of the buffer per axis, for `rows` positions of the first axis.
    pub(crate) fn extents(&self, rows: usize) -> [usize; N] {
        let mut extents = self.axes.each_ref().map(|axis| axis.len + axis.reach);
        extents[0] = rows + self.axes[0].reach;
        extents
    }

    /// Entries of the smallest buffer that pays: [`MIN_POSITIONS`] of all source channels and phases. Not exact, but for
    /// sizes that no machine integer holds, too.
    pub(crate) fn smallest_buffer(&self) -> f64 {
        let inner: f64 = self.axes[1..].iter().map(|axis| axis.len as f64).product();
        let rows = (MIN_POSITIONS as f64 / inner).ceil().min(self.axes[0].len as f64);
        let outer = rows + self.axes[0].reach as f64;
        let extents: f64 = self.axes[1..].iter().map(|axis| axis.len as f64 + axis.reach as f64).product();
        outer * extents * self.source_channels as f64 * self.slots.len() as f64
    }

    /// Entries of the buffer of all source channels of a group and all phases.
    pub(crate) fn buffer_len(&self, rows: usize) -> usize {
        self.source_channels * self.slots.len() * self.extents(rows).iter().product::<usize>()
    }
}

/// The flat index of `index` in a box of `extents`.
pub(crate) fn flatten<const N: usize>(index: [usize; N], extents: [usize; N]) -> usize {
    (0..N).fold(0, |flat, axis| flat * extents[axis] + index[axis])
}
