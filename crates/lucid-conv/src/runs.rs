//! The equation as a walk: which stretches of the two grids a tap links.
//!
//! Every loop of this crate (gathering columns, scattering them, and the direct sums of all three passes) is the same
//! walk with another body: for one tap, runs of neighbouring coarse positions, whose fine positions lie `stride`
//! apart. The bodies are here too.

use lucid_kernels::Element;

use crate::geometry::Geometry;

/// A box of coarse positions: where it starts and how many there are, per axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block<const N: usize> {
    pub(crate) start: [usize; N],
    pub(crate) size: [usize; N],
}

impl<const N: usize> Block<N> {
    /// The whole grid of `size` positions.
    pub(crate) fn whole(size: [usize; N]) -> Self {
        Block { start: [0; N], size }
    }

    pub(crate) fn len(&self) -> usize {
        self.size.iter().product()
    }

    /// The boxes of at most `tile` positions per axis that make up a grid of `size` positions, in row-major order.
    pub(crate) fn tiles(size: [usize; N], tile: [usize; N]) -> impl Iterator<Item = Block<N>> {
        let mut counts = size;
        for (count, tile) in counts.iter_mut().zip(tile) {
            *count = count.div_ceil(tile);
        }
        multi_indices(counts).map(move |index| {
            let mut block = Block { start: index, size: tile };
            for axis in 0..N {
                block.start[axis] *= tile[axis];
                block.size[axis] = tile[axis].min(size[axis] - block.start[axis]);
            }
            block
        })
    }
}

/// All indices of a grid in row-major order.
pub(crate) fn multi_indices<const N: usize>(size: [usize; N]) -> impl Iterator<Item = [usize; N]> {
    (0..size.iter().product()).map(move |mut flat: usize| {
        let mut index = [0; N];
        for axis in (0..N).rev() {
            index[axis] = flat % size[axis];
            flat /= size[axis];
        }
        index
    })
}

/// A run of `len` neighbouring coarse positions and the fine positions that one tap links them to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Offset of the first coarse position within the frame.
    pub(crate) coarse: usize,
    /// Offset of the first fine position within the fine grid; the next ones follow at the last axis's stride.
    pub(crate) fine: usize,
    pub(crate) len: usize,
}

/// Calls `visit` for every run of `block` that `tap` links to the fine grid. Coarse offsets are those of an array with
/// the extent of `frame`, which contains `block`; fine offsets are those of the whole fine grid.
pub(crate) fn for_each_run<const N: usize>(
    geometry: &Geometry<N>,
    tap: [usize; N],
    block: Block<N>,
    frame: Block<N>,
    mut visit: impl FnMut(Run),
) {
    let (mut low, mut high) = ([0; N], [0; N]);
    for (axis, link) in geometry.axes.iter().enumerate() {
        let positions = block.start[axis]..block.start[axis] + block.size[axis];
        let linked = link.coarse_range(tap[axis], positions, 0..link.fine);
        if linked.is_empty() {
            return;
        }
        (low[axis], high[axis]) = (linked.start, linked.end);
    }
    let mut at = low;
    loop {
        let mut run = Run { coarse: 0, fine: 0, len: high[N - 1] - low[N - 1] };
        for (axis, link) in geometry.axes.iter().enumerate() {
            run.coarse = run.coarse * frame.size[axis] + (at[axis] - frame.start[axis]);
            run.fine = run.fine * link.fine + link.fine_at(at[axis], tap[axis]);
        }
        visit(run);
        // The next row: count up the axes before the last one, the innermost of them fastest.
        let mut axis = N - 1;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            at[axis] += 1;
            if at[axis] < high[axis] {
                break;
            }
            at[axis] = low[axis];
        }
    }
}

/// `coarse[i] = fine[i * stride]`
pub(crate) fn gather<T: Element>(coarse: &mut [T], fine: &[T], stride: usize) {
    if stride == 1 {
        // Runs are short, often: a call of the system's copy would take longer than these moves.
        let fine = &fine[..coarse.len()];
        let (mut to, mut from) = (coarse.chunks_exact_mut(8), fine.chunks_exact(8));
        for (to, from) in (&mut to).zip(&mut from) {
            to.copy_from_slice(from);
        }
        for (to, &from) in to.into_remainder().iter_mut().zip(from.remainder()) {
            *to = from;
        }
    } else {
        for (c, &f) in coarse.iter_mut().zip(fine.iter().step_by(stride)) {
            *c = f;
        }
    }
}

/// `fine[i * stride] += a * coarse[i]`
pub(crate) fn scatter_add<T: Element>(fine: &mut [T], stride: usize, a: T, coarse: &[T]) {
    if stride == 1 {
        for (f, &c) in fine.iter_mut().zip(coarse) {
            *f += a * c;
        }
    } else {
        for (f, &c) in fine.iter_mut().step_by(stride).zip(coarse) {
            *f += a * c;
        }
    }
}

/// `coarse[i] += a * fine[i * stride]`
pub(crate) fn gather_add<T: Element>(coarse: &mut [T], a: T, fine: &[T], stride: usize) {
    if stride == 1 {
        for (c, &f) in coarse.iter_mut().zip(fine) {
            *c += a * f;
        }
    } else {
        for (c, &f) in coarse.iter_mut().zip(fine.iter().step_by(stride)) {
            *c += a * f;
        }
    }
}

/// `sum over i of coarse[i] * fine[i * stride]`, in eight interleaved sums: that is what vectorises, and its error
/// grows with an eighth of the length.
pub(crate) fn dot<T: Element>(coarse: &[T], fine: &[T], stride: usize) -> T {
    const LANES: usize = 8;
    let mut sums = [T::zero(); LANES];
    let mut coarse = coarse.chunks_exact(LANES);
    // A single position accepts any stride.
    let mut fine = fine.chunks(stride.saturating_mul(LANES));
    for (c, f) in (&mut coarse).zip(&mut fine) {
        // Lane 7 exists, so that of the last chunk does: one check for all eight.
        let f = &f[..(LANES - 1) * stride + 1];
        for lane in 0..LANES {
            sums[lane] += c[lane] * f[lane * stride];
        }
    }
    let rest = fine.next().unwrap_or_default();
    for (lane, (&c, &f)) in coarse.remainder().iter().zip(rest.iter().step_by(stride)).enumerate() {
        sums[lane] += c * f;
    }
    sums.into_iter().fold(T::zero(), |sum, lane| sum + lane)
}
