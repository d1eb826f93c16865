//! What a convolution does to its input as it reads it, and to its output as it writes it.
//!
//! An activation or an addition is a pass over memory that hardly computes anything. In a convolution's own pass the
//! elements are in a near cache anyway.

use std::fmt;

use lucid_kernels::{Element, Isa, add};
use ndarray::ArrayViewD;

use crate::tasks::{run_each, threads_for};

/// A function of the elements of a channel, in place: it is given the channel's number and some of the elements that follow
/// one another. What becomes of an element depends on it and its channel alone, as elements come in any portions and any
/// order, and some of them several times.
pub type Pointwise<'a, T> = &'a (dyn Fn(usize, &mut [T]) + Sync);

/// The parts of `y = after(conv(before(x)) + skips)` that a convolution does in its own passes over memory:
/// see [`Plan::convolve_fused`](crate::Plan::convolve_fused).
///
/// Padding is of the activated input: positions that do not exist are 0, whatever `before` makes of 0.
pub struct Fused<'a, T> {
    /// What becomes of the elements of the input, by its channels.
    pub before: Option<Pointwise<'a, T>>,
    /// Arrays of the output's shape, added to the convolution one after the other.
    pub skips: &'a [ArrayViewD<'a, T>],
    /// What becomes of the sum, by the output's channels.
    pub after: Option<Pointwise<'a, T>>,
}

impl<T> Clone for Fused<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Fused<'_, T> {}

/// Nothing.
impl<T> Default for Fused<'_, T> {
    fn default() -> Self {
        Fused { before: None, skips: &[], after: None }
    }
}

impl<T> fmt::Debug for Fused<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fused")
            .field("before", &self.before.is_some())
            .field("skips", &self.skips.iter().map(ArrayViewD::shape).collect::<Vec<_>>())
            .field("after", &self.after.is_some())
            .finish()
    }
}

/// Elements above which threads share a pass over them.
const SHARED: f64 = 100_000.0;

/// The planes of an array: how many channels an item has, and how many elements a plane.
#[derive(Clone, Copy)]
pub(crate) struct PlaneSizes {
    pub(crate) channels: usize,
    pub(crate) len: usize,
}

impl<T: Element> Fused<'_, T> {
    /// Whether the convolution is all there is.
    pub(crate) fn is_nothing(&self) -> bool {
        self.before.is_none() && self.skips.is_empty() && self.after.is_none()
    }

    /// What a convolution reads: `before` of a whole input, in a buffer, or the input.
    pub(crate) fn source<'s>(&self, source: &'s [T], sizes: PlaneSizes, buffer: &'s mut Vec<T>) -> &'s [T] {
        let Some(before) = self.before else { return source };
        buffer.clear();
        buffer.resize(source.len(), T::zero());
        let planes = buffer.chunks_mut(sizes.len).zip(source.chunks(sizes.len)).enumerate();
        run_each(planes, threads_for(source.len() as f64, SHARED), |(number, (to, from))| {
            to.copy_from_slice(from);
            before(number % sizes.channels, to);
        });
        buffer
    }

    /// Makes a whole output of a convolution.
    pub(crate) fn finish(&self, isa: Isa, result: &mut [T], sizes: PlaneSizes) {
        if self.skips.is_empty() && self.after.is_none() {
            return;
        }
        let threads = threads_for(result.len() as f64, SHARED);
        run_each(result.chunks_mut(sizes.len).enumerate(), threads, |(number, plane)| {
            self.finish_part(isa, plane, number * sizes.len, number % sizes.channels);
        });
    }

    /// Makes some of the output of what the convolution is there: from the output's element `start` on, all of one channel.
    pub(crate) fn finish_part(&self, isa: Isa, part: &mut [T], start: usize, channel: usize) {
        for skip in self.skips {
            let skip = skip.as_slice().expect("brought to row-major order before the pass");
            add(isa, part, &skip[start..]);
        }
        if let Some(after) = self.after {
            after(channel, part);
        }
    }
}
