//! The clips as a data set of windows.

use lucid::Tensor;
use lucid::data::Dataset;
use lucid::rand::RngExt;
use lucid::rand::rngs::StdRng;

use crate::audio::Clip;
use crate::error::Result;

/// Windows of one length, four times overlapping, each with a start that is another one in every epoch.
#[derive(Debug)]
pub(crate) struct Windows {
    clips: Vec<Vec<f32>>,
    len: usize,
    hop: usize,
}

impl Windows {
    /// All windows of `len` samples; each clip is scaled to a peak of 1.
    pub(crate) fn new(clips: &[Clip], len: usize) -> Result<Self> {
        for Clip { name, samples } in clips {
            if samples.len() < len {
                return Err(format!(
                    "{name} has {} samples: accepted for training are at least {len}, one window",
                    samples.len()
                )
                .into());
            }
        }
        let scaled = |clip: &Clip| {
            let peak = clip.samples.iter().fold(f32::MIN_POSITIVE, |peak, sample| peak.max(sample.abs()));
            clip.samples.iter().map(|sample| sample / peak).collect()
        };
        Ok(Windows { clips: clips.iter().map(scaled).collect(), len, hop: (len / 4).max(1) })
    }

    /// `count` windows, evenly from the first one to the last.
    pub(crate) fn spread(&self, count: usize) -> Vec<&[f32]> {
        // index < count => index len / count < len
        (0..count).map(|index| self.window(index * self.len() / count, 0)).collect()
    }

    fn num_windows(&self, clip: &[f32]) -> usize {
        (clip.len() - self.len) / self.hop + 1
    }

    /// The window of that number, `offset` samples later where the clip goes on so long.
    fn window(&self, mut index: usize, offset: usize) -> &[f32] {
        for clip in &self.clips {
            let num_windows = self.num_windows(clip);
            if index < num_windows {
                let start = (index * self.hop + offset).min(clip.len() - self.len);
                return &clip[start..start + self.len];
            }
            index -= num_windows;
        }
        &[]
    }
}

impl Dataset for Windows {
    /// `[1, len]`
    type Item = Tensor<f32>;

    fn len(&self) -> usize {
        self.clips.iter().map(|clip| self.num_windows(clip)).sum()
    }

    fn item(&self, index: usize, rng: &mut StdRng) -> lucid::Result<Tensor<f32>> {
        let window = self.window(index, rng.random_range(0..self.hop));
        Ok(Tensor::from_vec([1, self.len], window.to_vec())?)
    }
}
