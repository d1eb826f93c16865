//! Sound to WAV files, one channel.

use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::error::Result;
use crate::files;

/// Writes 16 bit samples; what lies outside -1..1 is clipped.
pub(crate) fn write(path: &Path, sample_rate: u32, samples: &[f32]) -> Result<()> {
    let spec = WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    files::replace(path, |temporary| {
        let mut writer = WavWriter::create(temporary, spec)?;
        for sample in samples {
            // 32767.5 at most => a number above it saturates in the conversion to i16.
            writer.write_sample((sample * 32768.0).round() as i16)?;
        }
        Ok(writer.finalize()?)
    })
}
