//! Pictures of a run, as PNG files.
//!
//! The font comes with a crate, so nothing has to be installed.

mod loss;
mod spectrogram;

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

pub(crate) use loss::losses;
pub(crate) use spectrogram::{MIN_SAMPLES, side_by_side};

use crate::error::Result;
use crate::files;

const FONT: &str = "sans-serif";
const TITLE_SIZE: u32 = 22;
const TEXT_SIZE: u32 = 16;

type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Writes what `draw` draws on a white canvas of `width` times `height` pixels.
fn write(
    path: &Path,
    (width, height): (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<()> {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::HACK_REGULAR)
        .map_err(|_| "the font of the plots can't be read")?;
    files::replace(path, |temporary| {
        let canvas = BitMapBackend::new(temporary, (width, height)).into_drawing_area();
        canvas.fill(&WHITE)?;
        draw(&canvas)?;
        Ok(canvas.present()?)
    })
}
