//! One frame of sound to its spectrum and back: the discrete Fourier transform as two matrix products.
//!
//! With `w` the square root of a periodic Hann window of `N` samples, `X[f] = sum over n of w[n] x[n] e^(-2 pi i f n / N)`, and
//! back `y[n] = w[n] / N sum over f of X[f] e^(2 pi i f n / N)`. Two windows that lie half of one apart have squares that
//! add up to 1, so frames that overlap by half add up to the sound.

use std::f64::consts::TAU;

use lucid::{Result, Tensor, Var};

use crate::model::NUM_BINS;

/// Samples of a frame.
pub(crate) const WINDOW: usize = 2 * HOP;
/// Samples from one frame to the next.
pub(crate) const HOP: usize = 256;

/// The two matrices.
pub(crate) struct Transform {
    /// `[512, 514]`: samples to real parts, then imaginary parts.
    analysis: Var<f32>,
    /// `[514, 512]`, back.
    synthesis: Var<f32>,
}

impl Transform {
    pub(crate) fn new() -> Result<Self> {
        // cos(2 pi n / N), of which the sines are the part that comes a quarter later.
        let cosines: Vec<f64> = (0..WINDOW).map(|n| (TAU * n as f64 / WINDOW as f64).cos()).collect();
        let window: Vec<f64> = cosines.iter().map(|cosine| (0.5 - 0.5 * cosine).sqrt()).collect();
        let wave = |row: usize, n: usize| match row.checked_sub(NUM_BINS) {
            None => cosines[row * n % WINDOW],
            Some(bin) => -cosines[(bin * n + 3 * WINDOW / 4) % WINDOW],
        };
        // Every bin stands for its conjugate too, but for the first and the last.
        let count = |row: usize| if [0, NUM_BINS - 1].contains(&(row % NUM_BINS)) { 1.0 } else { 2.0 };
        let rows = 2 * NUM_BINS;
        let analysis = (0..rows).flat_map(|row| (0..WINDOW).map(move |n| (row, n)));
        let analysis = analysis.map(|(row, n)| (window[n] * wave(row, n)) as f32).collect();
        let synthesis = (0..WINDOW).flat_map(|n| (0..rows).map(move |row| (row, n)));
        let synthesis = synthesis
            .map(|(row, n)| (window[n] * count(row) * wave(row, n) / WINDOW as f64) as f32)
            .collect();
        // The sums of a product run along rows: so a matrix lies, and is turned, as a dense layer's.
        Ok(Transform {
            analysis: Var::constant(Tensor::from_vec([rows, WINDOW], analysis)?.transpose(0, 1)?),
            synthesis: Var::constant(Tensor::from_vec([WINDOW, rows], synthesis)?.transpose(0, 1)?),
        })
    }

    /// The spectrum of a frame: `[1, 2, 1, 257]`.
    pub(crate) fn spectrum(&self, frame: &[f32; WINDOW]) -> Result<Var<f32>> {
        let x = Var::constant(Tensor::from_vec([1, WINDOW], frame.to_vec())?);
        Ok(x.matmul(&self.analysis)?.reshape([1, 2, 1, NUM_BINS])?)
    }

    /// The windowed frame of a spectrum: 512 samples.
    pub(crate) fn frame(&self, spectrum: &Var<f32>) -> Result<Vec<f32>> {
        let x = spectrum.reshape([1, 2 * NUM_BINS])?;
        Ok(x.matmul(&self.synthesis)?.value().to_vec())
    }
}
