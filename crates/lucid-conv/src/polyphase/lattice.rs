//! One axis in polyphase form: positions of both sides as whole strides plus a phase.
//!
//! A tap links `fine = coarse * s + tap * d - p`. Split a fine position into `q s + r`, and every tap becomes a shift
//! between rows of one phase each:
//!
//! - onto the fine grid: phase `r` of the result has the taps with `tap * d = r (mod s)`, and reads the coarse grid at
//!   `q - tap * d / s`;
//! - onto the coarse grid: a tap reads phase `(tap * d - p) mod s` of the fine grid, at `q + floor((tap * d - p) / s)`.
//!
//! So both are one sum over taps of shifted rows, and no position is visited that holds nothing.

use crate::axis::Axis;

/// One tap of one phase of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AxisTap {
    /// Which tap of the kernel.
    pub(crate) tap: usize,
    /// Which phase of the source it reads.
    pub(crate) source_phase: usize,
    /// How far after the buffer's start it reads, in whole steps of the source.
    pub(crate) offset: usize,
}

/// One axis: entry `b` of the source's buffer for phase `f` is source position `source_start + b source_step + f`, and
/// position `q` of the result's phase `r` is result position `result_start + q result_step + r`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lattice {
    pub(crate) source_len: usize,
    pub(crate) source_step: usize,
    pub(crate) source_start: isize,
    pub(crate) result_len: usize,
    pub(crate) result_step: usize,
    pub(crate) result_start: isize,
    /// Positions `q` that have a result in some phase.
    pub(crate) len: usize,
    /// The largest offset.
    pub(crate) reach: usize,
    /// The taps of each phase of the result.
    pub(crate) phases: Vec<Vec<AxisTap>>,
}

impl Lattice {
    /// From the coarse grid to the fine one.
    ///
    /// Phase `r` has fine position `q s + r - p >= 0` first at `q = ceil((p - r) / s)`, over all phases
    /// `floor(p / s)`; the last fine position is of some phase with `q = floor((fine - 1 + p) / s)`.
    pub(crate) fn onto_fine(axis: &Axis) -> Self {
        let &Axis { fine, coarse, taps, stride, dilation, pad_before } = axis;
        let first = pad_before / stride;
        let last = (fine - 1 + pad_before) / stride;
        // A tap reads at q - back, so the furthest back is offset 0.
        let reach = (taps - 1) * dilation / stride;
        let mut phases = vec![Vec::new(); stride];
        for tap in 0..taps {
            let offset = reach - tap * dilation / stride;
            phases[tap * dilation % stride].push(AxisTap { tap, source_phase: 0, offset });
        }
        Lattice {
            source_len: coarse,
            source_step: 1,
            source_start: first as isize - reach as isize,
            result_len: fine,
            result_step: stride,
            result_start: (first * stride) as isize - pad_before as isize,
            len: last - first + 1,
            reach,
            phases,
        }
    }

    /// As [`onto_fine`](Self::onto_fine), with phases counted from the result's first position, not from the padding's:
    /// no position is computed that some phase has no result for, but phases that read the same entries as others there
    /// read them one entry later here.
    ///
    /// Fine position `i s + r` is `(i + (r + p) / s) s + (r + p) mod s - p`.
    pub(crate) fn onto_fine_from_start(axis: &Axis) -> Self {
        let &Axis { fine, coarse, taps, stride, dilation, pad_before } = axis;
        let plain = Lattice::onto_fine(axis);
        // How far phase r is shifted, beyond what all are.
        let shift = |r: usize| (r + pad_before) / stride - pad_before / stride;
        let phases: Vec<Vec<AxisTap>> = (0..stride)
            .map(|r| {
                let of_plain = &plain.phases[(r + pad_before) % stride];
                of_plain.iter().map(|tap| AxisTap { offset: tap.offset + shift(r), ..*tap }).collect()
            })
            .collect();
        let reach = phases.iter().flatten().map(|tap| tap.offset).max().unwrap_or(0);
        Lattice {
            source_len: coarse,
            source_step: 1,
            source_start: (pad_before / stride) as isize - ((taps - 1) * dilation / stride) as isize,
            result_len: fine,
            result_step: stride,
            result_start: 0,
            len: fine.div_ceil(stride),
            reach,
            phases,
        }
    }

    /// From the fine grid to the coarse one.
    pub(crate) fn onto_coarse(axis: &Axis) -> Self {
        let &Axis { fine, coarse, taps, stride, dilation, pad_before } = axis;
        let step = stride as isize;
        let start = |tap: usize| (tap * dilation) as isize - pad_before as isize;
        // The first tap reads furthest back.
        let first = start(0).div_euclid(step);
        let phase: Vec<AxisTap> = (0..taps)
            .map(|tap| AxisTap {
                tap,
                source_phase: start(tap).rem_euclid(step) as usize,
                offset: (start(tap).div_euclid(step) - first) as usize,
            })
            .collect();
        Lattice {
            source_len: fine,
            source_step: stride,
            source_start: first * step,
            result_len: coarse,
            result_step: 1,
            result_start: 0,
            len: coarse,
            reach: phase.last().map_or(0, |tap| tap.offset),
            phases: vec![phase],
        }
    }

    /// The entries `b` of the buffer, below `len` and counted from entry `from`, whose source position of `phase`
    /// exists; and the position of the first of them.
    pub(crate) fn existing(&self, phase: usize, from: usize, len: usize) -> (std::ops::Range<usize>, usize) {
        let step = self.source_step as isize;
        let origin = self.source_start + (from * self.source_step + phase) as isize;
        // origin + b step >= 0  =>  b >= -origin / step;  origin + b step < L  =>  b < (L - origin) / step, rounded up
        let start = ((-origin).max(0) as usize).div_ceil(self.source_step).min(len);
        let end = ((self.source_len as isize - origin).max(0) as usize).div_ceil(self.source_step).min(len);
        let position = origin + start as isize * step;
        (start..end.max(start), position.max(0) as usize)
    }

    /// The positions `q` within `range` whose result of `phase` exists; and the result position of the first of them.
    pub(crate) fn results(
        &self,
        phase: usize,
        range: std::ops::Range<usize>,
    ) -> (std::ops::Range<usize>, usize) {
        let step = self.result_step as isize;
        let origin = self.result_start + phase as isize;
        let first = ((-origin).max(0) as usize).div_ceil(self.result_step).max(range.start);
        let end =
            ((self.result_len as isize - origin).max(0) as usize).div_ceil(self.result_step).min(range.end);
        let position = origin + first as isize * step;
        (first..end.max(first), position.max(0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes() -> impl Iterator<Item = Axis> {
        (1..5).flat_map(|stride| {
            (1..4).flat_map(move |dilation| {
                (0..6).flat_map(move |pad_before| {
                    (1..5).map(move |taps| Axis { fine: 11, coarse: 7, taps, stride, dilation, pad_before })
                })
            })
        })
    }

    /// The links (tap, source position, result position) that a lattice makes.
    fn links(lattice: &Lattice) -> Vec<(usize, usize, usize)> {
        let mut links = Vec::new();
        for (phase, taps) in lattice.phases.iter().enumerate() {
            let (positions, first) = lattice.results(phase, 0..lattice.len);
            for q in positions.clone() {
                let result = first + (q - positions.start) * lattice.result_step;
                for tap in taps {
                    let (entries, at) = lattice.existing(tap.source_phase, 0, lattice.len + lattice.reach);
                    let entry = q + tap.offset;
                    if entries.contains(&entry) {
                        links.push((tap.tap, at + (entry - entries.start) * lattice.source_step, result));
                    }
                }
            }
        }
        links.sort_unstable();
        links
    }

    #[test]
    fn both_directions_link_what_the_equation_links() {
        for axis in axes() {
            let mut expected: Vec<(usize, usize, usize)> = Vec::new();
            for tap in 0..axis.taps {
                for l in axis.coarse_range(tap, 0..axis.coarse, 0..axis.fine) {
                    expected.push((tap, l, axis.fine_at(l, tap)));
                }
            }
            expected.sort_unstable();
            assert_eq!(links(&Lattice::onto_fine(&axis)), expected, "{axis:?}");
            assert_eq!(links(&Lattice::onto_fine_from_start(&axis)), expected, "{axis:?}");
            let mut swapped: Vec<_> =
                expected.iter().map(|&(tap, coarse, fine)| (tap, fine, coarse)).collect();
            swapped.sort_unstable();
            assert_eq!(links(&Lattice::onto_coarse(&axis)), swapped, "{axis:?}");
        }
    }

    #[test]
    fn every_result_is_some_phases() {
        for axis in axes() {
            let lattices = [
                Lattice::onto_fine(&axis),
                Lattice::onto_fine_from_start(&axis),
                Lattice::onto_coarse(&axis),
            ];
            for lattice in lattices {
                let mut found: Vec<usize> = (0..lattice.result_step)
                    .flat_map(|phase| {
                        let (positions, first) = lattice.results(phase, 0..lattice.len);
                        positions
                            .enumerate()
                            .map(move |(i, _)| first + i * lattice.result_step)
                            .collect::<Vec<_>>()
                    })
                    .collect();
                found.sort_unstable();
                assert!(found.into_iter().eq(0..lattice.result_len), "{axis:?}");
            }
        }
    }
}
