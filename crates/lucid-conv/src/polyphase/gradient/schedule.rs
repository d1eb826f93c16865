//! In what portions a gradient of the weight is run.
//!
//! The panel of one phase that gives the lanes stays in the first-level cache while the panels of all rows, in the
//! second-level cache, go over it, product after product. Each pair of panels and each product has a tile of sums in memory, which is
//! read and written once per block of positions. A task is some coarse channels, some fine ones and a part of the
//! positions. It packs both sides itself, so where there are few channels it is positions that are cut into parts: each
//! has sums of its own, which are added in order, whatever the number of threads.

use std::ops::Range;

use lucid_kernels::{Element, Isa, TileKernel};

use super::super::form::Filtering;
use super::super::is_short;
use super::Roles;
use super::choice::{Choice, Tile, num_places};
use super::phases::Phases;
use super::products::{Products, volume};
use crate::geometry::Geometry;
use crate::runs::Block;

/// How a gradient of the weight is run.
#[derive(Clone, Debug)]
pub(crate) struct Schedule<T: 'static, const N: usize> {
    pub(super) roles: Roles,
    pub(super) phases: Phases<N>,
    /// None with [`Roles::Windows`].
    pub(super) products: Products<N>,
    /// Tiles of sums of one pair of panels.
    num_products: usize,
    pub(super) kernel: TileKernel<T>,
    /// Lanes of a panel.
    pub(super) width: usize,
    /// From the rows of a term to those of the next one: whole vectors.
    pub(super) pitch: usize,
    /// Coarse positions handled together.
    pub(crate) block: [usize; N],
    /// Batch items handled together: more than one only if the block is the whole grid.
    pub(super) items: usize,
    /// Coarse channels of a task.
    pub(super) coarse: usize,
    /// Columns of the weight, as a matrix of `coarse channels` by `(fine channel, tap)`, of a task.
    pub(crate) columns: usize,
    /// Parts of the positions, of which each has sums of its own.
    pub(super) parts: usize,
    /// Elements of workspace of a thread.
    pub(crate) workspace_len: usize,
    /// Half cycles per position.
    cost: f64,
}

/// Lengths of a thread's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) rows: usize,
    pub(super) lanes: usize,
    /// What lines at points are made of.
    pub(super) entries: usize,
    pub(super) sums: usize,
    /// Sums of a pair of panels on their way.
    pub(super) buffer: usize,
}

impl<T: Element, const N: usize> Schedule<T, N> {
    /// Which filtering takes least, and with it.
    pub(crate) fn best(g: &Geometry<N>, isa: Isa) -> (Filtering, Self) {
        let tile = Tile::of_phases(g, isa);
        let plain = Schedule::plain(g, isa, tile);
        // Four positions share two products per tap at best.
        let may_be_less = tile.least(g) / 2.0 < plain.cost;
        match may_be_less.then(|| Schedule::minimal(g, tile)).flatten() {
            Some(minimal) if minimal.cost < plain.cost => (Filtering::Minimal, minimal),
            _ => (Filtering::Plain, plain),
        }
    }

    /// With minimal filtering where that is possible.
    pub(crate) fn new(g: &Geometry<N>, isa: Isa, filtering: Filtering) -> Self {
        let tile = Tile::of_phases(g, isa);
        let minimal = if filtering == Filtering::Minimal { Schedule::minimal(g, tile) } else { None };
        minimal.unwrap_or_else(|| Schedule::plain(g, isa, tile))
    }

    /// Whether minimal filtering is possible.
    pub(crate) fn can_share(g: &Geometry<N>, isa: Isa) -> bool {
        Schedule::minimal(g, Tile::<T>::of_phases(g, isa)).is_some()
    }

    /// `None` where the taps reach too far, or there are too many products for the sums of a pair of panels.
    fn minimal(g: &Geometry<N>, tile: Tile<T>) -> Option<Self> {
        if !is_short(g) || tile.least(g).is_infinite() {
            return None;
        }
        let phases = Phases::new(g);
        let products = Products::new(g, &phases, Filtering::Minimal);
        let choice = Choice::phases(g, (&phases, &products), tile)?;
        Some(Schedule::of(g, phases, products, choice))
    }

    fn plain(g: &Geometry<N>, isa: Isa, tile: Tile<T>) -> Self {
        let (phases, by_windows) = (Phases::new(g), Choice::windows(g, isa));
        if tile.least(g) <= by_windows.cost() {
            let products = Products::new(g, &phases, Filtering::Plain);
            if let Some(choice) = Choice::phases(g, (&phases, &products), tile)
                && choice.cost() <= by_windows.cost()
            {
                return Schedule::of(g, phases, products, choice);
            }
        }
        Schedule::of(g, phases, Products::none(), by_windows)
    }

    fn of(g: &Geometry<N>, phases: Phases<N>, products: Products<N>, choice: Choice<T, N>) -> Self {
        let (cost, [rows, lanes], parts) = choice.parts(g);
        let (coarse, columns) = match choice.roles {
            Roles::Phases => (rows, lanes * g.num_taps()),
            Roles::Windows => (lanes, rows),
        };
        let Choice { roles, ref tile, block, items, num_products, .. } = choice;
        let &Tile { kernel, width, .. } = tile;
        let mut schedule = Schedule {
            roles,
            phases,
            products,
            num_products,
            kernel,
            width,
            pitch: kernel.rows().next_multiple_of(kernel.lanes()),
            block,
            items,
            coarse,
            columns,
            parts,
            workspace_len: 0,
            cost,
        };
        let lengths = schedule.lengths(g);
        let positions = items * block.iter().product::<usize>();
        // Parts are added up when all of them are there, those of every piece: threads share them.
        let sums = match parts {
            1 => lengths.sums,
            _ => choice.num_pieces(g, [rows, lanes]) * parts * lengths.sums,
        };
        // Offsets are integers of up to twice an element's size.
        let Lengths { rows, lanes, entries, buffer, .. } = lengths;
        schedule.workspace_len = rows + lanes + entries + sums + buffer + 2 * positions;
        schedule
    }

    /// Batch items and positions that are packed together, one after the other.
    pub(super) fn places(&self, g: &Geometry<N>) -> impl Iterator<Item = (Range<usize>, Block<N>)> {
        let (batch, items, sizes, block) = (g.batch(), self.items, g.coarse(), self.block);
        (0..batch).step_by(items).flat_map(move |first| {
            Block::tiles(sizes, block).map(move |block| (first..(first + items).min(batch), block))
        })
    }

    pub(super) fn num_places(&self, g: &Geometry<N>) -> usize {
        num_places(g, self.block, self.items)
    }

    /// Elements of a panel of rows, of each point, for so many terms. With minimal filtering points begin in other sets of a cache, as
    /// all points of a column are written together.
    pub(super) fn rows_of_point(&self, num_terms: usize) -> usize {
        (num_terms + usize::from(self.products.unit > 1)) * self.pitch
    }

    pub(super) fn lengths(&self, g: &Geometry<N>) -> Lengths {
        let (m, block, products) = (self.kernel.rows(), self.block, &self.products);
        let of_items = |extents: [usize; N]| self.items * volume(extents);
        let (rows, lanes, num_lines, entries) = match self.roles {
            Roles::Phases => {
                let lines = products.lines.len() * products.num_points();
                let lines = lines * products.columns_of_point(block, self.items);
                let entries = match products.unit {
                    1 => 0,
                    unit => {
                        let fine = self.phases.num_slots() * of_items(products.extents(block));
                        let coarse = of_items(products.columns(block)) * unit;
                        ((fine + 1) * self.width).max(coarse * self.pitch)
                    }
                };
                (self.coarse, self.columns / g.num_taps(), lines, entries)
            }
            Roles::Windows => (self.columns, self.coarse, of_items(block), 0),
        };
        let (row_panels, lane_panels) = (rows.div_ceil(m), lanes.div_ceil(self.width));
        let num_terms = match self.roles {
            Roles::Phases => of_items(products.columns(block)),
            Roles::Windows => of_items(block),
        };
        let sums = m * self.width * self.num_products;
        Lengths {
            rows: row_panels * products.num_points() * self.rows_of_point(num_terms),
            // The last line is where phases lie that no tap reads.
            lanes: (num_lines + 1) * self.width,
            entries,
            sums: row_panels * lane_panels * sums,
            buffer: match (self.roles, products.unit) {
                (Roles::Phases, 1) => 0,
                (Roles::Phases, _) => m * self.width * g.num_taps(),
                (Roles::Windows, _) => m * self.width,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Shapes};

    /// The bound that `Plan::workspace_bytes` documents.
    #[test]
    fn the_workspace_is_bounded_for_any_sizes() {
        let huge = 1 << 40;
        let mut largest = 0;
        for (coarse, fine, len, taps, stride) in [
            (1536, 768, 100, 14, 7),
            (huge, 7, 9, 3, 2),
            (7, huge, 9, 3, 2),
            (1 << 20, 1 << 20, 100, 300, 1),
            (3, 5, huge, 65536, 1),
            (300, 300, 1 << 20, 4096, 1),
            (300, 300, 1 << 20, 4096, 64),
            (1, 1, huge, 1, 65536),
        ] {
            let options = Options::<1>::conv_transpose().stride(stride);
            let shapes = Shapes { x: &[1, coarse, len], w: &[coarse, fine, taps] };
            let schedule =
                Schedule::<f32, 1>::new(&options.resolve(shapes).unwrap(), Isa::best(), Filtering::Plain);
            assert!(schedule.workspace_len <= 704 * 1024, "{schedule:?}");
            largest = largest.max(schedule.workspace_len);
        }
        assert!(largest > 256 * 1024, "{largest}");
    }

    /// One task of a long signal would be left to one thread, and pieces of its channels would each pack all of it.
    #[test]
    fn positions_are_cut_where_channels_are_few() {
        let schedule = |channels: usize, len: usize| {
            let options = Options::<1>::conv().padding(1);
            let shapes = Shapes { x: &[1, channels, len], w: &[channels, channels, 3] };
            Schedule::<f32, 1>::new(&options.resolve(shapes).unwrap(), Isa::best(), Filtering::Plain)
        };
        let few = schedule(64, 10_000);
        assert!(few.parts >= 4 && few.coarse >= 64 && few.columns >= 64 * 3, "{few:?}");
        let many = schedule(1024, 10_000);
        assert!(many.parts == 1 && many.coarse < 1024, "{many:?}");
        let short = schedule(32, 100);
        assert_eq!(short.parts, 1, "{short:?}");
    }
}
