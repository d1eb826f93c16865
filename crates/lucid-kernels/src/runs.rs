//! Interleaving runs of neighbouring elements, and the inverse: what turns a signal into columns whose elements are a dilation
//! apart, and back.
//!
//! A run that is shorter than a vector is moved as a whole one. Wherever runs follow one another, they are moved upwards, so that
//! what a vector writes too much is written over by the next ones; those at the end, where nothing follows, element by element.
//! With AVX-512, short runs of four rows are put in order in registers instead (`run_shuffles.rs`).

use crate::copy::{row, vector};
use crate::element::{Element, sealed::Moves};
use crate::interleave::RowStarts;
use crate::isa::Isa;
use crate::vector::{Lanes, Vector};

/// `out[(i * starts.len() + r) * run + v] = rows[starts[r] + i * run + v]` for `r < starts.len()` and `v < run`:
/// [`interleave_each`](crate::interleave_each) for runs of elements. `out` may end anywhere, even within a run.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, interleave_runs};
///
/// let mut out = [0.0; 7];
/// interleave_runs(Isa::best(), &[1.0, 2.0, 3.0, 4.0, -1.0, -2.0, -3.0, -4.0], (&[0, 4], 2), &mut out);
/// assert_eq!(out, [1.0, 2.0, -1.0, -2.0, 3.0, 4.0, -3.0]);
/// ```
///
/// # Panics
/// When a row begins or reaches beyond `rows`, or there are elements to write and no runs to take them from.
pub fn interleave_runs<T: Element>(isa: Isa, rows: &[T], (starts, run): (&[usize], usize), out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let group = starts.len().saturating_mul(run);
    assert!(group > 0, "{} rows in runs of {run} for {} elements", starts.len(), out.len());
    let groups = out.len() / group;
    let fit = RowStarts::At(starts).fit(starts.len(), groups * run, rows.len());
    assert!(fit, "a row reaches beyond {}", rows.len());
    if groups > 0 {
        let job = Runs { from: rows.as_ptr(), to: out.as_mut_ptr(), rows: InRows::Read(starts), run, groups };
        // SAFETY: each row has just been found to have as many runs as there are whole groups in `out`.
        unsafe { T::move_runs(isa, &job) };
    }
    // The last group may end within a run, or before one.
    for (to, start) in out[groups * group..].chunks_mut(run).zip(starts) {
        to.copy_from_slice(&rows[start + groups * run..][..to.len()]);
    }
}

/// `rows[r * row_stride + i * run + v] = from[(i * num_rows + r) * run + v]` for `r < num_rows`, `i < groups` and `v < run`:
/// [`deinterleave`](crate::deinterleave) for runs of elements, the inverse of [`interleave_runs`]. Nothing else is written.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, deinterleave_runs};
///
/// let mut rows = [0.0; 9];
/// let signal = [1.0, 2.0, -1.0, -2.0, 3.0, 4.0, -3.0, -4.0];
/// deinterleave_runs(Isa::best(), &signal, (2, 2), 2, &mut rows, 5);
/// assert_eq!(rows, [1.0, 2.0, 3.0, 4.0, 0.0, -1.0, -2.0, -3.0, -4.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `rows` or over the next one, or `from` has fewer than `groups * num_rows * run` elements.
pub fn deinterleave_runs<T: Element>(
    isa: Isa,
    from: &[T],
    (num_rows, run): (usize, usize),
    groups: usize,
    rows: &mut [T],
    row_stride: usize,
) {
    if num_rows == 0 || run == 0 || groups == 0 {
        return;
    }
    let len = groups.saturating_mul(run);
    assert!(num_rows == 1 || len <= row_stride, "rows of {len} at a distance of {row_stride}");
    assert!(len.saturating_mul(num_rows) <= from.len(), "from has {} elements", from.len());
    let fit = RowStarts::Apart(row_stride).fit(num_rows, len, rows.len());
    assert!(fit, "a row reaches beyond {}", rows.len());
    let job = Runs {
        from: from.as_ptr(),
        to: rows.as_mut_ptr(),
        rows: InRows::Written(num_rows, row_stride),
        run,
        groups,
    };
    // SAFETY: as just checked; rows do not overlap.
    unsafe { T::move_runs(isa, &job) };
}

/// What to move: all runs follow one another on one side, in groups of one of each row. All elements are there on both sides, which
/// do not overlap; there is at least one group, and an element in a run.
#[derive(Debug)]
pub struct Runs<'a, T> {
    pub(crate) from: *const T,
    pub(crate) to: *mut T,
    pub(crate) rows: InRows<'a>,
    pub(crate) run: usize,
    pub(crate) groups: usize,
}

/// The side that has rows, each with its runs one after the other.
#[derive(Debug)]
pub(crate) enum InRows<'a> {
    /// What is read, by where rows begin.
    Read(&'a [usize]),
    /// What is written: so many rows, and from one to the next one.
    Written(usize, usize),
}

/// All runs of groups from `first` on, by vectors of `X` and single elements, `S`.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the job must be as its type
/// says.
#[inline(always)]
unsafe fn every_run<X: Vector, S: Vector<Element = X::Element>>(job: &Runs<'_, X::Element>, first: usize) {
    match job.rows {
        InRows::Read(starts) => {
            let places = |at, r: usize, done| (starts[r] + done, at);
            // SAFETY: the caller promises the same.
            unsafe { in_order::<X, S>(job, (first, starts.len()), places) }
        }
        InRows::Written(num_rows, stride) => {
            let places = |at, r: usize, done| (at, r * stride + done);
            // SAFETY: the caller promises the same.
            unsafe { in_order::<X, S>(job, (first, num_rows), places) }
        }
    }
}

/// The same: of run `done / run` of a row, `places(at, row, done)` are where it is read and written, if `at` is where it is on the side
/// where all follow one another.
///
/// # Safety
/// As [`every_run`].
#[inline(always)]
unsafe fn in_order<X: Vector, S: Vector<Element = X::Element>>(
    job: &Runs<'_, X::Element>,
    (first, num_rows): (usize, usize),
    places: impl Fn(usize, usize, usize) -> (usize, usize),
) {
    let &Runs { from, to, run, groups, .. } = job;
    // With fewer than a vector's elements in a run, those after one are of runs that are moved later, on both sides, as long as the
    // vector ends within its row: with the same runs of all rows it then ends within the other side, too.
    let whole = if run < X::LANES { (groups * run).saturating_sub(X::LANES - run) / run } else { 0 };
    let mut at = first * num_rows * run;
    for i in first..groups {
        for r in 0..num_rows {
            let (read, written) = places(at, r, i * run);
            // SAFETY: run i < groups of row r < num_rows begins there.
            let from = unsafe { from.add(read) };
            // SAFETY: for the same reason.
            let to = unsafe { to.add(written) };
            if i < whole {
                // SAFETY: as said above, LANES elements are there; the caller promises the instruction set.
                unsafe { vector::<X>(from, to, 0) };
            } else if run < X::LANES {
                // SAFETY: the run has so many elements; single ones need no instruction set.
                unsafe { row::<S>(from, to, 0, run) };
            } else {
                // SAFETY: the run has so many elements; the caller promises the instruction set.
                let done = unsafe { row::<X>(from, to, 0, run) };
                if done < run {
                    // SAFETY: the run's last LANES elements; the caller promises the instruction set.
                    unsafe { vector::<X>(from, to, run - X::LANES) };
                }
            }
            at += run;
        }
    }
}

/// By the narrowest vectors that hold a run, or the widest: what one has too much is moved for nothing.
macro_rules! impl_moves {
    ($scalar:ty, $lanes:literal, $avx2:ident, $avx512:ident) => {
        impl Moves for $scalar {
            unsafe fn move_runs(isa: Isa, job: &Runs<'_, $scalar>) {
                type Short = Lanes<$scalar, $lanes>;
                type Single = Lanes<$scalar, 1>;

                #[cfg(target_arch = "x86_64")]
                {
                    use crate::run_shuffles::shuffled;
                    use crate::vector::x86::{$avx2, $avx512};

                    /// # Safety
                    /// The instruction set must be available, and the job as its type says.
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(job: &Runs<'_, $scalar>) {
                        if job.run <= $lanes {
                            // SAFETY: enabled here; the caller promises the rest.
                            unsafe { every_run::<Short, Single>(job, 0) }
                        } else {
                            // SAFETY: for the same reason.
                            unsafe { every_run::<$avx2, Single>(job, 0) }
                        }
                    }

                    /// # Safety
                    /// The instruction sets must be available, and the job as its type says.
                    #[target_feature(enable = "avx512f,avx2,fma")]
                    unsafe fn avx512(job: &Runs<'_, $scalar>) {
                        // SAFETY: enabled here; the caller promises the rest.
                        let done = unsafe { shuffled::<$avx512>(job) };
                        if job.run <= $lanes {
                            // SAFETY: for the same reason.
                            unsafe { every_run::<Short, Single>(job, done) }
                        } else if job.run <= 2 * $lanes {
                            // SAFETY: for the same reason.
                            unsafe { every_run::<$avx2, Single>(job, done) }
                        } else {
                            // SAFETY: for the same reason.
                            unsafe { every_run::<$avx512, Single>(job, done) }
                        }
                    }

                    match isa {
                        Isa::Avx512 if isa.is_available() && Isa::Avx2.is_available() => {
                            // SAFETY: the guard has found the instruction sets; the caller promises the rest.
                            return unsafe { avx512(job) };
                        }
                        // SAFETY: the guard has found the instruction set; the caller promises the rest.
                        Isa::Avx2 if isa.is_available() => return unsafe { avx2(job) },
                        _ => {}
                    }
                }
                // SAFETY: the baseline is always there; the caller promises the rest.
                unsafe { every_run::<Short, Single>(job, 0) }
            }
        }
    };
}

impl_moves!(f32, 4, Avx2F32, Avx512F32);
impl_moves!(f64, 2, Avx2F64, Avx512F64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Both directions, for runs of all lengths beside those of vectors, with ends within a run and within a group.
    fn goes_to_rows_and_back<T: Element>() {
        for isa in Isa::available() {
            for (run, num_rows) in (1..36).flat_map(|run| [(run, 1), (run, 2), (run, 4), (run, 5)]) {
                for groups in [0, 1, 2, 3, 8, 9, 33] {
                    let signal: Vec<T> = (0..groups * num_rows * run).map(|i| T::from(i).unwrap()).collect();
                    let row_stride = groups * run + groups % 2;
                    let mut rows = vec![-T::one(); num_rows * row_stride];
                    deinterleave_runs(isa, &signal, (num_rows, run), groups, &mut rows, row_stride);
                    for (at, &found) in rows.iter().enumerate() {
                        let (r, q) = (at / row_stride, at % row_stride);
                        let from = (q / run * num_rows + r) * run + q % run;
                        let expected = if q < groups * run { signal[from] } else { -T::one() };
                        assert_eq!(found, expected, "{isa} {num_rows} rows, runs of {run}: {r} {q}");
                    }
                    let starts: Vec<usize> = (0..num_rows).map(|row| row * row_stride).collect();
                    for len in [signal.len(), signal.len().saturating_sub(1), signal.len() / 2] {
                        let mut back = vec![T::nan(); len];
                        interleave_runs(isa, &rows, (&starts, run), &mut back);
                        assert_eq!(back, signal[..len], "{isa} {num_rows} rows, runs of {run}");
                    }
                }
            }
        }
    }

    #[test]
    fn runs_go_to_rows_and_back() {
        goes_to_rows_and_back::<f32>();
        goes_to_rows_and_back::<f64>();
    }

    #[test]
    fn runs_may_be_longer_than_what_is_written_and_rows_the_same() {
        for isa in Isa::available() {
            let mut out = [0.0; 3];
            interleave_runs(isa, &[1.0, 2.0, 3.0], (&[0; 4], usize::MAX), &mut out);
            assert_eq!(out, [1.0, 2.0, 3.0]);
            let mut twice = [0.0; 48];
            let signal: [f64; 24] = std::array::from_fn(|i| i as f64);
            interleave_runs(isa, &signal, (&[0, 0], 3), &mut twice);
            assert!((0..48).all(|i| twice[i] == signal[i / 6 * 3 + i % 3]), "{isa}: {twice:?}");
        }
    }

    #[test]
    #[should_panic(expected = "a row reaches beyond 7")]
    fn rows_that_are_too_short_are_refused() {
        interleave_runs(Isa::best(), &[0.0; 7], (&[0, 4], 2), &mut [0.0; 8]);
    }

    #[test]
    #[should_panic(expected = "rows of 4 at a distance of 3")]
    fn rows_that_overlap_are_refused() {
        deinterleave_runs(Isa::best(), &[0.0; 8], (2, 2), 2, &mut [0.0; 8], 3);
    }

    #[test]
    #[should_panic(expected = "from has 7 elements")]
    fn signals_that_are_too_short_are_refused() {
        deinterleave_runs(Isa::best(), &[0.0; 7], (2, 2), 2, &mut [0.0; 8], 4);
    }
}
