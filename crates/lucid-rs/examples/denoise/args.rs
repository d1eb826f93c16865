//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Take the noise out of speech with a neural network
///
/// The network is GTCRN, trained by its authors on 16 kHz speech in all kinds of noise. Without flags it cleans up a
/// sentence of the CMU ARCTIC corpus, which is part of the program, in noise that the program makes.
#[derive(Clone, Debug, Parser)]
#[command(name = "denoise", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// WAV file to clean up: 16 kHz, whole numbers of 8 to 32 bits or 32-bit floats, channels are averaged [default: arctic_a0009 in noise]
    #[arg(long, value_name = "WAV")]
    pub(crate) input: Option<PathBuf>,

    /// The same speech without noise, as long as the input, to say how much nearer the result is
    #[arg(long, value_name = "WAV", requires = "input")]
    pub(crate) clean: Option<PathBuf>,

    /// Folder for everything that is written; it is created when it does not exist
    #[arg(long, value_name = "DIR", default_value = "out/denoise")]
    pub(crate) output: PathBuf,

    /// Number of threads [default: one per core]; changes nothing but the time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

const AFTER_HELP: &str = "\
Written to the output folder, each file as a whole or not at all:
  denoised.wav       the speech
  noisy.wav          what went in
  spectrograms.png   the first ten seconds of both";
