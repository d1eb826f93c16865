//! Speech from WAV files.
//!
//! Whatever the number of channels and the sample format, what comes in is one channel of numbers in -1..1. Another
//! sample rate than the model's is refused rather than resampled: that is a craft of its own.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use hound::{SampleFormat, WavReader};

use crate::error::Result;

/// Samples per second of everything here.
pub(crate) const SAMPLE_RATE: u32 = 16_000;

/// One channel of sound.
pub(crate) struct Clip {
    /// What to call it in messages.
    pub(crate) name: String,
    /// Amplitudes in -1..1.
    pub(crate) samples: Vec<f32>,
}

impl Clip {
    /// Reads the WAV file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| format!("opening {}: {error}", path.display()))?;
        Clip::read(BufReader::new(file), &path.display().to_string())
    }

    /// Reads a WAV file from `source`, called `name`.
    pub(crate) fn read(source: impl Read, name: &str) -> Result<Self> {
        let context = |error| format!("reading {name} as a WAV file: {error}");
        let reader = WavReader::new(source).map_err(context)?;
        let spec = reader.spec();
        if spec.sample_rate != SAMPLE_RATE {
            return Err(format!(
                "{name} has {} samples per second: accepted is {SAMPLE_RATE}, so resample it first",
                spec.sample_rate
            )
            .into());
        }
        let interleaved = interleaved(reader).map_err(context)?;
        let channels = usize::from(spec.channels);
        let samples: Vec<f32> = interleaved
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        if samples.is_empty() {
            return Err(format!("{name} holds no samples").into());
        }
        if samples.iter().any(|sample| !sample.is_finite()) {
            return Err(format!("{name} holds samples that are not finite").into());
        }
        if samples.iter().all(|&sample| sample == samples[0]) {
            return Err(format!("{name} is silent: there is nothing to learn").into());
        }
        Ok(Clip { name: name.to_string(), samples })
    }

    /// The duration in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }
}

/// All samples of all channels, integers scaled by the largest of their width.
fn interleaved(mut reader: WavReader<impl Read>) -> hound::Result<Vec<f32>> {
    let spec = reader.spec();
    match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            let scale = 0.5_f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().map(|sample| Ok(sample? as f32 * scale)).collect()
        }
    }
}
