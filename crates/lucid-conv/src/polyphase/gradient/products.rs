//! Which products a gradient takes: one per tap, or, with minimal filtering, five or six for up to three taps of a column of four
//! positions along the last axis, each at a point. See `minimal.rs` and `winograd_gradient.rs` of `lucid-kernels`.

use std::ops::Range;

use lucid_kernels::WINOGRAD_POINTS;

use super::super::form::{self, Filtering, Form, View, flatten};
use super::phases::Phases;
use crate::geometry::Geometry;
use crate::runs::multi_indices;

/// The products, and how the lines of either side lie that they multiply.
#[derive(Clone, Debug)]
pub(super) struct Products<const N: usize> {
    /// Positions of a column.
    pub(super) unit: usize,
    /// Entries between the positions of a column.
    pub(super) apart: usize,
    /// Lines of the fine side: of which phase, and from which of a column's entries on.
    pub(super) lines: Vec<FineLine>,
    pub(super) filters: Vec<Filter<N>>,
    /// Entries that taps reach beyond a position; of the last axis, columns.
    reach: [usize; N],
}

/// What is made of the entries of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FineLine {
    pub(super) slot: usize,
    pub(super) shift: usize,
}

/// Some taps whose products are taken together.
#[derive(Clone, Debug)]
pub(super) struct Filter<const N: usize> {
    line: usize,
    /// How far after the position it reads: entries; of the last axis, columns.
    offset: [usize; N],
    /// Which of three taps is the first that there is.
    pub(super) first: usize,
    /// Numbers within the kernel.
    pub(super) taps: Vec<usize>,
    /// The points of its products.
    pub(super) points: Range<usize>,
}

impl<const N: usize> Products<N> {
    pub(super) fn new(g: &Geometry<N>, phases: &Phases<N>, filtering: Filtering) -> Self {
        let form = Form::of_gradient(g, filtering);
        let Form { unit, apart, .. } = form;
        let [class] = form.classes.as_slice() else { unreachable!("a result without stride has one phase") };
        let line = |filter: &form::Filter<N>| FineLine {
            slot: phases.slot(form.slots[filter.line.slot]),
            shift: match filter.line.view {
                View::Entries => 0,
                View::Winograd { shift } => shift,
            },
        };
        // In order, so that entries as they are lie as their phases do.
        let mut lines: Vec<_> = class.filters.iter().map(line).collect();
        lines.sort_unstable();
        lines.dedup();
        let mut reach = form.axes.each_ref().map(|axis| axis.reach);
        reach[N - 1] = class.filters.iter().map(|filter| filter.offset).max().unwrap_or(0);
        let mut taps = class.phases[0].taps.iter().copied();
        let filters = class.filters.iter().map(|filter| {
            let mut offset = filter.line.outer;
            offset[N - 1] = filter.offset;
            let has_product = |&point: &usize| filter.has_product(point);
            let first = (0..class.sums.len()).find(has_product).unwrap_or(0);
            let last = (0..class.sums.len()).rfind(has_product).unwrap_or(0);
            Filter {
                line: lines.partition_point(|known| *known < line(filter)),
                offset,
                first: filter.first,
                taps: taps.by_ref().take(filter.num_taps).collect(),
                points: first..last + 1,
            }
        });
        let filters = filters.collect();
        Products { unit, apart, lines, filters, reach }
    }

    pub(super) fn none() -> Self {
        Products { unit: 1, apart: 1, lines: Vec::new(), filters: Vec::new(), reach: [0; N] }
    }

    /// Products of a column.
    pub(super) fn len(&self) -> usize {
        self.filters.iter().map(|filter| filter.points.len()).sum()
    }

    /// The points that some filter has a product at, from 0 on.
    pub(super) fn num_points(&self) -> usize {
        self.filters.iter().map(|filter| filter.points.end).max().unwrap_or(1)
    }

    /// Columns per axis of a block: of the outer axes, positions.
    pub(super) fn columns(&self, mut block: [usize; N]) -> [usize; N] {
        block[N - 1] = block[N - 1].div_ceil(self.unit * self.apart) * self.apart;
        block
    }

    /// Columns of the fine side's lines that a block reads, per axis.
    pub(super) fn column_extents(&self, block: [usize; N]) -> [usize; N] {
        let columns = self.columns(block);
        std::array::from_fn(|axis| columns[axis] + self.reach[axis])
    }

    /// Entries of one phase that the columns are made of, per axis.
    pub(super) fn extents(&self, block: [usize; N]) -> [usize; N] {
        let mut extents = self.column_extents(block);
        if self.unit > 1 {
            let shift = self.lines.iter().map(|line| line.shift).max().unwrap_or(0);
            // The last column reads two entries beyond its own.
            let beyond = (shift + WINOGRAD_POINTS - self.unit) * self.apart;
            extents[N - 1] = extents[N - 1] * self.unit + beyond;
        }
        extents
    }

    /// The columns that the positions of a block read, by a product that is shifted by nothing.
    pub(super) fn flat_columns(&self, block: [usize; N]) -> impl Iterator<Item = usize> {
        let extents = self.column_extents(block);
        multi_indices(self.columns(block)).map(move |column| flatten(column, extents))
    }

    /// From a line of the fine side at one point to that at the next, in columns: with minimal filtering they begin in other sets
    /// of a cache, as all points of a column are written together.
    pub(super) fn columns_of_point(&self, block: [usize; N], items: usize) -> usize {
        let gap = usize::from(self.unit > 1);
        items.saturating_mul(volume(self.column_extents(block))).saturating_add(gap)
    }

    /// Of each product, filter by filter: its point, and the column that it reads for the first position of a place of so many
    /// items, where lines lie as `[line][point][item][column]`.
    pub(super) fn shifts(&self, block: [usize; N], items: usize) -> Vec<(usize, usize)> {
        let (extents, num_points) = (self.column_extents(block), self.num_points());
        let len = self.columns_of_point(block, items);
        let of_filter = |filter: &Filter<N>| {
            let (line, shift) = (filter.line * num_points, flatten(filter.offset, extents));
            filter.points.clone().map(move |point| (point, (line + point) * len + shift))
        };
        self.filters.iter().flat_map(of_filter).collect()
    }
}

/// The number of elements of a box, if that is a number.
pub(super) fn volume<const N: usize>(extents: [usize; N]) -> usize {
    extents.into_iter().fold(1, usize::saturating_mul)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Shapes};

    fn products(options: Options<1>, taps: usize, filtering: Filtering) -> Products<1> {
        let g = options.resolve(Shapes { x: &[1, 3, 200], w: &[3, 3, taps] }).unwrap();
        Products::new(&g, &Phases::new(&g), filtering)
    }

    #[test]
    fn four_positions_take_fewer_products_than_taps_times_four() {
        for (stride, dilation, taps, expected) in [
            (1, 1, 3, 6),
            (1, 3, 7, 16),
            (1, 5, 11, 23),
            (2, 1, 4, 10),
            (8, 1, 16, 40),
            (1, 1, 2, 5),
            (2, 1, 2, 10),
        ] {
            let options = Options::conv().stride(stride).dilation(dilation);
            let minimal = products(options, taps, Filtering::Minimal);
            assert_eq!(minimal.len(), expected, "{stride} {dilation} {taps}");
            let mut found: Vec<usize> =
                minimal.filters.iter().flat_map(|filter| filter.taps.clone()).collect();
            found.sort_unstable();
            assert!(found.into_iter().eq(0..taps), "{stride} {dilation} {taps}");
            assert_eq!(products(options, taps, Filtering::Plain).len(), taps);
        }
    }

    #[test]
    fn columns_cover_the_block_and_entries_the_columns() {
        let minimal = products(Options::conv().dilation(3), 7, Filtering::Minimal);
        // Of 4 positions, 3 apart.
        for (block, columns) in [(1, 3), (12, 3), (13, 6), (24, 6)] {
            assert_eq!(minimal.columns([block]), [columns]);
            let [lines] = minimal.column_extents([block]);
            let furthest =
                minimal.lines.iter().map(|line| (4 * (lines / 3 - 1) + line.shift + 5) * 3 + 2).max();
            assert_eq!(minimal.extents([block]), [furthest.unwrap() + 1]);
        }
    }
}
