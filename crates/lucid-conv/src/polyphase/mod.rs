//! Convolutions by phases: no zero-insertion, no column matrix, no scatter.
//!
//! A stride-`s` convolution is a stride-1 convolution with `s` times the channels on the de-interleaved signal. So one
//! sum does the arithmetic of both directions, for any stride and dilation and all ranks:
//!
//! ```text
//! result[m, q] = sum over (source channel c, tap t) of weight[m, c, t] * source[c, q + shift(t)]
//! ```
//!
//! Onto the fine grid, `m` runs over (channel, phase) and the result is interleaved as it is stored; onto the coarse
//! grid, the source is de-interleaved as it is buffered. `lattice.rs` has one axis of this, `form.rs` all of them,
//! `source.rs`, `panels.rs` and `result.rs` the operands, `run.rs` does it.

mod form;
mod lattice;
mod panels;
mod portions;
mod result;
mod run;
mod source;

pub(crate) use form::Form;
pub(crate) use portions::Portions;
pub(crate) use run::{Operands, pass};

use crate::geometry::Geometry;
use crate::plan::Pass;

/// Links of a phase and a tap up to which a form is worth its tables.
const MAX_LINKS: usize = 1 << 16;

/// Elements of the smallest buffer up to which a form is worth its memory: 4 MiB of `f32`.
const MAX_BUFFER_LEN: f64 = (1 << 20) as f64;

/// Whether the pass has a polyphase form that is worth its tables and its memory. Gradients of the weight have another
/// sum; a huge stride has more phases than positions; and a buffer holds whole rows of all channels.
pub(crate) fn accepts<const N: usize>(geometry: &Geometry<N>, pass: Pass) -> bool {
    let links = geometry
        .axes
        .iter()
        .try_fold(1usize, |product, axis| product.checked_mul(axis.stride.max(axis.taps)));
    pass != Pass::BackwardWeight
        && links.is_some_and(|links| links <= MAX_LINKS)
        && Form::new(geometry, pass).smallest_buffer() <= MAX_BUFFER_LEN
}

/// Positions from which on packing a weight once is paid back by the sums that it enters.
const MIN_POSITIONS: usize = 512;

/// Whether the pass is likely to be faster in polyphase form than by matrix products.
pub(crate) fn wins<const N: usize>(geometry: &Geometry<N>, pass: Pass) -> bool {
    accepts(geometry, pass) && geometry.coarse_len() >= MIN_POSITIONS
}
