//! Weights in the order in which a tile kernel reads them.

use std::ops::Range;
use std::sync::Arc;

use lucid_kernels::{Element, TileKernel};

use super::form::{Class, Factor, Form, Term};

/// One sum of a class, with the kernel of its panels.
#[derive(Debug)]
pub(crate) struct Panels<T: 'static, const N: usize> {
    pub(crate) class: Arc<Class<N>>,
    /// Which sum of the class.
    pub(crate) sum: usize,
    pub(crate) kernel: TileKernel<T>,
    /// Elements of a panel: all terms of a tile's rows.
    pub(crate) panel_len: usize,
}

impl<T: Element, const N: usize> Panels<T, N> {
    pub(crate) fn new(form: &Form<N>, class: Arc<Class<N>>, sum: usize, kernel: TileKernel<T>) -> Self {
        let panel_len = form.source_channels * class.sums[sum].len() * kernel.rows();
        Panels { class, sum, kernel, panel_len }
    }

    /// The products of one column.
    pub(crate) fn terms(&self) -> &[Term<N>] {
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
        let taps = TermTaps::of(self, channels, (strides.result, self.num_panels(num_rows / num_phases)));
        let weight = &weight[group * strides.group..][..strides.group];
        let sources = 0..form.source_channels;
        if strides.source > strides.result {
            // The rows of one source are neighbours, and its successor may be pages away: some sources at a time keep
            // what they share with the next panel in the first-level cache.
            for start in sources.clone().step_by(SOURCES) {
                let block = start..(start + SOURCES).min(sources.end);
                for (panel, taps) in panels.chunks_mut(self.panel_len).zip(taps.chunks(num_terms)) {
                    for source in block.clone() {
                        pack_terms(
                            taps,
                            &weight[source * strides.source..],
                            &mut panel[source * term_len..],
                            m,
                        );
                    }
                }
            }
        } else {
            for (panel, taps) in panels.chunks_mut(self.panel_len).zip(taps.chunks(num_terms)) {
                for source in sources.clone() {
                    pack_terms(taps, &weight[source * strides.source..], &mut panel[source * term_len..], m);
                }
            }
        }
    }
}

/// Sources that are packed into one panel before the next.
const SOURCES: usize = 16;

/// Where the taps of one term are within the weight, for each row of a panel.
enum TermTaps {
    Tap(Vec<usize>),
    Sum([Vec<usize>; 2]),
    HalfSum([Vec<usize>; 3]),
    HalfAlternating([Vec<usize>; 3]),
}

impl TermTaps {
    /// Those of every panel, term by term.
    fn of<T: Element, const N: usize>(
        panels: &Panels<T, N>,
        channels: Range<usize>,
        (stride, num_panels): (usize, usize),
    ) -> Vec<TermTaps> {
        let (m, phases) = (panels.kernel.rows(), &panels.class.phases);
        let num_rows = channels.len() * phases.len();
        let terms = 0..panels.terms().len();
        let of_term = |panel: usize, term: usize| {
            let factors: Vec<(usize, Factor)> = (panel * m..(panel + 1) * m)
                .map(|row| {
                    let row = row.min(num_rows - 1);
                    let channel = channels.start + row / phases.len();
                    (channel * stride, phases[row % phases.len()].factors[panels.sum][term])
                })
                .collect();
            let tap = |number: usize| factors.iter().map(|(at, factor)| at + factor.tap(number)).collect();
            // All phases of a class have the same terms, and so the same kind of factor.
            match factors[0].1 {
                Factor::Tap(_) => TermTaps::Tap(tap(0)),
                Factor::Sum(_) => TermTaps::Sum([tap(0), tap(1)]),
                Factor::HalfSum(_) => TermTaps::HalfSum([tap(0), tap(1), tap(2)]),
                Factor::HalfAlternating(_) => TermTaps::HalfAlternating([tap(0), tap(1), tap(2)]),
            }
        };
        (0..num_panels)
            .flat_map(|panel| terms.clone().map(move |term| (panel, term)))
            .map(|(p, t)| of_term(p, t))
            .collect()
    }
}

/// The terms of one source channel of a panel, `m` rows each.
fn pack_terms<T: Element>(taps: &[TermTaps], w: &[T], panel: &mut [T], m: usize) {
    let half = T::one() / (T::one() + T::one());
    for (term, taps) in panel.chunks_mut(m).zip(taps) {
        match taps {
            TermTaps::Tap(a) => {
                for (packed, &a) in term.iter_mut().zip(a) {
                    *packed = w[a];
                }
            }
            TermTaps::Sum([a, b]) => {
                for (packed, (&a, &b)) in term.iter_mut().zip(a.iter().zip(b)) {
                    *packed = w[a] + w[b];
                }
            }
            TermTaps::HalfSum([a, b, c]) => {
                for (packed, ((&a, &b), &c)) in term.iter_mut().zip(a.iter().zip(b).zip(c)) {
                    *packed = (w[a] + w[b] + w[c]) * half;
                }
            }
            TermTaps::HalfAlternating([a, b, c]) => {
                for (packed, ((&a, &b), &c)) in term.iter_mut().zip(a.iter().zip(b).zip(c)) {
                    *packed = (w[a] - w[b] + w[c]) * half;
                }
            }
        }
    }
}

impl Factor {
    /// One of its taps.
    fn tap(self, number: usize) -> usize {
        match self {
            Factor::Tap(tap) => tap,
            Factor::Sum(taps) => taps[number],
            Factor::HalfSum(taps) | Factor::HalfAlternating(taps) => taps[number],
        }
    }
}
