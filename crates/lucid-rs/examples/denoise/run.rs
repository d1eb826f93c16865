//! A run from the command line to its outputs.

use std::io::Write;
use std::time::Instant;

use crate::args::Args;
use crate::audio::{Clip, SAMPLE_RATE};
use crate::denoiser::{Denoiser, denoise};
use crate::error::Result;
use crate::kept::keep;
use crate::metric::si_snr;
use crate::progress::Progress;
use crate::transform::HOP;
use crate::{noise, spectrogram, threads, wav};

/// Samples that spectrograms show at most.
const SHOWN: usize = 10 * SAMPLE_RATE as usize;

/// Everything, in a thread pool of the size asked for; what there is to say goes to `out`.
pub(crate) fn run(args: &Args, out: &mut (impl Write + Send)) -> Result<()> {
    threads::pool(args.threads)?.install(|| denoise_file(args, out))
}

fn denoise_file(args: &Args, out: &mut impl Write) -> Result<()> {
    for input in args.input.iter().chain(&args.clean) {
        keep(input, &args.output)?;
    }
    let (noisy, clean) = inputs(args)?;
    std::fs::create_dir_all(&args.output)
        .map_err(|error| format!("making the folder {}: {error}", args.output.display()))?;

    let denoiser = Denoiser::new()?;
    let start = Instant::now();
    let mut progress = Progress::new("frames", 0, noisy.samples.len().div_ceil(HOP) as u64 + 1);
    let denoised = denoise(denoiser, &noisy.samples, || progress.advance(""))?;
    progress.finish();
    let seconds = start.elapsed().as_secs_f64();

    let path = |name: &str| args.output.join(name);
    wav::write(&path("denoised.wav"), SAMPLE_RATE, &denoised)?;
    wav::write(&path("noisy.wav"), SAMPLE_RATE, &noisy.samples)?;
    let shown = noisy.samples.len().min(SHOWN);
    let clips = [(noisy.name.as_str(), &noisy.samples[..shown]), ("Denoised", &denoised[..shown])];
    spectrogram::side_by_side(&path("spectrograms.png"), SAMPLE_RATE, clips)?;

    let duration = noisy.seconds();
    writeln!(out, "denoised    {}: {duration:.2} s", noisy.name)?;
    writeln!(
        out,
        "took        {seconds:.3} s on {} thread(s): a real-time factor of {:.4}, {:.0} times as fast as it is heard",
        rayon::current_num_threads(),
        seconds / duration,
        duration / seconds
    )?;
    if let Some(clean) = clean {
        let [before, after] = [&noisy.samples, &denoised].map(|samples| si_snr(samples, &clean.samples));
        writeln!(out, "SI-SNR      {before:.2} dB before, {after:.2} dB after")?;
    }
    writeln!(out, "written to  {}", args.output.display())?;
    Ok(())
}

/// The noisy clip, and the clean one where it is known.
fn inputs(args: &Args) -> Result<(Clip, Option<Clip>)> {
    let Some(input) = &args.input else {
        let [clean, noisy] = noise::built_in()?;
        return Ok((noisy, Some(clean)));
    };
    let noisy = Clip::open(input)?;
    let clean = args.clean.as_deref().map(Clip::open).transpose()?;
    let (len, least) = (noisy.samples.len(), spectrogram::MIN_SAMPLES);
    if len < least {
        let accepted = format!("accepted are at least {least}, one frame of a spectrogram");
        return Err(format!("{} has {len} samples: {accepted}", noisy.name).into());
    }
    if let Some(clean) = clean.as_ref().filter(|clean| clean.samples.len() != len) {
        let (name, given) = (&clean.name, clean.samples.len());
        return Err(format!("{name} has {given} samples: accepted are {len}, as in {}", noisy.name).into());
    }
    Ok((noisy, clean))
}
