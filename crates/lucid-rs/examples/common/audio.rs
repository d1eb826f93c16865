//! Speech from WAV files.
//!
//! Whatever the number of channels and the sample format, what comes in is one channel of numbers in -1..1; where floats
//! go beyond, they are clipped, and the error stream says so. Another sample rate than the models' is refused rather than
//! resampled: that is a craft of its own.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use hound::{SampleFormat, WavReader};

use crate::error::Result;

/// Samples per second of what the examples learn from and clean up.
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
        let mut samples = mono(source, name)?;
        if samples.is_empty() {
            return Err(format!("{name} holds no samples").into());
        }
        let (num_clipped, num_samples) = (clip(&mut samples), samples.len());
        if num_clipped > 0 {
            // Whoever closed the error stream does not want to know.
            let _ = writeln!(
                std::io::stderr(),
                "Note: {num_clipped} of the {num_samples} samples of {name} lie outside -1..1 and are clipped"
            );
        }
        if samples.iter().all(|&sample| sample == samples[0]) {
            return Err(format!("{name} is silent: accepted is sound").into());
        }
        Ok(Clip { name: name.to_string(), samples })
    }

    /// The duration in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }
}

/// The mean of all channels of the WAV file from `source`, called `name`: finite numbers.
fn mono(source: impl Read, name: &str) -> Result<Vec<f32>> {
    let context = |error| format!("reading {name} as a WAV file: {error}");
    let num_bytes = Cell::new(0);
    let reader = WavReader::new(Counted { source, num_bytes: &num_bytes }).map_err(context)?;
    let header_bytes = num_bytes.get();
    let spec = reader.spec();
    if spec.sample_rate != SAMPLE_RATE {
        return Err(format!(
            "{name} has {} samples per second: accepted is {SAMPLE_RATE}, so resample it first",
            spec.sample_rate
        )
        .into());
    }
    let interleaved = interleaved(reader).map_err(context)?;
    // 24 bits in 32 are the upper ones by the format's definition and the lower ones by custom. hound takes them for the
    // lower ones, and does not tell where they are.
    let bits = u64::from(spec.bits_per_sample);
    let data_bits = 8 * (num_bytes.get() - header_bytes);
    if data_bits != bits * interleaved.len() as u64 {
        let accepted = "accepted are samples that fill what holds them, so convert it first";
        let found = data_bits / interleaved.len().max(1) as u64;
        return Err(format!("{name} has samples of {bits} bits in {found}: {accepted}").into());
    }
    let channels = usize::from(spec.channels);
    if let Some(index) = interleaved.iter().position(|sample| !sample.is_finite()) {
        let (value, index) = (interleaved[index], index / channels);
        let accepted = "accepted are finite numbers";
        return Err(format!("{name} holds {value} at sample {index}, counted from 0: {accepted}").into());
    }
    let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
    Ok(interleaved.chunks_exact(channels).map(mean).collect())
}

/// Brings all samples to -1..1, and counts those that were not.
fn clip(samples: &mut [f32]) -> usize {
    let outside = samples.iter_mut().filter(|sample| sample.abs() > 1.0);
    outside.map(|sample| *sample = sample.signum()).count()
}

/// Counts the bytes that are read.
struct Counted<'a, R> {
    source: R,
    num_bytes: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let len = self.source.read(bytes)?;
        self.num_bytes.update(|num_bytes| num_bytes + len as u64);
        Ok(len)
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
