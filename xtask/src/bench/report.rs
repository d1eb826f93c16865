//! The table on the terminal and the file for programs: the same rows, one for people and one with every digit.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;

use lucid_kernels::Isa;
use serde::Serialize;

use super::measure::Measurement;
use super::{Layer, Timed};
use crate::error::{Error, Result};

/// The keys of an object in the JSON file.
pub(crate) const KEYS: [&str; 10] = [
    "name",
    "op",
    "pass",
    "threads",
    "algorithm",
    "ms_min",
    "ms_median",
    "gflops",
    "peak_fraction",
    "workspace_bytes",
];

/// What a rate is measured against.
pub(super) struct Header {
    pub(super) num_threads: usize,
    /// Floating-point operations per second, all threads together.
    pub(super) peak: f64,
}

/// A layer and pass as measured; its fields are [`KEYS`].
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    name: String,
    op: String,
    pass: Timed,
    threads: usize,
    /// Of y, or of y, dx and dw with a plus between.
    algorithm: String,
    ms_min: f64,
    ms_median: f64,
    /// 2 * multiplications of the plain definition / the least time, in 1e9 per second.
    gflops: f64,
    /// Share of the machine's multiply-add peak.
    peak_fraction: f64,
    /// Per thread.
    workspace_bytes: usize,
}

/// Prints rows as they come and keeps them.
pub(super) struct Report<'a, W: Write> {
    out: &'a mut W,
    name_len: usize,
    num_threads: usize,
    peak: f64,
    rows: Vec<Row>,
}

impl<'a, W: Write> Report<'a, W> {
    /// Prints the header. `name_len` is the length of the longest name that will come.
    pub(super) fn new(out: &'a mut W, name_len: usize, header: &Header) -> Result<Self> {
        let &Header { num_threads, peak } = header;
        let name_len = name_len.max("layer".len());
        writeln!(
            out,
            "{}, {num_threads} thread(s), {} multiply-add peak {:.1} GFLOP/s in float32",
            cpu_model(),
            Isa::best(),
            peak / 1e9
        )?;
        writeln!(
            out,
            "{:name_len$}  {:7}  {:20}  {:>10}  {:>10}  {:>8}  {:>6}  {:>12}",
            "layer", "pass", "algorithm", "ms min", "ms median", "GFLOP/s", "peak", "workspace B"
        )?;
        Ok(Report { out, name_len, num_threads, peak, rows: Vec::new() })
    }

    pub(super) fn measured(&mut self, layer: &Layer, timed: Timed, measurement: &Measurement) -> Result<()> {
        let Measurement { timing, multiplications, algorithm, workspace_bytes } = measurement;
        let flops = 2.0 * multiplications / timing.min.as_secs_f64();
        let row = Row {
            name: layer.name.clone(),
            op: layer.op.to_string(),
            pass: timed,
            threads: self.num_threads,
            algorithm: algorithm.clone(),
            ms_min: timing.min.as_secs_f64() * 1e3,
            ms_median: timing.median.as_secs_f64() * 1e3,
            gflops: flops / 1e9,
            peak_fraction: flops / self.peak,
            workspace_bytes: *workspace_bytes,
        };
        writeln!(
            self.out,
            "{:width$}  {:7}  {:20}  {:>10.4}  {:>10.4}  {:>8.2}  {:>5.1}%  {:>12}",
            row.name,
            timed.name(),
            row.algorithm,
            row.ms_min,
            row.ms_median,
            row.gflops,
            row.peak_fraction * 100.0,
            row.workspace_bytes,
            width = self.name_len,
        )?;
        // A row is there as soon as it is known, even through a pipe.
        self.out.flush()?;
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn skipped(&mut self, layer: &Layer, timed: Timed, reason: &str) -> Result<()> {
        let width = self.name_len;
        Ok(writeln!(self.out, "{:width$}  {:7}  skipped: {reason}", layer.name, timed.name())?)
    }

    /// Prints the summary and hands the rows over.
    pub(super) fn finish(self, num_layers: usize) -> Result<Vec<Row>> {
        let mut line = format!("{num_layers} layer(s)");
        for timed in Timed::ALL {
            let fractions = self.rows.iter().filter(|row| row.pass == timed).map(|row| row.peak_fraction);
            if let Some(mean) = geometric_mean(fractions) {
                // Writing to a string can't fail.
                let _ =
                    write!(line, ", {} {:.1}% of the peak in the geometric mean", timed.name(), mean * 100.0);
            }
        }
        writeln!(self.out, "{line}")?;
        Ok(self.rows)
    }
}

/// The rows as a JSON array.
pub(super) fn to_json(rows: &[Row]) -> Result<String> {
    let text = serde_json::to_string_pretty(rows);
    let text =
        text.map_err(|error| Error::Unexpected { what: "the rows".into(), reason: error.to_string() })?;
    Ok(text + "\n")
}

pub(super) fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (num, sum) = values.fold((0_u32, 0.0), |(num, sum), value| (num + 1, sum + value.ln()));
    (num > 0).then(|| (sum / f64::from(num)).exp())
}

pub(super) fn cpu_model() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_geometric_mean_is_that_of_the_logarithms() {
        let mean = geometric_mean([0.1, 0.4].into_iter()).unwrap();
        assert!((mean - 0.2).abs() < 1e-12, "{mean}");
        assert_eq!(geometric_mean(std::iter::empty()), None);
    }
}
