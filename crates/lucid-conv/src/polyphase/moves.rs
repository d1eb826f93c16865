//! Interleaving runs of neighbouring elements, and the inverse.

use lucid_kernels::{CopyShape, Element, Isa, copy_rows, deinterleave, interleave};

/// Elements of a short vector, by which others are padded.
pub(crate) const CHUNK: usize = 8;

/// Runs up to which elements are shuffled in registers; longer ones, and those that are whole vectors, are copied.
const SHUFFLED_RUN: usize = 16;
/// Groups of runs that are shuffled at a time: they stay in a first-level cache.
const GROUPS: usize = 128;

fn is_shuffled(run: usize) -> bool {
    run <= SHUFFLED_RUN && !run.is_multiple_of(CHUNK)
}

/// `rows[r * row_stride + i * run + v] = from[(i * num_rows + r) * run + v]` for `v < run` and `i < groups`:
/// [`deinterleave`] for runs of elements.
pub(crate) fn deinterleave_runs<T: Element>(
    isa: Isa,
    (from, run): (&[T], usize),
    groups: usize,
    (rows, row_stride): (&mut [T], usize),
    num_rows: usize,
    buffer: &mut Vec<T>,
) {
    let group = num_rows * run;
    if !is_shuffled(run) {
        let shape = CopyShape { len: run, num_rows: groups, from_stride: group, to_stride: run };
        for row in 0..num_rows {
            copy_rows(isa, &from[row * run..], &mut rows[row * row_stride..], shape);
        }
        return;
    }
    buffer.resize((group * GROUPS).max(buffer.len()), T::zero());
    for start in (0..groups).step_by(GROUPS) {
        let len = GROUPS.min(groups - start);
        deinterleave(isa, &from[start * group..], group, len, buffer, GROUPS);
        for row in 0..num_rows {
            let to = &mut rows[row * row_stride + start * run..][..len * run];
            interleave(isa, &buffer[row * run * GROUPS..], GROUPS, run, len, to);
        }
    }
}

/// `to[(i * starts.len() + r) * run + v] = values[starts[r] + i * run + v]` for `v < run`: [`interleave`] for runs of
/// elements. `to` may end anywhere.
pub(crate) fn interleave_runs<T: Element>(
    isa: Isa,
    values: &[T],
    starts: &[usize],
    run: usize,
    to: &mut [T],
    buffer: &mut Vec<T>,
) {
    let group = starts.len() * run;
    let done = to.len() / group;
    if !is_shuffled(run) {
        let shape = CopyShape { len: run, num_rows: done, from_stride: run, to_stride: group };
        for (row, &start) in starts.iter().enumerate().filter(|_| done > 0) {
            copy_rows(isa, &values[start..], &mut to[row * run..], shape);
        }
    } else {
        buffer.resize((group * GROUPS).max(buffer.len()), T::zero());
        for first in (0..done).step_by(GROUPS) {
            let len = GROUPS.min(done - first);
            for (row, start) in starts.iter().enumerate() {
                let from = &values[start + first * run..];
                deinterleave(isa, from, run, len, &mut buffer[row * run * GROUPS..], GROUPS);
            }
            interleave(isa, buffer, GROUPS, group, len, &mut to[first * group..]);
        }
    }
    // The last group may end within a run, or before one.
    for (to, start) in to[done * group..].chunks_mut(run).zip(starts) {
        to.copy_from_slice(&values[start + done * run..][..to.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both directions, for runs that are shuffled and such as are copied, with ends within a run and within a group.
    #[test]
    fn runs_go_to_rows_and_back() {
        for isa in Isa::available() {
            for (run, num_rows) in (1..20).flat_map(|run| [(run, 2), (run, 4)]) {
                for groups in [1, 3, 8, 9, GROUPS + 5] {
                    let signal: Vec<f32> = (0..groups * num_rows * run).map(|i| i as f32).collect();
                    let row_stride = groups * run + CHUNK;
                    let (mut rows, mut buffer) = (vec![f32::NAN; num_rows * row_stride], Vec::new());
                    let to = (&mut rows[..], row_stride);
                    deinterleave_runs(isa, (&signal, run), groups, to, num_rows, &mut buffer);
                    for (at, &value) in signal.iter().enumerate() {
                        let (block, v) = (at / run, at % run);
                        let found = rows[block % num_rows * row_stride + block / num_rows * run + v];
                        assert_eq!(found, value, "{isa} runs of {run} in {num_rows} rows: {at}");
                    }
                    let starts: Vec<usize> = (0..num_rows).map(|row| row * row_stride).collect();
                    for len in [signal.len(), signal.len() - 1, signal.len() / 2 + 1] {
                        let mut back = vec![f32::NAN; len];
                        interleave_runs(isa, &rows, &starts, run, &mut back, &mut buffer);
                        assert_eq!(back, signal[..len], "{isa} runs of {run} in {num_rows} rows");
                    }
                }
            }
        }
    }
}
