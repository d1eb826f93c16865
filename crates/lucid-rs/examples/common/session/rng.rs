//! Random numbers that a run can be resumed in the middle of: streams of one seed, one for each step.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// The generator of the given seed and stream: streams of one seed are independent of each other.
pub(crate) fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}
