//! What the taps of a thin fine side read: a line per position, with an element per (fine channel, tap).
//!
//! Every element of the fine side is copied once per tap. With few fine channels that is little beside the products with
//! many coarse ones, and it leaves no lane empty. Taps along the last axis read neighbours, `dilation` apart, so a line is
//! made of a few windows of rows.

use std::ops::Range;

use lucid_kernels::Element;

use super::Place;
use super::pieces::Panel;
use crate::axis::Axis;
use crate::geometry::Geometry;
use crate::runs::multi_indices;

/// Neighbouring taps of the last axis, for one fine channel and one tap of every other axis.
#[derive(Clone, Debug)]
struct Window {
    taps: Range<usize>,
    /// Coarse positions of the last axis.
    positions: Range<usize>,
    /// Those of them for which all the taps exist.
    whole: Range<usize>,
    /// Where in the lines they belong, and how far lines lie apart.
    to: usize,
    pitch: usize,
}

/// Packs the pairs of a panel, numbered `fine channel * taps + tap`, for a place.
pub(super) fn pack<T: Element, const N: usize>(
    g: &Geometry<N>,
    fine: &[T],
    place: &Place<N>,
    panel: Panel,
    (lines, pitch): (&mut [T], usize),
) {
    let (num_taps, last) = (g.num_taps(), &g.axes[N - 1]);
    let (start, size) = (place.block.start, place.block.size);
    let positions = start[N - 1]..start[N - 1] + size[N - 1];
    let mut outer_size = size;
    outer_size[N - 1] = 1;
    let mut to = 0;
    while to < panel.len {
        let (channel, tap) = ((panel.start + to) / num_taps, (panel.start + to) % num_taps);
        let (first, mut outer) = (tap % last.taps, tap / last.taps);
        let mut tap = [0; N];
        for axis in (0..N - 1).rev() {
            tap[axis] = outer % g.axes[axis].taps;
            outer /= g.axes[axis].taps;
        }
        let len = (last.taps - first).min(panel.len - to);
        let found = |tap: usize| last.coarse_range(tap, positions.clone(), 0..last.fine);
        // From where the first tap exists until the last one does not; neither need be among the positions.
        let whole_start = found(first).start.min(positions.end);
        let whole_end = found(first + len - 1).end.min(positions.end);
        let whole = whole_start..whole_end.max(whole_start);
        let window = Window { taps: first..first + len, positions: positions.clone(), whole, to, pitch };
        let mut rows_of_lines = lines.chunks_mut(positions.len() * pitch);
        for item in place.items.clone() {
            let plane = item * g.fine_channels + place.group * g.fine_per_group() + channel;
            let plane = &fine[plane * g.fine_len()..][..g.fine_len()];
            for (index, lines) in multi_indices(outer_size).zip(&mut rows_of_lines) {
                let row = (0..N - 1).try_fold(0, |row, axis| {
                    let (axis, tap, l) = (&g.axes[axis], tap[axis], start[axis] + index[axis]);
                    let is_inside = !axis.coarse_range(tap, l..l + 1, 0..axis.fine).is_empty();
                    is_inside.then(|| row * axis.fine + axis.fine_at(l, tap))
                });
                match row {
                    Some(row) => window.pack(last, &plane[row * last.fine..][..last.fine], lines),
                    None => lines.chunks_mut(pitch).for_each(|line| line[to..to + len].fill(T::zero())),
                }
            }
        }
        to += len;
    }
}

impl Window {
    /// Copies what the taps read of a row of the fine grid.
    fn pack<T: Element>(&self, axis: &Axis, row: &[T], lines: &mut [T]) {
        let (Range { start, end }, first) = (self.whole.clone(), self.positions.start);
        for l in (first..start).chain(end..self.positions.end) {
            let line = &mut lines[(l - first) * self.pitch + self.to..];
            for (tap, to) in self.taps.clone().zip(line) {
                let at = (l * axis.stride + tap * axis.dilation).checked_sub(axis.pad_before);
                *to = at.and_then(|at| row.get(at)).copied().unwrap_or_default();
            }
        }
        if start == end {
            return;
        }
        let from = &row[axis.fine_at(start, self.taps.start)..];
        let lines = &mut lines[(start - first) * self.pitch..(end - first) * self.pitch];
        macro_rules! by_len {
            ($($len:literal)*) => {
                // Of a length that the compiler knows they are a few moves.
                match self.taps.len() {
                    $($len => self.copy::<T, $len>(axis, from, lines),)*
                    len => unreachable!("a tile has at most {} rows, and this one {len}", lucid_kernels::MAX_ROWS),
                }
            };
        }
        by_len!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }

    fn copy<T: Element, const LEN: usize>(&self, axis: &Axis, from: &[T], lines: &mut [T]) {
        let &Axis { stride, dilation, .. } = axis;
        for (number, line) in lines.chunks_mut(self.pitch).enumerate() {
            let (from, to) = (&from[number * stride..], &mut line[self.to..][..LEN]);
            if dilation == 1 {
                to.copy_from_slice(&from[..LEN]);
            } else {
                let from = &from[..(LEN - 1) * dilation + 1];
                for tap in 0..LEN {
                    to[tap] = from[tap * dilation];
                }
            }
        }
    }
}
