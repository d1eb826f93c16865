//! `cargo xtask bench --report`: a record as a page for people, `docs/benchmarks.md` for one in `docs/benchmarks`, with
//! a plot per table beside the record.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::models;
use super::plot;
use super::record::{Outcome, Record, Row};
use super::summary::Summary;
use crate::error::{Error, Result};
use crate::files;

/// Renders the record at `path` and names the page: beside the record's folder, under the folder's name.
pub(super) fn render(path: &Path) -> Result<PathBuf> {
    let record = Record::read(path)?;
    let refused = |reason: &str| Error::Record { path: path.to_owned(), reason: reason.into() };
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let folder = path.parent().filter(|folder| name(folder).is_some());
    let folder =
        folder.ok_or_else(|| refused("give it with its folder, whose name becomes that of the page"))?;
    let stem = path.file_stem().ok_or_else(|| refused("has no name"))?.to_string_lossy().into_owned();
    let folder_name = name(folder).unwrap_or_default();

    let mut plots = Vec::new();
    for summary in Summary::all(&record) {
        let name = format!("{stem}-{}-{}.svg", summary.pass.name(), summary.threads);
        files::write(&folder.join(&name), &plot::svg(&summary)?)?;
        plots.push(format!("{folder_name}/{name}"));
    }
    let page = folder.with_file_name(format!("{folder_name}.md"));
    let record_link = format!("{folder_name}/{}", name(path).unwrap_or_default());
    files::write(&page, &page_text(&record, &record_link, &plots))?;
    Ok(page)
}

/// `plots` has a link for each summary.
fn page_text(record: &Record, record_link: &str, plots: &[String]) -> String {
    let Record { date, cpu, isa, lucid, peaks, peers, .. } = record;
    let peers: Vec<_> = peers.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let peaks: Vec<_> = peaks
        .iter()
        .map(|peak| format!("{:.1} GFLOP/s on {} thread(s)", peak.gflops, peak.threads))
        .collect();
    let summaries = Summary::all(record);
    let mut page = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench --report` from [a record]({record_link}) of {date}; measured by `cargo xtask bench \
         --peers`.\n\n\
         - Processor: {cpu}; instruction set {isa}; float32 multiply-add peak {}\n\
         - lucid {lucid}; {}\n\n\
         Every library computes the same numbers, a sample of each in turn, in milliseconds per call: the least, which is \
         what the code takes. A call allocates its results. The ratio is the least time of the fastest other library over \
         lucid's: above 1 lucid is faster. `-` stands for what a library doesn't offer, `failed` for what it should \
         and `DIFFERS` for other numbers than lucid's, neither of which counts. Where channels do not mix, the peak's place has \
         how long one core takes to copy as many bytes as input and output have, over lucid's time.\n",
        peaks.join(", "),
        peers.join(", ")
    );
    page.push_str(
        "\n| pass | threads | layers | ratio, geometric mean | slower on | worst layer |\n|---|---|---|---|---|---|\n",
    );
    for summary in &summaries {
        let mean = summary.mean().map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}"));
        let worst = summary
            .worst()
            .map_or_else(|| "-".to_owned(), |(row, ratio)| format!("{} {ratio:.2}", row.layer));
        line(
            &mut page,
            &[
                summary.pass.name(),
                &summary.threads.to_string(),
                &summary.ratios().count().to_string(),
                &mean,
                &summary.num_slower().to_string(),
                &worst,
            ],
        );
    }
    for (summary, plot) in summaries.iter().zip(plots) {
        section(&mut page, record, summary, plot);
    }
    notes(&mut page, &summaries);
    if let Some(limits) = &record.limits {
        page.push_str(&limits.section());
    }
    if let Some(models) = &record.models {
        page.push_str(&models::section(models));
    }
    page
}

fn section(page: &mut String, record: &Record, summary: &Summary<'_>, plot: &str) {
    let title = format!("{} on {} thread(s)", summary.pass.name(), summary.threads);
    let names: Vec<&str> = record.peers.keys().map(String::as_str).collect();
    let peak = record.peaks.iter().find(|peak| peak.threads == summary.threads).map(|peak| peak.gflops);
    // Writing to a string can't fail.
    let _ = write!(page, "\n## {title}\n\n![{title}: ratio of each layer]({plot})\n\n");
    line(page, &[&["layer", "algorithm", "peak", "lucid"], &names[..], &["ratio"]].concat());
    line(page, &vec!["---"; names.len() + 5]);
    for row in &summary.rows {
        let short = |name: &&str| row.peers.get(*name).map_or_else(String::new, Outcome::short);
        let peers: Vec<_> = names.iter().map(short).collect();
        let ratio =
            row.fastest().map_or_else(|| "-".to_owned(), |(name, ratio)| format!("{ratio:.2} {name}"));
        let share = match (row.copy_ms, peak) {
            (Some(copy_ms), _) => format!("{:.0}% of a copy", copy_ms / row.lucid.ms_min * 100.0),
            (None, Some(peak)) => format!("{:.0}%", share(row, peak)),
            (None, None) => String::new(),
        };
        let lucid = format!("{:.4}", row.lucid.ms_min);
        let cells = [&row.layer, &row.algorithm, &share, &lucid].into_iter().chain(&peers).chain([&ratio]);
        line(page, &cells.map(String::as_str).collect::<Vec<_>>());
    }
    let means = names.iter().map(|name| {
        let mean = summary.mean_against(name);
        mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}"))
    });
    let means: Vec<_> = means.collect();
    let mean = summary.mean().map_or_else(|| "-".to_owned(), |mean| format!("{mean:.2}"));
    let cells = ["ratio, geometric mean", "", "", ""].into_iter().chain(means.iter().map(String::as_str));
    line(page, &cells.chain([mean.as_str()]).collect::<Vec<_>>());
}

/// Percent of `peak` that lucid reaches, by the multiplications of the plain definition.
fn share(row: &Row, peak: f64) -> f64 {
    let flops = 2.0 * row.multiplications / (row.lucid.ms_min / 1e3);
    flops / (peak * 1e9) * 100.0
}

/// Why there are dashes, once per table, library and reason.
fn notes(page: &mut String, summaries: &[Summary<'_>]) {
    let mut notes = Vec::new();
    for summary in summaries {
        let mut found: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
        for row in &summary.rows {
            for (name, outcome) in &row.peers {
                let (word, reason) = match outcome {
                    Outcome::Measured(_) => continue,
                    Outcome::Unsupported(reason) => ("does not offer", reason),
                    Outcome::Failed(reason) => ("failed on", reason),
                    Outcome::Differs(reason) => ("differs on", reason),
                };
                found.entry((name, word, reason)).or_default().push(&row.layer);
            }
        }
        for ((name, word, reason), layers) in found {
            let layers =
                if layers.len() == summary.rows.len() { "any layer".into() } else { layers.join(", ") };
            // A link or a tag in a library's words would be one on the page.
            let reason = reason.replace(['`', '\n'], "'");
            notes.push(format!(
                "- {} on {} thread(s): {name} {word} {layers}: `{reason}`",
                summary.pass.name(),
                summary.threads
            ));
        }
    }
    if !notes.is_empty() {
        let _ = write!(page, "\n## What is missing\n\n{}\n", notes.join("\n"));
    }
}

/// A line of a table.
fn line(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn a_record_becomes_a_page_with_a_plot_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("benchmarks/2026-01-02-a-cpu.json");
        record().write(&path).unwrap();
        let page = render(&path).unwrap();
        assert_eq!(page, root.path().join("benchmarks.md"));
        let text = fs::read_to_string(page).unwrap();
        for said in [
            "| forward | 1 | 2 | 1.00 | 1 | second 0.50 |",
            "| layer | algorithm | peak | lucid | burn | torch | ratio |",
            "| first | polyphase | 25% of a copy | 1.0000 | 3.0000 | 2.0000 | 2.00 torch |",
            // 2e6 operations in four milliseconds are 0.5 GFLOP/s of 100.
            "| second | polyphase | 0% | 4.0000 | - | 2.0000 | 0.50 torch |",
            "| ratio, geometric mean |  |  |  | 3.00 | 1.00 | 1.00 |",
            "- forward on 1 thread(s): burn does not offer second: `no groups`",
            "![forward on 1 thread(s): ratio of each layer](benchmarks/2026-01-02-a-cpu-forward-1.svg)",
            "[a record](benchmarks/2026-01-02-a-cpu.json)",
        ] {
            assert!(text.contains(said), "{said} is not in\n{text}");
        }
        let plot = fs::read_to_string(root.path().join("benchmarks/2026-01-02-a-cpu-forward-1.svg")).unwrap();
        assert!(plot.starts_with("<svg") && plot.contains("second"), "{plot}");
    }

    #[test]
    fn a_record_without_a_folder_is_refused() {
        let error = render(Path::new("nowhere.json")).unwrap_err().to_string();
        assert!(error.contains("nowhere.json"), "{error}");
    }
}
