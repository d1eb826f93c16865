//! Two spectrograms beside each other, with one colour scale for both.

use std::ops::Range;
use std::path::Path;

use lucid::{Tensor, no_grad};
use plotters::prelude::*;

use crate::error::Result;
use crate::plot::{Canvas, FONT, TEXT_SIZE, TITLE_SIZE, write};
use crate::stft::{Resolution, Stft};

const RESOLUTION: Resolution = Resolution { window: 512, hop: 64 };
/// Samples of the shortest clip that can be drawn.
pub(crate) const MIN_SAMPLES: usize = RESOLUTION.window;
/// What the colours show, in dB: the loudest bin of the original is 0.
const RANGE: Range<f32> = -80.0..0.0;
const COLOUR_BAR_WIDTH: u32 = 110;

/// The level of every bin of every frame.
struct Spectrogram {
    title: String,
    /// `[bins, frames]`, in dB.
    levels: Tensor<f32>,
    seconds: f32,
    sample_rate: u32,
}

/// Draws the spectrograms of `clips`, each with its title, relative to the first. Each has at least [`MIN_SAMPLES`].
pub(crate) fn side_by_side(path: &Path, sample_rate: u32, clips: [(&str, &[f32]); 2]) -> Result<()> {
    let stft = Stft::new(RESOLUTION)?;
    let mut loudest = None;
    let mut panels = Vec::new();
    for (title, samples) in clips {
        let x = Tensor::from_vec([1, 1, samples.len()], samples.to_vec())?;
        let power = no_grad(|| stft.power(&x.into()))?.value().squeeze(0)?;
        let &mut loudest = loudest.get_or_insert(power.max(&[0, 1], false)?.item()?);
        let levels = power.map(|power| 10.0 * (power / loudest).max(1e-12).log10());
        let seconds = samples.len() as f32 / sample_rate as f32;
        panels.push(Spectrogram { title: title.to_string(), levels, seconds, sample_rate });
    }
    write(path, (1400, 520), |canvas| {
        let (left, bar) = canvas.split_horizontally(1400 - COLOUR_BAR_WIDTH);
        for (area, panel) in left.split_evenly((1, 2)).iter().zip(&panels) {
            panel.draw(area)?;
        }
        draw_colour_bar(&bar)
    })
}

impl Spectrogram {
    fn draw(&self, area: &Canvas<'_>) -> Result<()> {
        let kilohertz = self.sample_rate as f32 / 2000.0;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, TITLE_SIZE))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(54)
            .build_cartesian_2d(0.0..self.seconds, 0.0..kilohertz)?;
        // One colour per pixel: bins and pixels have different sizes, and rectangles would leave seams.
        let pixels = chart.plotting_area().strip_coord_spec();
        let (width, height) = pixels.dim_in_pixel();
        let levels = self.levels.view();
        let [num_bins, num_frames] = self.levels.shape()[..] else { unreachable!("bins and frames") };
        // Pixel p of P shows position p n / P, rounded down: p < P => it is below n.
        let position = |pixel: u32, num_pixels: u32, len: usize| pixel as usize * len / num_pixels as usize;
        for x in 0..width {
            for y in 0..height {
                let bin = num_bins - 1 - position(y, height, num_bins);
                let level = levels[[bin, position(x, width, num_frames)]];
                pixels.draw_pixel((x as i32, y as i32), &colour(level))?;
            }
        }
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("time (s)")
            .y_desc("frequency (kHz)")
            .x_label_formatter(&|seconds| format!("{seconds:.1}"))
            .y_label_formatter(&|kilohertz| format!("{kilohertz:.0}"))
            .label_style((FONT, TEXT_SIZE))
            .draw()?;
        Ok(())
    }
}

fn colour(level: f32) -> RGBColor {
    let level = level.clamp(RANGE.start, RANGE.end);
    ViridisRGB::get_color_normalized(level, RANGE.start, RANGE.end)
}

fn draw_colour_bar(area: &Canvas<'_>) -> Result<()> {
    let mut chart = ChartBuilder::on(area)
        .caption(" ", (FONT, TITLE_SIZE))
        .margin(12)
        .x_label_area_size(46)
        .right_y_label_area_size(64)
        .build_cartesian_2d(0.0_f32..1.0, RANGE)?;
    let pixels = chart.plotting_area().strip_coord_spec();
    let (width, height) = pixels.dim_in_pixel();
    for y in 0..height {
        let level = RANGE.end - (RANGE.end - RANGE.start) * y as f32 / height.max(2).saturating_sub(1) as f32;
        for x in 0..width {
            pixels.draw_pixel((x as i32, y as i32), &colour(level))?;
        }
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_x_axis()
        .y_desc("level (dB re the loudest)")
        .y_label_formatter(&|level| format!("{level:.0}"))
        .label_style((FONT, TEXT_SIZE))
        .draw()?;
    Ok(())
}
