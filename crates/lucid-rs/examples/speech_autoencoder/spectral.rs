//! The short-time Fourier transform as a convolution, and the loss that compares spectra.
//!
//! Frame `t` of the transform is `X[f, t] = sum over n of h[n] x[t hop + n] e^(-2 pi i f n / N)`: a convolution with stride
//! `hop`, whose weights are the windowed cosines and sines. So its gradient is a transposed convolution, and nothing new
//! has to be differentiated. Three windows see both the pitch and the onsets (Yamamoto et al. 2020, "Parallel WaveGAN").

use std::f64::consts::TAU;

use lucid::conv::Options;
use lucid::{Result, Tensor, Var, loss, no_grad};
use serde::{Deserialize, Serialize};

/// Below this power, 60 dB under a full-scale sine's, the logarithm flattens.
const FLOOR: f32 = 0.25e-6;

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

/// Transforms of several resolutions.
pub(crate) struct SpectralLoss {
    transforms: Vec<Stft>,
}

impl SpectralLoss {
    pub(crate) fn new(resolutions: &[Resolution]) -> Result<Self> {
        let transforms =
            resolutions.iter().map(|&resolution| Stft::new(resolution)).collect::<Result<_>>()?;
        Ok(SpectralLoss { transforms })
    }

    /// The mean over the resolutions of spectral convergence and the L1 distance of the logarithms:
    /// `| |Y| - |X| | / | |X| | + mean | ln |Y| - ln |X| |`, with the norm over all bins and frames.
    ///
    /// # Shapes
    /// Both `[batch, 1, len]`.
    pub(crate) fn between(&self, y: &Var<f32>, x: &Var<f32>) -> Result<Var<f32>> {
        let mut sum: Option<Var<f32>> = None;
        for transform in &self.transforms {
            let magnitude = |signal| Ok::<_, lucid::Error>((transform.power(signal)? + FLOOR).sqrt());
            let (y, x) = (magnitude(y)?, no_grad(|| magnitude(x))?);
            let convergence = relative_error(&y, &x)?;
            let distance = loss::l1(&y.ln(), &x.ln(), loss::Reduction::Mean)?;
            let term = (&convergence + &distance)?;
            sum = Some(match sum {
                Some(sum) => (&sum + &term)?,
                None => term,
            });
        }
        let sum = sum.unwrap_or_else(|| Var::constant(Tensor::scalar(0.0)));
        Ok(sum / self.transforms.len().max(1) as f32)
    }
}

/// `|y - x| / |x|` with the Euclidean norm over all elements: the root of the noise-to-signal ratio.
pub(crate) fn relative_error(y: &Var<f32>, x: &Var<f32>) -> Result<Var<f32>> {
    // Keeps the gradient of the root finite where nothing is left to improve.
    let tiny = 1e-8;
    let ratio = (&(y - x)?.square().sum_all() / &(x.square().sum_all() + tiny))?;
    Ok((ratio + tiny).sqrt())
}
