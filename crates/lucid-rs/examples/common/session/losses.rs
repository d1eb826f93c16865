//! The losses of every step of a run: a table, a tensor in its checkpoint, and the text beside its progress bar.

use std::fmt::Write;

use lucid::Tensor;

use crate::error::Result;

/// `N` losses for each step so far: their number is the number of the next step.
pub(crate) struct Losses<const N: usize> {
    names: [&'static str; N],
    rows: Vec<[f32; N]>,
}

impl<const N: usize> Losses<N> {
    /// Before the first step.
    pub(crate) fn new(names: [&'static str; N]) -> Self {
        Losses { names, rows: Vec::new() }
    }

    /// Takes in the losses of one more step.
    pub(crate) fn push(&mut self, row: [f32; N]) {
        self.rows.push(row);
    }

    /// The number of steps so far.
    pub(crate) fn num_steps(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Each loss over the steps.
    pub(crate) fn columns(&self) -> [Vec<f32>; N] {
        std::array::from_fn(|column| self.rows.iter().map(|row| row[column]).collect())
    }

    /// The losses of the last step, with their names.
    pub(crate) fn last(&self) -> String {
        let Some(row) = self.rows.last() else { return String::new() };
        let parts: Vec<String> =
            self.names.iter().zip(row).map(|(name, loss)| format!("{name} {loss:.3}")).collect();
        parts.join(", ")
    }

    /// All of them as comma-separated values, with the step counted from 1.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("step,{}\n", self.names.join(","));
        for (step, row) in (1..).zip(&self.rows) {
            // Writing to a string can't fail.
            let _ = write!(table, "{step}");
            for loss in row {
                let _ = write!(table, ",{loss}");
            }
            table.push('\n');
        }
        table
    }

    /// # Shapes
    /// `[steps, N]`.
    pub(crate) fn to_tensor(&self) -> Result<Tensor<f32>> {
        Ok(Tensor::from_vec([self.rows.len(), N], self.rows.concat())?)
    }

    /// Replaces all losses by those of a checkpoint.
    pub(crate) fn restore(&mut self, tensor: Option<&Tensor<f32>>) -> Result<()> {
        let Some(losses) = tensor.filter(|losses| losses.ndim() == 2 && losses.shape()[1] == N) else {
            return Err(format!("it is no checkpoint: it has no losses of shape [steps, {N}]").into());
        };
        let values = losses.to_vec();
        self.rows = values.as_chunks().0.to_vec();
        Ok(())
    }
}
