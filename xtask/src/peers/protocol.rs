//! The messages of `xtask/peers/README.md`: one JSON object a line, a request down, an answer up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Both sides have to say the same.
pub(super) const VERSION: u32 = 1;

/// What the parent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
pub(super) enum Request {
    Hello,
    Prepare(Box<PrepareRequest>),
    #[serde(rename = "prepare_model")]
    PrepareModel(Box<PrepareModelRequest>),
    /// Time this many iterations in one go.
    Run {
        iterations: u32,
    },
}

/// The layer that the following `run`s are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PrepareRequest {
    pub(super) layer: LayerRequest,
    pub(super) pass: PassRequest,
    pub(super) threads: usize,
    /// Raw little-endian float32 under `x`, `w`, `b` and `dy`; only those that the layer and the pass have.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// Where results go.
    pub(super) folder: PathBuf,
    /// The layer as a one-node ONNX model with its weights, for those that want one.
    pub(super) onnx: Option<PathBuf>,
}

/// The network that the following `run`s are of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PrepareModelRequest {
    pub(super) model: String,
    pub(super) onnx: PathBuf,
    /// By the model's names.
    pub(super) inputs: BTreeMap<String, Array>,
    pub(super) threads: usize,
    /// Where results go.
    pub(super) folder: PathBuf,
}

/// A tensor in a raw file of little-endian float32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) file: PathBuf,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PassRequest {
    /// y
    Forward,
    /// y, dx, dw, and db where there is a bias
    Train,
}

/// A layer with PyTorch's parameters, nothing left out; a list has one number per spatial axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerRequest {
    pub(crate) name: String,
    pub(crate) op: String,
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) groups: usize,
    /// Size of x.
    pub(crate) input: Vec<usize>,
    /// Size of y, which follows, so that nobody has to derive it again.
    pub(crate) output: Vec<usize>,
    pub(crate) kernel: Vec<usize>,
    pub(crate) stride: Vec<usize>,
    pub(crate) padding: Vec<usize>,
    pub(crate) output_padding: Vec<usize>,
    pub(crate) dilation: Vec<usize>,
    pub(crate) bias: bool,
}

/// What a peer says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub(super) enum Answer {
    Hello {
        protocol: u32,
        name: String,
        version: String,
        passes: Vec<PassRequest>,
    },
    /// Computed once, with the results in raw files under `y`, `dx`, `dw` and `db`, or under the names of a model's outputs.
    Prepared {
        files: BTreeMap<String, PathBuf>,
    },
    /// Seconds per iteration.
    Ran {
        seconds: f64,
    },
    /// The library doesn't offer the layer or the pass.
    Unsupported {
        reason: String,
    },
    /// It should have worked.
    Failed {
        reason: String,
    },
}

/// A request to `make_onnx.py`, which answers [`Made`].
#[derive(Clone, Debug, Serialize)]
pub(super) struct MakeModel {
    pub(super) layer: LayerRequest,
    /// `x`, `w` and `b`.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// Where the model goes.
    pub(super) path: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub(super) enum Made {
    Made,
    Failed { reason: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_documented() {
        let run = serde_json::to_string(&Request::Run { iterations: 3 }).unwrap();
        assert_eq!(run, r#"{"request":"run","iterations":3}"#);
        let ran: Answer = serde_json::from_str(r#"{"answer": "ran", "seconds": 0.5}"#).unwrap();
        assert_eq!(ran, Answer::Ran { seconds: 0.5 });
        let hello =
            r#"{"answer":"hello","protocol":1,"name":"a","version":"2","passes":["forward","train"]}"#;
        let passes = vec![PassRequest::Forward, PassRequest::Train];
        let expected = Answer::Hello { protocol: 1, name: "a".into(), version: "2".into(), passes };
        assert_eq!(serde_json::from_str::<Answer>(hello).unwrap(), expected);
    }

    #[test]
    fn the_documents_examples_are_read() {
        let text = include_str!("../../peers/README.md");
        let (mut num_requests, mut num_answers) = (0, 0);
        for line in text.lines().filter(|line| line.starts_with('{')) {
            if line.contains("\"request\"") {
                serde_json::from_str::<Request>(line).unwrap();
                num_requests += 1;
            } else {
                serde_json::from_str::<Answer>(line).unwrap();
                num_answers += 1;
            }
        }
        assert_eq!((num_requests, num_answers), (4, 6));
    }
}
