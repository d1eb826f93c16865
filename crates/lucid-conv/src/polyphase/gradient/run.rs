//! Running a schedule, task by task: pack a block of positions, add up the tiles of every pair of panels, and when all
//! positions are in, write the sums as the weight lies.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use lucid_kernels::{
    Blank, ColumnKind, Element, Isa, LINE_BYTES, SignalLayout, Start, Sums, Terms, WINOGRAD_POINTS, add,
    all_finite, interleave, winograd_columns, winograd_taps,
};

use super::super::form::Filtering;
use super::choice::SHARED;
use super::lines::{Columns, for_coarse, scatter_coarse};
use super::pieces::{Panel, Panels, Piece, pieces};
use super::products::{Filter, Products, volume};
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
    entries: Vec<T>,
    buffer: Vec<T>,
    places: Vec<usize>,
}

/// `dw = the sum of products of coarse and fine positions`; returns whether every value is
/// finite. Where one is not, it may be because a term that does not exist counts as 0 times infinity, and the result is
/// void.
pub(crate) fn weight_gradient<T: Element, const N: usize>(
    g: &Geometry<N>,
    (isa, filtering): (Isa, Filtering),
    sides: Sides<'_, T>,
    dw: Blank<'_, T>,
) -> bool {
    if g.batch() == 0 {
        dw.elements().fill(T::zero());
        return true;
    }
    let schedule = Schedule::<T, N>::new(g, isa, filtering);
    let Lengths { rows, lanes, entries, sums, buffer } = schedule.lengths(g);
    let scratch = || Scratch {
        rows: vec![T::zero(); rows + ALIGNMENT],
        lanes: vec![T::zero(); lanes + ALIGNMENT],
        entries: vec![T::zero(); entries + ALIGNMENT],
        buffer: vec![T::zero(); buffer],
        places: Vec::new(),
    };
    let job = &Job { g, schedule: &schedule, isa, sides };
    let (threads, num_places) = (threads_for(g.multiplications(), SHARED), schedule.num_places(g));
    let finite = AtomicBool::new(true);
    let store = |mut piece: Piece<'_, T>, sums: &[T], buffer: &mut [T]| {
        let are_finite = match schedule.roles {
            Roles::Phases => store_phases(job, &mut piece, sums, buffer),
            Roles::Windows => store_windows(job, &mut piece, sums, buffer),
        };
        if !are_finite {
            finite.store(false, Ordering::Relaxed);
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
/// `[row panel][lane panel][product][row][lane]`.
fn add_up<T: Element, const N: usize>(
    job: &Job<'_, T, N>,
    piece: &Piece<'_, T>,
    places: Range<usize>,
    scratch: &mut Scratch<T>,
    sums: &mut [T],
) {
    let &Job { g, schedule, .. } = job;
    let Schedule { roles, products, kernel, width, pitch, .. } = schedule;
    let (roles, width, pitch, m) = (*roles, *width, *pitch, kernel.rows());
    let tile_len = m * width;
    let zeros = [T::zero(); lucid_kernels::MAX_ROWS];
    let panels = Panels::new(g, schedule, piece);
    // How the terms of a block lie in a panel of lanes; and of each product, which point of the rows it takes, and where it begins
    // in the lanes, in elements.
    let (mut offsets, mut shifts) = (Vec::new(), Vec::new());
    let mut known = None;
    let mut start = Start::Rows(&zeros[..m]);
    for (items, block) in schedule.places(g).skip(places.start).take(places.len()) {
        let place = Place { group: piece.group, items: items.clone(), block };
        let item_len = match roles {
            Roles::Phases => volume(products.column_extents(block.size)) * width,
            Roles::Windows => block.len() * width,
        };
        if known != Some((block.size, items.len())) {
            known = Some((block.size, items.len()));
            offsets.clear();
            shifts.clear();
            match roles {
                Roles::Phases => {
                    offsets.extend(products.flat_columns(block.size).map(|column| column * width));
                    let of_products = products.shifts(block.size, items.len());
                    shifts.extend(of_products.into_iter().map(|(point, column)| (point, column * width)));
                }
                Roles::Windows => {
                    offsets.extend((0..block.len()).map(|position| position * width));
                    shifts.push((0, 0));
                }
            }
        }
        let num_terms = items.len() * offsets.len();
        let of_point = schedule.rows_of_point(num_terms);
        let of_panel = of_point * products.num_points();
        for (&panel, rows) in panels.rows.iter().zip(aligned(&mut scratch.rows).chunks_mut(of_panel)) {
            pack_rows(
                job,
                &place,
                panel,
                (rows, of_point),
                aligned(&mut scratch.entries),
                &mut scratch.places,
            );
        }
        let layout = SignalLayout::new(&offsets, item_len, items.len())
            .expect("the panel is in memory, so its indices do not overflow");
        let (all_rows, lanes) = (&*aligned(&mut scratch.rows), aligned(&mut scratch.lanes));
        for (number, &panel) in panels.lanes.iter().enumerate() {
            pack_lanes(job, &place, panel, lanes, aligned(&mut scratch.entries), &mut scratch.places);
            let vectors = panel.len.div_ceil(kernel.lanes());
            for (product, &(point, shift)) in shifts.iter().enumerate() {
                for (row_panel, rows) in all_rows.chunks(of_panel).take(panels.rows.len()).enumerate() {
                    let rows = &rows[point * of_point..][..num_terms * pitch];
                    let terms = Terms::apart(rows, (m, pitch), lanes, layout)
                        .expect("a panel of rows has an element per term and row, and lanes reach as far");
                    let pair = row_panel * panels.lanes.len() + number;
                    let tile = (pair * shifts.len() + product) * tile_len;
                    let sums = Sums { values: &mut sums[tile..tile + tile_len], row_stride: width };
                    kernel.run(&terms, shift, vectors, start, sums);
                }
            }
        }
        start = Start::Sums;
    }
}

/// Packs a panel of rows for a place: `[point][term][row]`.
fn pack_rows<T: Element, const N: usize>(
    &Job { g, schedule, isa, sides }: &Job<'_, T, N>,
    place: &Place<N>,
    panel: Panel,
    (rows, of_point): (&mut [T], usize),
    entries: &mut [T],
    places: &mut Vec<usize>,
) {
    let (pitch, products) = (schedule.pitch, &schedule.products);
    if schedule.roles == Roles::Windows {
        return windows::pack(g, sides.fine, place, panel, (rows, pitch));
    }
    if products.unit == 1 {
        return scatter_coarse(g, isa, sides.coarse, place, panel, Columns { values: rows, pitch, places });
    }
    // Rows along the last axis, filled up to whole columns.
    let [len, num_columns] = [place.block.size[N - 1], products.columns(place.block.size)[N - 1]];
    let filled = num_columns * products.unit;
    let mut lines = Columns { values: &mut *entries, pitch, places };
    for_coarse(g, sides.coarse, place, panel, |rows, line| {
        lines.places.clear();
        for row in line / len..(line + rows.len) / len {
            lines.values[(row * filled + len) * pitch..(row + 1) * filled * pitch].fill(T::zero());
            lines.places.extend((0..len).map(|position| (row * filled + position) * pitch));
        }
        rows.scatter(isa, 0, &mut lines);
    });
    let num_columns = volume(products.columns(place.block.size)) * place.items.len();
    let shape = (products.apart * pitch, num_columns / products.apart);
    let starts: [usize; WINOGRAD_POINTS] = std::array::from_fn(|point| point * of_point);
    winograd_columns(isa, ColumnKind::Outputs, entries, shape, 0..products.num_points(), rows, starts);
}

/// Packs a panel of lanes for a place: `[line][point][item][column]`, or `[position]`.
fn pack_lanes<T: Element, const N: usize>(
    &Job { g, schedule, isa, sides }: &Job<'_, T, N>,
    place: &Place<N>,
    panel: Panel,
    lanes: &mut [T],
    entries: &mut [T],
    places: &mut Vec<usize>,
) {
    let Schedule { roles, phases, products, width, .. } = schedule;
    let width = *width;
    if *roles == Roles::Windows {
        let lines = Columns { values: lanes, pitch: width, places };
        return scatter_coarse(g, isa, sides.coarse, place, panel, lines);
    }
    let extents = products.extents(place.block.size);
    let mut pack = |values| {
        phases.pack(g, isa, sides.fine, (place, extents), panel, Columns { values, pitch: width, places });
    };
    if products.unit == 1 {
        return pack(lanes);
    }
    pack(&mut *entries);
    let columns = products.column_extents(place.block.size);
    let num_points = products.num_points();
    // Entries of a row along the last axis, and columns.
    let [entries_of_row, columns_of_row] = [extents[N - 1], columns[N - 1]].map(|len| len * width);
    let rows_of_line = volume(columns) / columns[N - 1] * place.items.len();
    let of_point = products.columns_of_point(place.block.size, place.items.len()) * width;
    let shape = (products.apart * width, columns[N - 1] / products.apart);
    for (number, line) in products.lines.iter().enumerate() {
        for row in 0..rows_of_line {
            let from =
                (line.slot * rows_of_line + row) * entries_of_row + line.shift * products.apart * width;
            let to = number * num_points * of_point + row * columns_of_row;
            let starts: [usize; WINOGRAD_POINTS] = std::array::from_fn(|point| to + point * of_point);
            winograd_columns(isa, ColumnKind::Signal, &entries[from..], shape, 0..num_points, lanes, starts);
        }
    }
}

/// Writes sums whose rows are coarse channels: the taps of a pair of channels are neighbours in the weight. Returns whether all are
/// finite: as they are written, since combining the sums of products may overflow.
fn store_phases<T: Element, const N: usize>(
    &Job { g, schedule, isa, .. }: &Job<'_, T, N>,
    piece: &mut Piece<'_, T>,
    sums: &[T],
    buffer: &mut [T],
) -> bool {
    let (m, width, num_taps) = (schedule.kernel.rows(), schedule.width, g.num_taps());
    let (products, tile_len) = (&schedule.products, m * width);
    let panels = Panels::new(g, schedule, piece);
    let mut dw = piece.dw.drain(..);
    let mut pairs = sums.chunks(products.len() * tile_len);
    let mut are_finite = true;
    for rows in &panels.rows {
        let mut dw: Vec<_> = dw.by_ref().take(rows.needed).collect();
        for (lanes, sums) in panels.lanes.iter().zip(&mut pairs) {
            let taps = match products.unit {
                1 => sums,
                _ => combine(isa, products, sums, tile_len, &mut buffer[..num_taps * tile_len]),
            };
            // Here they are in a cache.
            are_finite &= all_finite(isa, taps);
            for (row, dw) in (rows.first - rows.start..).zip(&mut dw) {
                let from = &taps[row * width + (lanes.first - lanes.start)..];
                let dw = dw.split_off_first(lanes.needed * num_taps).elements();
                interleave(isa, from, tile_len, num_taps, lanes.needed, dw);
            }
        }
    }
    are_finite
}

/// The sums of the taps, in their order, of those of the products.
fn combine<'a, T: Element, const N: usize>(
    isa: Isa,
    products: &Products<N>,
    mut sums: &[T],
    tile_len: usize,
    taps: &'a mut [T],
) -> &'a [T] {
    for Filter { first, taps: numbers, points, .. } in &products.filters {
        let starts = std::array::from_fn(|point| point.saturating_sub(points.start) * tile_len);
        let mut places = [None; 3];
        for (place, number) in places[*first..].iter_mut().zip(numbers) {
            *place = Some(number * tile_len);
        }
        winograd_taps(isa, sums, starts, tile_len, taps, places);
        sums = &sums[points.len() * tile_len..];
    }
    taps
}

/// Writes sums whose lanes are coarse channels: rows of a tile are neighbours in the weight. Returns whether all are finite.
fn store_windows<T: Element, const N: usize>(
    &Job { g, schedule, isa, .. }: &Job<'_, T, N>,
    piece: &mut Piece<'_, T>,
    sums: &[T],
    buffer: &mut [T],
) -> bool {
    let (m, width) = (schedule.kernel.rows(), schedule.width);
    let panels = Panels::new(g, schedule, piece);
    // Here they are in a cache.
    let are_finite = all_finite(isa, sums);
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
    are_finite
}
