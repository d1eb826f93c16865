//! `cargo xtask bench --peers`: every layer on lucid and on other libraries, in alternation, on the same numbers.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lucid_conv::{Algorithm, Plan};
use lucid_kernels::copy_bandwidth;
use rayon::ThreadPool;

use super::agreement::SumLengths;
use super::contest::{Contender, contest};
use super::inputs::{self, Inputs};
use super::lucid::{InPool, Lucid};
use super::record::{Outcome, Peak, Record, Row};
use super::table::Table;
use super::{Layer, Timed, measure, pool};
use crate::error::{Error, Result};
use crate::peers::{Job, Library, ModelMaker, PassRequest, Peer, Prepared, start};

/// What to compare, and how long.
pub(super) struct Setting<'a> {
    pub(super) layers: &'a [Layer],
    pub(super) passes: &'a [Timed],
    /// Numbers of threads; none for one per core.
    pub(super) threads: &'a [u16],
    pub(super) libraries: &'a [Library],
    pub(super) python: &'a Path,
    /// Of each contender, per row.
    pub(super) budget: Duration,
}

/// Measures everything and prints each row as it is known.
///
/// # Errors
/// A peer that can't be started or ends. A layer that a peer can't do is a dash.
pub(super) fn compare(setting: &Setting<'_>) -> Result<Record> {
    let mut record = Record::new();
    let mut models = None;
    if setting.libraries.iter().any(|library| library.reads_onnx()) {
        models = Some(ModelMaker::start(setting.python)?);
    }
    let mut out = io::stdout().lock();
    let table = Table::new(setting.layers, setting.libraries);
    let counts = if setting.threads.is_empty() {
        vec![None]
    } else {
        setting.threads.iter().copied().map(Some).collect()
    };
    for threads in counts {
        let pool = pool(threads)?;
        let num_threads = pool.current_num_threads();
        // A process keeps the number of threads that it was started with: some libraries read it once.
        let start = |library: &Library| start(*library, setting.python, num_threads);
        let mut peers = setting.libraries.iter().map(start).collect::<Result<Vec<_>>>()?;
        for peer in &peers {
            record.peers.insert(peer.library().name().to_owned(), peer.version().to_owned());
        }
        let peak = Peak { threads: num_threads, gflops: measure::peak(&pool) / 1e9 };
        record.peaks.push(peak);
        table.header(&mut out, &record, &peak)?;
        for layer in setting.layers {
            for &timed in setting.passes {
                let mut comparison = Comparison {
                    layer,
                    timed,
                    budget: setting.budget,
                    pool: &pool,
                    models: models.as_mut(),
                    python: setting.python,
                    peers: &mut peers,
                };
                let row = match layer.op.rank() {
                    1 => comparison.row::<1>()?,
                    2 => comparison.row::<2>()?,
                    _ => comparison.row::<3>()?,
                };
                table.row(&mut out, &row)?;
                record.rows.push(row);
            }
        }
    }
    table.summary(&mut out, &record)?;
    out.flush()?;
    Ok(record)
}

/// The results that differ from lucid's, which only show after everything has been measured.
///
/// # Errors
/// [`Error::Disagreement`] when there are any.
pub(super) fn check_agreement(record: &Record) -> Result<()> {
    let outcomes = record.rows.iter().flat_map(|row| &row.peers);
    let mut peers: Vec<_> = outcomes
        .filter(|(_, outcome)| matches!(outcome, Outcome::Differs(_)))
        .map(|(name, _)| name.as_str())
        .collect();
    let num = peers.len();
    peers.sort_unstable();
    peers.dedup();
    if num == 0 { Ok(()) } else { Err(Error::Disagreement { num, peers: peers.join(", ") }) }
}

/// One row in the making.
struct Comparison<'a> {
    layer: &'a Layer,
    timed: Timed,
    budget: Duration,
    pool: &'a ThreadPool,
    models: Option<&'a mut ModelMaker>,
    python: &'a Path,
    peers: &'a mut [Peer],
}

impl Contender for Peer {
    fn sample(&mut self, iterations: u32) -> Result<f64> {
        self.run(iterations)
    }
}

impl Comparison<'_> {
    fn row<const N: usize>(&mut self) -> Result<Row> {
        let geometry = self.layer.geometry::<N>()?;
        let plan = Plan::new(geometry);
        let inputs = Inputs::random(&geometry, self.layer.has_bias);
        let lucid = Lucid::new(&plan, &inputs, self.timed)?;
        let expected = self.pool.install(|| lucid.results())?;

        let mut outcomes = self.prepare::<N>(&inputs, &SumLengths::of(&geometry), &expected)?;
        let mut lucid = InPool { iteration: || lucid.iteration(), pool: self.pool };
        let mut names = Vec::new();
        let mut contenders: Vec<&mut dyn Contender> = vec![&mut lucid];
        for peer in self.peers.iter_mut() {
            let name = peer.library().name();
            if !outcomes.contains_key(name) {
                names.push(name);
                contenders.push(peer);
            }
        }
        let timings = contest(&mut contenders, self.budget)?;
        outcomes.extend(
            names
                .into_iter()
                .zip(&timings[1..])
                .map(|(name, timing)| (name.to_owned(), Outcome::Measured((*timing).into()))),
        );

        let algorithms: Vec<_> = measure::passes(&geometry, self.timed)
            .into_iter()
            .map(|pass| plan.recipe(pass).algorithm.to_string())
            .collect();
        let algorithm = algorithms.join("+");
        let copy_ms = (algorithm == Algorithm::Depthwise.to_string()).then(|| {
            let len = |shape: Vec<usize>| shape.into_iter().product::<usize>();
            let bytes = (len(geometry.x_shape()) + len(geometry.y_shape())) * size_of::<f32>();
            bytes as f64 / copy_bandwidth(bytes) * 1e3
        });
        Ok(Row {
            layer: self.layer.name.clone(),
            op: self.layer.op.to_string(),
            pass: self.timed,
            threads: self.pool.current_num_threads(),
            multiplications: geometry.multiplications() * self.timed.num_products(),
            algorithm,
            lucid: timings[0].into(),
            copy_ms,
            peers: outcomes,
        })
    }

    /// Has every peer compute the layer once; the outcomes are those of peers that there is nothing to time of.
    fn prepare<const N: usize>(
        &mut self,
        inputs: &Inputs,
        lengths: &SumLengths,
        expected: &BTreeMap<&'static str, Vec<f32>>,
    ) -> Result<BTreeMap<String, Outcome>> {
        let request = self.layer.request::<N>()?;
        let folder = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
        let mut files = inputs.write(folder.path())?;
        let mut onnx = None;
        // Training goes without a model, because no peer trains one.
        if let (Some(models), Timed::Forward) = (&mut self.models, self.timed) {
            let path = folder.path().join("layer.onnx");
            models.make(&request, &files, &path)?;
            onnx = Some(path);
        }
        let pass = match self.timed {
            Timed::Forward => PassRequest::Forward,
            Timed::Train => PassRequest::Train,
        };
        if pass == PassRequest::Forward {
            files.remove("dy");
        }
        let threads = self.pool.current_num_threads();
        let job = Job {
            layer: &request,
            pass,
            threads,
            files: &files,
            folder: folder.path(),
            onnx: onnx.as_deref(),
        };
        let mut outcomes = BTreeMap::new();
        for peer in self.peers.iter_mut() {
            let prepared = peer.prepare(&job).or_else(|error| {
                // A library that crashes on one layer shall not take the others' rows along.
                *peer = start(peer.library(), self.python, threads)?;
                Ok::<_, Error>(Prepared::Failed(error.to_string()))
            })?;
            let outcome = match prepared {
                Prepared::Ready(files) => {
                    lengths.check(expected, &read_all(&files)?).err().map(Outcome::Differs)
                }
                Prepared::Unsupported(reason) => Some(Outcome::Unsupported(reason)),
                Prepared::Failed(reason) => Some(Outcome::Failed(reason)),
            };
            outcomes.extend(outcome.map(|outcome| (peer.library().name().to_owned(), outcome)));
        }
        Ok(outcomes)
    }
}

fn read_all(files: &BTreeMap<String, PathBuf>) -> Result<BTreeMap<String, Vec<f32>>> {
    files.iter().map(|(name, path)| Ok((name.clone(), inputs::read(path)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{record, row};
    use super::*;

    #[test]
    fn a_result_that_differs_fails_the_command_and_one_that_is_missing_does_not() {
        let mut record = record();
        check_agreement(&record).unwrap();
        record.rows.push(row("third", 1.0, &[("candle", Outcome::Differs("y[0] = 1".into()))]));
        let error = check_agreement(&record).unwrap_err().to_string();
        assert!(error.starts_with("1 result(s) of candle differ"), "{error}");
    }
}
