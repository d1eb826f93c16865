//! The comparison on the terminal: a row per layer and pass, a column per library.

use std::io::Write;

use super::Layer;
use super::record::{Outcome, Peak, Record, Row};
use super::summary::Summary;
use crate::error::Result;
use crate::peers::Library;

/// Knows how wide the columns are.
pub(super) struct Table {
    name_len: usize,
    libraries: Vec<Library>,
}

impl Table {
    pub(super) fn new(layers: &[Layer], libraries: &[Library]) -> Self {
        let name_len = layers.iter().map(|layer| layer.name.len()).max().unwrap_or_default();
        Table { name_len: name_len.max("layer".len()), libraries: libraries.to_vec() }
    }

    pub(super) fn header(&self, out: &mut impl Write, record: &Record, peak: &Peak) -> Result<()> {
        let Peak { threads, gflops } = peak;
        let (cpu, isa) = (&record.cpu, &record.isa);
        writeln!(out, "{cpu}, {threads} thread(s), {isa} multiply-add peak {gflops:.1} GFLOP/s in float32")?;
        write!(out, "{:width$}  {:7}  {:>10}", "layer", "pass", "lucid ms", width = self.name_len)?;
        for library in &self.libraries {
            write!(out, "  {library:>11}")?;
        }
        Ok(writeln!(out, "  {:>7}", "ratio")?)
    }

    pub(super) fn row(&self, out: &mut impl Write, row: &Row) -> Result<()> {
        let width = self.name_len;
        write!(out, "{:width$}  {:7}  {:>10.4}", row.layer, row.pass.name(), row.lucid.ms_min)?;
        for library in &self.libraries {
            let outcome = row.peers.get(library.name());
            write!(out, "  {:>11}", outcome.map_or_else(String::new, Outcome::short))?;
        }
        let ratio = row.fastest().map_or_else(|| "-".to_owned(), |(_, ratio)| format!("{ratio:.2}"));
        writeln!(out, "  {ratio:>7}")?;
        for (name, outcome) in &row.peers {
            if let Outcome::Failed(reason) | Outcome::Differs(reason) = outcome {
                writeln!(out, "  {name}: {reason}")?;
            }
        }
        // A row is there as soon as it is known, even through a pipe.
        Ok(out.flush()?)
    }

    pub(super) fn summary(&self, out: &mut impl Write, record: &Record) -> Result<()> {
        for summary in Summary::all(record) {
            writeln!(out, "{}", summary.sentence())?;
        }
        Ok(())
    }
}

impl Outcome {
    /// The least time, or a word for there being none.
    pub(super) fn short(&self) -> String {
        match self {
            Outcome::Measured(times) => format!("{:.4}", times.ms_min),
            Outcome::Unsupported(_) => "-".into(),
            Outcome::Failed(_) => "failed".into(),
            Outcome::Differs(_) => "DIFFERS".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{record, row};
    use super::*;

    #[test]
    fn a_row_has_a_column_per_library_and_reasons_below() {
        let table = Table { name_len: 5, libraries: vec![Library::Torch, Library::Burn] };
        let mut out = Vec::new();
        let record = record();
        table.header(&mut out, &record, &record.peaks[0]).unwrap();
        table.row(&mut out, &record.rows[1]).unwrap();
        table.row(&mut out, &row("third", 1.0, &[("burn", Outcome::Differs("y[0] = 1".into()))])).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let words = |at: usize| lines[at].split_whitespace().collect::<Vec<_>>();
        assert_eq!(words(1), ["layer", "pass", "lucid", "ms", "torch", "burn", "ratio"]);
        assert_eq!(words(2), ["second", "forward", "4.0000", "2.0000", "-", "0.50"]);
        assert_eq!(words(3), ["third", "forward", "1.0000", "DIFFERS", "-"]);
        assert_eq!(lines[4], "  burn: y[0] = 1");
    }
}
