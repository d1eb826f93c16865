//! The lines of minimal filtering, straight from signals that lie as they come: the columns are taken apart in registers.
//!
//! Column `i` of a signal has the elements `4 i`, `4 i + 1` and so on, and reads one or two of the next one's beyond its own four.
//! Vectors are loaded from so far on that the last of them ends with the last element that its columns read: nothing beyond is.

use std::ops::Range;

use num_traits::Float;

use crate::element::Element;
use crate::isa::Isa;
use crate::shuffle::Shuffle;
use crate::vector::Vector;
use crate::winograd::{REFUSED_POINTS, WINOGRAD_OUTPUTS, WINOGRAD_POINTS, are_points, at_points};

/// Signals, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalColumns {
    /// Columns of each: groups of four elements.
    pub len: usize,
    /// How many signals there are.
    pub num_signals: usize,
    /// From a signal's first element to the next one's.
    pub pitch: usize,
}

/// As [`winograd_lines`](crate::winograd_lines), of `columns.num_signals` signals: element `i` of the lines of signal `k` is made
/// of `d0 ..= d5`, which are `from[k * columns.pitch + 4 * i]` and those that follow. Its line of point `p` begins at
/// `to[starts[p] + k * strides[p]]`. Points are `0..6`, or `0..5` or `1..5`, which do not read `d5`, nor the latter `d0`. What
/// lines that overlap have there depends on the instruction set.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, SignalColumns, winograd_lines, winograd_signals};
///
/// let signal: Vec<f64> = (0..13).map(f64::from).collect();
/// let columns = SignalColumns { len: 1, num_signals: 2, pitch: 7 };
/// let mut lines = [0.0; 12];
/// let (starts, strides) = ([0, 1, 2, 3, 4, 5], [6; 6]);
/// winograd_signals(Isa::best(), &signal, columns, 0..6, &mut lines, (&starts, &strides));
/// let mut of_second = [0.0; 6];
/// winograd_lines(Isa::best(), &signal, [7, 8, 9, 10, 11, 12], 1, 0..6, &mut of_second, starts);
/// assert_eq!(lines[6..], of_second);
/// ```
///
/// # Panics
/// When the points are others, an element is missing in `from`, or a line reaches beyond `to`; without columns or signals only
/// when the points are others.
pub fn winograd_signals<T: Element>(
    isa: Isa,
    from: &[T],
    columns: SignalColumns,
    points: Range<usize>,
    to: &mut [T],
    (starts, strides): (&[usize; WINOGRAD_POINTS], &[usize; WINOGRAD_POINTS]),
) {
    assert!(are_points(&points), "{REFUSED_POINTS} {points:?}");
    let SignalColumns { len, num_signals, pitch } = columns;
    if len == 0 || num_signals == 0 {
        return;
    }
    let end = |start: usize, stride: usize, len: usize| {
        (num_signals - 1).checked_mul(stride).and_then(|last| last.checked_add(start)?.checked_add(len))
    };
    // Without infinity nothing reads d5.
    let read = (len - 1).checked_mul(WINOGRAD_OUTPUTS).and_then(|last| last.checked_add(points.end));
    let read = read.and_then(|read| end(0, pitch, read));
    assert!(
        read.is_some_and(|read| read <= from.len()),
        "points {points:?} of {columns:?} read {} of {} elements",
        read.map_or("too many to count".into(), |read| read.to_string()),
        from.len()
    );
    let fits = |point: usize| end(starts[point], strides[point], len).is_some_and(|end| end <= to.len());
    assert!(points.clone().all(fits), "{columns:?} to {starts:?}, {strides:?} apart, of {}", to.len());
    let job =
        SignalLines { from: from.as_ptr(), columns: &columns, points, to: to.as_mut_ptr(), starts, strides };
    // SAFETY: as just checked.
    unsafe { T::signals(isa, &job) }
}

/// `from` has the elements that the lines of every signal are made of, and `to` has room for each of its points' lines; there is at
/// least one column. All stay where they are, as in `Copy`.
#[derive(Debug)]
pub struct SignalLines<'a, T> {
    from: *const T,
    columns: &'a SignalColumns,
    points: Range<usize>,
    to: *mut T,
    starts: &'a [usize; WINOGRAD_POINTS],
    strides: &'a [usize; WINOGRAD_POINTS],
}

/// The elements `d0 ..= d5` of the columns from a signal's element on that they begin with, as many as a vector has lanes: those
/// that are read, and zeros for others.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the elements that the columns
/// read must be there.
#[inline(always)]
unsafe fn entries<X: Shuffle, const ZERO: bool, const INFINITY: bool>(
    first: *const X::Element,
) -> [X; WINOGRAD_POINTS] {
    let quads = |skipped: usize| {
        // SAFETY: the caller promises the instruction set.
        let mut quads = [unsafe { X::zero() }; WINOGRAD_OUTPUTS];
        for (number, quad) in quads.iter_mut().enumerate() {
            // The last of them ends with element skipped + 4 LANES - 1: of the last column with d3, d4 or d5.
            // SAFETY: hence the caller promises that it is there.
            let from = unsafe { first.add(skipped + number * X::LANES) };
            // SAFETY: for the same reason; the caller promises the instruction set.
            *quad = unsafe { X::load(from) };
        }
        // SAFETY: the caller promises the instruction set.
        unsafe { X::unzip4(quads) }
    };
    // SAFETY: the caller promises the instruction set.
    let zero = unsafe { X::zero() };
    match (ZERO, INFINITY) {
        (_, true) => {
            let ([d0, d1, ..], [d2, d3, d4, d5]) = (quads(0), quads(2));
            [d0, d1, d2, d3, d4, d5]
        }
        (true, false) => {
            let ([d0, ..], [d1, d2, d3, d4]) = (quads(0), quads(1));
            [d0, d1, d2, d3, d4, zero]
        }
        (false, false) => {
            let [d1, d2, d3, d4] = quads(1);
            [zero, d1, d2, d3, d4, zero]
        }
    }
}

/// All lines of all signals: by whole vectors, the last of which goes over some of the one before once more, or column by column
/// where there are fewer than a vector has lanes.
///
/// # Safety
/// The instruction sets must be available, and the function inlined into one that enables them; the job must be as its type says.
#[inline(always)]
unsafe fn signals<X, S, const ZERO: bool, const INFINITY: bool>(job: &SignalLines<'_, X::Element>)
where
    X: Shuffle<Element: Float>,
    S: Vector<Element = X::Element>,
{
    let &SignalLines { columns: &SignalColumns { len, num_signals, pitch }, starts, strides, .. } = job;
    for k in 0..num_signals {
        // SAFETY: signal k < num_signals has its first element there.
        let from = unsafe { job.from.add(k * pitch) };
        let places: [usize; WINOGRAD_POINTS] =
            std::array::from_fn(|point| starts[point].wrapping_add(k.wrapping_mul(strides[point])));
        // SAFETY: the caller promises room for an element of a line of a point that is made; others are not asked for.
        let at = |point: usize, i: usize| unsafe { job.to.add(places[point] + i) };
        if len < X::LANES {
            for i in 0..len {
                // SAFETY: the caller promises the elements that column i reads, and no others are loaded.
                let element = |j: usize| unsafe { from.add(WINOGRAD_OUTPUTS * i + j) };
                // SAFETY: hence they can be read; the caller promises the instruction set.
                let load = |j: usize| unsafe { S::load(element(j)) };
                // SAFETY: there is room for element i < len of each line; the caller promises the instruction set.
                let store = |point: usize, line: S| unsafe { line.store(at(point, i)) };
                // SAFETY: the caller promises the instruction set.
                unsafe { at_points::<S, ZERO, INFINITY>(load, store) };
            }
            continue;
        }
        for i in (0..len).step_by(X::LANES) {
            let i = i.min(len - X::LANES);
            // SAFETY: column i is one of the signal.
            let first = unsafe { from.add(WINOGRAD_OUTPUTS * i) };
            // SAFETY: i + LANES <= len, so that the caller promises what the columns read, and the instruction set.
            let d = unsafe { entries::<X, ZERO, INFINITY>(first) };
            // SAFETY: for the same reason there is room for so many elements of each line; the caller promises the instruction set.
            let store = |point: usize, line: X| unsafe { line.store(at(point, i)) };
            // SAFETY: the caller promises the instruction set.
            unsafe { at_points::<X, ZERO, INFINITY>(|j| d[j], store) };
        }
    }
}

/// All lines of all signals, for the points that there are.
///
/// # Safety
/// As [`signals`].
#[inline(always)]
pub(crate) unsafe fn every_signal<X, S>(job: &SignalLines<'_, X::Element>)
where
    X: Shuffle<Element: Float>,
    S: Vector<Element = X::Element>,
{
    match (job.points.start, job.points.end) {
        // SAFETY: the caller promises the same.
        (0, 6) => unsafe { signals::<X, S, true, true>(job) },
        // SAFETY: the caller promises the same.
        (0, _) => unsafe { signals::<X, S, true, false>(job) },
        // SAFETY: the caller promises the same.
        _ => unsafe { signals::<X, S, false, false>(job) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::winograd_lines;

    /// SignalLines of all lengths around a vector's against the lines of their columns, one by one: the same bits, and nothing beyond
    /// them is written, or read of the last one.
    fn are_as_lines<T: Element>() {
        let number = |i: usize| (T::from(i * i % 31).unwrap() - T::from(15.1).unwrap()).sin();
        let num_signals = 3;
        for isa in Isa::available() {
            for (points, len) in
                [0..6, 0..5, 1..5].into_iter().flat_map(|p| (0..40).map(move |len| (p.clone(), len)))
            {
                let pitch = 4 * len + 1;
                let read = if len == 0 { 0 } else { (num_signals - 1) * pitch + 4 * (len - 1) + points.end };
                let signal: Vec<T> = (0..read).map(number).collect();
                let starts = [0, 1, 2, 3, 4, 5].map(|point| point * (len + 2));
                let strides = [6 * (len + 2); 6];
                let mut together = vec![T::nan(); num_signals * 6 * (len + 2)];
                let mut alone = together.clone();
                let columns = SignalColumns { len, num_signals, pitch };
                winograd_signals(isa, &signal, columns, points.clone(), &mut together, (&starts, &strides));
                for (k, i) in (0..num_signals).flat_map(|k| (0..len).map(move |i| (k, i))) {
                    let d = [0, 1, 2, 3, 4, 5].map(|j| k * pitch + 4 * i + j);
                    let starts = starts.map(|start| start + k * strides[0] + i);
                    winograd_lines(isa, &signal, d, 1, points.clone(), &mut alone, starts);
                }
                for (at, (found, expected)) in together.iter().zip(&alone).enumerate() {
                    let is_same = found == expected || (found.is_nan() && expected.is_nan());
                    assert!(is_same, "{isa} {points:?} {len}: {at}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn signals_have_the_lines_of_their_columns() {
        are_as_lines::<f32>();
        are_as_lines::<f64>();
    }

    #[test]
    #[should_panic(expected = "read 14 of 13 elements")]
    fn signals_that_are_too_short_are_refused() {
        let columns = SignalColumns { len: 1, num_signals: 2, pitch: 8 };
        let places = (&[0, 1, 2, 3, 4, 5], &[6; 6]);
        winograd_signals(Isa::best(), &[0.0; 13], columns, 0..5, &mut [0.0; 12], places);
        winograd_signals(Isa::best(), &[0.0; 13], columns, 0..6, &mut [0.0; 12], places);
    }

    #[test]
    #[should_panic(expected = "apart, of 11")]
    fn lines_beyond_the_end_are_refused() {
        let columns = SignalColumns { len: 1, num_signals: 2, pitch: 8 };
        let places = (&[0, 1, 2, 3, 4, 5], &[6; 6]);
        winograd_signals(Isa::best(), &[0.0; 14], columns, 0..6, &mut [0.0; 11], places);
    }
}
