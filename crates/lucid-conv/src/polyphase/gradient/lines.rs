//! Rows of a plane each, transposed into lines of one position each: `lines[q][r] = rows[r][q]`.

use lucid_kernels::{Element, Isa, interleave, transpose_lines};

use super::Place;
use super::pieces::Panel;
use crate::geometry::Geometry;

/// Positions that are transposed at a time where their lines are then moved elsewhere: both copies stay in a core's
/// first-level cache.
pub(crate) const CHUNK: usize = 128;

/// Neighbouring elements of some rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a, T> {
    /// From the first row's first element on.
    pub(crate) values: &'a [T],
    pub(crate) row_stride: usize,
    pub(crate) num_rows: usize,
    pub(crate) len: usize,
}

impl<T: Element> Rows<'_, T> {
    /// Writes positions `start` to `start + columns.places.len()` to their places.
    pub(super) fn scatter(&self, isa: Isa, start: usize, columns: &mut Columns<'_, T>) {
        transpose_lines(
            isa,
            &self.values[start..],
            self.row_stride,
            self.num_rows,
            columns.places,
            columns.values,
        );
    }

    /// Rows to read together. Those a multiple of pages apart share the same few places of a cache: of more than 8, the
    /// first would have to leave before the rest of its cache line is read, unless a vector is a whole one.
    fn together(&self, isa: Isa) -> usize {
        let is_crowded = self.num_rows > 8
            && isa != Isa::Avx512
            && (self.row_stride * size_of::<T>()).is_multiple_of(4096);
        if is_crowded { 8 } else { self.num_rows }
    }

    /// Some of the rows.
    fn part(&self, first: usize, num_rows: usize) -> Self {
        Rows { values: &self.values[first * self.row_stride..], num_rows, ..*self }
    }
}

/// Where lines are written.
#[derive(Debug)]
pub(crate) struct Lines<'a, T> {
    pub(crate) values: &'a mut [T],
    /// From the start of a line to that of the next one.
    pub(crate) pitch: usize,
    /// [`CHUNK`] lines, on their way.
    pub(crate) buffer: &'a mut [T],
}

/// Writes the positions of `rows` as lines; what is between two lines stays as it is.
pub(crate) fn transpose<T: Element>(isa: Isa, rows: &Rows<'_, T>, lines: Lines<'_, T>) {
    let Lines { values: lines, pitch, buffer } = lines;
    let together = rows.together(isa);
    for first in (0..rows.num_rows).step_by(together) {
        let Rows { values, row_stride, num_rows, len } =
            rows.part(first, together.min(rows.num_rows - first));
        if num_rows == pitch {
            return interleave(isa, values, row_stride, num_rows, len, lines);
        }
        for start in (0..len).step_by(CHUNK) {
            let len = CHUNK.min(len - start);
            interleave(isa, &values[start..], row_stride, num_rows, len, buffer);
            let from = &buffer[..len * num_rows];
            copy_lines(from, num_rows, num_rows, &mut lines[start * pitch + first..], pitch);
        }
    }
}

/// Copies lines of `len` elements that begin `step` apart to where they begin `pitch` apart.
fn copy_lines<T: Element>(from: &[T], len: usize, step: usize, to: &mut [T], pitch: usize) {
    // Of a length that the compiler knows they are a few moves.
    match len {
        4 => copy_short::<T, 4>(from, step, to, pitch),
        8 => copy_short::<T, 8>(from, step, to, pitch),
        16 => copy_short::<T, 16>(from, step, to, pitch),
        24 => copy_short::<T, 24>(from, step, to, pitch),
        32 => copy_short::<T, 32>(from, step, to, pitch),
        _ => {
            for (from, to) in from.chunks(step).zip(to.chunks_mut(pitch)) {
                to[..len].copy_from_slice(&from[..len]);
            }
        }
    }
}

fn copy_short<T: Element, const LEN: usize>(from: &[T], step: usize, to: &mut [T], pitch: usize) {
    for (from, to) in from.chunks(step).zip(to.chunks_mut(pitch)) {
        to[..LEN].copy_from_slice(&from[..LEN]);
    }
}

/// Where panels of rows or lanes are written: whole vectors, with zeros beyond the channels.
#[derive(Debug)]
pub(super) struct Columns<'a, T> {
    pub(super) values: &'a mut [T],
    /// From the start of a line to that of the next one.
    pub(super) pitch: usize,
    /// Where lines of some positions begin.
    pub(super) places: &'a mut Vec<usize>,
}

/// Packs the coarse channels of a panel for a place, a line per position.
pub(super) fn scatter_coarse<T: Element, const N: usize>(
    g: &Geometry<N>,
    isa: Isa,
    coarse: &[T],
    place: &Place<N>,
    panel: Panel,
    mut lines: Columns<'_, T>,
) {
    for_coarse(g, coarse, place, panel, |rows, line| {
        lines.places.clear();
        lines.places.extend((line..line + rows.len).map(|line| line * lines.pitch));
        rows.scatter(isa, 0, &mut lines);
    });
}

/// Calls `pack` with the coarse channels of a panel and the number of the first line, for every item of a place: a line per
/// position.
pub(super) fn for_coarse<'a, T: Element, const N: usize>(
    g: &Geometry<N>,
    coarse: &'a [T],
    place: &Place<N>,
    panel: Panel,
    mut pack: impl FnMut(Rows<'a, T>, usize),
) {
    let (plane_len, len) = (g.coarse_len(), place.block.len());
    // The block is one stretch of each plane: see `Recipe::block`.
    let start = (0..N).fold(0, |at, axis| at * g.coarse()[axis] + place.block.start[axis]);
    for (number, item) in place.items.clone().enumerate() {
        let plane = item * g.coarse_channels + place.group * g.coarse_per_group() + panel.start;
        let values = &coarse[plane * plane_len + start..];
        pack(Rows { values, row_stride: plane_len, num_rows: panel.len, len }, number * len);
    }
}
