//! Interleaving rows of numbers, and the inverse: `out[q * num_rows + r] = rows[r][q]`.
//!
//! This is what turns the phases of a stride into a signal, and a signal into its phases. It is a transpose of a long
//! matrix: blocks of it are transposed in registers. Two and four rows have networks of their own, and eight where a vector
//! has more lanes than that; other numbers up to the lanes of a vector store whole vectors upwards, each over what the one
//! before wrote too much; longer ones go by groups of rows, the last of which reaches back over the one before it.

use crate::element::Element;
use crate::isa::Isa;

/// `out[q * num_rows + r] = rows[r * row_stride + q]` for `r < num_rows`, `q < len`; nothing else is written.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, interleave};
///
/// let mut out = [0.0; 6];
/// interleave(Isa::best(), &[1.0, 2.0, 3.0, -1.0, -2.0, -3.0], 3, 2, 3, &mut out);
/// assert_eq!(out, [1.0, -1.0, 2.0, -2.0, 3.0, -3.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `rows`, or what is written beyond `out`.
pub fn interleave<T: Element>(
    isa: Isa,
    rows: &[T],
    row_stride: usize,
    num_rows: usize,
    len: usize,
    out: &mut [T],
) {
    let repeats = Repeats { count: 1, rows: 0, out: 0 };
    interleave_rows(isa, rows, (&RowStarts::Apart(row_stride), num_rows, len), &repeats, out);
}

/// The same done several times, at equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// How many times.
    pub count: usize,
    /// From the rows of one to those of the next.
    pub rows: usize,
    /// The same of what is written, at least as much as that is.
    pub out: usize,
}

/// [`interleave`] of rows that begin anywhere, several times: for each `k < repeats.count`, and `r < starts.len()`, `q < len`,
/// `out[k * repeats.out + q * starts.len() + r] = rows[k * repeats.rows + starts[r] + q]`; nothing else is written. Of short rows,
/// such as those of an image, a call for each would take longer than the work.
///
/// ```
/// use lucid_kernels::{Isa, Repeats, interleave_each};
///
/// let mut out = [0.0; 9];
/// let repeats = Repeats { count: 2, rows: 2, out: 5 };
/// interleave_each(Isa::best(), &[1.0, 2.0, 3.0, 4.0, -1.0, -2.0, -3.0, -4.0], (&[0, 4], 2), repeats, &mut out);
/// assert_eq!(out, [1.0, -1.0, 2.0, -2.0, 0.0, 3.0, -3.0, 4.0, -4.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `rows`, or what is written beyond `out` or over what the next one writes.
pub fn interleave_each<T: Element>(
    isa: Isa,
    rows: &[T],
    (starts, len): (&[usize], usize),
    repeats: Repeats,
    out: &mut [T],
) {
    interleave_rows(isa, rows, (&RowStarts::At(starts), starts.len(), len), &repeats, out);
}

/// Where rows begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RowStarts<'a> {
    /// The first one at 0, and each so far after the one before.
    Apart(usize),
    /// Each where it says.
    At(&'a [usize]),
}

impl RowStarts<'_> {
    #[inline(always)]
    pub(crate) fn of(&self, row: usize) -> usize {
        match *self {
            RowStarts::Apart(stride) => row * stride,
            RowStarts::At(starts) => starts[row],
        }
    }

    /// Whether each of them ends within so many elements, if they have `len`.
    pub(crate) fn fit(&self, num_rows: usize, len: usize, elements: usize) -> bool {
        let Some(space) = elements.checked_sub(len) else { return false };
        match *self {
            RowStarts::Apart(stride) => (num_rows - 1).saturating_mul(stride) <= space,
            // One by one: they have just been written so, see `Copy`.
            RowStarts::At(starts) => starts.iter().all(|&start| start <= space),
        }
    }
}

/// [`interleave_each`], of rows however they begin.
fn interleave_rows<T: Element>(
    isa: Isa,
    rows: &[T],
    (starts, num_rows, len): (&RowStarts<'_>, usize, usize),
    repeats: &Repeats,
    out: &mut [T],
) {
    if num_rows == 0 || len == 0 || repeats.count == 0 {
        return;
    }
    let last = |distance: usize| (repeats.count - 1).saturating_mul(distance);
    let fit = rows.len().checked_sub(last(repeats.rows)).is_some_and(|rest| starts.fit(num_rows, len, rest));
    assert!(fit, "a row reaches beyond {}", rows.len());
    let written = last(repeats.out).saturating_add(num_rows.saturating_mul(len));
    assert!(written <= out.len(), "out has {} elements", out.len());
    let is_apart = repeats.count == 1 || repeats.out >= num_rows * len;
    assert!(is_apart, "{num_rows} rows of {len} at a distance of {}", repeats.out);
    let parts = (0..repeats.count).map(|k| (k * repeats.rows, k * repeats.out));
    if num_rows == 1 {
        let first = starts.of(0);
        parts.for_each(|(from, to)| copy(&mut out[to..][..len], &rows[from + first..][..len]));
        return;
    }
    let job = Interleaving { rows: rows.as_ptr(), starts, num_rows, len, out: out.as_mut_ptr(), repeats };
    // SAFETY: as just checked.
    let done = unsafe { T::interleave_blocks(isa, &job) };
    for (from, to) in parts.filter(|_| done < len) {
        let (rows, out) = (&rows[from..], &mut out[to..][..len * num_rows]);
        if done == 0 && as_longer(isa, rows, (starts, num_rows), out) {
            continue;
        }
        for (q, group) in (done..len).zip(out[done * num_rows..].chunks_exact_mut(num_rows)) {
            for (r, out) in group.iter_mut().enumerate() {
                *out = rows[starts.of(r) + q];
            }
        }
    }
}

/// Positions that are a block of any vectors, and how many rows have one of just as many: of other numbers some positions follow
/// a block. Shorter rows are interleaved as if they had so many.
const BLOCK: usize = 8;
const BLOCK_ROWS: [usize; 3] = [2, 4, 8];

/// Interleaves rows that are too short for a block together with what follows them, if something does and that makes them long
/// enough, and keeps what belongs to them.
fn as_longer<T: Element>(
    isa: Isa,
    rows: &[T],
    (starts, num_rows): (&RowStarts<'_>, usize),
    out: &mut [T],
) -> bool {
    let len = out.len() / num_rows;
    let has_block = isa != Isa::Portable && BLOCK_ROWS.contains(&num_rows);
    if !has_block || len >= BLOCK || !starts.fit(num_rows, BLOCK, rows.len()) {
        return false;
    }
    let mut longer = [T::zero(); BLOCK * 8];
    let repeats = Repeats { count: 1, rows: 0, out: 0 };
    let job = Interleaving {
        rows: rows.as_ptr(),
        starts,
        num_rows,
        len: BLOCK,
        out: longer.as_mut_ptr(),
        repeats: &repeats,
    };
    // SAFETY: the rows were just checked, and there is room for as many as the most.
    let done = unsafe { T::interleave_blocks(isa, &job) };
    if done >= len {
        out.copy_from_slice(&longer[..out.len()]);
    }
    done >= len
}

/// What to interleave: from each of the repeats on, `rows` have `len` elements from each start on and `out` has
/// `num_rows * len`. The repeats stay where they are, for the reason that [`Copy`](crate::copy::Copy) has.
#[derive(Debug)]
pub struct Interleaving<'a, T> {
    pub(crate) rows: *const T,
    pub(crate) starts: &'a RowStarts<'a>,
    pub(crate) num_rows: usize,
    pub(crate) len: usize,
    pub(crate) out: *mut T,
    pub(crate) repeats: &'a Repeats,
}

/// `rows[r * row_stride + q] = from[q * num_rows + r]` for `r < num_rows`, `q < len`: the inverse of [`interleave`].
///
/// `from` may end within the last group: the rows for which it has no element there keep what they held at
/// `q = len - 1`. Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Isa, deinterleave};
///
/// let mut rows = [0.0; 6];
/// deinterleave(Isa::best(), &[1.0, -1.0, 2.0, -2.0, 3.0], 2, 3, &mut rows, 3);
/// assert_eq!(rows, [1.0, 2.0, 3.0, -1.0, -2.0, 0.0]);
/// ```
///
/// # Panics
/// When a row reaches beyond `rows` or over the next one, or `from` has fewer than `(len - 1) * num_rows + 1` elements.
pub fn deinterleave<T: Element>(
    isa: Isa,
    from: &[T],
    num_rows: usize,
    len: usize,
    rows: &mut [T],
    row_stride: usize,
) {
    if num_rows == 0 || len == 0 {
        return;
    }
    assert!(num_rows == 1 || len <= row_stride, "rows of {len} at a distance of {row_stride}");
    let fit = RowStarts::Apart(row_stride).fit(num_rows, len, rows.len());
    assert!(fit, "a row reaches beyond {}", rows.len());
    assert!((len - 1).saturating_mul(num_rows) < from.len(), "from has {} elements", from.len());
    if num_rows == 1 {
        return copy(&mut rows[..len], &from[..len]);
    }
    let from = &from[..from.len().min(len.saturating_mul(num_rows))];
    // SAFETY: as just checked.
    let done = unsafe { T::deinterleave_blocks(isa, from, num_rows, len, rows.as_mut_ptr(), row_stride) };
    for (q, group) in (done..len).zip(from[done * num_rows..].chunks(num_rows)) {
        for (&from, row) in group.iter().zip(rows.chunks_mut(row_stride.max(1))) {
            row[q] = from;
        }
    }
}

/// Copies in stretches: Zen 3 takes 30 times as long for some long copies, for which the C library has `rep movsb`.
fn copy<T: Element>(to: &mut [T], from: &[T]) {
    for (to, from) in to.chunks_mut(128).zip(from.chunks(128)) {
        to.copy_from_slice(from);
    }
}
