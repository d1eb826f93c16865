//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Train a WaveGAN with gradient penalty on speech, and hear what it makes up
///
/// A generator of transposed convolutions turns random numbers into a quarter of a second of sound at 16 kHz; a critic of
/// strided convolutions estimates how far that is from speech. Without flags it trains on two sentences of the CMU ARCTIC
/// corpus, which are part of the program, for some minutes: long enough for the colour of a voice, far too short for words.
#[derive(Clone, Debug, Parser)]
#[command(name = "wavegan", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Total number of the generator's steps, those before a resume included
    #[arg(long, value_name = "N", default_value_t = 2500)]
    pub(crate) steps: u64,

    /// Seed of everything random; with the same seed come the same bits
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Number of threads [default: one per core]; changes nothing but the time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// WAV file to train on, given once or several times: 16 kHz, any number of channels, whole numbers of 8 to 32 bits or 32-bit floats [default:
    /// arctic_a0007 and arctic_a0009]
    #[arg(long, value_name = "WAV")]
    pub(crate) train: Vec<PathBuf>,

    /// Folder for everything that is written; it is created when it does not exist
    #[arg(long, value_name = "DIR", default_value = "out/wavegan")]
    pub(crate) output: PathBuf,

    /// Configuration in JSON, such as the config.json of another run [default: the one built in]
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<PathBuf>,

    /// Go on from the checkpoint in the output folder, bit for bit as if the run had never stopped; without this flag, a
    /// folder with a checkpoint is refused, unless it is of this very run and complete, which is then run again
    #[arg(long)]
    pub(crate) resume: bool,
}

const AFTER_HELP: &str = "\
Written to the output folder, each file as a whole or not at all:
  samples.wav             what the generator makes of always the same random numbers
  real.wav                as many windows of the clips, to compare
  spectrograms.png        both
  loss.png, loss.csv      the Wasserstein estimate and the losses of every step
  generator.safetensors   the generator, its weights averaged over the steps
  config.json             the configuration
  checkpoint.safetensors  the run, for --resume";
