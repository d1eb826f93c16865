//! The rate at which one core copies: the ceiling of what does little arithmetic per element.
//!
//! Filters of channels that do not mix read the source once and write the result once, so this is what they are held
//! against, on a footprint of the same size: caches of a core, its share of a cache, and memory have rates of their own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::filter::{Rows, Taps, filter};
use crate::isa::Isa;

/// How long one window lasts, and how many are made.
const WINDOW: Duration = Duration::from_millis(4);
const WINDOWS: usize = 8;

/// Bytes read plus bytes written per second by a copy of `bytes / 2` from one buffer into another, over and over: the
/// best single copy of several windows of a few milliseconds. The footprint is `bytes`, at least 128.
///
/// The copy is a loop of the widest loads and ordinary stores that the machine has, not `memcpy`, which takes other
/// instructions for long blocks, and on some machines far slower ones.
pub fn copy_bandwidth(bytes: usize) -> f64 {
    // In two parts, so that each is a whole number of vectors.
    let len = bytes.div_ceil(2 * size_of::<f32>()).next_multiple_of(16).max(16);
    let from = vec![1.0_f32; len];
    let mut to = vec![0.0_f32; len];
    let isa = Isa::best();
    let mut best = f64::INFINITY;
    for _ in 0..WINDOWS {
        let window = Instant::now();
        while window.elapsed() < WINDOW {
            // Short copies are timed together: reading the clock takes as long as some kilobytes.
            let repeats = (1 << 16) / len + 1;
            let start = Instant::now();
            for _ in 0..repeats {
                let taps = Taps { offsets: &[0], weights: &[1.0] };
                filter(isa, taps, 0.0, black_box(&from), Rows::one(len), black_box(&mut to));
            }
            best = best.min(start.elapsed().as_secs_f64() / repeats as f64);
        }
    }
    (2 * len * size_of::<f32>()) as f64 / best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_footprint_has_a_rate() {
        for bytes in [0, 1 << 12, 1 << 22] {
            let rate = copy_bandwidth(bytes);
            assert!(rate.is_finite() && rate > 1e6, "{bytes}: {rate}");
        }
    }
}
