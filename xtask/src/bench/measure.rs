//! How a layer is timed: criterion's method of samples that hold as many iterations as fill a few milliseconds, so
//! that the clock's resolution doesn't matter and an interruption spoils one sample.
//!
//! The least time per iteration is what the code takes; the median tells how quiet the machine was meanwhile.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use lucid_conv::{Algorithm, Geometry, Pass, Plan};
use lucid_kernels::{Isa, fma_peak};
use rayon::ThreadPool;

use super::inputs::Inputs;
use super::lucid::Lucid;
use super::{Layer, Timed};
use crate::convolution::{Passes, with_algorithm};
use crate::error::Result;

/// A sample lasts at least about this long.
const SAMPLE: Duration = Duration::from_millis(5);
/// A median of fewer samples says little.
pub(super) const MIN_SAMPLES: usize = 5;
/// Measurements of the peak, a few tens of milliseconds each.
const PEAK_ROUNDS: usize = 16;
/// How long a layer runs before it is timed, as a share of the budget.
const WARM_UP: f64 = 0.2;

/// What to time, and how long.
pub(super) struct Setting {
    pub(super) timed: Timed,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) budget: Duration,
}

/// What came out for a layer.
pub(super) enum Outcome {
    Measured(Measurement),
    /// With the reason.
    Skipped(String),
}

pub(super) struct Measurement {
    pub(super) timing: Timing,
    /// Multiplications of the plain definition, in all products.
    pub(super) multiplications: f64,
    /// Of y, or of y, dx and dw with a plus between.
    pub(super) algorithm: String,
    /// Per thread, the most that any of the passes takes.
    pub(super) workspace_bytes: usize,
}

/// Times of one iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timing {
    pub(super) min: Duration,
    pub(super) median: Duration,
}

/// Multiply-adds per second that all threads of the pool reach together, counting two operations each: the best of
/// [`PEAK_ROUNDS`], because whatever else runs can only lower one.
pub(super) fn peak(pool: &ThreadPool) -> f64 {
    (0..PEAK_ROUNDS).map(|_| peak_now(pool)).fold(0.0, f64::max)
}

/// The same at this moment, in some tens of milliseconds.
pub(super) fn peak_now(pool: &ThreadPool) -> f64 {
    let start = Barrier::new(pool.current_num_threads());
    let of_each = pool.broadcast(|_| {
        // One thread alone may run at a higher clock than all of them.
        start.wait();
        fma_peak::<f32>(Isa::best())
    });
    of_each.iter().sum()
}

/// Times a layer on the threads of `pool`.
pub(super) fn layer(layer: &Layer, setting: &Setting, pool: &ThreadPool) -> Result<Outcome> {
    match layer.op.rank() {
        1 => of_rank::<1>(layer, setting, pool),
        2 => of_rank::<2>(layer, setting, pool),
        _ => of_rank::<3>(layer, setting, pool),
    }
}

fn of_rank<const N: usize>(layer: &Layer, setting: &Setting, pool: &ThreadPool) -> Result<Outcome> {
    let geometry = layer.geometry::<N>()?;
    let passes = passes(&geometry, setting.timed);
    let mut plan = Plan::new(geometry);
    if let Some(algorithm) = setting.algorithm {
        if !passes.iter().any(|&pass| algorithm.computes(pass)) {
            let needed: Vec<_> = passes.iter().map(Pass::to_string).collect();
            let reason = format!("{algorithm} does not compute {}", needed.join(", "));
            return Ok(Outcome::Skipped(reason));
        }
        plan = with_algorithm(plan, algorithm)?;
    }
    let names: Vec<_> = passes.iter().map(|&pass| plan.recipe(pass).algorithm.to_string()).collect();
    let workspace = passes.iter().map(|&pass| plan.workspace_bytes::<f32>(pass)).max();
    let timing = pool.install(|| time_plan(&plan, layer.has_bias, setting))?;
    Ok(Outcome::Measured(Measurement {
        timing,
        multiplications: geometry.multiplications() * setting.timed.num_products(),
        algorithm: names.join("+"),
        workspace_bytes: workspace.unwrap_or_default(),
    }))
}

/// The passes that are timed: of y, or of y, dx and dw.
pub(super) fn passes<const N: usize>(geometry: &Geometry<N>, timed: Timed) -> Vec<Pass> {
    let Passes { y, dx, dw } = Passes::of(geometry.kind());
    match timed {
        Timed::Forward => vec![y],
        Timed::Train => vec![y, dx, dw],
    }
}

fn time_plan<const N: usize>(plan: &Plan<N>, has_bias: bool, setting: &Setting) -> Result<Timing> {
    let inputs = Inputs::random(plan.geometry(), has_bias);
    let lucid = Lucid::new(plan, &inputs, setting.timed)?;
    time(setting.budget, || lucid.iteration())
}

/// Warms up, then takes samples until `budget` is spent.
fn time(budget: Duration, mut iteration: impl FnMut() -> Result<()>) -> Result<Timing> {
    let start = Instant::now();
    let mut num_warm: u32 = 0;
    while num_warm == 0 || start.elapsed() < budget.mul_f64(WARM_UP) {
        iteration()?;
        num_warm += 1;
    }
    let estimate = start.elapsed().as_secs_f64() / f64::from(num_warm);
    let per_sample = iterations(estimate);

    let mut samples = Vec::new();
    let start = Instant::now();
    while samples.len() < MIN_SAMPLES || start.elapsed() < budget {
        let sample = Instant::now();
        for _ in 0..per_sample {
            iteration()?;
        }
        samples.push(sample.elapsed() / per_sample);
    }
    samples.sort_unstable();
    Ok(Timing { min: samples[0], median: samples[samples.len() / 2] })
}

/// Iterations that fill a sample, at `seconds` each.
pub(super) fn iterations(seconds: f64) -> u32 {
    // From a float, `as` saturates: at the largest count for 0 seconds.
    ((SAMPLE.as_secs_f64() / seconds).ceil() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_what_fills_it() {
        assert_eq!([1.0, 0.004, 0.001].map(iterations), [1, 2, 5]);
        assert_eq!(iterations(0.0), u32::MAX);
    }

    #[test]
    fn there_are_enough_samples_and_their_least_and_median_are_reported() {
        let mut num = 0;
        let timing = time(Duration::ZERO, || {
            num += 1;
            std::thread::sleep(SAMPLE);
            Ok(())
        });
        let timing = timing.unwrap();
        assert_eq!(num, 1 + MIN_SAMPLES);
        assert!(SAMPLE <= timing.min && timing.min <= timing.median, "{timing:?}");
    }

    #[test]
    fn the_peak_of_two_threads_is_measured() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        assert!(peak(&pool) > 0.0);
    }
}
