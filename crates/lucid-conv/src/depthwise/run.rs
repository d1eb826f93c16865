//! Running a form, chunk by chunk.
//!
//! A task is a stretch of the result: pieces of one long row, or rows of many planes. What is a task depends on the form
//! alone, and every sum is one task's.

use lucid_kernels::{Blank, Element, Isa, Rows, Taps, filter, filter_gradient, filter_pairs, interleave};

use super::chunk::Chunk;
use super::form::Form;
use super::signals;
use super::window::{Band, Offsets, Window, add_bands, first_of};
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::run::Operands;
use crate::tasks::{run_all, threads_for};
use crate::workspace::Pool;

/// Multiplications, and four for each element that is read or written, above which threads share a pass.
const SHARED: f64 = 400_000.0;

/// A thread's own workspace.
#[derive(Debug)]
pub(crate) struct Scratch<T> {
    bands: Vec<Band>,
    buffer: Vec<T>,
    offsets: Offsets,
    weights: Vec<T>,
    sums: Vec<T>,
}

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Scratch {
            bands: Vec::new(),
            buffer: Vec::new(),
            offsets: Offsets::default(),
            weights: Vec::new(),
            sums: Vec::new(),
        }
    }
}

/// Threads for a pass that is worth them if its multiplications, and four for each element that is read or written, are more than
/// `shared`.
pub(super) fn num_threads<const N: usize>(
    g: &Geometry<N>,
    (result_len, source_len): (usize, usize),
    shared: f64,
) -> usize {
    threads_for(g.multiplications() + 4.0 * (result_len as f64 + source_len as f64), shared)
}

/// `result = bias + the pass of source and weight`. Every weight has to be finite.
pub(crate) fn pass<T: Element, const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    isa: Isa,
    operands: &Operands<'_, T>,
    result: Blank<'_, T>,
    pool: &Pool<Scratch<T>>,
) {
    if !form.signal_taps.is_empty() {
        return signals::pass(g, form, isa, operands, result);
    }
    let num_threads = num_threads(g, (result.len(), operands.source.len()), SHARED);
    let result = result.elements();
    let num_chunks = form.num_chunks(result.len() / form.result.iter().product::<usize>());
    let mut rest = result;
    let tasks = (0..num_chunks).step_by(form.chunks_per_task()).map(move |first| {
        let last = (first + form.chunks_per_task()).min(num_chunks) - 1;
        let (start, _) = form.extent(&form.chunk(first));
        let (last_start, last_len) = form.extent(&form.chunk(last));
        let task = rest.split_off_mut(..last_start + last_len - start);
        (first, task.expect("chunks lie one after the other in the result"))
    });
    let lend = || {
        let mut scratch = pool.lend();
        scratch.offsets.forget();
        scratch
    };
    run_all(tasks, num_threads, lend, |scratch, (first, mut stretch)| {
        let mut chunk = form.chunk(first);
        while !stretch.is_empty() {
            let (out, others) = stretch.split_at_mut(form.extent(&chunk).1);
            stretch = others;
            run_chunk(g, form, isa, operands, scratch, &chunk, out);
            chunk = form.chunk_after(chunk);
        }
    });
}

fn run_chunk<T: Element, const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    isa: Isa,
    operands: &Operands<'_, T>,
    scratch: &mut Scratch<T>,
    chunk: &Chunk,
    out: &mut [T],
) {
    let (item, channel) = quotient(chunk.plane, g.groups * form.result_channels);
    let (group, own) = quotient(channel, form.result_channels);
    let source_plane: usize = form.source.iter().product();
    let Scratch { bands, buffer, offsets, weights, sums } = scratch;
    bands.clear();
    for i in 0..form.source_channels {
        let of_source = group * form.source_channels + i;
        // The weight is [coarse][fine of the group][tap].
        let pair = if form.onto_fine {
            of_source * form.result_channels + own
        } else {
            channel * form.source_channels + i
        };
        let start = (item * g.groups * form.source_channels + of_source) * source_plane;
        add_bands(g, form, chunk.outer, Band { start, weight: pair * g.num_taps() }, bands);
    }
    let bias = operands.bias.map_or(T::zero(), |bias| bias[channel]);
    let Some(base) = first_of(bands) else { return out.fill(bias) };
    let weight = &operands.weight[base.weight..];
    let window = Window::new(form, isa, operands.source, bands, chunk, buffer);
    let (row_len, num_rows) = (out.len() / chunk.num_rows, chunk.num_rows);
    let signal_pitch = form.row_axis.stride.saturating_mul(window.row_pitch);
    for (number, out_row) in out.chunks_exact_mut(row_len).enumerate() {
        if number == 0 || !form.is_uniform() {
            offsets.lay_out(form, &window, bands, chunk, chunk.first_row + number);
            weights.clear();
            weights.extend(offsets.weights.iter().map(|&at| weight[at]));
        }
        let taps = Taps { offsets: &offsets.offsets, weights };
        if let ([_], true) = (form.phases.as_slice(), form.is_uniform()) {
            let rows = Rows { num_rows, len: row_len, signal_pitch, pitch: row_len };
            return filter(isa, taps, bias, window.elements, rows, out);
        }
        let skipped = if form.is_uniform() { number * signal_pitch } else { 0 };
        filter_row(form, isa, taps, bias, &window.elements[skipped..], sums, out_row);
    }
}

/// `a / b` and `a % b`, without a division in the most frequent cases.
fn quotient(a: usize, b: usize) -> (usize, usize) {
    match b {
        _ if a < b => (0, a),
        1 => (a, 0),
        _ => (a / b, a % b),
    }
}

/// A row, or a piece of one, of the result: a filter per phase, interleaved.
fn filter_row<T: Element, const N: usize>(
    form: &Form<N>,
    isa: Isa,
    taps: Taps<'_, T>,
    bias: T,
    signal: &[T],
    sums: &mut Vec<T>,
    out: &mut [T],
) {
    let Taps { offsets, weights } = taps;
    // Of each phase's taps there are as many copies as rows are read.
    let (num_rows, _) = quotient(offsets.len(), form.num_links.max(1));
    match form.phases.as_slice() {
        [_] => filter(isa, taps, bias, signal, Rows::one(out.len()), out),
        [even, _] => {
            let first = even.len() * num_rows;
            let even = Taps { offsets: &offsets[..first], weights: &weights[..first] };
            let mut odd = Taps { offsets: &offsets[first..], weights: &weights[first..] };
            if odd.offsets == even.offsets {
                odd.offsets = even.offsets;
            }
            filter_pairs(isa, [even, odd], bias, signal, out);
        }
        phases => {
            let (num_phases, len) = (phases.len(), out.len().div_ceil(phases.len()));
            if sums.len() < num_phases * len {
                sums.resize(num_phases * len, T::zero());
            }
            let mut at = 0;
            for (taps, sums) in phases.iter().zip(sums.chunks_exact_mut(len)) {
                let range = at..at + taps.len() * num_rows;
                at = range.end;
                let taps = Taps { offsets: &offsets[range.clone()], weights: &weights[range] };
                filter(isa, taps, bias, signal, Rows::one(len), sums);
            }
            let whole = out.len() / num_phases;
            interleave(isa, sums, len, num_phases, whole, out);
            for (phase, out) in out[whole * num_phases..].iter_mut().enumerate() {
                *out = sums[phase * len + whole];
            }
        }
    }
}

/// `dw[c, f, k] = sum over (n, l) of y[n, c, l] x[n, f, fine(l, k)]`. Numbers that are not finite may make a gradient NaN
/// that is infinite or does not depend on them, never a finite one.
pub(crate) fn backward_weight<T: Element, const N: usize>(
    g: &Geometry<N>,
    isa: Isa,
    x: &[T],
    y: &[T],
    dw: &mut [T],
) {
    let form = Form::new(g, Pass::BackwardWeight);
    let taps = g.num_taps();
    let (coarse_g, fine_g) = (g.coarse_per_group(), g.fine_per_group());
    let per_task = form.pairs_per_task(g.batch());
    let tasks = dw.chunks_mut(per_task * taps).enumerate();
    run_all(tasks, num_threads(g, (x.len(), y.len()), SHARED), Scratch::default, |scratch, (task, dw)| {
        dw.fill(T::zero());
        for (within, dw) in dw.chunks_exact_mut(taps).enumerate() {
            let pair = task * per_task + within;
            let (c, f) = (pair / fine_g, pair % fine_g);
            for n in 0..g.batch() {
                let x_plane = n * g.fine_channels + c / coarse_g * fine_g + f;
                let y = &y[(n * g.coarse_channels + c) * g.coarse_len()..][..g.coarse_len()];
                let plane = Band { start: x_plane * g.fine_len(), weight: 0 };
                add_gradient(g, &form, isa, scratch, (x, plane), y, dw);
            }
        }
    });
}

/// Adds the products of one plane of `y` with one of `x`.
fn add_gradient<T: Element, const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    isa: Isa,
    scratch: &mut Scratch<T>,
    (x, plane): (&[T], Band),
    y: &[T],
    dw: &mut [T],
) {
    let Scratch { bands, buffer, offsets, sums, .. } = scratch;
    for number in 0..form.num_chunks(1) {
        let chunk = form.chunk(number);
        bands.clear();
        add_bands(g, form, chunk.outer, plane, bands);
        let Some(base) = first_of(bands) else { continue };
        let window = Window::new(form, isa, x, bands, &chunk, buffer);
        offsets.lay_out(form, &window, bands, &chunk, chunk.first_row);
        let rows = Rows {
            num_rows: chunk.num_rows,
            len: chunk.len,
            signal_pitch: form.row_axis.stride.saturating_mul(window.row_pitch),
            pitch: form.result[N - 1],
        };
        sums.clear();
        sums.resize(offsets.offsets.len(), T::zero());
        let y = &y[form.extent(&chunk).0..];
        filter_gradient(isa, &offsets.offsets, window.elements, y, rows, sums);
        for (&weight, &sum) in offsets.weights.iter().zip(sums.iter()) {
            dw[base.weight + weight] += sum;
        }
    }
}
