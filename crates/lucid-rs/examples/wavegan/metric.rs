//! How far the colour of one sound is from that of another, whatever is said.

use lucid::{Tensor, no_grad};

use crate::error::Result;
use crate::stft::{Resolution, Stft};

const MAX_WINDOW: usize = 512;
/// Power below which nothing is told apart: 100 dB under a full-scale sine's.
const FLOOR: f64 = 0.25e-10;

/// The average power of sounds in each frequency bin, in dB.
pub(crate) struct Spectrum(Vec<f64>);

impl Spectrum {
    /// # Shapes
    /// `x` is `[batch, 1, len]`, none of them 0.
    pub(crate) fn of(x: &Tensor<f32>) -> Result<Self> {
        let window = x.shape()[2].min(MAX_WINDOW);
        let transform = Stft::new(Resolution { window, hop: window.div_ceil(2) })?;
        let power = no_grad(|| transform.power(&x.clone().into()))?.value().mean(&[0, 2], false)?;
        let level = |power: f32| 10.0 * (f64::from(power) + FLOOR).log10();
        Ok(Spectrum(power.to_vec().into_iter().map(level).collect()))
    }

    /// The root of the mean over all bins of the squared difference of levels, in dB: the log-spectral distance.
    pub(crate) fn distance(&self, other: &Spectrum) -> f64 {
        let squares = self.0.iter().zip(&other.0).map(|(a, b)| (a - b) * (a - b));
        (squares.sum::<f64>() / self.0.len() as f64).sqrt()
    }
}
