//! What a run leaves behind.

use std::ops::Range;
use std::path::{Path, PathBuf};

use lucid::Module;
use plotters::prelude::*;

use crate::audio::{Clip, SAMPLE_RATE};
use crate::error::Result;
use crate::session::curves::{self, Curve};
use crate::session::folder::{self, write_text};
use crate::session::losses::Losses;
use crate::train::Training;
use crate::{plot, spectrogram, wav};

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
        folder::create(&self.folder)
    }

    /// Where the run is stored.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint.safetensors")
    }

    /// Writes everything but the checkpoint and the configuration.
    pub(crate) fn write(
        &self,
        training: &Training<'_>,
        held_out: &Clip,
        reconstruction: &[f32],
    ) -> Result<()> {
        let path = |name: &str| self.folder.join(name);
        training.model.save_state_dict(path("model.safetensors"))?;
        write_text(&path("loss.csv"), &training.losses.table())?;
        wav::write(&path("reconstruction.wav"), SAMPLE_RATE, reconstruction)?;
        draw_losses(&path("loss.png"), &training.losses)?;
        let original = format!("Original: {}", held_out.name);
        let clips = [(original.as_str(), held_out.samples.as_slice()), ("Reconstruction", reconstruction)];
        spectrogram::side_by_side(&path("spectrograms.png"), SAMPLE_RATE, clips)
    }
}

/// Draws both losses over the steps, on a logarithmic scale.
fn draw_losses(path: &Path, losses: &Losses<2>) -> Result<()> {
    let [time, spectral] = losses.columns();
    let curve = |name, colour, losses| Curve { name, colour, losses };
    let curves = [
        curve("waveform: |y - x| / |x|", BLUE, time),
        curve("spectra: convergence + |Δ ln magnitude|", RED, spectral),
    ];
    let Range { start, end } =
        curves::extent(&curves, |loss| loss.is_finite() && loss > 0.0).unwrap_or(0.1..1.0);
    plot::write(path, (1000, 600), |canvas| {
        curves::draw(canvas, "Training loss", &curves, (start * 0.9..end * 1.1).log_scale())
    })
}
