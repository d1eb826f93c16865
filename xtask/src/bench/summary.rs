//! What a table comes down to: how fast lucid is against the fastest peer of each layer.

use super::Timed;
use super::record::{Outcome, Record, Row};
use super::report::geometric_mean;

/// Of one pass on so many threads.
#[derive(Clone, Debug)]
pub(super) struct Summary<'a> {
    pub(super) pass: Timed,
    pub(super) threads: usize,
    pub(super) rows: Vec<&'a Row>,
}

impl<'a> Summary<'a> {
    /// One per pass and number of threads that has rows, in the order in which they were measured.
    pub(super) fn all(record: &'a Record) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for row in &record.rows {
            let found = all.iter_mut().find(|other| other.pass == row.pass && other.threads == row.threads);
            match found {
                Some(summary) => summary.rows.push(row),
                None => all.push(Summary { pass: row.pass, threads: row.threads, rows: vec![row] }),
            }
        }
        all
    }

    /// Layers that a peer was measured on too, each with the ratio to the fastest.
    pub(super) fn ratios(&self) -> impl Iterator<Item = (&'a Row, f64)> {
        self.rows.iter().filter_map(|row| Some((*row, row.fastest()?.1)))
    }

    /// Of the ratios.
    pub(super) fn mean(&self) -> Option<f64> {
        geometric_mean(self.ratios().map(|(_, ratio)| ratio))
    }

    /// The layer with the least ratio.
    pub(super) fn worst(&self) -> Option<(&'a Row, f64)> {
        self.ratios().min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// On how many layers a peer is faster.
    pub(super) fn num_slower(&self) -> usize {
        self.ratios().filter(|(_, ratio)| *ratio < 1.0).count()
    }

    /// The geometric mean over the layers that `peer` was measured on, of its time over lucid's.
    pub(super) fn mean_against(&self, peer: &str) -> Option<f64> {
        let times = self.rows.iter().filter_map(|row| match row.peers.get(peer)? {
            Outcome::Measured(times) => Some(times.ms_min / row.lucid.ms_min),
            _ => None,
        });
        geometric_mean(times)
    }

    /// All of it, for the terminal.
    pub(super) fn sentence(&self) -> String {
        let (pass, threads) = (self.pass.name(), self.threads);
        let (Some(mean), Some((row, ratio))) = (self.mean(), self.worst()) else {
            return format!("{pass}, {threads} thread(s): no layer was measured on a peer");
        };
        format!(
            "{pass}, {threads} thread(s): {mean:.2} times as fast as the fastest peer in the geometric mean, slower on {} \
             of {} layer(s), worst {} at {ratio:.2}",
            self.num_slower(),
            self.ratios().count(),
            row.layer
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{record, row, took};
    use super::*;

    #[test]
    fn a_summary_has_the_mean_the_worst_and_the_slower_ones() {
        let mut record = record();
        record.rows.push(row("third", 1.0, &[("torch", took(8.0))]));
        record.rows.push(row("alone", 1.0, &[("torch", Outcome::Unsupported("no".into()))]));
        record.rows.push(Row { threads: 2, ..row("first", 1.0, &[("torch", took(1.5))]) });
        let all = Summary::all(&record);
        assert_eq!(all.iter().map(|summary| summary.threads).collect::<Vec<_>>(), [1, 2]);
        // The ratios are 2, 0.5 and 8.
        assert!((all[0].mean().unwrap() - 2.0).abs() < 1e-12);
        assert_eq!((all[0].num_slower(), all[0].worst().unwrap().0.layer.as_str()), (1, "second"));
        assert!((all[0].mean_against("burn").unwrap() - 3.0).abs() < 1e-12);
        assert_eq!(all[0].mean_against("candle"), None);
        assert!(all[0].sentence().contains("slower on 1 of 3 layer(s), worst second at 0.50"));
    }
}
