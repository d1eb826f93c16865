//! A run from the command line to the file it writes.

use std::io::Write;
use std::time::Instant;

use crate::args::Args;
use crate::error::Result;
use crate::kept::keep;
use crate::model::{SCALE, UpConv7};
use crate::picture::{Format, Picture, write};
use crate::progress::Progress;
use crate::tiles::{pieces, upscale};
use crate::{files, threads};

/// Everything, in a thread pool of the size asked for; what there is to say goes to `out`.
pub(crate) fn run(args: &Args, out: &mut (impl Write + Send)) -> Result<()> {
    threads::pool(args.threads)?.install(|| upscale_file(args, out))
}

fn upscale_file(args: &Args, out: &mut impl Write) -> Result<()> {
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
    let mut progress = Progress::new("tiles", 0, num_tiles as u64);
    files::replace(&args.output, |temporary| {
        write(temporary, format, |rows| upscale(&model, &picture, size, rows, || progress.advance("")))
    })?;
    progress.finish();
    let seconds = start.elapsed().as_secs_f64();

    writeln!(
        out,
        "upscaled    {}: {width} x {height} to {} x {}",
        picture.name, format.width, format.height
    )?;
    writeln!(
        out,
        "took        {seconds:.2} s in {num_tiles} tile(s) on {} thread(s): {:.0} thousand pixels of the input per second",
        rayon::current_num_threads(),
        (width * height) as f64 / 1e3 / seconds
    )?;
    writeln!(out, "written to  {}", args.output.display())?;
    Ok(())
}
