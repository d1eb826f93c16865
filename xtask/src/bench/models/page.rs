//! The networks' section of the page.

use std::fmt::Write as _;

use super::record::Models;

/// The section in Markdown.
pub(in crate::bench) fn section(models: &Models) -> String {
    let Models { date, lucid, onnxruntime, rows } = models;
    let mut text = format!(
        "\n## Networks\n\n\
         Whole networks of the [examples](../crates/lucid-rs/README.md), with the weights that others trained, measured by \
         `cargo xtask bench --models` on {date}: lucid {lucid}, onnxruntime {onnxruntime}. Milliseconds per call, the least \
         and the median; the ratio is of the least. The largest difference is of all outputs.\n\n\
         | network | input | threads | lucid | median | onnxruntime | median | ratio | largest difference |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1e} |",
            row.model,
            row.input,
            row.threads,
            row.lucid.ms_min,
            row.lucid.ms_median,
            row.onnxruntime.ms_min,
            row.onnxruntime.ms_median,
            row.ratio(),
            row.largest_difference
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::record::Times;
    use super::super::Row;
    use super::*;

    #[test]
    fn a_row_has_both_times_and_their_ratio() {
        let times = |ms_min| Times { ms_min, ms_median: ms_min + 1.0 };
        let row = Row {
            model: "vocoder".into(),
            input: "[1, 192, 8]".into(),
            threads: 2,
            lucid: times(10.0),
            onnxruntime: times(15.0),
            largest_difference: 2e-6,
        };
        assert_eq!(row.to_string().split_whitespace().nth(6), Some("1.50"));
        let rows = vec![row];
        let (date, lucid, onnxruntime) = ("2026-01-02".into(), "abc".into(), "1.0".into());
        let text = section(&Models { date, lucid, onnxruntime, rows });
        let expected = "| vocoder | [1, 192, 8] | 2 | 10.00 | 11.00 | 15.00 | 16.00 | 1.50 | 2.0e-6 |";
        assert!(text.contains(expected), "{text}");
    }
}
