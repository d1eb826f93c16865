//! The short-time Fourier transform as a convolution.
//!
//! Frame `t` of the transform is `X[f, t] = sum over n of h[n] x[t hop + n] e^(-2 pi i f n / N)`: a convolution with stride
//! `hop`, whose weights are the windowed cosines and sines. So its gradient is a transposed convolution, and nothing new
//! has to be differentiated.

use std::f64::consts::TAU;

use lucid::conv::Options;
use lucid::{Result, Tensor, Var};
use serde::{Deserialize, Serialize};

/// How finely a transform resolves time and frequency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolution {
    /// Samples per frame.
    pub(crate) window: usize,
    /// Samples from one frame to the next.
    pub(crate) hop: usize,
}

/// A transform with a Hann window, scaled so that a full-scale sine has magnitude 1/2.
pub(crate) struct Stft {
    /// `[2 bins, 1, window]`: cosines before sines.
    weights: Var<f32>,
    options: Options<1>,
    num_bins: usize,
}

impl Stft {
    pub(crate) fn new(resolution: Resolution) -> Result<Self> {
        let Resolution { window, hop } = resolution;
        let num_bins = window / 2 + 1;
        let turn = |n: usize| TAU * (n % window) as f64 / window as f64;
        let hann: Vec<f64> = (0..window).map(|n| 0.5 - 0.5 * turn(n).cos()).collect();
        let sum: f64 = hann.iter().sum();
        let wave = |row: usize, n: usize| match row.checked_sub(num_bins) {
            None => turn(row * n).cos(),
            Some(bin) => -turn(bin * n).sin(),
        };
        let weights = (0..2 * num_bins)
            .flat_map(|row| (0..window).map(move |n| (row, n)))
            .map(|(row, n)| (hann[n] / sum * wave(row, n)) as f32);
        let weights = Tensor::from_vec([2 * num_bins, 1, window], weights.collect())?;
        // A constant: the tape computes no gradient for it.
        Ok(Stft { weights: Var::constant(weights), options: Options::conv().stride(hop), num_bins })
    }

    /// The power in every bin of every frame.
    ///
    /// # Shapes
    /// `[batch, 1, len]` to `[batch, bins, (len - window) / hop + 1]`.
    pub(crate) fn power(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let parts = x.convolve(&self.weights, None, &self.options)?;
        let [batch, _, num_frames] = parts.shape()[..] else {
            unreachable!("a batched convolution has rank 3")
        };
        let power = parts.square().reshape([batch, 2, self.num_bins, num_frames])?.sum(&[1], false)?;
        Ok(power)
    }
}
