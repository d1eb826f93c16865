//! A run from the command line to its outputs.

use std::io::Write;
use std::time::Instant;

use lucid::{Forward, Tensor, Var, no_grad};

use crate::args::Args;
use crate::error::Result;
use crate::inputs::{self, Reference};
use crate::{spectrogram, threads, wav};

/// Runs of the decoder; the fastest is reported, as the first one also pays for memory and caches.
const NUM_RUNS: usize = 3;
/// What rounding may account for, of amplitudes in -1..1.
pub(crate) const MAX_DIFFERENCE: f32 = 1e-5;

/// Everything, in a thread pool of the size asked for; what there is to say goes to `out`.
pub(crate) fn run(args: &Args, out: &mut (impl Write + Send)) -> Result<()> {
    threads::pool(args.threads)?.install(|| speak(args, out))
}

fn speak(args: &Args, out: &mut impl Write) -> Result<()> {
    let (model, reference) = inputs::load(&args.fetched.clone().unwrap_or_else(inputs::folder))?;
    let Reference { latent, audio: expected, sample_rate } = reference;
    if expected.len() < spectrogram::MIN_SAMPLES {
        return Err(format!(
            "the reference has {} samples: accepted are at least {}, one frame of a spectrogram",
            expected.len(),
            spectrogram::MIN_SAMPLES
        )
        .into());
    }
    std::fs::create_dir_all(&args.output)
        .map_err(|error| format!("making the folder {}: {error}", args.output.display()))?;

    let z = Var::constant(latent);
    let mut seconds = f64::INFINITY;
    let mut audio = None;
    for _ in 0..NUM_RUNS {
        let start = Instant::now();
        audio = Some(no_grad(|| model.forward(&z))?.value());
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    let Some(audio) = audio else { return Ok(()) };
    let difference = largest_difference(&audio, &expected)?;

    let (samples, expected) = (audio.to_vec(), expected.to_vec());
    wav::write(&args.output.join("speech.wav"), sample_rate, &samples)?;
    let clips = [("ONNX Runtime", expected.as_slice()), ("lucid", samples.as_slice())];
    spectrogram::side_by_side(&args.output.join("spectrograms.png"), sample_rate, clips)?;

    let duration = samples.len() as f64 / f64::from(sample_rate);
    writeln!(out, "spoke       {duration:.2} s of sound from {} latent frames", z.shape()[2])?;
    writeln!(
        out,
        "took        {seconds:.3} s on {} thread(s), the best of {NUM_RUNS}: a real-time factor of {:.3}, {:.1} times as \
         fast as it is heard",
        rayon::current_num_threads(),
        seconds / duration,
        duration / seconds
    )?;
    writeln!(out, "difference  {difference:.1e} at most from ONNX Runtime")?;
    writeln!(out, "written to  {}", args.output.display())?;
    if difference < MAX_DIFFERENCE {
        return Ok(());
    }
    Err(format!("the largest difference is {difference:.1e}: accepted is less than {MAX_DIFFERENCE:.0e}")
        .into())
}

/// `max |a - b|`, NaN where one is.
pub(crate) fn largest_difference(a: &Tensor<f32>, b: &Tensor<f32>) -> Result<f32> {
    let axes: Vec<usize> = (0..a.ndim()).collect();
    Ok(a.sub(b)?.map(f32::abs).max(&axes, false)?.item()?)
}
