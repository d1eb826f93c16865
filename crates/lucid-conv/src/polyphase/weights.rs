//! Weights in the order in which a tile kernel reads them.

use std::ops::Range;

use lucid_kernels::{Element, TileKernel};

use super::form::{Class, Factor, Form, Term};
use crate::runs::multi_indices;

/// One sum of a class, with the kernel of its panels.
pub(crate) struct Panels<'a, T: 'static, const N: usize> {
    pub(crate) class: &'a Class<N>,
    /// Which sum of the class.
    pub(crate) sum: usize,
    pub(crate) kernel: TileKernel<T>,
    /// Elements of a panel: all terms of a tile's rows.
    pub(crate) panel_len: usize,
}

impl<'a, T: Element, const N: usize> Panels<'a, T, N> {
    pub(crate) fn new(form: &Form<N>, class: &'a Class<N>, sum: usize, kernel: TileKernel<T>) -> Self {
        let panel_len = form.source_channels * class.sums[sum].len() * kernel.rows();
        Panels { class, sum, kernel, panel_len }
    }

    /// The products of one column.
    pub(crate) fn terms(&self) -> &'a [Term<N>] {
        &self.class.sums[self.sum]
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
        let (m, num_terms, num_phases) = (self.kernel.rows(), self.terms().len(), self.class.phases.len());
        let num_rows = channels.len() * num_phases;
        let term_len = num_terms * m;
        if term_len == 0 {
            return;
        }
        let factors: Vec<Factor> = (0..self.num_panels(channels.len()))
            .flat_map(|panel| {
                let channels = &channels;
                multi_indices([num_terms, m]).map(move |[term, m_]| {
                    let row = (panel * m + m_).min(num_rows - 1);
                    let (channel, phase) = (channels.start + row / num_phases, row % num_phases);
                    self.class.phases[phase].factors[self.sum][term].after(channel * strides.result)
                })
            })
            .collect();
        let weight = &weight[group * strides.group..][..strides.group];
        let half = T::one() / (T::one() + T::one());
        let pack = |term: &mut [T], factors: &[Factor], source: usize| {
            let w = &weight[source * strides.source..];
            for (packed, factor) in term.iter_mut().zip(factors) {
                *packed = match *factor {
                    Factor::Tap(a) => w[a],
                    Factor::Sum([a, b]) => w[a] + w[b],
                    Factor::HalfSum([a, b, c]) => (w[a] + w[b] + w[c]) * half,
                    Factor::HalfAlternating([a, b, c]) => (w[a] - w[b] + w[c]) * half,
                };
            }
        };
        if strides.source > strides.result {
            // The rows of one source are neighbours, and its successor may be pages away.
            for source in 0..form.source_channels {
                for (panel, factors) in panels.chunks_mut(self.panel_len).zip(factors.chunks(term_len)) {
                    pack(&mut panel[source * term_len..][..term_len], factors, source);
                }
            }
        } else {
            for (panel, factors) in panels.chunks_mut(self.panel_len).zip(factors.chunks(term_len)) {
                for (source, term) in panel.chunks_mut(term_len).enumerate() {
                    pack(term, factors, source);
                }
            }
        }
    }
}

impl Factor {
    /// The same taps of a weight that begins `start` elements later.
    fn after(self, start: usize) -> Factor {
        match self {
            Factor::Tap(a) => Factor::Tap(a + start),
            Factor::Sum(taps) => Factor::Sum(taps.map(|tap| tap + start)),
            Factor::HalfSum(taps) => Factor::HalfSum(taps.map(|tap| tap + start)),
            Factor::HalfAlternating(taps) => Factor::HalfAlternating(taps.map(|tap| tap + start)),
        }
    }
}
