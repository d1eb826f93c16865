//! Phase shuffle (Donahue et al. 2019): the critic's layers are shifted at random.
//!
//! Transposed convolutions leave a tone at their stride, always in the same phase, by which a critic tells their work at a
//! glance. Shifted layers can't see the phase, so they have to listen.

use lucid::{Element, PadMode, Result, Var};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Shifts along the last axis: position `i` becomes `i + shift`, and what is missing at the end comes from its reflection.
/// The shift is shorter than the axis.
///
/// # Shapes
/// `[batch, channels, len]` to the same.
pub(crate) fn phase_shuffle<T: Element>(x: &Var<T>, shift: isize) -> Result<Var<T>> {
    if shift == 0 {
        return Ok(x.clone());
    }
    let len = x.shape()[2];
    let distance = shift.unsigned_abs();
    let (before, after) = if shift > 0 { (distance, 0) } else { (0, distance) };
    let sources = PadMode::<T>::Reflect.source_indices(len, before, after)?;
    // Lengthened on one side; what is cut off is on the other: its start lies at 0 or at len + distance - len.
    Ok(x.index_select(2, &sources[after..after + len])?)
}

/// `count` shifts of at most `max` in either direction.
pub(crate) fn draw(count: usize, max: usize, rng: &mut ChaCha8Rng) -> Vec<isize> {
    (0..count).map(|_| rng.random_range(0..=2 * max) as isize - max as isize).collect()
}
