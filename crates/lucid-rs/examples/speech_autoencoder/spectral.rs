//! The loss that compares spectra, with short-time Fourier transforms of several resolutions: three windows see both the
//! pitch and the onsets (Yamamoto et al. 2020, "Parallel WaveGAN").

use lucid::{Result, Tensor, Var, loss, no_grad};

use crate::stft::{Resolution, Stft};

/// Below this power, 60 dB under a full-scale sine's, the logarithm flattens.
const FLOOR: f32 = 0.25e-6;

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
