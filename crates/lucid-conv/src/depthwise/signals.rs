//! Signals, onto one or two phases of the result: rows of any number of channels at a time, which are read where they lie,
//! ends and all, and written once.
//!
//! A task is the rows of neighbouring channels, or a piece of one long row.

use lucid_kernels::{Blank, Element, Isa, SignalTap, Signals, filter_signals};

use super::form::{Form, Tap, num_phases};
use super::run::num_threads;
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::run::Operands;
use crate::tasks::run_all;

/// Elements of the result per task: an even number, some microseconds of work.
pub(super) const TASK_LEN: usize = 1 << 14;

/// Multiplications, and four for each element that is read or written, above which threads share a pass: some 25
/// microseconds of one.
const SHARED: f64 = 3e6;

/// Whether a pass reads signals so, and writes its result once.
pub(crate) fn reads_in_place<const N: usize>(g: &Geometry<N>, pass: Pass) -> bool {
    N == 1
        && match pass {
            Pass::Forward => g.axes[0].stride == 1,
            Pass::BackwardData => num_phases(g, pass) <= 2,
            Pass::BackwardWeight => false,
        }
}

/// The taps by phase, of all channels of the source that a channel of the result has; none where it is not so.
pub(super) fn taps<const N: usize>(g: &Geometry<N>, pass: Pass, form: &Form<N>) -> Vec<Vec<SignalTap>> {
    if !reads_in_place(g, pass) {
        return Vec::new();
    }
    let of_channel = |taps: &[Tap], i: usize| {
        let (row, first) = (i * form.source[0], i * g.num_taps());
        let of_tap =
            |tap: &Tap| SignalTap { row, shift: form.low + tap.offset as isize, weight: first + tap.tap };
        taps.iter().map(of_tap).collect::<Vec<_>>()
    };
    let of_phase = |taps: &Vec<Tap>| (0..form.source_channels).flat_map(|i| of_channel(taps, i)).collect();
    form.phases.iter().map(of_phase).collect()
}

/// As [`pass`](super::pass), with taps that there are.
pub(super) fn pass<T: Element, const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    isa: Isa,
    operands: &Operands<'_, T>,
    result: Blank<'_, T>,
) {
    let row_len = form.result[0];
    let piece_len = row_len.min(form.piece_len * form.phases.len());
    let (rows, pieces) = (TASK_LEN / piece_len, row_len.div_ceil(piece_len));
    let num_tasks = (result.len() / row_len).div_ceil(rows) * pieces;
    let num_threads = num_threads(g, (result.len(), operands.source.len()), SHARED);
    let mut rest = result;
    let tasks = (0..num_tasks).map(move |number| {
        let (plane, start) = (number / pieces * rows, number % pieces * piece_len);
        let left = if pieces > 1 { row_len - start } else { rest.len() };
        (plane, start, rest.split_off_first(left.min(rows * piece_len)))
    });
    run_all(
        tasks,
        num_threads,
        || (),
        |(), (plane, start, out)| {
            run_rows(g, form, isa, operands, (plane, start), out);
        },
    );
}

/// Rows from a plane of the result on, or a piece of its row that starts with element `start`.
fn run_rows<T: Element, const N: usize>(
    g: &Geometry<N>,
    form: &Form<N>,
    isa: Isa,
    operands: &Operands<'_, T>,
    (mut plane, start): (usize, usize),
    mut rest: Blank<'_, T>,
) {
    let out_len = rest.len().min(form.result[0]);
    let weight_pitch = form.source_channels * g.num_taps();
    let group_len = form.source_channels * form.source[0];
    while !rest.is_empty() {
        // Of channels with weights one after the other, those that read signals at one distance: the item's groups of one
        // channel each, or the channels of one group.
        let channel = plane % (g.groups * form.result_channels);
        let (all, pitch) = match form.result_channels {
            1 => (g.groups - channel, group_len),
            own => (own - channel % own, 0),
        };
        let num = all.min(rest.len() / out_len);
        let signals = Signals {
            num,
            signal: &operands.source[plane / form.result_channels * group_len..],
            pitch,
            len: form.source[0],
            weights: &operands.weight[channel * weight_pitch..],
            weight_pitch,
            bias: operands.bias.map_or(&[], |bias| &bias[channel..]),
            start: start / form.phases.len(),
            out_len,
        };
        filter_signals(isa, &form.signal_taps, &signals, rest.split_off_first(num * out_len));
        plane += num;
    }
}
