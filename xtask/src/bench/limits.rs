//! `cargo xtask bench --limits`: how near lucid comes to what the machine can do.
//!
//! A share of a peak that was measured minutes before tells of the machine's other guests as much as of the kernels, so each layer
//! takes turns with what it is held against: the multiply-adds of registers alone, a copy that reads and writes as many bytes as its
//! input and output have, and the sum of its weight. The time of all three, one after the other, is what a layer takes that does nothing else and
//! overlaps nothing.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lucid_conv::Plan;
use lucid_kernels::{Isa, copy_bandwidth, sum};
use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

use super::contest::{Contender, contest};
use super::inputs::Inputs;
use super::lucid::{InPool, Lucid};
use super::measure::{passes, peak_now};
use super::record::{Record, Times};
use super::{Layer, Timed, pool};
use crate::error::Result;

/// Operations whose time is that of an iteration of the peak.
const OPERATIONS: f64 = 1e9;

/// Lucid alone, beside what the machine can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    pub(super) date: String,
    /// Lucid's commit.
    pub(super) lucid: String,
    /// Of the rows' last times.
    pub(super) threads: usize,
    pub(super) rows: Vec<Row>,
}

/// The output of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) layer: String,
    pub(super) algorithm: String,
    /// Of the definition.
    pub(super) multiplications: f64,
    /// Those that are made.
    pub(super) products: f64,
    /// On one thread, and on all.
    pub(super) lucid: [Times; 2],
    /// Floating-point operations of as many threads, in 1e9 per second.
    pub(super) peak_gflops: [f64; 2],
    /// Milliseconds of a core's copy that reads and writes as many bytes as the input and the output have together.
    pub(super) copy_ms: f64,
    /// Milliseconds in which a core adds up the weight.
    pub(super) read_ms: f64,
}

/// Measures every layer and prints its row as it is known.
pub(super) fn measure(layers: &[Layer], budget: Duration) -> Result<Limits> {
    let pools = [pool(Some(1))?, pool(None)?];
    let Record { date, lucid, .. } = Record::new();
    let mut limits = Limits { date, lucid, threads: pools[1].current_num_threads(), rows: Vec::new() };
    let mut out = io::stdout().lock();
    writeln!(out, "{}", line(Row::HEADER))?;
    for layer in layers {
        let row = match layer.op.rank() {
            1 => row::<1>(layer, &pools, budget)?,
            2 => row::<2>(layer, &pools, budget)?,
            _ => row::<3>(layer, &pools, budget)?,
        };
        writeln!(out, "{}", line(row.cells().each_ref().map(String::as_str)))?;
        limits.rows.push(row);
    }
    Ok(limits)
}

/// What a contender of the machine takes for an iteration, in seconds.
struct Machine<F>(F);

impl<F: FnMut() -> f64> Contender for Machine<F> {
    fn sample(&mut self, _: u32) -> Result<f64> {
        Ok((self.0)())
    }
}

fn row<const N: usize>(layer: &Layer, pools: &[ThreadPool; 2], budget: Duration) -> Result<Row> {
    let plan = Plan::new(layer.geometry::<N>()?);
    let geometry = plan.geometry();
    let inputs = Inputs::random(geometry, layer.has_bias);
    let lucid = Lucid::new(&plan, &inputs, Timed::Forward)?;
    let len = |shape: Vec<usize>| shape.into_iter().product::<usize>();
    let bytes = (len(geometry.x_shape()) + len(geometry.y_shape())) * size_of::<f32>();
    let weight = inputs.w.as_slice().unwrap_or_default();

    let [mut one, mut all] = pools.each_ref().map(|pool| InPool { iteration: || lucid.iteration(), pool });
    let [mut peak_of_one, mut peak_of_all] =
        pools.each_ref().map(|pool| Machine(move || OPERATIONS / peak_now(pool)));
    let mut copy = Machine(|| bytes as f64 / copy_bandwidth(bytes));
    let mut read = Machine(|| {
        // Short sums are timed together: reading the clock takes as long as some kilobytes.
        let repeats = (1 << 16) / weight.len().max(1) + 1;
        let start = Instant::now();
        for _ in 0..repeats {
            black_box(sum(Isa::best(), black_box(weight)));
        }
        start.elapsed().as_secs_f64() / repeats as f64
    });
    let timings =
        contest(&mut [&mut one, &mut all, &mut peak_of_one, &mut peak_of_all, &mut copy, &mut read], budget)?;
    let seconds = |contender: usize| timings[contender].min.as_secs_f64();
    let pass = passes(geometry, Timed::Forward)[0];
    Ok(Row {
        layer: layer.name.clone(),
        algorithm: plan.recipe(pass).algorithm.to_string(),
        multiplications: geometry.multiplications(),
        products: plan.multiplications(pass),
        lucid: [timings[0].into(), timings[1].into()],
        peak_gflops: [2, 3].map(|contender| OPERATIONS / seconds(contender) / 1e9),
        copy_ms: seconds(4) * 1e3,
        read_ms: seconds(5) * 1e3,
    })
}

impl Row {
    /// What the cells are, on the terminal.
    const HEADER: [&str; 11] = [
        "layer",
        "algorithm",
        "ms, one",
        "peak",
        "ms, all",
        "peak",
        "scaling",
        "products",
        "copy",
        "read",
        "bare",
    ];

    /// Of both tables.
    fn cells(&self) -> [String; 11] {
        let ([one, all], [ms_one, ms_all]) = (self.shares(), self.lucid.map(|times| times.ms_min));
        let ms = |ms: f64| format!("{ms:.4}");
        let percent = |percent: f64| format!("{percent:.0}%");
        [
            self.layer.clone(),
            self.algorithm.clone(),
            ms(ms_one),
            percent(one),
            ms(ms_all),
            percent(all),
            format!("{:.2}", self.scaling()),
            percent(self.products / self.multiplications * 100.0),
            ms(self.copy_ms),
            ms(self.read_ms),
            percent(self.bare_ms() / ms_one * 100.0),
        ]
    }

    /// Percent of the peak that lucid reaches, on one thread and on all, by the multiplications of the definition.
    fn shares(&self) -> [f64; 2] {
        let share =
            |at: usize| 2.0 * self.multiplications / (self.lucid[at].ms_min * self.peak_gflops[at] * 1e4);
        [0, 1].map(share)
    }

    /// How much faster all threads are than one.
    fn scaling(&self) -> f64 {
        self.lucid[0].ms_min / self.lucid[1].ms_min
    }

    /// Milliseconds that the products take one core at its peak, with the copy and the reading one after the other.
    fn bare_ms(&self) -> f64 {
        2.0 * self.products / (self.peak_gflops[0] * 1e6) + self.copy_ms + self.read_ms
    }
}

/// A line on the terminal.
fn line(cells: [&str; 11]) -> String {
    let [layer, algorithm, numbers @ ..] = cells;
    let numbers: String = numbers.iter().map(|number| format!("  {number:>8}")).collect();
    format!("{layer:22}  {algorithm:9}{numbers}")
}

impl Limits {
    /// Makes this the limits of the newest record.
    ///
    /// # Errors
    /// As [`Record::add`].
    pub(super) fn keep(self) -> Result<PathBuf> {
        Record::add(|record| record.limits = Some(self))
    }

    /// Its section of the page, in Markdown.
    pub(super) fn section(&self) -> String {
        let Limits { date, lucid, threads, rows } = self;
        let mut text = format!(
            "\n## Limits\n\n\
             The output with a prepared weight, lucid by itself, measured by `cargo xtask bench --limits` on {date}: lucid {lucid}, in turn \
             with what the machine can do at that moment. Milliseconds are the least; the peak is of multiply-adds in registers, on one \
             thread and on {threads}, and its share counts the products of the definition, so that those that neighbours share may take it \
             beyond 100%. `scaling` is the time on one thread over that on {threads}. Products are those that the sums need, in percent \
             of the definition's. `copy` is how long one core takes for a copy that reads and writes as many bytes as input and output have \
             together, `read` how long it adds up the weight. `bare` is what all three would take one after the other, the products at the \
             peak: in percent of lucid's time on one thread, beyond 100% where it does them at the same time.\n\n\
             | layer | algorithm | one thread | peak | {threads} threads | peak | scaling | products | copy | read | bare |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n"
        );
        for row in rows {
            // Writing to a string can't fail.
            let _ = writeln!(text, "| {} |", row.cells().join(" | "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_the_definition_and_bare_what_is_made() {
        let times = |ms_min| Times { ms_min, ms_median: ms_min };
        let row = Row {
            layer: "up".into(),
            algorithm: "minimal".into(),
            multiplications: 1e8,
            products: 5e7,
            lucid: [times(2.0), times(1.25)],
            peak_gflops: [100.0, 200.0],
            copy_ms: 0.25,
            read_ms: 0.125,
        };
        assert_eq!((row.shares(), row.scaling(), row.bare_ms()), ([100.0, 80.0], 1.6, 1.375));
        let (date, lucid) = ("2026-01-02".into(), "abc".into());
        let text = Limits { date, lucid, threads: 2, rows: vec![row] }.section();
        let expected = "| up | minimal | 2.0000 | 100% | 1.2500 | 80% | 1.60 | 50% | 0.2500 | 0.1250 | 69% |";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn every_contender_of_a_layer_is_measured() {
        let layers = Layer::read(&crate::files::root().join("xtask/layers.toml")).unwrap();
        let seed = layers.iter().find(|layer| layer.name == "seed.decoder").unwrap();
        let limits = measure(std::slice::from_ref(seed), Duration::ZERO).unwrap();
        let row = &limits.rows[0];
        assert!(row.peak_gflops.iter().all(|&peak| peak > 0.0), "{row:?}");
        assert!(row.copy_ms > 0.0 && row.read_ms > 0.0 && row.lucid[1].ms_min > 0.0, "{row:?}");
    }
}
