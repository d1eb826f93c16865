//! The values of a class's filters at the points of minimal filtering, a panel's rows at a time.

use std::ops::Range;

use lucid_kernels::{Element, FilterLayout, Isa, WINOGRAD_POINTS, winograd_filters};

use super::form::{Class, Filter};

/// Makes the weights of all sums of a class of the taps.
#[derive(Debug)]
pub(crate) struct Transform {
    filters: Vec<Values>,
    /// Taps of a row.
    num_taps: usize,
    /// Terms of each sum.
    num_terms: Vec<usize>,
    /// Of the sums at 0 and at infinity, whose terms are taps: where those are among the taps of a source.
    ends: [Vec<usize>; 2],
    /// Of a panel.
    num_rows: usize,
}

/// Which values of a filter are wanted.
#[derive(Debug)]
struct Values {
    /// Of its three taps: which tap of the row each is.
    taps: [Option<usize>; 3],
    /// By sum: which of its terms.
    terms: [Option<usize>; WINOGRAD_POINTS],
}

impl Transform {
    /// That of rows whose taps are in the class's order, or, where `is_whole`, in the kernel's.
    pub(super) fn new<const N: usize>(class: &Class<N>, is_whole: bool, num_rows: usize) -> Self {
        let order = &class.phases[0].taps;
        let mut num_taps = 0;
        let values = |(number, filter): (usize, &Filter<N>)| {
            let first = num_taps;
            num_taps += filter.num_taps;
            let tap = |of_three: usize| {
                let tap = of_three.checked_sub(filter.first).filter(|&tap| tap < filter.num_taps)?;
                Some(if is_whole { order[first + tap] } else { first + tap })
            };
            let mut terms = [None; WINOGRAD_POINTS];
            for (term, sum) in terms.iter_mut().zip(&class.sums) {
                *term = sum.iter().position(|term| term.filter == number);
            }
            Values { taps: std::array::from_fn(tap), terms }
        };
        let filters: Vec<Values> = class.filters.iter().enumerate().map(values).collect();
        let ends = [(0, 0), (WINOGRAD_POINTS - 1, 2)].map(|(point, of_three)| {
            let terms = class.sums.get(point).into_iter().flatten();
            let tap = |filter: usize| filters[filter].taps[of_three].unwrap_or_default();
            terms.map(|term| tap(term.filter) * num_rows).collect()
        });
        let num_terms = class.sums.iter().map(Vec::len).collect();
        Transform { filters, num_taps, num_terms, ends, num_rows }
    }

    /// Elements of the taps of a source.
    pub(super) fn source_len(&self) -> usize {
        self.num_taps * self.num_rows
    }

    /// Where the terms of the sum at 0 or at infinity, which are taps, are among those of each source.
    pub(super) fn taps_of(&self, sum: usize) -> &[usize] {
        &self.ends[(sum > 0) as usize]
    }

    /// Writes the terms of some sources to some sums, each of which begins at one of `starts`: of `taps`, by source and tap.
    /// The sums are all of them, or the two of opposite points.
    pub(super) fn run<T: Element>(
        &self,
        isa: Isa,
        points: Range<usize>,
        (taps, num_sources): (&[T], usize),
        (values, starts): (&mut [T], &[usize]),
    ) {
        let num_rows = self.num_rows;
        for filter in &self.filters {
            let place = |point: usize| {
                let term = filter.terms[point].filter(|_| points.contains(&point))?;
                Some((starts[point] + term * num_rows, self.num_terms[point] * num_rows))
            };
            let layout = FilterLayout {
                rows: num_rows,
                num_sources,
                taps: filter.taps.map(|tap| tap.map(|tap| tap * num_rows)),
                source_stride: self.source_len(),
                values: std::array::from_fn(place),
            };
            winograd_filters(isa, taps, &layout, values);
        }
    }
}
