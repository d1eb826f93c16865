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
//! `strips.rs`, `packed.rs`, `weights.rs` and `result.rs` the operands (`content.rs` is where the entries of an image come
//! from, `steps.rs` has equal distances, `transform.rs` makes the weights of shared products), `tiling.rs`, `place.rs`,
//! `planes.rs` and `schedule.rs` the portions, `run.rs` does it, with tiles of `by_position.rs` or `by_row.rs`, and `ahead.rs`
//! asks for what is added.
//!
//! The gradient of the weight sums over positions instead: see `gradient/`.

mod ahead;
mod by_position;
mod by_row;
mod content;
mod form;
mod gradient;
mod lattice;
mod minimal;
mod packed;
mod place;
mod planes;
mod result;
mod run;
mod schedule;
mod steps;
mod strips;
mod tiling;
mod transform;
mod weights;

pub(crate) use form::{Filtering, Form};
pub(crate) use gradient::{Schedule as GradientSchedule, Sides, weight_gradient};
pub(crate) use run::{PanelShape, Panels, Scratch, pass, prepare};
pub(crate) use schedule::{Examined, Schedule};

use crate::geometry::Geometry;
use crate::plan::Pass;

/// Links of a phase and a tap up to which a form is worth its tables.
const MAX_LINKS: usize = 1 << 16;

/// Elements of an array up to which no size of a schedule overflows; memory ends long before.
const MAX_ELEMENTS: f64 = (1_u64 << 48) as f64;

/// Entries of the shortest strip of one channel up to which a form is worth its memory.
const MAX_CHANNEL_LEN: f64 = (1 << 18) as f64;

/// Entries that are buffered as they come: of a signal those of all phases are de-interleaved together. No form is worth it that
/// needs more than that and the source has.
const MAX_WINDOW_LEN: usize = 1 << 20;

/// Whether the pass has a polyphase form that is worth its tables and its memory: a huge stride has more phases than
/// positions, and a strip holds all that its positions read. Gradients of the weight have another sum, without strips.
pub(crate) fn accepts<const N: usize>(geometry: &Geometry<N>, pass: Pass) -> bool {
    let links = geometry
        .axes
        .iter()
        .try_fold(1usize, |product, axis| product.checked_mul(axis.stride.max(axis.taps)));
    let sizes = |shape: Vec<usize>| shape.into_iter().map(|size| size as f64).product::<f64>();
    let shapes = [geometry.fine_shape(), geometry.coarse_shape(), geometry.weight_shape()];
    shapes.into_iter().all(|shape| sizes(shape) <= MAX_ELEMENTS)
        && links.is_some_and(|links| links <= MAX_LINKS)
        && (pass == Pass::BackwardWeight || is_short(geometry))
        && (pass == Pass::BackwardWeight || window(geometry, pass) <= MAX_WINDOW_LEN as f64)
}

/// Whether the taps reach no further than the shortest strip of one channel may be long.
fn is_short<const N: usize>(g: &Geometry<N>) -> bool {
    g.axes.iter().map(reach).product::<f64>() <= MAX_CHANNEL_LEN
}

/// Entries that a place buffers at least, beyond as many as the source has.
fn window<const N: usize>(g: &Geometry<N>, pass: Pass) -> f64 {
    if N == 1 && pass == Pass::Forward {
        // A strip has up to 64 columns, or twice what its taps reach, each of four positions. What they reach is read with it.
        return g.axes[0].stride as f64 * 4.0 * (64.0 + 3.0 * reach(&g.axes[0]));
    }
    // One row of the first axis, and all rows that it reads.
    let entries = g.axes.iter().enumerate().map(|(number, axis)| {
        let positions = match pass {
            _ if number == 0 => 1,
            Pass::BackwardData => axis.fine / axis.stride + 1,
            Pass::Forward | Pass::BackwardWeight => axis.coarse,
        };
        positions as f64 + reach(axis)
    });
    entries.product::<f64>() - g.len_of(pass.source()) as f64
}

/// What the taps of one axis span, in strides.
fn reach(axis: &crate::axis::Axis) -> f64 {
    (axis.taps as f64 * axis.dilation as f64 / axis.stride as f64).max(1.0)
}
