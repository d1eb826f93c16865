//! The clip that is cleaned up without flags: recorded speech in noise that is the same every time.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::audio::Clip;
use crate::error::Result;

/// The power of the speech over that of the noise, in dB.
const SNR: f64 = 5.0;
/// The part of its last value that low-pass noise keeps from sample to sample: it falls off above 270 Hz.
const SMOOTHING: f64 = 0.9;

/// The speech and the same in noise.
pub(crate) fn built_in() -> Result<[Clip; 2]> {
    let name = "arctic_a0009";
    let clean = Clip::read(&include_bytes!("../speech_autoencoder/arctic_a0009.wav")[..], name)?;
    let noise = noise(clean.samples.len());
    let power = |signal: &[f32]| signal.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let gain = (power(&clean.samples) / power(&noise) / 10_f64.powf(SNR / 10.0)).sqrt() as f32;
    let samples = clean.samples.iter().zip(&noise).map(|(speech, noise)| speech + gain * noise).collect();
    Ok([clean, Clip { name: format!("{name} with noise, {SNR} dB below it"), samples }])
}

/// A rumble and a hiss: white noise, and the same through a low-pass filter.
fn noise(len: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut rumble = 0.0;
    let mut next = || {
        let hiss = rng.random_range(-1.0..1.0);
        rumble = SMOOTHING * rumble + hiss;
        (rumble + hiss) as f32
    };
    (0..len).map(|_| next()).collect()
}
