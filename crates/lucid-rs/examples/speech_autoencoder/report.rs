//! What a run leaves behind.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use lucid::Module;

use crate::audio::{Clip, SAMPLE_RATE};
use crate::error::Result;
use crate::train::{Losses, Training};
use crate::{curves, files, spectrogram, wav};

/// The folder that everything is written to. It need not exist before [`create`](Outputs::create).
pub(crate) struct Outputs {
    folder: PathBuf,
}

impl Outputs {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Outputs { folder: folder.to_path_buf() }
    }

    /// Makes the folder unless it is there.
    pub(crate) fn create(&self) -> Result<()> {
        let folder = &self.folder;
        Ok(std::fs::create_dir_all(folder)
            .map_err(|error| format!("making the folder {}: {error}", folder.display()))?)
    }

    /// Where the run is stored.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint.safetensors")
    }

    /// Writes everything but the checkpoint.
    pub(crate) fn write(
        &self,
        training: &Training<'_>,
        held_out: &Clip,
        reconstruction: &[f32],
    ) -> Result<()> {
        let path = |name: &str| self.folder.join(name);
        training.model.save_state_dict(path("model.safetensors"))?;
        write_text(&path("config.json"), &training.config.to_json()?)?;
        write_text(&path("loss.csv"), &table(&training.log))?;
        wav::write(&path("reconstruction.wav"), SAMPLE_RATE, reconstruction)?;
        curves::losses(&path("loss.png"), &training.log)?;
        let original = format!("Original: {}", held_out.name);
        let clips = [(original.as_str(), held_out.samples.as_slice()), ("Reconstruction", reconstruction)];
        spectrogram::side_by_side(&path("spectrograms.png"), SAMPLE_RATE, clips)
    }
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    files::replace(path, |temporary| Ok(std::fs::write(temporary, text)?))
}

fn table(log: &[Losses]) -> String {
    let mut table = "step,waveform,spectra\n".to_string();
    for (step, Losses { time, spectral }) in (1..).zip(log) {
        // Writing to a string can't fail.
        let _ = writeln!(table, "{step},{time},{spectral}");
    }
    table
}
