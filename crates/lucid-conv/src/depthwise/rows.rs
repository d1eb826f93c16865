//! The rows of the source that a piece of a row of the result reads: where they lie, or buffered.
//!
//! A piece reads entries `q + low` to `q + low + len + reach` of each row, in steps of the source. Where all of them
//! exist and follow one another they are read in place. Otherwise they are copied, phase by phase, with zeros where the
//! row has no position. A filter multiplies those zeros, which is exact as long as its weights are finite.

use lucid_kernels::{Element, Isa, deinterleave};

use super::form::{Form, Tap};
use crate::geometry::Geometry;
use crate::runs::multi_indices;

/// A row of the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Where it starts in the source.
    pub(crate) start: usize,
    /// Where the taps of its channel and of the other axes start in the weight.
    pub(crate) weight: usize,
}

/// A stretch of positions `q` of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// What a thread keeps between pieces.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    pub(crate) rows: Vec<Row>,
    /// Offsets of all taps, by phase of the result, then by row.
    pub(crate) offsets: Vec<usize>,
    buffer: Vec<T>,
}

/// The signal that the offsets of [`Rows`] count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signal<'a, T> {
    pub(crate) elements: &'a [T],
    /// Whether zeros stand for positions that do not exist.
    pub(crate) is_padded: bool,
}

impl<T: Element> Rows<T> {
    pub(crate) fn new() -> Self {
        Rows { rows: Vec::new(), offsets: Vec::new(), buffer: Vec::new() }
    }

    /// Forgets the rows of the piece before.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// Adds the rows of a plane of the source that row number `row` of the result reads. `plane` and `weight` are where
    /// the plane, and the weights between it and the result, start.
    pub(crate) fn add<const N: usize>(
        &mut self,
        g: &Geometry<N>,
        form: &Form<N>,
        row: usize,
        plane: usize,
        weight: usize,
    ) {
        if N == 1 {
            return self.rows.push(Row { start: plane, weight });
        }
        let mut index = [0; N];
        let mut rest = row;
        for axis in (0..N - 1).rev() {
            index[axis] = rest % form.result[axis];
            rest /= form.result[axis];
        }
        let mut taps = g.taps();
        taps[N - 1] = 1;
        for (number, tap) in multi_indices(taps).enumerate() {
            let mut at = Some(0);
            for axis in 0..N - 1 {
                let link = &g.axes[axis];
                let reads = if form.onto_fine {
                    let coarse = (index[axis] + link.pad_before).checked_sub(tap[axis] * link.dilation);
                    coarse.filter(|at| at % link.stride == 0).map(|at| at / link.stride)
                } else {
                    (index[axis] * link.stride + tap[axis] * link.dilation).checked_sub(link.pad_before)
                };
                let reads = reads.filter(|&reads| reads < form.source[axis]);
                at = at.zip(reads).map(|(at, reads)| at * form.source[axis] + reads);
            }
            if let Some(at) = at {
                let (start, weight) = (plane + at * form.source[N - 1], weight + number * g.axes[N - 1].taps);
                self.rows.push(Row { start, weight });
            }
        }
    }

    /// The signal that a piece reads, with the offsets of all taps in it.
    pub(crate) fn signal<'a, const N: usize>(
        &'a mut self,
        form: &Form<N>,
        isa: Isa,
        source: &'a [T],
        piece: Piece,
    ) -> (Signal<'a, T>, &'a [usize], &'a [Row]) {
        let first = piece.start as isize + form.low;
        let len = piece.len + form.reach;
        let row_len = form.source[N - 1];
        let in_place = form.step == 1 && first >= 0 && first as usize + len <= row_len;
        let Rows { rows, offsets, buffer } = self;
        offsets.clear();
        if in_place {
            let first = first as usize;
            for taps in &form.phases {
                for row in rows.iter() {
                    offsets.extend(taps.iter().map(|tap: &Tap| row.start + first + tap.offset));
                }
            }
            return (Signal { elements: source, is_padded: false }, offsets, rows);
        }
        let num_slots = form.slots.len();
        for taps in &form.phases {
            for number in 0..rows.len() {
                offsets.extend(taps.iter().map(|tap| (number * num_slots + tap.slot) * len + tap.offset));
            }
        }
        let all = rows.len() * num_slots * len;
        if buffer.len() < all {
            buffer.resize(all, T::zero());
        }
        // Entry b of a slot is position (first + b) step + phase of the row. The first that exists for any phase exists
        // for all of them; the last may exist for the first phases only.
        let skipped = (-first).max(0) as usize;
        let skipped = skipped.min(len);
        let position = (first + skipped as isize) as usize;
        let existing = row_len.div_ceil(form.step).saturating_sub(position).min(len - skipped);
        let mut is_padded = existing < len;
        for (row, slots) in rows.iter().zip(buffer.chunks_exact_mut(num_slots * len)) {
            let row = &source[row.start..][..row_len];
            for slot in slots.chunks_exact_mut(len) {
                slot[..skipped].fill(T::zero());
                // The last entry may be written over.
                slot[(skipped + existing).saturating_sub(1).max(skipped)..].fill(T::zero());
            }
            if existing == 0 {
                continue;
            }
            let from = &row[position * form.step..];
            is_padded |= from.len() < existing * form.step;
            if form.step == 1 {
                copy(&mut slots[skipped..skipped + existing], from);
            } else if form.is_deinterleaved {
                let from = &from[..from.len().min(existing * form.step)];
                deinterleave(isa, from, form.step, existing, &mut slots[skipped..], len);
            } else {
                for (slot, &phase) in slots.chunks_exact_mut(len).zip(&form.slots) {
                    let from = from.iter().skip(phase).step_by(form.step);
                    for (entry, &from) in slot[skipped..skipped + existing].iter_mut().zip(from) {
                        *entry = from;
                    }
                }
            }
        }
        (Signal { elements: &buffer[..all], is_padded }, offsets, rows)
    }
}

/// Copies in stretches: Zen 3 takes 30 times as long for some long ones, for which the C library uses `rep movsb`.
fn copy<T: Element>(to: &mut [T], from: &[T]) {
    for (to, from) in to.chunks_mut(128).zip(from.chunks(128)) {
        to.copy_from_slice(&from[..to.len()]);
    }
}
