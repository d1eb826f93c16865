//! Weights in the order in which a tile kernel reads them.

use std::ops::Range;

use lucid_kernels::{Element, TileKernel};

use super::form::{Class, Form};
use crate::runs::multi_indices;

/// A class with the kernel of its panels.
pub(crate) struct Panels<'a, T: 'static, const N: usize> {
    pub(crate) class: &'a Class<N>,
    pub(crate) kernel: TileKernel<T>,
    /// Elements of a panel: all terms of a tile's rows.
    pub(crate) panel_len: usize,
}

impl<'a, T: Element, const N: usize> Panels<'a, T, N> {
    pub(crate) fn new(form: &Form<N>, class: &'a Class<N>, kernel: TileKernel<T>) -> Self {
        Panels { class, kernel, panel_len: form.source_channels * class.terms.len() * kernel.rows() }
    }

    /// The panels that so many channels take.
    pub(crate) fn num_panels(&self, channels: usize) -> usize {
        (channels * self.class.phases.len()).div_ceil(self.kernel.rows())
    }

    /// Elements of the panels of so many channels.
    pub(crate) fn len(&self, channels: usize) -> usize {
        self.num_panels(channels) * self.panel_len
    }

    /// Packs the weights of some channels of a group as panels of `[source channel][term][row]`, with a row per channel
    /// and phase. Rows beyond the last repeat it, and their sums are dropped.
    pub(crate) fn pack(
        &self,
        form: &Form<N>,
        group: usize,
        channels: Range<usize>,
        weight: &[T],
        panels: &mut [T],
    ) {
        let strides = form.weight_strides;
        let (m, num_terms, num_phases) =
            (self.kernel.rows(), self.class.terms.len(), self.class.phases.len());
        let num_rows = channels.len() * num_phases;
        let term_len = num_terms * m;
        if term_len == 0 {
            return;
        }
        let from: Vec<usize> = (0..self.num_panels(channels.len()))
            .flat_map(|panel| {
                let channels = &channels;
                multi_indices([num_terms, m]).map(move |[term, m_]| {
                    let row = (panel * m + m_).min(num_rows - 1);
                    let (channel, phase) = (channels.start + row / num_phases, row % num_phases);
                    channel * strides.result + self.class.phases[phase].taps[term]
                })
            })
            .collect();
        let weight = &weight[group * strides.group..][..strides.group];
        let copy = |term: &mut [T], from: &[usize], source: usize| {
            let weight = &weight[source * strides.source..];
            for (packed, &at) in term.iter_mut().zip(from) {
                *packed = weight[at];
            }
        };
        if strides.source > strides.result {
            // The rows of one source are neighbours, and its successor may be pages away.
            for source in 0..form.source_channels {
                for (panel, from) in panels.chunks_mut(self.panel_len).zip(from.chunks(term_len)) {
                    copy(&mut panel[source * term_len..][..term_len], from, source);
                }
            }
        } else {
            for (panel, from) in panels.chunks_mut(self.panel_len).zip(from.chunks(term_len)) {
                for (source, term) in panel.chunks_mut(term_len).enumerate() {
                    copy(term, from, source);
                }
            }
        }
    }
}
