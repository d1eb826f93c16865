//! Pictures from PNG and JPEG files, and rows of one to a PNG file as they come.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Cursor, Seek, Write};
use std::path::Path;

use image::ImageFormat;
use image::io::{Limits, Reader};
use png::{BitDepth, ColorType, Encoder};

use crate::error::Result;

/// What decoding may allocate: a picture of 100 megapixels, so that a small hostile file does not take all memory.
const MAX_BYTES: u64 = 400_000_000;

/// A picture of 8 bits per channel.
pub(crate) struct Picture {
    /// What to call it in messages.
    pub(crate) name: String,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// 3 for red, green and blue; 4 with opacity after them.
    pub(crate) num_channels: usize,
    /// Row by row, the channels of a pixel together.
    pub(crate) pixels: Vec<u8>,
}

impl Picture {
    /// Reads the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| format!("opening {}: {error}", path.display()))?;
        Picture::read(BufReader::new(file), &path.display().to_string())
    }

    /// The picture that is part of the program.
    pub(crate) fn built_in() -> Result<Self> {
        Picture::read(Cursor::new(include_bytes!("picture.png")), "the harbour")
    }

    /// Reads a picture from `source`, called `name`.
    pub(crate) fn read(source: impl BufRead + Seek, name: &str) -> Result<Self> {
        let context = |error: &dyn std::error::Error| format!("reading {name} as a picture: {error}");
        let mut reader = Reader::new(source).with_guessed_format().map_err(|error| context(&error))?;
        if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
            return Err(format!("{name} is no picture that can be read: accepted are PNG and JPEG").into());
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let image = reader.decode().map_err(|error| context(&error))?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (num_channels, pixels) = if image.color().has_alpha() {
            (4, image.into_rgba8().into_raw())
        } else {
            (3, image.into_rgb8().into_raw())
        };
        Ok(Picture { name: name.to_string(), width, height, num_channels, pixels })
    }
}

/// How large a picture is, and what its pixels are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) num_channels: usize,
}

/// Writes a PNG file at `path`, with the rows that `rows` hands to the function it is given.
pub(crate) fn write(
    path: &Path,
    format: Format,
    rows: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut encoder = Encoder::new(&mut file, u32::try_from(format.width)?, u32::try_from(format.height)?);
    encoder.set_color(if format.num_channels == 4 { ColorType::Rgba } else { ColorType::Rgb });
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    let mut stream = writer.stream_writer()?;
    rows(&mut |bytes| Ok(stream.write_all(bytes)?))?;
    stream.finish()?;
    writer.finish()?;
    Ok(file.flush()?)
}
