//! The parent's side of the protocol, over anything that carries a line there and a line back, which in tests is a
//! function.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::child::Child;
use super::protocol::{
    Answer, Array, LayerRequest, Made, MakeModel, PassRequest, PrepareModelRequest, PrepareRequest, Request,
    VERSION,
};
use super::{Library, sources};
use crate::error::{Error, Result};

/// Carries a line to a peer and its answer back.
pub(super) trait Transport {
    fn exchange(&mut self, line: &str) -> Result<String, String>;
}

/// A peer that has said hello.
pub(crate) struct Peer {
    library: Library,
    version: String,
    passes: Vec<PassRequest>,
    transport: Box<dyn Transport>,
}

/// What a peer is asked to prepare.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) layer: &'a LayerRequest,
    pub(crate) pass: PassRequest,
    pub(crate) threads: usize,
    /// Inputs under `x`, `w`, `b` and `dy`.
    pub(crate) files: &'a BTreeMap<String, PathBuf>,
    /// Where results go.
    pub(crate) folder: &'a Path,
    pub(crate) onnx: Option<&'a Path>,
}

/// A network that a peer is asked to prepare.
#[derive(Clone, Debug)]
pub(crate) struct ModelJob<'a> {
    pub(crate) name: &'a str,
    pub(crate) onnx: &'a Path,
    /// By the model's names.
    pub(crate) inputs: &'a BTreeMap<String, Array>,
    pub(crate) threads: usize,
    /// Where results go.
    pub(crate) folder: &'a Path,
}

/// How a peer answered that.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Prepared {
    /// With raw files under `y`, and `dx`, `dw` and `db`.
    Ready(BTreeMap<String, PathBuf>),
    /// With the reason.
    Unsupported(String),
    /// With the reason.
    Failed(String),
}

/// Starts the program of a library, which computes on `threads` threads for as long as it runs.
///
/// # Errors
/// [`Error::Peer`] when it isn't set up, doesn't start, or speaks another protocol.
pub(crate) fn start(library: Library, python: &Path, threads: usize) -> Result<Peer> {
    let child = Child::start(library, python, threads).map_err(Error::peer(library.name()))?;
    Peer::new(library, Box::new(child))
}

impl Peer {
    pub(super) fn new(library: Library, transport: Box<dyn Transport>) -> Result<Self> {
        let mut peer = Peer { library, version: String::new(), passes: Vec::new(), transport };
        match peer.ask(&Request::Hello)? {
            Answer::Hello { protocol: VERSION, name, version, passes } if name == library.name() => {
                Ok(Peer { version, passes, ..peer })
            }
            other => Err(peer.unexpected(&other, &format!("the hello of {library} with protocol {VERSION}"))),
        }
    }

    pub(crate) fn library(&self) -> Library {
        self.library
    }

    /// The library's version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Asks for a layer to be prepared and computed once.
    ///
    /// # Errors
    /// [`Error::Peer`] when the peer is gone or doesn't make sense; what it can't do is no error.
    pub(crate) fn prepare(&mut self, job: &Job<'_>) -> Result<Prepared> {
        let &Job { layer, pass, threads, files, folder, onnx } = job;
        if !self.passes.contains(&pass) {
            return Ok(Prepared::Unsupported(format!("{} does not train", self.library)));
        }
        let request = Request::Prepare(Box::new(PrepareRequest {
            layer: layer.clone(),
            pass,
            threads,
            files: files.clone(),
            folder: folder.to_owned(),
            onnx: onnx.map(Path::to_owned),
        }));
        self.ask_to_prepare(&request, folder)
    }

    /// Asks for a network to be loaded and computed once.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(crate) fn prepare_model(&mut self, job: &ModelJob<'_>) -> Result<Prepared> {
        let request = Request::PrepareModel(Box::new(PrepareModelRequest {
            model: job.name.to_owned(),
            onnx: job.onnx.to_owned(),
            inputs: job.inputs.clone(),
            threads: job.threads,
            folder: job.folder.to_owned(),
        }));
        self.ask_to_prepare(&request, job.folder)
    }

    fn ask_to_prepare(&mut self, request: &Request, folder: &Path) -> Result<Prepared> {
        // Reasons go into records that others read, where this machine's folders say nothing.
        let public = |reason: String| reason.replace(&format!("{}/", folder.display()), "");
        match self.ask(request)? {
            Answer::Prepared { files } => Ok(Prepared::Ready(files)),
            Answer::Unsupported { reason } => Ok(Prepared::Unsupported(public(reason))),
            Answer::Failed { reason } => Ok(Prepared::Failed(public(reason))),
            other => Err(self.unexpected(&other, "prepared, unsupported or failed")),
        }
    }

    /// Seconds per iteration of what was prepared, measured over `iterations` in one go.
    ///
    /// # Errors
    /// [`Error::Peer`] for any other answer.
    pub(crate) fn run(&mut self, iterations: u32) -> Result<f64> {
        match self.ask(&Request::Run { iterations })? {
            Answer::Ran { seconds } => Ok(seconds),
            other => Err(self.unexpected(&other, "ran")),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Answer> {
        ask(self.transport.as_mut(), request).map_err(Error::peer(self.library.name()))
    }

    fn unexpected(&self, answer: &Answer, expected: &str) -> Error {
        Error::peer(self.library.name())(format!("answered {answer:?}: expected is {expected}"))
    }
}

/// Writes ONNX models through the program beside the Python peers.
pub(crate) struct ModelMaker(Child);

impl ModelMaker {
    /// # Errors
    /// [`Error::Peer`] when there is no such Python.
    pub(crate) fn start(python: &Path) -> Result<Self> {
        let script = sources().join("make_onnx.py");
        Child::python(python, &script, 1).map(ModelMaker).map_err(Error::peer("make_onnx.py"))
    }

    /// Writes the model of a layer to `path`.
    ///
    /// # Errors
    /// [`Error::Peer`] with what onnx says.
    pub(crate) fn make(
        &mut self,
        layer: &LayerRequest,
        files: &BTreeMap<String, PathBuf>,
        path: &Path,
    ) -> Result<()> {
        let request = MakeModel { layer: layer.clone(), files: files.clone(), path: path.to_owned() };
        let made = match ask(&mut self.0, &request) {
            Ok(Made::Made) => Ok(()),
            Ok(Made::Failed { reason }) | Err(reason) => Err(reason),
        };
        made.map_err(Error::peer("make_onnx.py"))
    }
}

fn ask<A: serde::de::DeserializeOwned>(
    transport: &mut dyn Transport,
    request: &impl serde::Serialize,
) -> Result<A, String> {
    let line = serde_json::to_string(request).map_err(|error| error.to_string())?;
    let answer = transport.exchange(&line)?;
    serde_json::from_str(&answer).map_err(|error| format!("answered {:?}: {error}", answer.trim_end()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    impl<F: FnMut(&str) -> Result<String, String>> Transport for F {
        fn exchange(&mut self, line: &str) -> Result<String, String> {
            self(line)
        }
    }

    const HELLO: &str =
        r#"{"answer": "hello", "protocol": 1, "name": "torch", "version": "2", "passes": ["forward"]}"#;

    pub(crate) fn layer() -> LayerRequest {
        LayerRequest {
            name: "up".into(),
            op: "conv_transpose1d".into(),
            batch: 1,
            in_channels: 4,
            out_channels: 2,
            groups: 1,
            input: vec![5],
            output: vec![11],
            kernel: vec![3],
            stride: vec![2],
            padding: vec![0],
            output_padding: vec![0],
            dilation: vec![1],
            bias: true,
        }
    }

    /// A peer that answers hello, then what `answer` makes of each request.
    fn fake(mut answer: impl FnMut(Request) -> String + 'static) -> Result<Peer> {
        let transport = move |line: &str| match serde_json::from_str(line).unwrap() {
            Request::Hello => Ok(HELLO.to_owned()),
            request => Ok(answer(request)),
        };
        Peer::new(Library::Torch, Box::new(transport))
    }

    fn job<'a>(layer: &'a LayerRequest, files: &'a BTreeMap<String, PathBuf>, pass: PassRequest) -> Job<'a> {
        Job { layer, pass, threads: 2, files, folder: Path::new("in/here"), onnx: None }
    }

    #[test]
    fn a_layer_goes_there_and_times_come_back() {
        let mut peer = fake(|request| match request {
            Request::Prepare(request) => {
                assert_eq!((request.layer, request.threads), (layer(), 2));
                assert_eq!(request.files["x"], Path::new("x.f32"));
                r#"{"answer": "prepared", "files": {"y": "y.f32"}}"#.into()
            }
            Request::Run { iterations } => {
                format!(r#"{{"answer": "ran", "seconds": {}}}"#, 1.0 / f64::from(iterations))
            }
            Request::Hello | Request::PrepareModel(_) => {
                unreachable!("answered by the transport, or not asked")
            }
        })
        .unwrap();
        assert_eq!((peer.library(), peer.version()), (Library::Torch, "2"));
        let files = BTreeMap::from([("x".to_owned(), PathBuf::from("x.f32"))]);
        let prepared = peer.prepare(&job(&layer(), &files, PassRequest::Forward)).unwrap();
        assert_eq!(prepared, Prepared::Ready(BTreeMap::from([("y".into(), "y.f32".into())])));
        assert_eq!(peer.run(4).unwrap(), 0.25);
    }

    #[test]
    fn what_a_peer_cannot_do_is_no_error_and_names_no_folder() {
        let mut peer =
            fake(|_| r#"{"answer": "unsupported", "reason": "no 3 in in/here/a.onnx"}"#.into()).unwrap();
        let files = BTreeMap::new();
        let prepared = peer.prepare(&job(&layer(), &files, PassRequest::Forward)).unwrap();
        assert_eq!(prepared, Prepared::Unsupported("no 3 in a.onnx".into()));
        // It said hello without this pass, so it isn't even asked.
        let prepared = peer.prepare(&job(&layer(), &files, PassRequest::Train)).unwrap();
        assert_eq!(prepared, Prepared::Unsupported("torch does not train".into()));
    }

    #[test]
    fn nonsense_and_another_protocol_are_errors_that_name_the_peer() {
        let mut peer = fake(|_| "Segmentation fault".into()).unwrap();
        let error = peer.run(1).unwrap_err().to_string();
        assert!(error.contains("torch") && error.contains("Segmentation fault"), "{error}");
        let old = |_: &str| Ok(HELLO.replace("1,", "7,"));
        let error = Peer::new(Library::Torch, Box::new(old)).err().unwrap().to_string();
        assert!(error.contains("protocol: 7") && error.contains("protocol 1"), "{error}");
        let other = |_: &str| Ok(HELLO.to_owned());
        let error = Peer::new(Library::Burn, Box::new(other)).err().unwrap().to_string();
        assert!(error.contains("the hello of burn"), "{error}");
    }
}
