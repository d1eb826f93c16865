//! A run from the command line to its outputs.

use std::io::Write;

use lucid::Module;

use crate::args::Args;
use crate::audio::{Clip, SAMPLE_RATE};
use crate::config::Config;
use crate::error::Result;
use crate::kept::keep;
use crate::metric::si_snr;
use crate::report::Outputs;
use crate::session::{self, Run, folder};
use crate::train::Training;
use crate::{checkpoint, spectrogram, threads};

/// Everything, in a thread pool of the size asked for; what there is to say goes to `out`.
pub(crate) fn run(args: &Args, out: &mut (impl Write + Send)) -> Result<()> {
    threads::pool(args.threads)?.install(|| train_and_report(args, out))
}

fn train_and_report(args: &Args, out: &mut impl Write) -> Result<()> {
    let config = args.config.as_deref().map_or_else(|| Ok(Config::default()), Config::open)?;
    for clip in args.train.iter().chain(&args.held_out) {
        keep(clip, &args.output)?;
    }
    let train_clip = match &args.train {
        Some(path) => Clip::open(path)?,
        None => Clip::read(&include_bytes!("arctic_a0007.wav")[..], "arctic_a0007")?,
    };
    let held_out = match &args.held_out {
        Some(path) => Clip::open(path)?,
        None => Clip::read(&include_bytes!("arctic_a0009.wav")[..], "arctic_a0009")?,
    };
    if held_out.samples.len() < spectrogram::MIN_SAMPLES {
        return Err(format!(
            "{} has {} samples: accepted are at least {}, one frame of a spectrogram",
            held_out.name,
            held_out.samples.len(),
            spectrogram::MIN_SAMPLES
        )
        .into());
    }
    let outputs = Outputs::in_folder(&args.output);
    let mut training = Training::new(config, args.seed, &train_clip)?;
    let before = si_snr(&training.model.reconstruct(&held_out.samples)?, &held_out.samples);
    if args.resume {
        checkpoint::resume(&outputs.checkpoint(), &mut training)?;
    } else {
        checkpoint::check_free(&outputs.checkpoint(), &training, args.steps)?;
    }
    let first = training.num_steps();
    session::check_steps(&training, args.steps)?;
    outputs.create()?;
    folder::write_text(&args.output.join("config.json"), &training.config.to_json()?)?;
    describe(out, &training, &held_out)?;
    if args.resume {
        writeln!(out, "resumed     after step {first}")?;
    }

    let seconds = session::train(&mut training, args.steps, &outputs.checkpoint())?.as_secs_f64();
    let reconstruction = training.model.reconstruct(&held_out.samples)?;
    let after = si_snr(&reconstruction, &held_out.samples);
    outputs.write(&training, &held_out, &reconstruction)?;
    let num_steps = args.steps - first;
    writeln!(
        out,
        "trained     {num_steps} steps in {seconds:.1} s on {} threads",
        rayon::current_num_threads()
    )?;
    writeln!(out, "SI-SNR      {before:.2} dB before training, {after:.2} dB after, on {}", held_out.name)?;
    writeln!(out, "written to  {}", args.output.display())?;
    Ok(())
}

fn describe(out: &mut impl Write, training: &Training<'_>, held_out: &Clip) -> Result<()> {
    let config = &training.config.model;
    let (num_samples, num_latents) = (held_out.samples.len(), config.num_latents(held_out.samples.len()));
    for (what, clip) in [("training on", training.clip), ("held out", held_out)] {
        writeln!(out, "{what:11} {}: {:.2} s, {} samples", clip.name, clip.seconds(), clip.samples.len())?;
    }
    writeln!(
        out,
        "model       {} parameters, {} samples per latent frame",
        training.model.num_parameters(),
        config.hop()
    )?;
    writeln!(
        out,
        "latent      {num_latents} numbers for the {num_samples} samples held out: {:.3} times fewer ({:.0} per second)",
        num_samples as f64 / num_latents as f64,
        f64::from(SAMPLE_RATE) * config.latent_channels as f64 / config.hop() as f64,
    )?;
    Ok(())
}
