//! Running a schedule, task by task: pack a block of positions, add up the tiles of every pair of panels, and when all
//! positions are in, write the sums as the weight lies.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use lucid_kernels::{
    Blank, Element, Isa, LINE_BYTES, SignalLayout, Start, Sums, Terms, add, all_finite, interleave,
};

use super::choice::SHARED;
use super::lines::{Columns, Lines, for_coarse, transpose};
use super::pieces::{Panels, Piece, pieces};
use super::schedule::{Lengths, Schedule};
use super::{Place, Roles, windows};
use crate::geometry::Geometry;
use crate::tasks::{run_all, threads_for};

/// What is multiplied: the arrays on the two grids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides<'a, T> {
    pub(crate) fine: &'a [T],
    pub(crate) coarse: &'a [T],
}

/// What all tasks share.
struct Job<'a, T: 'static, const N: usize> {
    g: &'a Geometry<N>,
    schedule: &'a Schedule<T, N>,
    isa: Isa,
    sides: Sides<'a, T>,
}

/// A thread's own workspace.
struct Scratch<T> {
    rows: Vec<T>,
    lanes: Vec<T>,
    buffer: Vec<T>,
    places: Vec<usize>,
}

/// `dw = the sum of products of coarse and fine positions`; returns whether every value is
/// finite. Where one is not, it may be because a term that does not exist counts as 0 times infinity, and the result is
/// void.
pub(crate) fn weight_gradient<T: Element, const N: usize>(
    g: &Geometry<N>,
    isa: Isa,
    sides: Sides<'_, T>,
    dw: Blank<'_, T>,
) -> bool {
    if g.batch() == 0 {
        dw.elements().fill(T::zero());
        return true;
    }
    let schedule = Schedule::<T, N>::new(g, isa);
    let Lengths { rows, lanes, sums, buffer } = schedule.lengths(g);
    let scratch = || Scratch {
        rows: vec![T::zero(); rows],
        lanes: vec![T::zero(); lanes + ALIGNMENT],
        buffer: vec![T::zero(); buffer],
        places: Vec::new(),
    };
    let job = &Job { g, schedule: &schedule, isa, sides };
    let (threads, num_places) = (threads_for(g.multiplications(), SHARED), schedule.num_places(g));
    let finite = AtomicBool::new(true);
    let store = |mut piece: Piece<'_, T>, sums: &[T], buffer: &mut [T]| {
        // Here they are in a cache.
        if !all_finite(isa, sums) {
            finite.store(false, Ordering::Relaxed);
        }
        match schedule.roles {
            Roles::Phases => store_phases(job, &mut piece, sums),
            Roles::Windows => store_windows(job, &mut piece, sums, buffer),
        }
    };
    let pieces = pieces(g, &schedule, dw);
    let parts = schedule.parts;
    if parts == 1 {
        let scratch = || (scratch(), vec![T::zero(); sums + ALIGNMENT]);
        run_all(pieces.into_iter(), threads, scratch, |(scratch, sums), piece| {
            let sums = aligned(sums);
            add_up(job, &piece, 0..num_places, scratch, sums);
            store(piece, sums, &mut scratch.buffer);
        });
        return finite.into_inner();
    }
    // A task makes its own sums, so that they are in a near cache from the first one on.
    let mut partial = vec![Vec::new(); pieces.len() * parts];
    let tasks: Vec<_> = partial.iter_mut().enumerate().collect();
    run_all(tasks.into_iter(), threads, scratch, |scratch, (number, partial)| {
        let (piece, part) = (&pieces[number / parts], number % parts);
        let places = part * num_places / parts..(part + 1) * num_places / parts;
        partial.resize(sums + ALIGNMENT, T::zero());
        add_up(job, piece, places, scratch, aligned(partial));
    });
    let of_pieces: Vec<_> = pieces.into_iter().zip(partial.chunks_mut(parts)).collect();
    run_all(
        of_pieces.into_iter(),
        threads,
        || vec![T::zero(); buffer],
        |buffer, (piece, partial)| {
            let (total, others) = partial.split_first_mut().expect("a piece has at least one part");
            let total = aligned(total);
            others.iter_mut().for_each(|part| add(isa, total, aligned(part)));
            store(piece, total, buffer);
        },
    );
    finite.into_inner()
}

/// Elements among which one begins a cache line: vectors that straddle two of them take twice as long to read.
const ALIGNMENT: usize = 16;

/// What follows from the first element on that begins a cache line.
fn aligned<T>(values: &mut [T]) -> &mut [T] {
    let skipped = values.as_ptr().align_offset(LINE_BYTES).min(ALIGNMENT);
    &mut values[skipped..]
}

/// Sums the products of all pairs of panels of a piece, of the positions of some places, into tiles:
/// `[row panel][lane panel][tap][row][lane]`.
fn add_up<T: Element, const N: usize>(
    job: &Job<'_, T, N>,
    piece: &Piece<'_, T>,
    places: Range<usize>,
    scratch: &mut Scratch<T>,
    sums: &mut [T],
) {
    let &Job { g, schedule, isa, sides } = job;
    let Schedule { roles, phases, kernel, width, .. } = schedule;
    let (roles, width, m) = (*roles, *width, kernel.rows());
    let tile_len = m * width;
    let zeros = [T::zero(); lucid_kernels::MAX_ROWS];
    let panels = Panels::new(g, schedule, piece);
    let Scratch { rows, lanes, buffer, places: line_places } = scratch;
    let lanes = aligned(lanes);
    // How the positions of a block lie in a panel of lanes, and where each tap begins, in elements.
    let (mut offsets, mut shifts) = (Vec::new(), Vec::new());
    let mut known = None;
    let mut start = Start::Rows(&zeros[..m]);
    for (items, block) in schedule.places(g).skip(places.start).take(places.len()) {
        let place = Place { group: piece.group, items: items.clone(), block };
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
                    let mut lines = Lines { values: rows, pitch: m, buffer };
                    for_coarse(g, sides.coarse, &place, panel, |rows, line| {
                        transpose(isa, &rows, lines.from(line))
                    });
                }
                Roles::Windows => windows::pack(g, sides.fine, &place, panel, rows),
            }
        }
        let layout = SignalLayout::new(&offsets, item_len, items.len())
            .expect("the panel is in memory, so its indices do not overflow");
        for (number, &panel) in panels.lanes.iter().enumerate() {
            let mut lines = Columns { values: &mut *lanes, pitch: width, places: line_places };
            match roles {
                Roles::Phases => phases.pack(g, isa, sides.fine, &place, panel, lines),
                Roles::Windows => for_coarse(g, sides.coarse, &place, panel, |rows, line| {
                    lines.places.clear();
                    lines.places.extend((line..line + rows.len).map(|line| line * width));
                    rows.scatter(isa, 0, &mut lines);
                }),
            }
            let vectors = panel.len.div_ceil(kernel.lanes());
            for (tap, &shift) in shifts.iter().enumerate() {
                for (row_panel, rows) in rows.chunks(len * m).take(panels.rows.len()).enumerate() {
                    let terms = Terms::new(rows, m, lanes, layout)
                        .expect("a panel of rows has an element per term and row, and lanes reach as far");
                    let pair = row_panel * panels.lanes.len() + number;
                    let tile = (pair * shifts.len() + tap) * tile_len;
                    let sums = Sums { values: &mut sums[tile..tile + tile_len], row_stride: width };
                    kernel.run(&terms, shift, vectors, start, sums);
                }
            }
        }
        start = Start::Sums;
    }
}

/// Writes sums whose rows are coarse channels: the taps of a pair of channels are neighbours in the weight.
fn store_phases<T: Element, const N: usize>(
    &Job { g, schedule, isa, .. }: &Job<'_, T, N>,
    piece: &mut Piece<'_, T>,
    sums: &[T],
) {
    let (m, width, taps) = (schedule.kernel.rows(), schedule.width, g.num_taps());
    let panels = Panels::new(g, schedule, piece);
    let mut dw = piece.dw.drain(..);
    for (row_panel, rows) in panels.rows.iter().enumerate() {
        for (row, dw) in (rows.first - rows.start..).take(rows.needed).zip(&mut dw) {
            let dw = dw.elements();
            for ((number, lanes), dw) in panels.lanes.iter().enumerate().zip(dw.chunks_mut(width * taps)) {
                let tile = (row_panel * panels.lanes.len() + number) * taps * m * width;
                let from = &sums[tile + row * width + (lanes.first - lanes.start)..];
                interleave(isa, from, m * width, taps, lanes.needed, dw);
            }
        }
    }
}

/// Writes sums whose lanes are coarse channels: rows of a tile are neighbours in the weight.
fn store_windows<T: Element, const N: usize>(
    &Job { g, schedule, isa, .. }: &Job<'_, T, N>,
    piece: &mut Piece<'_, T>,
    sums: &[T],
    buffer: &mut [T],
) {
    let (m, width) = (schedule.kernel.rows(), schedule.width);
    let panels = Panels::new(g, schedule, piece);
    let mut dw = piece.dw.drain(..);
    for (number, lanes) in panels.lanes.iter().enumerate() {
        let mut dw: Vec<_> = dw.by_ref().take(lanes.needed).map(Blank::elements).collect();
        for (row_panel, rows) in panels.rows.iter().enumerate() {
            let tile = (row_panel * panels.lanes.len() + number) * m * width;
            let from = &sums[tile + (rows.first - rows.start) * width + (lanes.first - lanes.start)..];
            interleave(isa, from, width, rows.needed, lanes.needed, buffer);
            let at = rows.first - piece.columns.start;
            for (dw, from) in dw.iter_mut().zip(buffer.chunks(rows.needed)) {
                dw[at..at + rows.needed].copy_from_slice(from);
            }
        }
    }
}
