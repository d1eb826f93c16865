//! A picture in tiles: each with as much around it as the network sees, so that seams don't show, and never more of the
//! picture as floating-point numbers than one of them.

use std::ops::Range;

use lucid::{Forward, Tensor, no_grad};

use crate::error::Result;
use crate::model::{MARGIN, SCALE, UpConv7};
use crate::picture::Picture;

/// A part of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// `0..len` in pieces of `size`, the last one perhaps smaller.
pub(crate) fn pieces(len: usize, size: usize) -> impl ExactSizeIterator<Item = Range<usize>> {
    (0..len.div_ceil(size)).map(move |i| i * size..len.min((i + 1) * size))
}

/// Upscales `picture` in tiles of at most `size` by `size` pixels. `write` is given a band of rows at a time; `advance` is
/// called after each tile.
pub(crate) fn upscale(
    model: &UpConv7,
    picture: &Picture,
    size: usize,
    mut write: impl FnMut(&[u8]) -> Result<()>,
    mut advance: impl FnMut(),
) -> Result<()> {
    let row_len = SCALE * picture.width * picture.num_channels;
    for rows in pieces(picture.height, size) {
        let mut band = vec![0; SCALE * rows.len() * row_len];
        for columns in pieces(picture.width, size) {
            let tile = Tile { rows: rows.clone(), columns };
            paste(&upscale_tile(model, picture, &tile)?, picture.num_channels, &tile, &mut band);
            advance();
        }
        write(&band)?;
    }
    Ok(())
}

/// What the network makes of a tile.
///
/// # Shapes
/// `[1, 3, 2 rows, 2 columns]`, or `[2, 3, ...]` with opacity in the second as a grey picture.
pub(crate) fn upscale_tile(model: &UpConv7, picture: &Picture, tile: &Tile) -> Result<Tensor<f32>> {
    // Beyond the picture's edge its last pixel is repeated. position < len + 2 MARGIN => no overflow.
    let around = |range: &Range<usize>, len: usize| -> Vec<usize> {
        (range.start..range.end + 2 * MARGIN)
            .map(|padded| padded.saturating_sub(MARGIN).min(len - 1))
            .collect()
    };
    let (rows, columns) = (around(&tile.rows, picture.height), around(&tile.columns, picture.width));
    let num_pictures = picture.num_channels.div_ceil(3);
    let shape = [num_pictures, 3, rows.len(), columns.len()];
    let mut values = Vec::with_capacity(shape.iter().product());
    for plane in 0..3 * num_pictures {
        // Planes 3, 4 and 5 are all the opacity, channel 3.
        let channel = plane.min(3);
        for row in &rows {
            let at = |column| (row * picture.width + column) * picture.num_channels + channel;
            values.extend(columns.iter().map(|&column| f32::from(picture.pixels[at(column)]) / 255.0));
        }
    }
    let x = Tensor::from_vec(shape, values)?;
    Ok(no_grad(|| model.forward(&x.into()))?.value())
}

/// Puts an upscaled tile into the band of rows that it belongs to.
fn paste(y: &Tensor<f32>, num_channels: usize, tile: &Tile, band: &mut [u8]) {
    let [num_rows, num_columns] = [&tile.rows, &tile.columns].map(|range| SCALE * range.len());
    let row_len = band.len() / num_rows;
    let start = SCALE * tile.columns.start * num_channels;
    let y = y.contiguous();
    let planes = y.as_slice().unwrap_or_default();
    for (row, line) in band.chunks_exact_mut(row_len).enumerate() {
        let pixels = line[start..start + num_columns * num_channels].chunks_exact_mut(num_channels);
        for (column, pixel) in pixels.enumerate() {
            for (channel, byte) in pixel.iter_mut().enumerate() {
                let value = planes[(channel * num_rows + row) * num_columns + column];
                // A number outside 0..255 saturates in the conversion.
                *byte = (value * 255.0).round() as u8;
            }
        }
    }
}
