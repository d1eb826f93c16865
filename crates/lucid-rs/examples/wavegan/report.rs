//! What a run leaves behind.

use std::path::Path;

use lucid::Tensor;
use plotters::prelude::*;

use crate::audio::SAMPLE_RATE;
use crate::error::Result;
use crate::session::curves::{self, Curve};
use crate::session::folder::write_text;
use crate::session::losses::Losses;
use crate::train::Training;
use crate::windows::Windows;
use crate::{plot, spectrogram, wav};

/// Sounds in each file.
const NUM_SOUNDS: usize = 12;
/// Samples of silence after each.
const PAUSE: usize = 1600;
/// Whatever a window's length, there is enough to draw.
const _: () = assert!(NUM_SOUNDS * PAUSE >= spectrogram::MIN_SAMPLES);

/// Writes everything but the checkpoint and the configuration to `folder`.
pub(crate) fn write(folder: &Path, training: &mut Training, windows: &Windows) -> Result<()> {
    let path = |name: &str| folder.join(name);
    let samples = training.samples(NUM_SOUNDS)?.to_vec();
    let samples = in_a_row(samples.chunks(training.config.model.window()));
    let real = in_a_row(windows.spread(NUM_SOUNDS));
    training.ema.state_dict().save(path("generator.safetensors"))?;
    write_text(&path("loss.csv"), &training.losses.table())?;
    wav::write(&path("samples.wav"), SAMPLE_RATE, &samples)?;
    wav::write(&path("real.wav"), SAMPLE_RATE, &real)?;
    draw_losses(&path("loss.png"), &training.losses)?;
    let clips = [("Windows of the clips", real.as_slice()), ("Made by the generator", samples.as_slice())];
    spectrogram::side_by_side(&path("spectrograms.png"), SAMPLE_RATE, clips)
}

/// Sounds one after the other, with pauses.
fn in_a_row<'a>(sounds: impl IntoIterator<Item = &'a [f32]>) -> Vec<f32> {
    sounds.into_iter().flat_map(|sound| sound.iter().copied().chain([0.0; PAUSE])).collect()
}

/// `windows` as a batch.
///
/// # Shapes
/// `[count, 1, len]`
pub(crate) fn batch(windows: &[&[f32]]) -> Result<Tensor<f32>> {
    let len = windows.first().map_or(0, |window| window.len());
    Ok(Tensor::from_vec([windows.len(), 1, len], windows.concat())?)
}

/// Draws what the critic is after above what the generator is after.
fn draw_losses(path: &Path, losses: &Losses<3>) -> Result<()> {
    let [wasserstein, penalty, generator] = losses.columns();
    let curve = |name, colour, losses| Curve { name, colour, losses };
    let charts = [
        (
            "Critic",
            vec![
                curve("Wasserstein estimate: mean D(real) - mean D(made)", BLUE, wasserstein),
                curve("gradient penalty: mean (|dD/dx| - 1)^2", RED, penalty),
            ],
        ),
        ("Generator", vec![curve("-mean D(made)", BLUE, generator)]),
    ];
    plot::write(path, (1000, 900), |canvas| {
        for (area, (title, curves)) in canvas.split_evenly((2, 1)).iter().zip(&charts) {
            let extent = curves::extent(curves, f32::is_finite).unwrap_or(0.0..1.0);
            let margin = (0.05 * (extent.end - extent.start)).max(1e-3);
            curves::draw(area, title, curves, extent.start - margin..extent.end + margin)?;
        }
        Ok(())
    })
}
