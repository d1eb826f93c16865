//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Double the size of a picture with a neural network
///
/// The network is waifu2x's upconv_7, trained on drawn art: edges stay sharp and lines smooth. Without flags it upscales a
/// small drawing that is part of the program. Transparency is upscaled too; profiles and orientation tags are not kept.
#[derive(Clone, Debug, Parser)]
#[command(name = "upscale")]
pub(crate) struct Args {
    /// PNG or JPEG file to upscale [default: a drawing of a harbour]
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// PNG file to write, as a whole or not at all; its folder is created when it does not exist
    #[arg(long, value_name = "PNG", default_value = "out/upscale/upscaled.png")]
    pub(crate) output: PathBuf,

    /// Pixels of the input along either side of a tile: less takes less memory, more takes less time
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) tile: u16,

    /// Number of threads [default: one per core]; changes nothing but the time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}
