//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Turn the latent of a sentence into speech with the decoder of a Piper voice
///
/// Reads what fetch.py, beside this example's sources, has fetched: the weights, a latent, and the sound that ONNX Runtime
/// made of it. Prints the real-time factor and the largest difference from that sound.
#[derive(Clone, Debug, Parser)]
#[command(name = "vocoder", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Folder with decoder.safetensors and reference.safetensors [default: the one that fetch.py fills]
    #[arg(long, value_name = "DIR")]
    pub(crate) fetched: Option<PathBuf>,

    /// Folder for everything that is written; it is created when it does not exist
    #[arg(long, value_name = "DIR", default_value = "out/vocoder")]
    pub(crate) output: PathBuf,

    /// Number of threads [default: one per core]; changes nothing but the time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

const AFTER_HELP: &str = "\
Written to the output folder, each file as a whole or not at all:
  speech.wav         the sentence
  spectrograms.png   the sentence as ONNX Runtime and as lucid computed it";
