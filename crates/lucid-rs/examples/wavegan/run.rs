//! A run from the command line to its outputs.

use std::io::Write;

use lucid::Module;
use lucid::data::Dataset;

use crate::args::Args;
use crate::audio::{Clip, SAMPLE_RATE};
use crate::config::Config;
use crate::error::Result;
use crate::kept::keep;
use crate::metric::Spectrum;
use crate::session::{self, Run, folder};
use crate::train::Training;
use crate::windows::Windows;
use crate::{checkpoint, report, threads};

/// Sounds that the spectra of speech and of the generator are compared by.
const NUM_COMPARED: usize = 128;
/// Steps over which the Wasserstein estimate is averaged.
const NUM_AVERAGED: usize = 20;

/// Everything, in a thread pool of the size asked for; what there is to say goes to `out`.
pub(crate) fn run(args: &Args, out: &mut (impl Write + Send)) -> Result<()> {
    threads::pool(args.threads)?.install(|| train_and_report(args, out))
}

fn train_and_report(args: &Args, out: &mut impl Write) -> Result<()> {
    let config = args.config.as_deref().map_or_else(|| Ok(Config::default()), Config::open)?;
    for clip in &args.train {
        keep(clip, &args.output)?;
    }
    let clips = if args.train.is_empty() {
        vec![
            Clip::read(&include_bytes!("../speech_autoencoder/arctic_a0007.wav")[..], "arctic_a0007")?,
            Clip::read(&include_bytes!("../speech_autoencoder/arctic_a0009.wav")[..], "arctic_a0009")?,
        ]
    } else {
        args.train.iter().map(|path| Clip::open(path)).collect::<Result<_>>()?
    };
    let mut training = Training::new(config, args.seed, &clips)?;
    let windows = Windows::new(&clips, training.config.model.window())?;
    let speech = Spectrum::of(&report::batch(&windows.spread(NUM_COMPARED))?)?;
    let before = Spectrum::of(&training.samples(NUM_COMPARED)?)?.distance(&speech);
    let checkpoint = args.output.join("checkpoint.safetensors");
    if args.resume {
        checkpoint::resume(&checkpoint, &mut training)?;
    } else {
        checkpoint::check_free(&checkpoint, &training, args.steps)?;
    }
    let first = training.num_steps();
    session::check_steps(&training, args.steps)?;
    folder::create(&args.output)?;
    folder::write_text(&args.output.join("config.json"), &training.config.to_json()?)?;
    describe(out, &training, &clips, &windows)?;
    if args.resume {
        writeln!(out, "resumed     after step {first}")?;
    }

    let seconds = session::train(&mut training, args.steps, &checkpoint)?.as_secs_f64();
    let after = Spectrum::of(&training.samples(NUM_COMPARED)?)?.distance(&speech);
    report::write(&args.output, &mut training, &windows)?;
    let num_steps = args.steps - first;
    writeln!(
        out,
        "trained     {num_steps} steps in {seconds:.1} s on {} threads",
        rayon::current_num_threads()
    )?;
    let [wasserstein, ..] = training.losses.columns();
    let last = mean(&wasserstein[wasserstein.len().saturating_sub(NUM_AVERAGED)..]);
    let highest = wasserstein.windows(NUM_AVERAGED).map(mean).fold(last, f32::max);
    writeln!(
        out,
        "Wasserstein {highest:.2} at its highest, {last:.2} at the end, means over {NUM_AVERAGED} steps"
    )?;
    writeln!(out, "spectrum    {before:.2} dB from that of speech before training, {after:.2} dB after")?;
    writeln!(out, "written to  {}", args.output.display())?;
    Ok(())
}

fn describe(out: &mut impl Write, training: &Training, clips: &[Clip], windows: &Windows) -> Result<()> {
    for clip in clips {
        writeln!(out, "training on {}: {:.2} s, {} samples", clip.name, clip.seconds(), clip.samples.len())?;
    }
    let window = training.config.model.window();
    writeln!(
        out,
        "windows     {} of {window} samples, {:.3} s",
        windows.len(),
        window as f64 / f64::from(SAMPLE_RATE)
    )?;
    writeln!(
        out,
        "model       {} parameters in the generator, {} in the critic",
        training.generator.num_parameters(),
        training.critic.num_parameters()
    )?;
    Ok(())
}

fn mean(losses: &[f32]) -> f32 {
    losses.iter().sum::<f32>() / losses.len().max(1) as f32
}
