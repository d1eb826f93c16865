//! A canvas that becomes a PNG file.
//!
//! The font comes with a crate, so nothing has to be installed.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::error::Result;
use crate::files;

pub(crate) const FONT: &str = "sans-serif";
pub(crate) const TITLE_SIZE: u32 = 22;
pub(crate) const TEXT_SIZE: u32 = 16;

pub(crate) type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Writes what `draw` draws on a white canvas of `width` times `height` pixels.
pub(crate) fn write(
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
