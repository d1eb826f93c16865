//! `cargo xtask bench`: how fast the layers of real models run, and how much of the machine that is.
//!
//! Times alone only say which of two programs is quicker. Next to each stands the share of the multiply-add peak that
//! this machine reached a moment before on as many threads, so that a slow layer shows itself without a competitor.
//! With `--peers` the competitors run too, and what comes out is a record for [`markdown`] to render.

mod agreement;
mod compare;
mod contest;
mod inputs;
mod layer;
mod limits;
mod lucid;
mod markdown;
mod measure;
mod models;
mod plot;
mod record;
mod report;
mod summary;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use lucid_conv::Algorithm;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;
use crate::peers::{Library, default_python};

use layer::Layer;
use measure::{Outcome, Setting};
use record::Record;
pub(crate) use report::KEYS;
use report::{Header, Report};

/// Time the layers of real models
///
/// Prints a row per layer and pass as it is measured: the least and the median time of one call, the rate that the
/// multiplications of the plain definition would have at the least time, what share of the machine's multiply-add peak
/// that is, and the workspace per thread. Allocating the results is part of a call.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// File of layers, each a [[layer]] table [default: xtask/layers.toml]
    #[arg(long, value_name = "FILE")]
    layers: Option<PathBuf>,
    /// Only layers with this text in their name
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
    /// What to time [default: both]
    #[arg(long, value_enum)]
    pass: Option<Timed>,
    /// Number of threads; with --peers several, with commas between [default: one per core]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    threads: Vec<u16>,
    /// Use this algorithm for every pass that it computes: im2col, col2im, polyphase, minimal, depthwise or direct [default: the planner's choice]
    #[arg(long, value_name = "NAME")]
    algorithm: Option<Algorithm>,
    /// Seconds of samples per layer and pass; there are at least 5 samples however long they take
    #[arg(long, default_value = "0.4", value_parser = seconds, allow_negative_numbers = true)]
    seconds: Duration,
    /// Also write the rows to this file, as a JSON array; with --peers the record, instead of to docs/benchmarks
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Compare with these libraries, a sample of each in turn: torch, onnxruntime, candle, burn, rten and tract, with
    /// commas between. `cargo xtask peers setup` makes them available. The record of all layers goes to docs/benchmarks
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "algorithm")]
    peers: Vec<Library>,
    /// Compare the networks of the examples with ONNX Runtime instead of layers, and put the result into the newest record
    #[arg(long, conflicts_with_all = ["peers", "layers", "pass", "algorithm", "json"])]
    models: bool,
    /// Measure how near lucid comes to what the machine can do: the output on one thread and on all, in turn with the
    /// multiply-add peak, a copy that reads and writes as many bytes as input and output have, and a sum of the weight, which take
    /// some seconds per layer as well. Put the result into the newest record, and print what `--report` explains: milliseconds, and percent
    #[arg(long, conflicts_with_all = ["peers", "models", "layers", "pass", "threads", "algorithm", "json"])]
    limits: bool,
    /// Python with torch, onnxruntime and onnx [default: the one of target/peers/venv]
    #[arg(long, value_name = "FILE", env = "LUCID_PEERS_PYTHON")]
    python: Option<PathBuf>,
    /// Measure nothing: render a record as the page docs/benchmarks.md with its plots [default: the newest record]
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["peers", "models", "limits", "json"])]
    report: Option<Option<PathBuf>>,
}

/// What is timed for a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Timed {
    /// The output
    Forward,
    /// The output and the gradients of input, weight and bias
    Train,
}

impl Timed {
    const ALL: [Timed; 2] = [Timed::Forward, Timed::Train];

    fn name(self) -> &'static str {
        match self {
            Timed::Forward => "forward",
            Timed::Train => "train",
        }
    }

    /// Sums with as many multiplications as the definition of the output has.
    fn num_products(self) -> f64 {
        match self {
            Timed::Forward => 1.0,
            Timed::Train => 3.0,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let given = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    given.ok_or_else(|| "accepted is a number of seconds, 0 or more".into())
}

impl Args {
    /// The shortest run that goes through everything: one small layer, with the rows written to `json`.
    pub(crate) fn smoke(json: PathBuf) -> Self {
        Args {
            layers: None,
            filter: "seed.decoder".into(),
            pass: None,
            threads: Vec::new(),
            algorithm: None,
            seconds: Duration::from_millis(50),
            json: Some(json),
            peers: Vec::new(),
            models: false,
            limits: false,
            python: None,
            report: None,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(record) = &args.report {
        let record = record.clone().map_or_else(record::newest, Ok)?;
        println!("{}", markdown::render(&record)?.display());
        return Ok(());
    }
    if args.models {
        return compare_models(args);
    }
    let path = args.layers.clone().unwrap_or_else(|| files::root().join("xtask/layers.toml"));
    let mut layers = Layer::read(&path)?;
    let names: Vec<_> = layers.iter().map(|layer| layer.name.clone()).collect();
    layers.retain(|layer| layer.name.contains(&args.filter));
    if layers.is_empty() {
        return Err(Error::NoLayer { filter: args.filter.clone(), names: names.join(", ") });
    }
    if args.limits {
        return measure_limits(args, &layers);
    }
    let timed = args.pass.map_or(Timed::ALL.to_vec(), |pass| vec![pass]);
    if args.peers.is_empty() { measure(args, &layers, &timed) } else { compare(args, &layers, &timed) }
}

/// Times lucid alone.
fn measure(args: &Args, layers: &[Layer], timed: &[Timed]) -> Result<()> {
    let threads = match args.threads[..] {
        [] => None,
        [threads] => Some(threads),
        _ => {
            let given: Vec<_> = args.threads.iter().map(u16::to_string).collect();
            return Err(Error::ThreadList { given: given.join(",") });
        }
    };
    let pool = pool(threads)?;
    let peak = measure::peak(&pool);
    let mut out = io::stdout().lock();
    let name_len = layers.iter().map(|layer| layer.name.len()).max().unwrap_or_default();
    let mut report =
        Report::new(&mut out, name_len, &Header { num_threads: pool.current_num_threads(), peak })?;
    for layer in layers {
        for &timed in timed {
            let setting = Setting { timed, algorithm: args.algorithm, budget: args.seconds };
            match measure::layer(layer, &setting, &pool)? {
                Outcome::Measured(measurement) => report.measured(layer, timed, &measurement)?,
                Outcome::Skipped(reason) => report.skipped(layer, timed, &reason)?,
            }
        }
    }
    let rows = report.finish(layers.len())?;
    out.flush()?;
    if let Some(path) = &args.json {
        files::write(path, &report::to_json(&rows)?)?;
    }
    Ok(())
}

/// Times lucid and peers in turn, and keeps the record.
fn compare(args: &Args, layers: &[Layer], timed: &[Timed]) -> Result<()> {
    let mut libraries = args.peers.clone();
    libraries.sort_unstable();
    libraries.dedup();
    let python = args.python.clone().unwrap_or_else(default_python);
    let mut record = compare::compare(&compare::Setting {
        layers,
        passes: timed,
        threads: &args.threads,
        libraries: &libraries,
        python: &python,
        budget: args.seconds,
    })?;
    // Part of the layers would take the place of a whole record of the same day.
    let is_whole = args.filter.is_empty() && args.layers.is_none() && args.pass.is_none();
    let path = args.json.clone().or_else(|| is_whole.then(|| record.usual_path()));
    match path {
        Some(path) => {
            if args.json.is_none() {
                record = record.with_parts_of(&path);
            }
            record.write(&path)?;
            println!("record: {}", path.display());
        }
        None => println!("no record: --json FILE keeps one of some layers or one pass"),
    }
    compare::check_agreement(&record)
}

/// Times networks beside ONNX Runtime, and keeps the result.
fn compare_models(args: &Args) -> Result<()> {
    let python = args.python.clone().unwrap_or_else(default_python);
    if args.filter.is_empty() {
        // Rather now than when everything has been measured.
        Record::of_here()?;
    }
    let models = models::compare(&models::Setting {
        filter: &args.filter,
        threads: &args.threads,
        python: &python,
        budget: args.seconds,
    })?;
    if args.filter.is_empty() {
        println!("record: {}", models.keep()?.display());
    } else {
        println!("no record: it has all networks, so leave out --filter");
    }
    Ok(())
}

/// Times lucid beside what the machine can do, and keeps the result.
fn measure_limits(args: &Args, layers: &[Layer]) -> Result<()> {
    if args.filter.is_empty() {
        Record::of_here()?;
    }
    let limits = limits::measure(layers, args.seconds)?;
    if args.filter.is_empty() {
        println!("record: {}", limits.keep()?.display());
    } else {
        println!("no record: it has all layers, so leave out --filter");
    }
    Ok(())
}

fn pool(threads: Option<u16>) -> Result<ThreadPool> {
    // 0 is rayon's word for one per core.
    let num_threads = threads.map_or(0, usize::from);
    let pool = ThreadPoolBuilder::new().num_threads(num_threads).build();
    pool.map_err(|source| Error::Threads { num_threads, source })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, String> {
        let parsed = Line::try_parse_from(line.split(' ')).map(|line| line.args);
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_and_mistakes_are_named() {
        let args = parse("bench --pass train --algorithm col2im --threads 2 --seconds 0.5").unwrap();
        assert_eq!((args.pass, args.algorithm), (Some(Timed::Train), Some(Algorithm::Col2im)));
        assert_eq!((args.threads, args.seconds), (vec![2], Duration::from_millis(500)));
        let args = parse("bench --peers torch,tract --threads 1,2 --python some/python").unwrap();
        assert_eq!((args.peers, args.threads), (vec![Library::Torch, Library::Tract], vec![1, 2]));
        assert_eq!(parse("bench --report").unwrap().report, Some(None));
        assert_eq!(parse("bench --report a.json").unwrap().report, Some(Some("a.json".into())));
        for (line, said) in [
            ("bench --algorithm fft", "im2col, col2im, polyphase, minimal, depthwise, direct"),
            ("bench --seconds -1", "a number of seconds, 0 or more"),
            ("bench --seconds nan", "a number of seconds, 0 or more"),
            ("bench --threads 0", "--threads"),
            ("bench --peers pytorch", "torch, onnxruntime, candle, burn, rten, tract"),
            ("bench --peers torch --report", "--report"),
            ("bench --models --peers torch", "--peers"),
            ("bench --limits --threads 1", "--threads"),
            ("bench --pass both", "forward, train"),
        ] {
            let error = parse(line).err().unwrap();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn several_numbers_of_threads_need_peers() {
        let error =
            run(&Args { threads: vec![1, 2], ..Args::smoke("unused".into()) }).unwrap_err().to_string();
        assert!(error.contains("--threads 1,2 is refused"), "{error}");
    }

    #[test]
    fn a_peer_that_is_not_set_up_is_an_error_with_the_way_out() {
        let args = Args {
            peers: vec![Library::Torch],
            python: Some("no/python".into()),
            ..Args::smoke("unused".into())
        };
        let error = run(&args).unwrap_err().to_string();
        assert!(error.contains("peer torch") && error.contains("cargo xtask peers setup"), "{error}");
    }

    #[test]
    fn a_filter_that_finds_nothing_lists_the_names() {
        let error = run(&Args { filter: "vgg".into(), ..Args::smoke("unused".into()) }).unwrap_err();
        assert!(
            error.to_string().contains("\"vgg\"") && error.to_string().contains("seed.decoder"),
            "{error}"
        );
    }

    #[test]
    fn the_smoke_run_writes_both_passes_with_exactly_the_documented_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        run(&Args::smoke(path.clone())).unwrap();
        let rows: Vec<serde_json::Map<_, _>> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(rows.iter().map(|row| &row["pass"]).collect::<Vec<_>>(), ["forward", "train"]);
        for row in rows {
            let mut keys: Vec<_> = row.keys().map(String::as_str).collect();
            keys.sort_unstable();
            let mut expected = report::KEYS;
            expected.sort_unstable();
            assert_eq!(keys, expected);
            assert!(row["ms_min"].as_f64().unwrap() > 0.0);
            assert!(row["ms_min"].as_f64() <= row["ms_median"].as_f64());
        }
    }
}
