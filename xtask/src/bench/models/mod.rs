//! `cargo xtask bench --models`: whole networks that others trained, lucid beside ONNX Runtime with the same weights and the
//! same input, in alternation.
//!
//! The networks are those of the examples, compiled from the examples' sources, so what is timed is what a user runs.

mod denoise;
mod page;
mod record;
mod upscale;
mod vocoder;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lucid::Tensor;
use rayon::ThreadPool;

use super::contest::contest;
use super::inputs;
use super::lucid::InPool;
use super::pool;
use crate::error::{Error, Result};
use crate::files;
use crate::peers::{Array, Library, ModelJob, Peer, Prepared, start};

pub(super) use page::section;
pub(super) use record::{Models, Row};

/// Every network: a file here, with how it is loaded.
const NETWORKS: [Network; 3] = [
    Network { name: "vocoder", load: vocoder::load },
    Network { name: "upscale", load: upscale::load },
    Network { name: "denoise", load: denoise::load },
];

struct Network {
    name: &'static str,
    /// Reads the weights and finds, or makes with a Python, the ONNX model.
    load: fn(&Path) -> Result<Loaded>,
}

/// A network that is ready to run, and the same one as an ONNX model.
struct Loaded {
    onnx: PathBuf,
    /// By the names of the ONNX model.
    inputs: BTreeMap<&'static str, Tensor<f32>>,
    /// Computes the outputs once, by the names of the ONNX model.
    run: Box<Run>,
    /// Absolute, of every output: what the examples promise.
    max_difference: f32,
}

type Run = dyn Fn() -> Result<BTreeMap<&'static str, Tensor<f32>>> + Send + Sync;

/// What to compare, and how long.
pub(super) struct Setting<'a> {
    /// Only networks with this text in their name.
    pub(super) filter: &'a str,
    /// Numbers of threads; none for one per core.
    pub(super) threads: &'a [u16],
    pub(super) python: &'a Path,
    /// Of each of the two, per row.
    pub(super) budget: Duration,
}

/// Measures the networks and prints each row as it is known.
///
/// # Errors
/// A network that can't be loaded, or whose numbers differ; ONNX Runtime when it isn't set up.
pub(super) fn compare(setting: &Setting<'_>) -> Result<Models> {
    let networks: Vec<_> = NETWORKS.iter().filter(|network| network.name.contains(setting.filter)).collect();
    if networks.is_empty() {
        let names = NETWORKS.map(|network| network.name).join(", ");
        return Err(Error::NoLayer { filter: setting.filter.to_owned(), names });
    }
    let loaded = networks.iter().map(|network| (network.load)(setting.python)).collect::<Result<Vec<_>>>()?;
    let mut models = Models::new();
    let mut out = io::stdout().lock();
    writeln!(out, "{}", Row::HEADER)?;
    let counts: Vec<_> = setting.threads.iter().copied().map(Some).collect();
    for threads in if counts.is_empty() { vec![None] } else { counts } {
        let pool = pool(threads)?;
        let mut peer = start(Library::OnnxRuntime, setting.python, pool.current_num_threads())?;
        peer.version().clone_into(&mut models.onnxruntime);
        for (network, loaded) in networks.iter().zip(&loaded) {
            let row = row(network.name, loaded, &pool, &mut peer, setting.budget)?;
            writeln!(out, "{row}")?;
            models.rows.push(row);
        }
    }
    Ok(models)
}

/// Times a network on both.
fn row(name: &str, loaded: &Loaded, pool: &ThreadPool, peer: &mut Peer, budget: Duration) -> Result<Row> {
    let refused = |reason: String| Error::Network { name: name.to_owned(), reason };
    let folder = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
    let mut arrays = BTreeMap::new();
    for (name, tensor) in &loaded.inputs {
        let file = folder.path().join(format!("{name}.f32"));
        inputs::write(&file, tensor.to_vec())?;
        arrays.insert((*name).to_owned(), Array { shape: tensor.shape().to_vec(), file });
    }
    let threads = pool.current_num_threads();
    let job = ModelJob { name, onnx: &loaded.onnx, inputs: &arrays, threads, folder: folder.path() };
    let files = match peer.prepare_model(&job)? {
        Prepared::Ready(files) => files,
        Prepared::Unsupported(reason) | Prepared::Failed(reason) => return Err(refused(reason)),
    };
    let mut largest_difference = 0.0;
    for (output, tensor) in pool.install(|| (loaded.run)())? {
        let file =
            files.get(output).ok_or_else(|| refused(format!("ONNX Runtime has no output {output}")))?;
        let difference = difference(&tensor.to_vec(), &inputs::read(file)?)
            .filter(|difference| *difference <= loaded.max_difference)
            .ok_or_else(|| {
                refused(format!(
                    "{output} differs from ONNX Runtime's by more than {:.0e}",
                    loaded.max_difference
                ))
            })?;
        largest_difference = f32::max(largest_difference, difference);
    }

    let iteration = || (loaded.run)().map(|outputs| drop(black_box(outputs)));
    let timings = contest(&mut [&mut InPool { iteration, pool }, peer], budget)?;
    let [lucid, onnxruntime] = [timings[0].into(), timings[1].into()];
    let shapes = loaded.inputs.values().map(|tensor| format!("{:?}", tensor.shape())).collect::<Vec<_>>();
    Ok(Row {
        model: name.to_owned(),
        input: shapes.join(", "),
        threads,
        lucid,
        onnxruntime,
        largest_difference,
    })
}

/// The largest difference of two lists; none if they have different lengths or one holds a NaN.
fn difference(a: &[f32], b: &[f32]) -> Option<f32> {
    let differences: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect();
    // `f32::max` passes over a NaN.
    let is_comparable = a.len() == b.len() && !differences.iter().any(|difference| difference.is_nan());
    is_comparable.then(|| differences.into_iter().fold(0.0, f32::max))
}

/// Runs a script of an example, named from the workspace's folder, with its output where this one's goes.
fn script(python: &Path, path: &str, args: &[&Path]) -> Result<()> {
    let mut command = Command::new(python);
    command.arg(files::root().join(path)).args(args).env("PYTHONDONTWRITEBYTECODE", "1");
    let failed = |reason: String| Error::Command { command: format!("python {path}"), reason };
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(format!("{}: {error}; run `cargo xtask peers setup`", python.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_differ_by_their_largest_difference() {
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.5]), Some(0.5));
        assert_eq!(difference(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(difference(&[f32::NAN, 1.0], &[1.0, 1.0]), None);
    }

    #[test]
    fn a_filter_that_finds_nothing_lists_the_names() {
        let setting =
            Setting { filter: "gpt", threads: &[], python: Path::new("no"), budget: Duration::ZERO };
        let error = compare(&setting).unwrap_err().to_string();
        assert!(error.contains("vocoder, upscale, denoise"), "{error}");
    }
}
