//! The lucid side of every measurement: what one iteration is, for the plain benchmark and beside peers alike.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use lucid_conv::{Plan, PreparedWeight};
use ndarray::ArrayD;
use rayon::ThreadPool;

use super::Timed;
use super::contest::Contender;
use super::inputs::Inputs;
use crate::error::Result;

/// A planned layer with its operands.
pub(super) struct Lucid<'a, const N: usize> {
    plan: &'a Plan<N>,
    inputs: &'a Inputs,
    timed: Timed,
    /// For the output alone, as a network that no longer learns would have it; training packs the weight in every call.
    prepared: Option<PreparedWeight<f32, N>>,
}

impl<'a, const N: usize> Lucid<'a, N> {
    pub(super) fn new(plan: &'a Plan<N>, inputs: &'a Inputs, timed: Timed) -> Result<Self> {
        let prepared = match timed {
            Timed::Forward => Some(plan.prepare(inputs.w.view())?),
            Timed::Train => None,
        };
        Ok(Lucid { plan, inputs, timed, prepared })
    }

    /// What is timed: all of a call, with the allocation of the results.
    pub(super) fn iteration(&self) -> Result<()> {
        black_box(self.output()?);
        if self.timed == Timed::Train {
            let Inputs { x, w, dy, .. } = self.inputs;
            black_box(self.plan.gradients(x.view(), w.view(), dy.view())?);
        }
        Ok(())
    }

    fn output(&self) -> Result<ArrayD<f32>> {
        let Inputs { x, w, b, .. } = self.inputs;
        let b = b.as_ref().map(|b| b.view());
        Ok(match &self.prepared {
            Some(prepared) => self.plan.convolve_prepared(x.view(), prepared, b)?,
            None => self.plan.convolve(x.view(), w.view(), b)?,
        })
    }

    /// What an iteration computes, in row-major order under `y`, and `dx`, `dw` and `db`.
    pub(super) fn results(&self) -> Result<BTreeMap<&'static str, Vec<f32>>> {
        let Inputs { x, w, b, dy } = self.inputs;
        let y = self.output()?;
        let mut results = BTreeMap::from([("y", y.iter().copied().collect())]);
        if self.timed == Timed::Train {
            let gradients = self.plan.gradients(x.view(), w.view(), dy.view())?;
            results.insert("dx", gradients.dx.iter().copied().collect());
            results.insert("dw", gradients.dw.iter().copied().collect());
            if b.is_some() {
                results.insert("db", gradients.db.to_vec());
            }
        }
        Ok(results)
    }
}

/// Lucid on the threads of a pool.
pub(super) struct InPool<'a, F> {
    pub(super) iteration: F,
    pub(super) pool: &'a ThreadPool,
}

impl<F: Fn() -> Result<()> + Sync> Contender for InPool<'_, F> {
    fn sample(&mut self, iterations: u32) -> Result<f64> {
        let iteration = &self.iteration;
        self.pool.install(|| {
            let start = Instant::now();
            for _ in 0..iterations {
                iteration()?;
            }
            Ok(start.elapsed().as_secs_f64() / f64::from(iterations))
        })
    }
}
