//! What a chunk of the result reads of the source: where it lies, or buffered.
//!
//! A chunk reads entries `q + low` to `q + low + len + reach` of some neighbouring rows, in steps of the source. Where all
//! of them exist and follow one another they are read in place. Otherwise they are copied, phase by phase, with zeros
//! where the grid has no position. A filter multiplies those zeros, which is exact as long as its weights are finite.
//!
//! Either way, a tap is one offset, the same for all channels and for all rows that have the same taps.

use lucid_kernels::{Element, Isa, deinterleave};

use super::chunk::Chunk;
use super::form::Form;
use crate::axis::Axis;
use crate::geometry::Geometry;
use crate::runs::multi_indices;

/// The rows of the source that share their indices along the axes before the last two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    /// Where its first row starts in the source.
    pub(crate) start: usize,
    /// Where the taps between it and the result start in the weight.
    pub(crate) weight: usize,
}

/// Where the first of the bands starts, in either; `None` where there is none.
pub(crate) fn first_of(bands: &[Band]) -> Option<Band> {
    let start = bands.iter().map(|band| band.start).min()?;
    bands.iter().map(|band| band.weight).min().map(|weight| Band { start, weight })
}

/// Adds the bands of a plane of the source that a chunk reads. `plane` is where the plane, and the weights between it and
/// the result, start.
pub(crate) fn add_bands<const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    outer: usize,
    plane: Band,
    bands: &mut Vec<Band>,
) {
    if N < 3 {
        return bands.push(plane);
    }
    let (sheet, sheet_taps) = (form.source[N - 2] * form.source[N - 1], g.taps()[N - 2] * g.taps()[N - 1]);
    let mut index = [0; N];
    let mut rest = outer;
    for axis in (0..N - 2).rev() {
        index[axis] = rest % form.result[axis];
        rest /= form.result[axis];
    }
    let mut taps = g.taps();
    taps[N - 2..].fill(1);
    for (number, tap) in multi_indices(taps).enumerate() {
        let mut at = Some(0);
        for axis in 0..N - 2 {
            let reads = reads(&g.axes[axis], form.onto_fine, index[axis], tap[axis]);
            let exists = reads.and_then(|at| usize::try_from(at).ok()).filter(|&at| at < form.source[axis]);
            at = at.zip(exists).map(|(at, reads)| at * form.source[axis] + reads);
        }
        if let Some(at) = at {
            let (start, weight) = (plane.start + at * sheet, plane.weight + number * sheet_taps);
            bands.push(Band { start, weight });
        }
    }
}

/// The position of the source that `tap` links to position `at` of the result, whether or not it exists.
fn reads(axis: &Axis, onto_fine: bool, at: usize, tap: usize) -> Option<isize> {
    let (stride, shift) = (axis.stride as isize, axis.pad_before as isize - (tap * axis.dilation) as isize);
    if !onto_fine {
        return Some(at as isize * stride - shift);
    }
    let fine = at as isize + shift;
    (fine % stride == 0).then_some(fine / stride)
}

/// The signal of a chunk, and the distances in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a, T> {
    pub(crate) elements: &'a [T],
    /// Positions of a slot of a row, padding included.
    len: usize,
    in_place: bool,
    /// From one row to the next.
    pub(crate) row_pitch: usize,
    band_pitch: usize,
}

impl<'a, T: Element> Window<'a, T> {
    /// Finds, or copies into `buffer`, what a chunk reads of its bands.
    pub(crate) fn new<const N: usize>(
        form: &Form<N>,
        isa: Isa,
        source: &'a [T],
        bands: &[Band],
        chunk: &Chunk,
        buffer: &'a mut Vec<T>,
    ) -> Self {
        let first = chunk.start as isize + form.low;
        let len = chunk.len + form.reach;
        let row_len = form.source[N - 1];
        let (first_row, num_rows) = form.source_span(chunk.first_row, chunk.num_rows);
        let within = |first: isize, len: usize, size: usize| first >= 0 && first.unsigned_abs() + len <= size;
        if let (true, Some(band)) = (form.step == 1, first_of(bands))
            && within(first, len, row_len)
            && within(first_row, num_rows, form.source_rows())
        {
            let start = band.start + first_row.unsigned_abs() * row_len + first.unsigned_abs();
            let elements = &source[start..];
            return Window { elements, len, in_place: true, row_pitch: row_len, band_pitch: 0 };
        }
        let row_pitch = form.slots.len() * len;
        let band_pitch = num_rows * row_pitch;
        let all = bands.len() * band_pitch;
        if buffer.len() < all {
            buffer.resize(all, T::zero());
        }
        let stretch = Stretch::new(first, len, form.source_steps);
        if all > 0 {
            for (band, rows) in bands.iter().zip(buffer.chunks_exact_mut(band_pitch)) {
                for (number, slots) in (first_row..).zip(rows.chunks_exact_mut(row_pitch)) {
                    match usize::try_from(number).ok().filter(|&number| number < form.source_rows()) {
                        Some(number) => {
                            let row = &source[band.start + number * row_len..][..row_len];
                            stretch.copy(form, isa, row, slots);
                        }
                        None => slots.fill(T::zero()),
                    }
                }
            }
        }
        Window { elements: &buffer[..all], len, in_place: false, row_pitch, band_pitch }
    }
}

/// Entries `first` to `first + len` of a row, in steps of the source: those that exist.
#[derive(Clone, Copy)]
struct Stretch {
    len: usize,
    /// Entries before the first that exists, in any phase: it exists in all of them.
    skipped: usize,
    /// Entries that exist, the last one perhaps in the first phases only.
    existing: usize,
    /// The first of them, in steps.
    position: usize,
}

impl Stretch {
    fn new(first: isize, len: usize, row_steps: usize) -> Self {
        let skipped = (first.min(0).unsigned_abs()).min(len);
        let position = first.max(0).unsigned_abs();
        Stretch { len, skipped, existing: row_steps.saturating_sub(position).min(len - skipped), position }
    }

    fn copy<T: Element, const N: usize>(&self, form: &Form<N>, isa: Isa, row: &[T], slots: &mut [T]) {
        let Stretch { len, skipped, existing, position } = *self;
        let end = skipped + existing;
        for slot in slots.chunks_exact_mut(len) {
            slot[..skipped].fill(T::zero());
            // The last entry is written over where it exists.
            let complete = if form.step == 1 { end } else { end.saturating_sub(1).max(skipped) };
            slot[complete..].fill(T::zero());
        }
        if existing == 0 {
            return;
        }
        let from = &row[position * form.step..];
        if form.step == 1 {
            // In stretches: Zen 3 takes 30 times as long for some long copies, for which the C library has `rep movsb`.
            for (to, from) in slots[skipped..end].chunks_mut(128).zip(from.chunks(128)) {
                to.copy_from_slice(&from[..to.len()]);
            }
        } else if form.is_deinterleaved {
            let from = &from[..from.len().min(existing * form.step)];
            deinterleave(isa, from, form.step, existing, &mut slots[skipped..], len);
        } else {
            for (slot, &phase) in slots.chunks_exact_mut(len).zip(&form.slots) {
                let from = from.iter().skip(phase).step_by(form.step);
                for (entry, &from) in slot[skipped..end].iter_mut().zip(from) {
                    *entry = from;
                }
            }
        }
    }
}

/// The offsets of all taps of a row, by phase of the result, and where their weights are, counted from the first of them.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    pub(crate) offsets: Vec<usize>,
    pub(crate) weights: Vec<usize>,
    /// What they were made for, where another row may have the same.
    made_for: Option<(bool, usize, usize, usize)>,
}

impl Offsets {
    /// Has them laid out anew, for a form that may be another.
    pub(crate) fn forget(&mut self) {
        self.made_for = None;
    }

    /// Those of row `row`, counted from the chunk's first row that any tap reads.
    pub(crate) fn lay_out<T, const N: usize>(
        &mut self,
        form: &Form<N>,
        window: &Window<'_, T>,
        bands: &[Band],
        chunk: &Chunk,
        row: usize,
    ) {
        let made_for = (window.in_place, window.len, window.band_pitch, chunk.outer);
        if self.made_for == Some(made_for) {
            return;
        }
        self.offsets.clear();
        self.weights.clear();
        let (first_row, _) = form.source_span(chunk.first_row, chunk.num_rows);
        let Some(base) = first_of(bands) else { return };
        for taps in &form.phases {
            for (number, band) in bands.iter().enumerate() {
                let (band_offset, slot_pitch) = if window.in_place {
                    (band.start - base.start, 0)
                } else {
                    (number * window.band_pitch, window.len)
                };
                for row_tap in 0..form.row_axis.taps {
                    let Some(reads) = reads(&form.row_axis, form.onto_fine, row, row_tap) else { continue };
                    let offset = band_offset + (reads - first_row).unsigned_abs() * window.row_pitch;
                    let weight = band.weight - base.weight + row_tap * form.last_taps;
                    self.offsets.extend(taps.iter().map(|tap| offset + tap.slot * slot_pitch + tap.offset));
                    self.weights.extend(taps.iter().map(|tap| weight + tap.tap));
                }
            }
        }
        self.made_for = form.is_uniform().then_some(made_for);
    }
}
