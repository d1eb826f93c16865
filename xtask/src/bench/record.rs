//! What a comparison measured, as a file that is kept: `docs/benchmarks/<date>-<cpu>-<isa>.json`.
//!
//! Only what was measured is in it; ratios and means are made of it as it is rendered, so that a better summary needs
//! no new measurement.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use lucid_kernels::Isa;
use serde::{Deserialize, Serialize};

use super::Timed;
use super::limits::Limits;
use super::measure::Timing;
use super::models::Models;
use super::report::cpu_model;
use crate::error::{Error, Result};
use crate::files;

/// A comparison on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Year, month and day, in UTC.
    pub(super) date: String,
    pub(super) cpu: String,
    /// The instruction set that lucid chose.
    pub(super) isa: String,
    /// Lucid's commit; with `-dirty` when files outside of `docs` differed from it.
    pub(super) lucid: String,
    pub(super) peaks: Vec<Peak>,
    /// Versions by name.
    pub(super) peers: BTreeMap<String, String>,
    pub(super) rows: Vec<Row>,
    /// Whole networks, where they were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) models: Option<Models>,
    /// Lucid alone beside what the machine can do, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limits: Option<Limits>,
}

/// The multiply-adds that so many threads reach together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Peak {
    pub(super) threads: usize,
    /// Float32, two operations each, in 1e9 per second.
    pub(super) gflops: f64,
}

/// A layer in one pass on so many threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) layer: String,
    pub(super) op: String,
    pub(super) pass: Timed,
    pub(super) threads: usize,
    /// Of the plain definition, in all products of the pass.
    pub(super) multiplications: f64,
    /// Of y, or of y, dx and dw with a plus between.
    pub(super) algorithm: String,
    pub(super) lucid: Times,
    /// Milliseconds in which a core copies as many bytes as the input and the output have, for channels that do not mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) copy_ms: Option<f64>,
    pub(super) peers: BTreeMap<String, Outcome>,
}

/// Milliseconds per iteration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Times {
    pub(super) ms_min: f64,
    pub(super) ms_median: f64,
}

/// What a peer made of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Measured(Times),
    /// The library doesn't offer it, with the reason.
    Unsupported(String),
    /// The library should have done it, with the reason.
    Failed(String),
    /// The library computed something else than lucid; with the worst element.
    Differs(String),
}

impl Row {
    /// The peer with the least time, and that time over lucid's: above 1 lucid is faster.
    pub(super) fn fastest(&self) -> Option<(&str, f64)> {
        let measured = self.peers.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Measured(times) => Some((name.as_str(), times.ms_min / self.lucid.ms_min)),
            _ => None,
        });
        measured.min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl From<Timing> for Times {
    fn from(timing: Timing) -> Self {
        Times { ms_min: timing.min.as_secs_f64() * 1e3, ms_median: timing.median.as_secs_f64() * 1e3 }
    }
}

impl Record {
    /// One without rows, of this machine and today.
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Record {
            date: date(since.as_secs() / (24 * 60 * 60)),
            cpu: cpu_model(),
            isa: Isa::best().to_string(),
            lucid: commit().unwrap_or_else(|| "unknown".into()),
            peaks: Vec::new(),
            peers: BTreeMap::new(),
            rows: Vec::new(),
            models: None,
            limits: None,
        }
    }

    /// The newest record, to which something can be added that is measured here, and where it is.
    ///
    /// # Errors
    /// [`Error::Record`] when there is no record, or it is of another processor or instruction set.
    pub(super) fn of_here() -> Result<(PathBuf, Record)> {
        let path = newest()?;
        let record = Record::read(&path)?;
        match record.refused_by(&cpu_model(), &Isa::best().to_string()) {
            Some(reason) => Err(Error::Record { path, reason }),
            None => Ok((path, record)),
        }
    }

    /// Why nothing can be added that is measured on a processor with an instruction set, if so.
    fn refused_by(&self, cpu: &str, isa: &str) -> Option<String> {
        let Record { cpu: own_cpu, isa: own_isa, .. } = self;
        (own_cpu != cpu || own_isa != isa).then(|| {
            format!(
                "is of {own_cpu} with {own_isa}, and this is {cpu} with {isa}: `bench --peers LIST` makes one of this"
            )
        })
    }

    /// Adds a part to the newest record.
    ///
    /// # Errors
    /// As [`Record::of_here`].
    pub(super) fn add(part: impl FnOnce(&mut Record)) -> Result<PathBuf> {
        let (path, mut record) = Record::of_here()?;
        part(&mut record);
        record.write(&path)?;
        Ok(path)
    }

    /// Takes over what one that is replaced has and this one has not: networks and limits, which name the commit that they are of.
    pub(super) fn with_parts_of(self, path: &Path) -> Self {
        let Ok(Record { models, limits, .. }) = Record::read(path) else { return self };
        Record { models: self.models.or(models), limits: self.limits.or(limits), ..self }
    }

    /// Where it belongs in the repository. Processors of one name may have other vectors.
    pub(super) fn usual_path(&self) -> PathBuf {
        folder().join(format!("{}-{}-{}.json", self.date, slug(&self.cpu), self.isa))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self);
        let text =
            text.map_err(|error| Error::Record { path: path.to_owned(), reason: error.to_string() })?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        files::write(path, &(text + "\n"))
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        serde_json::from_str(&text)
            .map_err(|error| Error::Record { path: path.to_owned(), reason: error.to_string() })
    }
}

/// Where records are kept.
fn folder() -> PathBuf {
    files::root().join("docs/benchmarks")
}

/// The record with the latest date in its name.
///
/// # Errors
/// [`Error::Record`] when there is none.
pub(super) fn newest() -> Result<PathBuf> {
    let folder = folder();
    // A folder that isn't there has no records either.
    let paths = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).max();
    newest.ok_or_else(|| Error::Record {
        path: folder,
        reason: "there is none: `cargo xtask bench --peers LIST` makes one".into(),
    })
}

/// The day that is so many after 1970-01-01.
///
/// Years begin with March here, so that the leap day is the last one: 400 of them have 146097 days, and month m of a
/// year begins with day (153 m + 2) / 5. Howard Hinnant, chrono-compatible low-level date algorithms.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year_of_era + carry)
}

/// Lower-case words with hyphens between, as a file name.
fn slug(text: &str) -> String {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(files::root()).output().ok()?;
        String::from_utf8(output.stdout).ok().filter(|_| output.status.success())
    };
    let commit = git(&["describe", "--always"])?;
    // What is measured writes to `docs`.
    let changes = git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs"])?;
    Some(commit.trim().to_owned() + if changes.is_empty() { "" } else { "-dirty" })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench) fn row(layer: &str, lucid: f64, peers: &[(&str, Outcome)]) -> Row {
        Row {
            layer: layer.into(),
            op: "conv_transpose1d".into(),
            pass: Timed::Forward,
            threads: 1,
            multiplications: 1e6,
            algorithm: "polyphase".into(),
            lucid: Times { ms_min: lucid, ms_median: lucid * 1.5 },
            copy_ms: None,
            peers: peers.iter().map(|(name, outcome)| (String::from(*name), outcome.clone())).collect(),
        }
    }

    pub(in crate::bench) fn took(ms_min: f64) -> Outcome {
        Outcome::Measured(Times { ms_min, ms_median: ms_min * 2.0 })
    }

    /// Two layers beside two peers: lucid twice as fast on the first, half as fast on the second.
    pub(in crate::bench) fn record() -> Record {
        let none = Outcome::Unsupported("no groups".into());
        Record {
            date: "2026-01-02".into(),
            cpu: "A <CPU>".into(),
            isa: "avx2".into(),
            lucid: "abc1234".into(),
            peaks: vec![Peak { threads: 1, gflops: 100.0 }],
            peers: BTreeMap::from([("burn".into(), "0.1".into()), ("torch".into(), "2.0".into())]),
            rows: vec![
                Row {
                    copy_ms: Some(0.25),
                    ..row("first", 1.0, &[("burn", took(3.0)), ("torch", took(2.0))])
                },
                row("second", 4.0, &[("burn", none), ("torch", took(2.0))]),
            ],
            models: None,
            limits: None,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.json");
        record().write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record());
        // Numbers with many digits come back as they were, too.
        let mut many = record();
        many.rows[0].lucid.ms_min = 9.423_020_000_000_001;
        many.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), many);
        fs::write(&path, "{}").unwrap();
        assert!(Record::read(&path).unwrap_err().to_string().contains("a.json"));
    }

    #[test]
    fn what_a_record_lacks_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert_eq!(record().with_parts_of(&path), record());
        let (date, lucid) = ("2026-01-01".into(), "old".into());
        let limits = Some(Limits { date, lucid, threads: 2, rows: Vec::new() });
        Record { limits: limits.clone(), rows: Vec::new(), ..record() }.write(&path).unwrap();
        assert_eq!(record().with_parts_of(&path), Record { limits, ..record() });
    }

    #[test]
    fn only_what_is_measured_alike_is_added() {
        assert_eq!(record().refused_by("A <CPU>", "avx2"), None);
        for (cpu, isa) in [("A <CPU>", "avx512"), ("Another", "avx2")] {
            let reason = record().refused_by(cpu, isa).unwrap();
            assert!(reason.contains(&format!("A <CPU> with avx2, and this is {cpu} with {isa}")), "{reason}");
        }
    }

    #[test]
    fn the_ratio_is_that_of_the_fastest_peer_that_was_measured() {
        let fastest: Vec<_> = record().rows.iter().map(|row| row.fastest().map(|(_, r)| r)).collect();
        assert_eq!(fastest, [Some(2.0), Some(0.5)]);
        assert_eq!(row("alone", 1.0, &[("burn", Outcome::Differs("y".into()))]).fastest(), None);
    }

    #[test]
    fn days_become_dates() {
        let dates = [0, 59, 11_016, 19_782, 20_819].map(date);
        assert_eq!(dates, ["1970-01-01", "1970-03-01", "2000-02-29", "2024-02-29", "2027-01-01"]);
    }

    #[test]
    fn a_file_is_named_by_date_and_processor() {
        assert_eq!(slug("AMD EPYC (7R13), 2.6 GHz"), "amd-epyc-7r13-2-6-ghz");
        assert!(record().usual_path().ends_with("docs/benchmarks/2026-01-02-a-cpu-avx2.json"));
    }
}
