//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Train a neural autoencoder on a sentence of speech, and hear what it makes of another one
///
/// A strided convolutional encoder turns 16 kHz speech into a latent with at least four times fewer numbers than samples; a
/// decoder of transposed convolutions turns that back into speech. Without flags it trains on one sentence of the CMU
/// ARCTIC corpus and reports on another one of the same speaker, both of which are part of the program.
#[derive(Clone, Debug, Parser)]
#[command(name = "speech_autoencoder", after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Total number of training steps, those before a resume included
    #[arg(long, value_name = "N", default_value_t = 1500)]
    pub(crate) steps: u64,

    /// Seed of the initial values and of the segments; with the same seed come the same bits
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Number of threads [default: one per core]; changes nothing but the time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// WAV file to train on: 16 kHz, any number of channels, whole numbers of 8 to 32 bits or 32-bit floats [default: arctic_a0007]
    #[arg(long, value_name = "WAV")]
    pub(crate) train: Option<PathBuf>,

    /// WAV file to report on, which is not trained on [default: arctic_a0009]
    #[arg(long, value_name = "WAV")]
    pub(crate) held_out: Option<PathBuf>,

    /// Folder for everything that is written; it is created when it does not exist
    #[arg(long, value_name = "DIR", default_value = "out/speech_autoencoder")]
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
  reconstruction.wav      the held-out clip through the autoencoder
  spectrograms.png        the held-out clip and its reconstruction
  loss.png, loss.csv      the losses of every step
  model.safetensors       the model, and what it is made of in
  config.json             the configuration
  checkpoint.safetensors  the run, for --resume";
