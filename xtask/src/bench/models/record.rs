//! The networks' part of a record. It has a day and a commit of its own: measuring it takes a minute, the layers an hour.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::record::{Record, Times};
use crate::error::Result;

/// Networks beside ONNX Runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::bench) struct Models {
    pub(in crate::bench) date: String,
    /// Lucid's commit.
    pub(in crate::bench) lucid: String,
    /// ONNX Runtime's version.
    pub(in crate::bench) onnxruntime: String,
    pub(in crate::bench) rows: Vec<Row>,
}

/// A network on so many threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::bench) struct Row {
    pub(in crate::bench) model: String,
    /// Shapes of the inputs.
    pub(in crate::bench) input: String,
    pub(in crate::bench) threads: usize,
    pub(in crate::bench) lucid: Times,
    pub(in crate::bench) onnxruntime: Times,
    /// Of all outputs.
    pub(in crate::bench) largest_difference: f32,
}

impl Models {
    /// One without rows, of this day.
    pub(super) fn new() -> Self {
        let Record { date, lucid, .. } = Record::new();
        Models { date, lucid, onnxruntime: String::new(), rows: Vec::new() }
    }

    /// Makes this the networks' part of the newest record.
    ///
    /// # Errors
    /// As [`Record::add`].
    pub(in crate::bench) fn keep(self) -> Result<PathBuf> {
        Record::add(|record| record.models = Some(self))
    }
}

impl Row {
    pub(super) const HEADER: &str =
        "model     threads    lucid ms  (median)  onnxruntime ms  (median)   ratio  difference";

    /// The least time of ONNX Runtime over lucid's: above 1 lucid is faster.
    pub(super) fn ratio(&self) -> f64 {
        self.onnxruntime.ms_min / self.lucid.ms_min
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { model, threads, lucid, onnxruntime, largest_difference, .. } = self;
        let ratio = self.ratio();
        write!(
            f,
            "{model:9} {threads:7}  {:>10.2}  {:>8.2}  {:>14.2}  {:>8.2}  {ratio:>6.2}  {largest_difference:>10.1e}",
            lucid.ms_min, lucid.ms_median, onnxruntime.ms_min, onnxruntime.ms_median
        )
    }
}
