//! Running a schedule, task by task: pack a block of positions, add up the tiles of every pair of panels, and when all
//! positions are in, write the sums as the weight lies.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use lucid_kernels::{Element, Isa, SignalLayout, Start, Sums, Terms, all_finite, interleave};

use super::lines::{Lines, pack_coarse};
use super::schedule::{Lengths, SHARED, Schedule};
use super::{Panel, Place, Roles, panels, windows};
use crate::geometry::Geometry;
use crate::runs::Block;
use crate::tasks::{run_all, threads_for};

/// What is multiplied: the arrays on the two grids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides<'a, T> {
    pub(crate) fine: &'a [T],
    pub(crate) coarse: &'a [T],
}

/// Some rows and columns of the weight of a group, as a matrix of coarse channels by (fine channel, tap).
struct Task<'a, T> {
    group: usize,
    coarse: Range<usize>,
    columns: Range<usize>,
    /// By coarse channel.
    dw: Vec<&'a mut [T]>,
}

/// A thread's own workspace.
struct Scratch<T> {
    rows: Vec<T>,
    lanes: Vec<T>,
    sums: Vec<T>,
    buffer: Vec<T>,
}

/// A task's channels as panels.
struct Panels {
    rows: Vec<Panel>,
    lanes: Vec<Panel>,
}

/// `dw = the sum of products of coarse and fine positions`, where `dw` begins as zeros; returns whether every value is
/// finite. Where one is not, it may be because a term that does not exist counts as 0 times infinity, and the result is
/// void.
pub(crate) fn weight_gradient<T: Element, const N: usize>(
    g: &Geometry<N>,
    isa: Isa,
    sides: Sides<'_, T>,
    dw: &mut [T],
) -> bool {
    if g.batch() == 0 {
        return true;
    }
    let schedule = Schedule::<T, N>::new(g, isa);
    let Lengths { rows, lanes, sums, buffer } = schedule.lengths(g);
    let scratch = || Scratch {
        rows: vec![T::zero(); rows],
        lanes: vec![T::zero(); lanes + ALIGNMENT],
        sums: vec![T::zero(); sums + ALIGNMENT],
        buffer: vec![T::zero(); buffer],
    };
    let finite = AtomicBool::new(true);
    let tasks = tasks(g, &schedule, dw);
    run_all(tasks.into_iter(), threads_for(g.multiplications(), SHARED), scratch, |scratch, mut task| {
        let taps = g.num_taps();
        let (kernel, width) = (&schedule.kernel, schedule.width);
        let of_panels = match schedule.roles {
            Roles::Phases => Panels {
                rows: panels(task.coarse.clone(), kernel.rows(), kernel.rows(), g.coarse_per_group()),
                lanes: panels(
                    task.columns.start / taps..task.columns.end / taps,
                    width,
                    kernel.lanes(),
                    g.fine_per_group(),
                ),
            },
            Roles::Windows => Panels {
                rows: panels(task.columns.clone(), kernel.rows(), kernel.rows(), g.fine_per_group() * taps),
                lanes: panels(task.coarse.clone(), width, kernel.lanes(), g.coarse_per_group()),
            },
        };
        add_up(g, &schedule, isa, task.group, &of_panels, sides, scratch);
        let sums = aligned(&mut scratch.sums);
        let is_finite = match schedule.roles {
            Roles::Phases => store_phases(&schedule, isa, taps, &of_panels, sums, &mut task),
            Roles::Windows => {
                store_windows(&schedule, isa, &of_panels, sums, &mut scratch.buffer, &mut task);
                task.dw.iter().all(|row| all_finite(isa, row))
            }
        };
        if !is_finite {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

/// Cuts the weight into tasks.
fn tasks<'a, T: Element, const N: usize>(
    g: &Geometry<N>,
    schedule: &Schedule<T, N>,
    dw: &'a mut [T],
) -> Vec<Task<'a, T>> {
    let (coarse_g, row_len) = (g.coarse_per_group(), g.fine_per_group() * g.num_taps());
    let mut tasks = Vec::new();
    for (group, dw) in dw.chunks_mut(coarse_g * row_len).enumerate() {
        for (part, dw) in dw.chunks_mut(schedule.coarse * row_len).enumerate() {
            let start = part * schedule.coarse;
            let coarse = start..start + dw.len() / row_len;
            let of_part = tasks.len();
            tasks.extend((0..row_len).step_by(schedule.columns).map(|column| Task {
                group,
                coarse: coarse.clone(),
                columns: column..(column + schedule.columns).min(row_len),
                dw: Vec::with_capacity(coarse.len()),
            }));
            for row in dw.chunks_mut(row_len) {
                for (task, dw) in tasks[of_part..].iter_mut().zip(row.chunks_mut(schedule.columns)) {
                    task.dw.push(dw);
                }
            }
        }
    }
    tasks
}

/// Elements among which one begins a cache line: vectors that straddle two of them take twice as long to read.
const ALIGNMENT: usize = 16;

/// What follows from the first element on that begins a cache line.
fn aligned<T>(values: &mut [T]) -> &mut [T] {
    let skipped = values.as_ptr().align_offset(64).min(ALIGNMENT);
    &mut values[skipped..]
}

/// Sums the products of all pairs of panels, all positions, into the tiles of `scratch.sums`:
/// `[row panel][lane panel][tap][row][lane]`.
fn add_up<T: Element, const N: usize>(
    g: &Geometry<N>,
    schedule: &Schedule<T, N>,
    isa: Isa,
    group: usize,
    panels: &Panels,
    sides: Sides<'_, T>,
    scratch: &mut Scratch<T>,
) {
    let Schedule { roles, phases, kernel, width, .. } = schedule;
    let (roles, width, m) = (*roles, *width, kernel.rows());
    let tile_len = m * width;
    let zeros = [T::zero(); lucid_kernels::MAX_ROWS];
    let Scratch { rows, lanes, sums, buffer } = scratch;
    let (lanes, sums) = (aligned(lanes), aligned(sums));
    // How the positions of a block lie in a panel of lanes, and where each tap begins, in elements.
    let (mut offsets, mut shifts) = (Vec::new(), Vec::new());
    let mut known = None;
    let mut is_first = true;
    for first in (0..g.batch()).step_by(schedule.items) {
        let items = first..(first + schedule.items).min(g.batch());
        for block in Block::tiles(g.coarse(), schedule.block) {
            let place = Place { group, items: items.clone(), block };
            let len = place.len();
            let item_len = match roles {
                Roles::Phases => phases.box_len(block.size) * width,
                Roles::Windows => block.len() * width,
            };
            if known != Some((block.size, items.len())) {
                known = Some((block.size, items.len()));
                offsets.clear();
                shifts.clear();
                match roles {
                    Roles::Phases => {
                        offsets.extend(phases.entries(block.size).map(|entry| entry * width));
                        let of_taps = phases.shifts(block.size, items.len());
                        shifts.extend(of_taps.into_iter().map(|entry| entry * width));
                    }
                    Roles::Windows => {
                        offsets.extend((0..block.len()).map(|position| position * width));
                        shifts.push(0);
                    }
                }
            }
            for (&panel, rows) in panels.rows.iter().zip(rows.chunks_mut(len * m)) {
                match roles {
                    Roles::Phases => {
                        let lines = Lines { values: rows, pitch: m, buffer };
                        pack_coarse(g, isa, sides.coarse, &place, panel, lines);
                    }
                    Roles::Windows => windows::pack(g, sides.fine, &place, panel, rows),
                }
            }
            let layout = SignalLayout::new(&offsets, item_len, items.len())
                .expect("the panel is in memory, so its indices do not overflow");
            for (number, &panel) in panels.lanes.iter().enumerate() {
                let lines = Lines { values: lanes, pitch: width, buffer };
                match roles {
                    Roles::Phases => phases.pack(g, isa, sides.fine, &place, panel, lines),
                    Roles::Windows => pack_coarse(g, isa, sides.coarse, &place, panel, lines),
                }
                let vectors = panel.len.div_ceil(kernel.lanes());
                for (tap, &shift) in shifts.iter().enumerate() {
                    for (row_panel, rows) in rows.chunks(len * m).take(panels.rows.len()).enumerate() {
                        let terms = Terms::new(rows, m, lanes, layout).expect(
                            "a panel of rows has an element per term and row, and lanes reach as far",
                        );
                        let pair = row_panel * panels.lanes.len() + number;
                        let tile = (pair * shifts.len() + tap) * tile_len;
                        let start = if is_first { Start::Rows(&zeros[..m]) } else { Start::Sums };
                        let sums = Sums { values: &mut sums[tile..tile + tile_len], row_stride: width };
                        kernel.run(&terms, shift, vectors, start, sums);
                    }
                }
            }
            is_first = false;
        }
    }
}

/// Writes sums whose rows are coarse channels: the taps of a pair of channels are neighbours in the weight. Returns
/// whether all are finite, which is least work while they are in a cache.
fn store_phases<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    isa: Isa,
    taps: usize,
    panels: &Panels,
    sums: &[T],
    task: &mut Task<'_, T>,
) -> bool {
    let (m, width) = (schedule.kernel.rows(), schedule.width);
    let mut dw = task.dw.iter_mut();
    let mut is_finite = true;
    for (row_panel, rows) in panels.rows.iter().enumerate() {
        for (row, dw) in (rows.first - rows.start..).take(rows.needed).zip(&mut dw) {
            for ((number, lanes), dw) in panels.lanes.iter().enumerate().zip(dw.chunks_mut(width * taps)) {
                let tile = (row_panel * panels.lanes.len() + number) * taps * m * width;
                let from = &sums[tile + row * width + (lanes.first - lanes.start)..];
                interleave(isa, from, m * width, taps, lanes.needed, dw);
            }
            is_finite &= all_finite(isa, dw);
        }
    }
    is_finite
}

/// Writes sums whose lanes are coarse channels: rows of a tile are neighbours in the weight.
fn store_windows<T: Element, const N: usize>(
    schedule: &Schedule<T, N>,
    isa: Isa,
    panels: &Panels,
    sums: &[T],
    buffer: &mut [T],
    task: &mut Task<'_, T>,
) {
    let (m, width) = (schedule.kernel.rows(), schedule.width);
    for (number, lanes) in panels.lanes.iter().enumerate() {
        for (row_panel, rows) in panels.rows.iter().enumerate() {
            let tile = (row_panel * panels.lanes.len() + number) * m * width;
            let from = &sums[tile + (rows.first - rows.start) * width + (lanes.first - lanes.start)..];
            interleave(isa, from, width, rows.needed, lanes.needed, buffer);
            let at = rows.first - task.columns.start;
            let dw = task.dw[lanes.first - task.coarse.start..].iter_mut();
            for (dw, from) in dw.zip(buffer.chunks(rows.needed).take(lanes.needed)) {
                dw[at..at + rows.needed].copy_from_slice(from);
            }
        }
    }
}
