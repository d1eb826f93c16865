//! The network on a running signal.

use lucid::{Result, no_grad};

use crate::model::{Gtcrn, State};
use crate::transform::{HOP, Transform, WINDOW};

/// Takes noise out of a signal as it comes, in a memory that does not grow with it.
///
/// 256 samples go in, and the 256 before them come out: [`HOP`] samples late. The first of them is known 512 samples,
/// 32 ms, after it went in, as it is part of a frame that ends then.
pub(crate) struct Denoiser {
    model: Gtcrn,
    state: State,
    transform: Transform,
    /// The last samples that went in: the first half of the next frame.
    before: [f32; HOP],
    /// The second half of the last frame that was computed, which the first half of the next is added to.
    overlap: [f32; HOP],
}

impl Denoiser {
    /// Before the first sample.
    pub(crate) fn new() -> Result<Self> {
        Ok(Denoiser {
            model: Gtcrn::trained()?,
            state: State::new()?,
            transform: Transform::new()?,
            before: [0.0; HOP],
            overlap: [0.0; HOP],
        })
    }

    /// Takes the next samples and returns those before them without noise.
    pub(crate) fn push(&mut self, samples: &[f32; HOP]) -> Result<[f32; HOP]> {
        let mut frame = [0.0; WINDOW];
        frame[..HOP].copy_from_slice(&self.before);
        frame[HOP..].copy_from_slice(samples);
        self.before = *samples;

        let enhanced = no_grad(|| {
            let spectrum = self.transform.spectrum(&frame)?;
            self.transform.frame(&self.model.enhance(&spectrum, &mut self.state)?)
        })?;
        let (first, second) = enhanced.split_at(HOP);
        let mut complete = self.overlap;
        complete.iter_mut().zip(first).for_each(|(sum, part)| *sum += part);
        self.overlap.copy_from_slice(second);
        Ok(complete)
    }
}

/// All of `samples` without noise, as many, through a `denoiser` that has heard nothing else. `advance` is called after each
/// frame.
pub(crate) fn denoise(
    mut denoiser: Denoiser,
    samples: &[f32],
    mut advance: impl FnMut(),
) -> Result<Vec<f32>> {
    let mut denoised = Vec::with_capacity(samples.len() + WINDOW);
    // The last samples come out when something else goes in.
    let silence = [0.0; HOP];
    for chunk in samples.chunks(HOP).chain([&silence[..]]) {
        let mut frame = silence;
        frame[..chunk.len()].copy_from_slice(chunk);
        denoised.extend(denoiser.push(&frame)?);
        advance();
    }
    // What came out first are the samples before the first.
    denoised.drain(..HOP);
    denoised.truncate(samples.len());
    Ok(denoised)
}
