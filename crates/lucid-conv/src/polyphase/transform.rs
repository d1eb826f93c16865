//! The values of a class's filters at the points of minimal filtering, a panel's rows at a time.

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
    pub(super) fn new<const N: usize>(class: &Class<N>, is_whole: bool) -> Self {
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
        let filters = class.filters.iter().enumerate().map(values).collect();
        Transform { filters, num_taps, num_terms: class.sums.iter().map(Vec::len).collect() }
    }

    /// Writes the terms of some sources, `num_rows` each, to the sums, each of which begins at one of `starts`: of `taps`, by
    /// source and tap.
    pub(super) fn run<T: Element>(
        &self,
        isa: Isa,
        num_rows: usize,
        (taps, num_sources): (&[T], usize),
        (values, starts): (&mut [T], &[usize]),
    ) {
        for filter in &self.filters {
            let place = |point: usize| {
                let Some(term) = filter.terms[point] else { return (0, 0) };
                (starts[point] + term * num_rows, self.num_terms[point] * num_rows)
            };
            let layout = FilterLayout {
                rows: num_rows,
                num_sources,
                taps: filter.taps.map(|tap| tap.map(|tap| tap * num_rows)),
                source_stride: self.num_taps * num_rows,
                values: std::array::from_fn(place),
            };
            winograd_filters(isa, taps, &layout, values);
        }
    }
}
