//! Running a form, piece by piece.
//!
//! A task is a stretch of the result: pieces of one long row, or of many short ones. What is a task depends on the form
//! alone, and a piece is summed by one task.

use std::sync::atomic::{AtomicBool, Ordering};

use lucid_kernels::{Element, Isa, Taps, filter, filter_gradient, filter_pairs, interleave};

use super::form::Form;
use super::rows::{Piece, Row, Rows};
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::tasks::{run_all, threads_for};

/// Multiplications, and four for each element that is read or written, above which threads share a pass.
const SHARED: f64 = 400_000.0;

/// The source, the weight and the bias of a pass.
pub(crate) struct Operands<'a, T> {
    pub(crate) source: &'a [T],
    pub(crate) weight: &'a [T],
    pub(crate) bias: Option<&'a [T]>,
}

/// A thread's own workspace.
struct Scratch<T> {
    rows: Rows<T>,
    weights: Vec<T>,
    sums: Vec<T>,
}

impl<T: Element> Scratch<T> {
    fn new() -> Self {
        Scratch { rows: Rows::new(), weights: Vec::new(), sums: Vec::new() }
    }
}

fn num_threads<const N: usize>(g: &Geometry<N>, result_len: usize, source_len: usize) -> usize {
    threads_for(g.multiplications() + 4.0 * (result_len as f64 + source_len as f64), SHARED)
}

/// `result = bias + the pass of source and weight`. Every weight has to be finite.
pub(crate) fn pass<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    isa: Isa,
    operands: &Operands<'_, T>,
    result: &mut [T],
) {
    let form = Form::new(g, pass);
    let num_threads = num_threads(g, result.len(), operands.source.len());
    let per_plane = form.rows_per_plane() * form.pieces_per_row();
    let num_pieces = result.len() / form.result.iter().product::<usize>() * per_plane;
    let mut tasks = Vec::new();
    let mut rest = result;
    for first in (0..num_pieces).step_by(form.pieces_per_task()) {
        let end = (first + form.pieces_per_task()).min(num_pieces);
        let (task, others) = rest.split_at_mut(form.start_of(end) - form.start_of(first));
        tasks.push((first, task));
        rest = others;
    }
    run_all(tasks, num_threads, Scratch::new, |scratch, (first, mut stretch)| {
        let (mut plane, mut number) = (first / per_plane, first % per_plane);
        while !stretch.is_empty() {
            let (row, within) = (number / form.pieces_per_row(), number % form.pieces_per_row());
            let start = within * form.piece_len;
            let len =
                (form.piece_len * form.phases.len()).min(form.result[N - 1] - start * form.phases.len());
            let (out, others) = stretch.split_at_mut(len);
            stretch = others;
            piece(g, &form, isa, operands, scratch, Place { plane, row, start }, out);
            number += 1;
            if number == per_plane {
                (plane, number) = (plane + 1, 0);
            }
        }
    });
}

/// Where a piece is: its plane of the result, the row in it, and its first position.
#[derive(Clone, Copy)]
struct Place {
    plane: usize,
    row: usize,
    start: usize,
}

fn piece<T: Element, const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    isa: Isa,
    operands: &Operands<'_, T>,
    scratch: &mut Scratch<T>,
    place: Place,
    out: &mut [T],
) {
    let per_item = g.groups * form.result_channels;
    let (item, channel) = (place.plane / per_item, place.plane % per_item);
    let (group, own) = (channel / form.result_channels, channel % form.result_channels);
    let source_plane: usize = form.source.iter().product();
    let taps = g.num_taps();
    let Scratch { rows, weights, sums } = scratch;
    rows.clear();
    for i in 0..form.source_channels {
        let of_source = group * form.source_channels + i;
        // The weight is [coarse][fine of the group][tap].
        let pair = if form.onto_fine {
            of_source * form.result_channels + own
        } else {
            channel * form.source_channels + i
        };
        let plane = (item * g.groups * form.source_channels + of_source) * source_plane;
        rows.add(g, form, place.row, plane, pair * taps);
    }
    let len = out.len().div_ceil(form.phases.len());
    let (signal, offsets, rows) = rows.signal(form, isa, operands.source, Piece { start: place.start, len });
    weights.clear();
    for taps in &form.phases {
        for &Row { weight, .. } in rows {
            weights.extend(taps.iter().map(|tap| operands.weight[weight + tap.tap]));
        }
    }
    let bias = operands.bias.map_or(T::zero(), |bias| bias[channel]);
    let signal = signal.elements;
    match form.phases.as_slice() {
        [_] => filter(isa, Taps { offsets, weights }, bias, signal, out),
        [even, _] => {
            let first = even.len() * rows.len();
            let even = Taps { offsets: &offsets[..first], weights: &weights[..first] };
            let mut odd = Taps { offsets: &offsets[first..], weights: &weights[first..] };
            if odd.offsets == even.offsets {
                odd.offsets = even.offsets;
            }
            filter_pairs(isa, [even, odd], bias, signal, out);
        }
        phases => {
            let num_phases = phases.len();
            if sums.len() < num_phases * len {
                sums.resize(num_phases * len, T::zero());
            }
            let mut at = 0;
            for (taps, sums) in phases.iter().zip(sums.chunks_exact_mut(len)) {
                let range = at..at + taps.len() * rows.len();
                at = range.end;
                let taps = Taps { offsets: &offsets[range.clone()], weights: &weights[range] };
                filter(isa, taps, bias, signal, sums);
            }
            let whole = out.len() / num_phases;
            interleave(isa, sums, len, num_phases, whole, out);
            for (phase, out) in out[whole * num_phases..].iter_mut().enumerate() {
                *out = sums[phase * len + whole];
            }
        }
    }
}

/// `dw[c, f, k] = sum over (n, l) of y[n, c, l] x[n, f, fine(l, k)]`; returns whether `y` is finite wherever a tap falls
/// outside the grid. Where it is not, terms that do not exist count as NaN instead of nothing, and the result is void.
pub(crate) fn backward_weight<T: Element, const N: usize>(
    g: &Geometry<N>,
    isa: Isa,
    x: &[T],
    y: &[T],
    dw: &mut [T],
) -> bool {
    let form = Form::new(g, Pass::BackwardWeight);
    let taps = g.num_taps();
    let (coarse_g, fine_g) = (g.coarse_per_group(), g.fine_per_group());
    let per_task = form.pairs_per_task(g.batch());
    let tasks: Vec<_> = dw.chunks_mut(per_task * taps).enumerate().collect();
    let exact = AtomicBool::new(true);
    run_all(tasks, num_threads(g, x.len(), y.len()), Scratch::new, |scratch, (task, dw)| {
        dw.fill(T::zero());
        for (within, dw) in dw.chunks_exact_mut(taps).enumerate() {
            let pair = task * per_task + within;
            let (c, f) = (pair / fine_g, pair % fine_g);
            for n in 0..g.batch() {
                let x_plane = n * g.fine_channels + c / coarse_g * fine_g + f;
                let y_plane = n * g.coarse_channels + c;
                let y = &y[y_plane * g.coarse_len()..][..g.coarse_len()];
                if !plane_of_gradient(g, &form, isa, scratch, (x, x_plane), y, dw) {
                    exact.store(false, Ordering::Relaxed);
                }
            }
        }
    });
    exact.into_inner()
}

/// Adds the products of one plane of `y` with one of `x`, given with its number; returns whether they are exact.
fn plane_of_gradient<T: Element, const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    isa: Isa,
    scratch: &mut Scratch<T>,
    (x, x_plane): (&[T], usize),
    y: &[T],
    dw: &mut [T],
) -> bool {
    let Scratch { rows, sums, .. } = scratch;
    let mut exact = true;
    for (row, y) in y.chunks_exact(form.result[N - 1]).enumerate() {
        for (number, y) in y.chunks(form.piece_len).enumerate() {
            rows.clear();
            rows.add(g, form, row, x_plane * g.fine_len(), 0);
            let piece = Piece { start: number * form.piece_len, len: y.len() };
            let (signal, offsets, rows) = rows.signal(form, isa, x, piece);
            exact &= !signal.is_padded || y.iter().fold(true, |finite, y| finite & y.is_finite());
            sums.clear();
            sums.resize(offsets.len(), T::zero());
            filter_gradient(isa, offsets, signal.elements, y, sums);
            let taps = form.phases.first().map_or(&[][..], Vec::as_slice);
            for (row, sums) in rows.iter().zip(sums.chunks_exact(taps.len())) {
                for (tap, &sum) in taps.iter().zip(sums) {
                    dw[row.weight + tap.tap] += sum;
                }
            }
        }
    }
    exact
}
