//! A run from the command line to the file it writes.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Args;
use crate::error::Result;
use crate::kept::keep;
use crate::model::{SCALE, UpConv7};
use crate::picture::{Format, Picture, write};
use crate::tiles::{pieces, upscale};
use crate::{files, threads};

/// Everything, in a thread pool of the size asked for.
pub(crate) fn run(args: &Args) -> Result<()> {
    threads::pool(args.threads)?.install(|| upscale_file(args))
}

fn upscale_file(args: &Args) -> Result<()> {
    if let Some(input) = &args.input {
        keep(input, &args.output)?;
    }
    let picture = args.input.as_deref().map_or_else(Picture::built_in, Picture::open)?;
    let model = UpConv7::trained()?;
    if let Some(folder) = args.output.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("making the folder {}: {error}", folder.display()))?;
    }
    let Picture { width, height, num_channels, .. } = picture;
    let format = Format { width: SCALE * width, height: SCALE * height, num_channels };
    let size = usize::from(args.tile);
    let num_tiles = pieces(width, size).len() * pieces(height, size).len();

    let start = Instant::now();
    let bar = bar(num_tiles as u64);
    files::replace(&args.output, |temporary| {
        write(temporary, format, |rows| upscale(&model, &picture, size, rows, || bar.inc(1)))
    })?;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();

    println!("upscaled    {}: {width} x {height} to {} x {}", picture.name, format.width, format.height);
    println!(
        "took        {seconds:.2} s in {num_tiles} tile(s) on {} thread(s): {:.0} thousand pixels of the input per second",
        rayon::current_num_threads(),
        (width * height) as f64 / 1e3 / seconds
    );
    println!("written to  {}", args.output.display());
    Ok(())
}

/// It shows itself only on a terminal.
fn bar(num_tiles: u64) -> ProgressBar {
    // A template that can't be read would only look plainer.
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} tiles, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(num_tiles).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
