//! The values of filters at the points of minimal filtering, a tile's rows at a time.

use lucid_kernels::{Element, MAX_ROWS, WINOGRAD_POINTS, winograd_weights};

use super::form::{Class, Filter};

/// Makes the weights of all sums of a class of the taps.
#[derive(Debug)]
pub(super) struct Transform<T> {
    filters: Vec<Values>,
    /// Taps of a row.
    num_taps: usize,
    /// Terms of each sum.
    num_terms: Vec<usize>,
    factors: Factors<T>,
}

/// Which values of a filter are wanted.
#[derive(Debug)]
struct Values {
    /// Of its three taps: which tap of the row each is.
    taps: [Option<usize>; 3],
    /// By sum: which of its terms.
    terms: [Option<usize>; WINOGRAD_POINTS],
}

/// What the taps are multiplied with for the points 0, a and b. For -a and -b the middle one has the other sign.
#[derive(Clone, Copy, Debug)]
struct Factors<T> {
    zero: T,
    a: [T; 3],
    b: [T; 3],
}

impl<T: Element> Transform<T> {
    pub(super) fn new<const N: usize>(class: &Class<N>) -> Self {
        let mut num_taps = 0;
        let values = |(number, filter): (usize, &Filter<N>)| {
            let first = num_taps;
            num_taps += filter.num_taps;
            let tap = |of_three: usize| {
                let tap = of_three.checked_sub(filter.first).filter(|&tap| tap < filter.num_taps);
                tap.map(|tap| first + tap)
            };
            let mut terms = [None; WINOGRAD_POINTS];
            for (term, sum) in terms.iter_mut().zip(&class.sums) {
                *term = sum.iter().position(|term| term.filter == number);
            }
            Values { taps: std::array::from_fn(tap), terms }
        };
        let filters = class.filters.iter().enumerate().map(values).collect();
        let [zero, a, b] = [0, 1, 3].map(|point| {
            winograd_weights(point).map(|factor| T::from(factor).expect("every float has a value near it"))
        });
        let factors = Factors { zero: zero[0], a, b };
        Transform { filters, num_taps, num_terms: class.sums.iter().map(Vec::len).collect(), factors }
    }

    /// Writes the terms of some sources, `num_rows` each, to the sums: of `gathered`, by source and tap, the taps in `order`
    /// where there is one.
    pub(super) fn run(
        &self,
        num_rows: usize,
        gathered: &[T],
        order: Option<&[usize]>,
        sources: usize,
        sums: &mut [&mut [T]],
    ) {
        macro_rules! by_rows {
            ($($rows:literal)*) => {
                // Of a number that the compiler knows they are a few vectors.
                match num_rows {
                    $($rows => self.run_rows::<$rows>(gathered, order, sources, sums),)*
                    rows => unreachable!("a tile has at most {MAX_ROWS} rows, and this one {rows}"),
                }
            };
        }
        by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }

    fn run_rows<const M: usize>(
        &self,
        gathered: &[T],
        order: Option<&[usize]>,
        sources: usize,
        sums: &mut [&mut [T]],
    ) {
        let (gathered, _) = gathered.as_chunks::<M>();
        for source in 0..sources {
            let rows = &gathered[source * self.num_taps..][..self.num_taps];
            for Values { taps, terms } in &self.filters {
                let zeros = [T::zero(); M];
                let tap = |of_three: usize| match (taps[of_three], order) {
                    (None, _) => &zeros,
                    (Some(tap), None) => &rows[tap],
                    (Some(tap), Some(order)) => &rows[order[tap]],
                };
                let taps = [tap(0), tap(1), tap(2)];
                let mut write = |point: usize, values: &[T; M]| {
                    if let Some(term) = terms[point] {
                        let (terms, _) = sums[point].as_chunks_mut::<M>();
                        terms[source * self.num_terms[point] + term] = *values;
                    }
                };
                let Factors { zero, a, b } = self.factors;
                write(0, &times(taps[0], zero));
                let [plus, minus] = pair(taps, a);
                write(1, &plus);
                write(2, &minus);
                let [plus, minus] = pair(taps, b);
                write(3, &plus);
                write(4, &minus);
                write(5, taps[2]);
            }
        }
    }
}

/// The values at a point and at its opposite.
#[inline(always)]
fn pair<T: Element, const M: usize>(taps: [&[T; M]; 3], factors: [T; 3]) -> [[T; M]; 2] {
    let mut values = [[T::zero(); M]; 2];
    for row in 0..M {
        let even = factors[0] * taps[0][row] + factors[2] * taps[2][row];
        let odd = factors[1] * taps[1][row];
        values[0][row] = even + odd;
        values[1][row] = even - odd;
    }
    values
}

/// The values at point 0.
#[inline(always)]
fn times<T: Element, const M: usize>(tap: &[T; M], factor: T) -> [T; M] {
    let mut values = [T::zero(); M];
    for row in 0..M {
        values[row] = factor * tap[row];
    }
    values
}
