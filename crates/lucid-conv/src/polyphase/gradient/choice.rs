//! What a gradient of the weight takes, by which roles, tile and portions are chosen.

use lucid_kernels::{Element, Isa, LINE_BYTES, MAX_ROWS, TileKernel, tile_kernel};

use super::Roles;
use super::phases::Phases;
use super::products::{Products, volume};
use crate::geometry::Geometry;
use crate::plan::block_of;

/// Positions per block: 16 lanes of so many are half of a first-level cache of 32 KiB, for `f32`.
const POSITIONS: usize = 256;
/// Elements of a packed panel, with all its phases.
const PANEL_LEN: usize = 96 * 1024;
/// Elements of the rows of a task, packed.
const ROWS_LEN: usize = 64 * 1024;
/// Elements of the sums of a task.
const SUMS_LEN: usize = 256 * 1024;
/// Elements of the sums of all parts of the positions.
const PARTIAL_LEN: usize = 512 * 1024;
/// Tasks to make, so that several threads share a pass evenly.
const TASKS: usize = 16;
/// Places of a part of the positions, at least: so that parts are about equal.
const PLACES: usize = 2;
/// How much less it counts that threads wait for one another than that one takes longer.
const WAITING: f64 = 64.0;
/// Multiplications up to which one task is best.
pub(super) const SHARED: f64 = 500_000.0;
/// Half cycles that it takes to pack an element by transposing, by sorting by phase too, and by copying it per tap.
const TRANSPOSED: f64 = 2.0;
const SORTED: f64 = 3.0;
const COPIED: f64 = 1.5;
/// Half cycles that an element of the sums of a part of the positions takes: it is cleared, stored and added to the others.
const ADDED: f64 = 4.0;
/// Half cycles that a channel's column takes to be transformed for all points.
const TRANSFORMED: f64 = 4.0;
/// Half cycles that a sum takes when all positions are in: those of products are combined, and those of windows are brought
/// into the weight's order piece by piece.
const COMBINED: f64 = 0.7;
const BROUGHT: f64 = 2.0;
/// Half cycles to begin and end a tile, and for each of its vectors of sums to be read and written.
const BEGINNING: f64 = 60.0;
const SUM: f64 = 6.0;
/// Half cycles to begin a window of taps.
const WINDOW: f64 = 6.0;

/// A tile and what a term of all channels takes with it, in half cycles.
#[derive(Clone, Copy)]
pub(super) struct Tile<T: 'static> {
    pub(super) kernel: TileKernel<T>,
    pub(super) width: usize,
    cost: f64,
}

/// A way to run: which roles, with which tile, in what blocks.
pub(super) struct Choice<T: 'static, const N: usize> {
    pub(super) roles: Roles,
    pub(super) tile: Tile<T>,
    pub(super) block: [usize; N],
    pub(super) items: usize,
    /// Tiles of sums of one pair of panels.
    pub(super) num_products: usize,
    /// Half cycles of a position for packing one row and one lane, and for the products of all of them.
    packing: [f64; 2],
    /// Rows and lanes altogether.
    sizes: [usize; 2],
}

impl<T: Element, const N: usize> Choice<T, N> {
    /// `None` if what the taps of a few positions read is too much to pack, or a pair of panels has too many products.
    pub(super) fn phases(
        g: &Geometry<N>,
        (phases, products): (&Phases<N>, &Products<N>),
        mut tile: Tile<T>,
    ) -> Option<Self> {
        let sizes = [g.coarse_per_group(), g.fine_per_group()];
        let num_products = products.len();
        if !tile.has_room(num_products) {
            return None;
        }
        let num_lines = products.lines.len() * products.num_points();
        let packed_len = |block: [usize; N]| {
            volume(products.column_extents(block)).saturating_mul(num_lines).saturating_mul(tile.width)
        };
        let mut positions = POSITIONS;
        let mut block = block_of(positions, g.coarse());
        while packed_len(block) > PANEL_LEN {
            positions /= 2;
            if positions < 16 {
                return None;
            }
            block = block_of(positions, g.coarse());
        }
        let items = items(g, block).min((PANEL_LEN / packed_len(block)).max(1));
        // Per position.
        let [entries, columns, lines] =
            [products.extents(block), products.columns(block), products.column_extents(block)]
                .map(|extents| volume(extents) as f64 / volume(block) as f64);
        let per_entry = if g.axes[N - 1].stride == 1 { TRANSPOSED } else { SORTED };
        let beginning = tile.beginning(sizes) / (items * volume(block)) as f64;
        tile.cost = (tile.cost * columns + beginning) * num_products as f64;
        let mut packing = [TRANSPOSED, phases.num_slots() as f64 * entries * per_entry];
        if products.unit > 1 {
            tile.cost += COMBINED * (sizes[0] * sizes[1] * num_products) as f64 / all_positions(g);
            packing[0] += TRANSFORMED * columns;
            packing[1] += TRANSFORMED * products.lines.len() as f64 * lines;
        }
        Some(Choice { roles: Roles::Phases, tile, block, items, num_products, packing, sizes })
    }

    pub(super) fn windows(g: &Geometry<N>, isa: Isa) -> Self {
        let sizes = [g.fine_per_group() * g.num_taps(), g.coarse_per_group()];
        let mut tile = Tile::<T>::new(isa, sizes);
        let block = block_of(POSITIONS, g.coarse());
        let items = items(g, block);
        tile.cost += tile.beginning(sizes) / (items * volume(block)) as f64;
        tile.cost += BROUGHT * (sizes[0] * sizes[1]) as f64 / all_positions(g);
        let neighbours = g.axes[N - 1].taps.min(tile.kernel.rows()) as f64;
        let packing = [COPIED + WINDOW / neighbours, TRANSPOSED];
        Choice { roles: Roles::Windows, tile, block, items, num_products: 1, packing, sizes }
    }

    /// Half cycles per position.
    pub(super) fn cost(&self) -> f64 {
        self.cost_of([1, 1])
    }

    /// Half cycles per position when rows and lanes are cut into so many parts: each part packs what it reads.
    fn cost_of(&self, parts: [usize; 2]) -> f64 {
        let [rows, lanes] = [0, 1].map(|side| self.sizes[side] as f64 * self.packing[side]);
        self.tile.cost + rows * parts[1] as f64 + lanes * parts[0] as f64
    }

    /// How many pieces rows and lanes of these sizes make of either.
    fn pieces(&self, sizes: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|side| self.sizes[side].div_ceil(sizes[side]))
    }

    /// All of them, of all groups.
    pub(super) fn num_pieces(&self, g: &Geometry<N>, sizes: [usize; 2]) -> usize {
        let pieces = self.pieces(sizes);
        g.groups * pieces[0] * pieces[1]
    }

    /// Rows and lanes of a task, and parts of the positions: those with which packing and adding take least, once the
    /// threads have enough tasks. Before them, half cycles per position.
    pub(super) fn parts(&self, g: &Geometry<N>) -> (f64, [usize; 2], usize) {
        let steps = [self.tile.kernel.rows(), self.tile.width];
        let positions = self.items * self.block.iter().product::<usize>();
        let num_places = num_places(g, self.block, self.items);
        let is_shared = g.multiplications() > SHARED;
        let part = |side: usize, parts: usize| -> usize {
            self.sizes[side].div_ceil(parts).next_multiple_of(steps[side])
        };
        let mut best = (f64::INFINITY, steps, 1);
        for row_parts in counts(self.sizes[0].div_ceil(steps[0])) {
            for lane_parts in counts(self.sizes[1].div_ceil(steps[1])) {
                let sizes = [part(0, row_parts), part(1, lane_parts)];
                let least = sizes == steps;
                let num_sums = sizes[0].saturating_mul(sizes[1]).saturating_mul(self.num_products);
                let fits = sizes[0].saturating_mul(positions) <= ROWS_LEN && num_sums <= SUMS_LEN;
                if !fits && !least {
                    continue;
                }
                let pieces = self.pieces(sizes);
                let num_pieces = self.num_pieces(g, sizes);
                let all_sums = num_pieces.saturating_mul(num_sums);
                let most = (num_places / PLACES).min(TASKS).min(PARTIAL_LEN / all_sums);
                let most = if is_shared { most.max(1) } else { 1 };
                let powers = (0..usize::BITS).map(|power| 1 << power);
                for parts in powers.take_while(|&parts| parts <= most) {
                    let tasks = (num_pieces * parts) as f64;
                    let waiting =
                        if is_shared { (TASKS as f64 / tasks - 1.0).max(0.0) / WAITING } else { 0.0 };
                    let adding = if parts == 1 { 0.0 } else { (parts * all_sums) as f64 * ADDED };
                    let adding = adding / all_positions(g);
                    let cost = (self.cost_of(pieces) + adding) * (1.0 + waiting);
                    if cost < best.0 {
                        best = (cost, sizes, parts);
                    }
                }
            }
        }
        best
    }
}

/// Coarse positions of all items.
fn all_positions<const N: usize>(g: &Geometry<N>) -> f64 {
    (g.batch() * g.coarse_len()) as f64
}

pub(super) fn num_places<const N: usize>(g: &Geometry<N>, block: [usize; N], items: usize) -> usize {
    let blocks = g.coarse().iter().zip(block).map(|(size, block)| size.div_ceil(block)).product::<usize>();
    g.batch().div_ceil(items) * blocks
}

/// Numbers of parts to consider: 1, 2, 3, 4, 6, 8, 12, ... up to `most`, and that.
fn counts(most: usize) -> impl Iterator<Item = usize> {
    let pairs = (0..usize::BITS - 2).map(|power| 1usize << power).take_while(move |&count| count < most);
    pairs.flat_map(|count| [count, count + count / 2]).filter(move |&count| count < most).chain([most])
}

/// Items whose positions make a block together.
fn items<const N: usize>(g: &Geometry<N>, block: [usize; N]) -> usize {
    let batch = g.batch().max(1);
    if block != g.coarse() {
        return 1;
    }
    let fitting = (POSITIONS / g.coarse_len()).clamp(1, batch);
    // In parts as equal as can be.
    batch.div_ceil(batch.div_ceil(fitting))
}

impl<T: Element> Tile<T> {
    /// The tile that takes least time for so many rows and lanes; of equal ones, the largest.
    fn new(isa: Isa, [rows, lanes]: [usize; 2]) -> Self {
        let mut best: Option<Tile<T>> = None;
        for m in 1..=MAX_ROWS.min(rows) {
            let kernel = tile_kernel::<T>(isa, m)
                .or_else(|| tile_kernel(Isa::Portable, m))
                .expect("the baseline has every kernel");
            for vectors in 1..=kernel.max_vectors() {
                let width = vectors * kernel.lanes();
                let line_bytes = width * size_of::<T>();
                let whole = (lanes / width) as f64 * cycles(m, vectors, line_bytes);
                let rest = match (lanes % width).div_ceil(kernel.lanes()) {
                    0 => 0.0,
                    vectors => cycles(m, vectors, line_bytes),
                };
                let cost = rows.div_ceil(m) as f64 * (whole + rest);
                let larger = |best: &Tile<T>| (m * width) > best.kernel.rows() * best.width;
                if best.is_none_or(|best| cost < best.cost || (cost == best.cost && larger(&best))) {
                    best = Some(Tile { kernel, width, cost });
                }
            }
        }
        best.expect("there is a tile of one row")
    }

    /// That of phases.
    pub(super) fn of_phases<const N: usize>(g: &Geometry<N>, isa: Isa) -> Self {
        Tile::new(isa, [g.coarse_per_group(), g.fine_per_group()])
    }

    /// Half cycles per position that one product per tap takes of phases, beside all else. Infinite where the sums of a pair of
    /// panels have no room for so many.
    pub(super) fn least<const N: usize>(&self, g: &Geometry<N>) -> f64 {
        if self.has_room(g.num_taps()) { self.cost * g.num_taps() as f64 } else { f64::INFINITY }
    }

    /// Whether the sums of a pair of panels have room for so many products.
    fn has_room(&self, num_products: usize) -> bool {
        self.kernel.rows().saturating_mul(self.width).saturating_mul(num_products) <= SUMS_LEN
    }

    /// Half cycles to begin and end the tiles of all rows and lanes.
    fn beginning(&self, [rows, lanes]: [usize; 2]) -> f64 {
        let tiles = rows.div_ceil(self.kernel.rows()) * lanes.div_ceil(self.width);
        let vectors = self.width / self.kernel.lanes() * self.kernel.rows();
        tiles as f64 * (BEGINNING + vectors as f64 * SUM)
    }
}

/// Half cycles of a term: two multiply-adds a cycle, or two reads, of which one is that of the offset; or, where there
/// are few sums, the 4 cycles until a sum can be added to again. More than a cache line have to be read from the
/// second-level cache, and no tile reaches what it could by one half cycle.
fn cycles(rows: usize, vectors: usize, line_bytes: usize) -> f64 {
    let far = line_bytes.div_ceil(LINE_BYTES).saturating_sub(1);
    ((rows * vectors).max(rows + vectors + 1).max(8) + far + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_rise_to_the_most() {
        assert_eq!(counts(1).collect::<Vec<_>>(), [1]);
        assert_eq!(counts(2).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(counts(9).collect::<Vec<_>>(), [1, 1, 2, 3, 4, 6, 8, 9]);
    }
}
