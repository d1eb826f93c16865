//! The loop of a peer: a request a line on standard input, an answer a line on standard output.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{Arrays, Job, Layer, Pass};

/// What a library has to say and do.
pub trait Peer {
    /// Its name, as `--peers` has it.
    fn name(&self) -> &'static str;

    /// Its version.
    fn version(&self) -> String;

    /// What it computes.
    fn passes(&self) -> &'static [Pass];

    /// Does everything for a layer that is done once.
    ///
    /// # Errors
    /// Why the layer can't be computed.
    fn prepare(&self, job: Job) -> Result<Box<dyn Iteration>, Reason>;
}

/// A layer that is ready to be computed again and again.
pub trait Iteration {
    /// Computes once.
    ///
    /// # Errors
    /// The library's.
    fn run(&mut self) -> Result<(), Reason>;

    /// Computes once and hands the results over.
    ///
    /// # Errors
    /// The library's.
    fn results(&mut self) -> Result<Results, Reason>;
}

/// Row-major arrays under the names `y`, `dx`, `dw` and `db`.
pub type Results = Vec<(&'static str, Vec<f32>)>;

/// Why there is no result.
#[derive(Debug)]
pub enum Reason {
    /// The library doesn't offer it.
    Unsupported(String),
    /// It should have worked.
    Failed(String),
}

#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    Hello,
    Prepare(Box<Prepare>),
    Run { iterations: u32 },
}

#[derive(Deserialize)]
struct Prepare {
    layer: Layer,
    pass: Pass,
    threads: usize,
    files: HashMap<String, PathBuf>,
    folder: PathBuf,
    onnx: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
enum Answer {
    Hello { protocol: u32, name: &'static str, version: String, passes: Vec<&'static str> },
    Prepared { files: BTreeMap<&'static str, PathBuf> },
    Ran { seconds: f64 },
    Unsupported { reason: String },
    Failed { reason: String },
}

/// Answers requests until standard input ends.
///
/// # Errors
/// Standard input or output is broken.
pub fn serve(peer: &dyn Peer) -> io::Result<()> {
    // A panic is answered; its message would only stand between the rows of the parent's table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = io::stdout();
    let mut ready: Option<Box<dyn Iteration>> = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        // Libraries panic on what they don't support; the parent has to hear of it, and the next layer may work.
        let answered = catch_unwind(AssertUnwindSafe(|| answer(peer, &line, &mut ready)));
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(Reason::Unsupported(reason))) => Answer::Unsupported { reason },
            Ok(Err(Reason::Failed(reason))) => Answer::Failed { reason },
            Err(panic) => Answer::Failed { reason: message(panic.as_ref()) },
        };
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn answer(peer: &dyn Peer, line: &str, ready: &mut Option<Box<dyn Iteration>>) -> Result<Answer, Reason> {
    match serde_json::from_str(line).map_err(|error| Reason::Failed(error.to_string()))? {
        Request::Hello => {
            let passes = peer.passes().iter().map(|pass| pass.name()).collect();
            Ok(Answer::Hello { protocol: 1, name: peer.name(), version: peer.version(), passes })
        }
        Request::Prepare(request) => {
            // The previous layer's arrays are gone before the next one's are there.
            *ready = None;
            let Prepare { layer, pass, threads, files, folder, onnx } = *request;
            if !peer.passes().contains(&pass) {
                return Err(Reason::Unsupported(format!("{} does not compute {}", peer.name(), pass.name())));
            }
            let arrays = Arrays::read(&layer, &files).map_err(Reason::Failed)?;
            let mut iteration = peer.prepare(Job { layer, arrays, pass, threads, onnx })?;
            let mut files = BTreeMap::new();
            for (name, result) in iteration.results()? {
                let path = folder.join(format!("{}.{name}.f32", peer.name()));
                write(&path, &result)
                    .map_err(|error| Reason::Failed(format!("{}: {error}", path.display())))?;
                files.insert(name, path);
            }
            *ready = Some(iteration);
            Ok(Answer::Prepared { files })
        }
        Request::Run { iterations } => {
            let iteration = ready.as_mut();
            let iteration =
                iteration.ok_or_else(|| Reason::Failed("run comes before a layer is prepared".into()))?;
            let start = Instant::now();
            for _ in 0..iterations {
                iteration.run()?;
            }
            Ok(Answer::Ran { seconds: start.elapsed().as_secs_f64() / f64::from(iterations) })
        }
    }
}

fn write(path: &Path, numbers: &[f32]) -> io::Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(path, bytes)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

impl Pass {
    fn name(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::Train => "train",
        }
    }
}

impl Reason {
    /// For `map_err` on whatever a library says.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        // Contexts come as further lines; an answer is one.
        Reason::Failed(format!("{error:#}").lines().collect::<Vec<_>>().join("; "))
    }
}
