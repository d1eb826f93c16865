//! Weights in the order in which a tile kernel reads them.

use std::ops::Range;
use std::sync::Arc;

use lucid_kernels::{Element, TileKernel};

use super::form::{Class, Factor, Form, Term};
use super::tiling::Tile;

/// One sum of a class, with the kernel of its panels.
#[derive(Debug)]
pub(crate) struct Panels<T: 'static, const N: usize> {
    pub(crate) class: Arc<Class<N>>,
    /// Which sum of the class.
    pub(crate) sum: usize,
    pub(crate) kernel: TileKernel<T>,
    /// Rows of a panel.
    pub(crate) rows: usize,
    /// Elements of a panel: all terms of its rows.
    pub(crate) panel_len: usize,
}

impl<T: Element, const N: usize> Panels<T, N> {
    pub(crate) fn new(form: &Form<N>, class: Arc<Class<N>>, sum: usize, tile: Tile<T>) -> Self {
        let Tile { kernel, rows } = tile;
        let panel_len = form.source_channels * class.sums[sum].len() * rows;
        Panels { class, sum, kernel, rows, panel_len }
    }

    /// The products of one column.
    pub(crate) fn terms(&self) -> &[Term<N>] {
        &self.class.sums[self.sum]
    }

    /// The panels that so many channels take.
    pub(crate) fn num_panels(&self, channels: usize) -> usize {
        (channels * self.class.phases.len()).div_ceil(self.rows)
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
        let (m, num_terms, num_phases) = (self.rows, self.terms().len(), self.class.phases.len());
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

/// What one term of a panel is made of, for each row.
struct TermTaps<T> {
    /// Of each tap, at most three: what it is multiplied with, and where in the weight it is for each row.
    taps: Vec<(T, Vec<usize>)>,
}

impl<T: Element> TermTaps<T> {
    /// Those of every panel, term by term.
    fn of<const N: usize>(
        panels: &Panels<T, N>,
        channels: Range<usize>,
        (stride, num_panels): (usize, usize),
    ) -> Vec<TermTaps<T>> {
        let (m, phases) = (panels.rows, &panels.class.phases);
        let num_rows = channels.len() * phases.len();
        let terms = 0..panels.terms().len();
        let of_term = |panel: usize, term: usize| {
            let factors: Vec<(usize, &Factor)> = (panel * m..(panel + 1) * m)
                .map(|row| {
                    let row = row.min(num_rows - 1);
                    let channel = channels.start + row / phases.len();
                    (channel * stride, &phases[row % phases.len()].factors[panels.sum][term])
                })
                .collect();
            let tap = |number: usize| factors.iter().map(|(at, factor)| at + factor.taps[number]).collect();
            let coefficients = factors[0].1.coefficients.iter().enumerate();
            let taps = coefficients.filter(|(_, coefficient)| **coefficient != 0.0).map(|(number, &c)| {
                let coefficient = T::from(c).expect("every float has a value near it");
                (coefficient, tap(number))
            });
            TermTaps { taps: taps.collect() }
        };
        (0..num_panels)
            .flat_map(|panel| terms.clone().map(move |term| (panel, term)))
            .map(|(p, t)| of_term(p, t))
            .collect()
    }
}

/// The terms of one source channel of a panel, `m` rows each.
fn pack_terms<T: Element>(terms: &[TermTaps<T>], w: &[T], panel: &mut [T], m: usize) {
    for (term, TermTaps { taps }) in panel.chunks_mut(m).zip(terms) {
        match &taps[..] {
            [(one, a)] if one.is_one() => {
                for (packed, &a) in term.iter_mut().zip(a) {
                    *packed = w[a];
                }
            }
            [(ca, a), (cb, b)] => {
                for (packed, (&a, &b)) in term.iter_mut().zip(a.iter().zip(b)) {
                    *packed = *ca * w[a] + *cb * w[b];
                }
            }
            [(ca, a), (cb, b), (cc, c)] => {
                for (packed, ((&a, &b), &c)) in term.iter_mut().zip(a.iter().zip(b).zip(c)) {
                    *packed = *ca * w[a] + *cb * w[b] + *cc * w[c];
                }
            }
            taps => {
                let sum = |row: usize| taps.iter().fold(T::zero(), |sum, (c, a)| sum + *c * w[a[row]]);
                for (row, packed) in term.iter_mut().enumerate() {
                    *packed = sum(row);
                }
            }
        }
    }
}
