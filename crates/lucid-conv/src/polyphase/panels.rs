//! Weights in the order in which a tile kernel reads them.

use lucid_kernels::{Element, Isa, MAX_ROWS, TileKernel, tile_kernel};

use super::form::{Form, Phase};
use crate::runs::multi_indices;

/// A row of a panel: a channel of a task and a phase.
pub(crate) struct Row<'a, const N: usize> {
    pub(crate) channel: usize,
    pub(crate) phase: &'a Phase<N>,
}

/// The kernel whose panels waste least of the rows; of equal ones the one that takes whole channels, then the tallest.
pub(crate) fn choose_kernel<T: Element>(isa: Isa, num_rows: usize, phases: usize) -> TileKernel<T> {
    let kernels = (1..=MAX_ROWS).map(|rows| {
        tile_kernel::<T>(isa, rows)
            .or_else(|| tile_kernel(Isa::Portable, rows))
            .expect("the baseline has every kernel")
    });
    let cost = |kernel: &TileKernel<T>| {
        let (rows, vectors) = (kernel.rows(), kernel.max_vectors());
        // Cycles per term and vector, in 1/16: a multiply-add per row, or the reads where those are more: a vector that
        // straddles two cache lines counts twice, the weights are shared by all vectors.
        let cycles = (16 * rows).max(32 + 16 * rows / vectors);
        (num_rows.div_ceil(rows) * cycles, !rows.is_multiple_of(phases.min(MAX_ROWS)), MAX_ROWS - rows)
    };
    kernels.min_by_key(cost).expect("there are kernels")
}

/// The weights of `rows` as panels of `[source channel][tap][row]`, one for every `kernel.rows()` of them; and whether
/// all of them are finite. Rows beyond the last repeat it, and their sums are dropped.
///
/// All panels are filled source by source: their rows are neighbours in the weight, whose sources may be pages apart.
pub(crate) fn pack_panels<T: Element, const N: usize>(
    form: &Form<N>,
    group: usize,
    channel: usize,
    rows: &[Row<'_, N>],
    kernel: &TileKernel<T>,
    weight: &[T],
    panels: &mut Vec<T>,
) -> bool {
    let strides = form.weight_strides;
    let num_taps = rows[0].phase.taps.len();
    let term_len = num_taps * kernel.rows();
    let panel_len = form.source_channels * term_len;
    let from: Vec<usize> = rows
        .chunks(kernel.rows())
        .flat_map(|rows| {
            multi_indices([num_taps, kernel.rows()]).map(move |[tap, m]| {
                let row = &rows[m.min(rows.len() - 1)];
                group * strides.group + (channel + row.channel) * strides.result + row.phase.taps[tap]
            })
        })
        .collect();
    let num_panels = rows.len().div_ceil(kernel.rows());
    panels.resize(num_panels * panel_len, T::zero());
    // 0 times a finite number is 0, times any other NaN.
    let mut zeros = T::zero();
    for source in 0..form.source_channels {
        let weight = &weight[source * strides.source..];
        for (panel, from) in panels.chunks_mut(panel_len.max(1)).zip(from.chunks(term_len.max(1))) {
            let term = &mut panel[source * term_len..][..term_len];
            for (packed, &at) in term.iter_mut().zip(from) {
                *packed = weight[at];
                zeros += *packed * T::zero();
            }
        }
    }
    zeros == T::zero()
}
