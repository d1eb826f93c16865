//! In what portions a gradient of the weight is run.
//!
//! The panel of one phase that gives the lanes stays in the first-level cache while the panels of all rows, in the
//! second-level cache, go over it, tap after tap. Each pair of panels and each tap has a tile of sums in memory, which is
//! read and written once per block of positions. A task is some coarse channels, some fine ones and a part of the
//! positions. It packs both sides itself, so where there are few channels it is positions that are cut into parts: each
//! has sums of its own, which are added in order, whatever the number of threads.

use std::ops::Range;

use lucid_kernels::{Element, Isa, MAX_ROWS, TileKernel, tile_kernel};

use super::Roles;
use super::lines::CHUNK;
use super::phases::Phases;
use crate::geometry::Geometry;
use crate::plan::block_of;
use crate::runs::Block;

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
/// Half cycles to begin a window of taps.
const WINDOW: f64 = 6.0;

/// How a gradient of the weight is run.
#[derive(Clone, Debug)]
pub(crate) struct Schedule<T: 'static, const N: usize> {
    pub(super) roles: Roles,
    pub(super) phases: Phases<N>,
    pub(super) kernel: TileKernel<T>,
    /// Lanes of a panel.
    pub(super) width: usize,
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
}

/// Lengths of a thread's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) rows: usize,
    pub(super) lanes: usize,
    pub(super) sums: usize,
    pub(super) buffer: usize,
}

/// A tile and what a term of all channels takes with it, in half cycles.
#[derive(Clone, Copy)]
struct Tile<T: 'static> {
    kernel: TileKernel<T>,
    width: usize,
    cost: f64,
}

/// A way to run: which roles, with which tile, in what blocks.
struct Choice<T: 'static, const N: usize> {
    roles: Roles,
    tile: Tile<T>,
    block: [usize; N],
    items: usize,
    /// Half cycles of a position for packing one row and one lane, and for the products of all of them.
    packing: [f64; 2],
    /// Rows and lanes altogether.
    sizes: [usize; 2],
}

impl<T: Element, const N: usize> Schedule<T, N> {
    pub(crate) fn new(g: &Geometry<N>, isa: Isa) -> Self {
        let phases = Phases::new(g);
        let by_windows = Choice::windows(g, isa);
        let choice = match Choice::phases(g, &phases, isa) {
            Some(by_phases) if by_phases.cost() <= by_windows.cost() => by_phases,
            _ => by_windows,
        };
        let ([rows, lanes], parts) = choice.parts(g);
        let (coarse, columns) = match choice.roles {
            Roles::Phases => (rows, lanes * g.num_taps()),
            Roles::Windows => (lanes, rows),
        };
        let Choice { roles, tile, block, items, .. } = choice;
        let Tile { kernel, width, .. } = tile;
        let mut schedule =
            Schedule { roles, phases, kernel, width, block, items, coarse, columns, parts, workspace_len: 0 };
        let lengths = schedule.lengths(g);
        let positions = items * block.iter().product::<usize>();
        // Offsets are integers of up to twice an element's size.
        schedule.workspace_len =
            lengths.rows + lengths.lanes + parts * lengths.sums + lengths.buffer + 2 * positions;
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

    /// Tiles of sums of one pair of panels.
    pub(super) fn num_taps(&self, g: &Geometry<N>) -> usize {
        match self.roles {
            Roles::Phases => g.num_taps(),
            Roles::Windows => 1,
        }
    }

    pub(super) fn lengths(&self, g: &Geometry<N>) -> Lengths {
        let positions = self.items * self.block.iter().product::<usize>();
        let (rows, lanes, entries) = match self.roles {
            Roles::Phases => {
                let entries = self.phases.num_slots() * self.items * self.phases.box_len(self.block);
                (self.coarse, self.columns / g.num_taps(), entries)
            }
            Roles::Windows => (self.columns, self.coarse, positions),
        };
        let m = self.kernel.rows();
        let (row_panels, lane_panels) = (rows.div_ceil(m), lanes.div_ceil(self.width));
        Lengths {
            rows: row_panels * m * positions,
            // The last line is where phases lie that no tap reads.
            lanes: (entries + 1) * self.width,
            sums: row_panels * lane_panels * self.num_taps(g) * m * self.width,
            buffer: (CHUNK * self.width).max(match self.roles {
                Roles::Phases => 0,
                Roles::Windows => m * self.width,
            }),
        }
    }
}

impl<T: Element, const N: usize> Choice<T, N> {
    /// `None` if what the taps of a few positions read is too much to pack, or a pair of panels has too many taps.
    fn phases(g: &Geometry<N>, phases: &Phases<N>, isa: Isa) -> Option<Self> {
        let (coarse, fine, taps) = (g.coarse_per_group(), g.fine_per_group(), g.num_taps());
        let tile = Tile::<T>::new(isa, [coarse, fine]);
        if tile.kernel.rows().saturating_mul(tile.width).saturating_mul(taps) > SUMS_LEN {
            return None;
        }
        let packed_len = |block: [usize; N]| {
            phases.box_len(block).saturating_mul(phases.num_slots()).saturating_mul(tile.width)
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
        let entries = phases.num_slots() * phases.box_len(block);
        let entries = entries as f64 / block.iter().product::<usize>() as f64;
        let per_entry = if g.axes[N - 1].stride == 1 { TRANSPOSED } else { SORTED };
        let tile = Tile { cost: tile.cost * taps as f64, ..tile };
        let packing = [TRANSPOSED, entries * per_entry];
        Some(Choice { roles: Roles::Phases, tile, block, items, packing, sizes: [coarse, fine] })
    }

    fn windows(g: &Geometry<N>, isa: Isa) -> Self {
        let sizes = [g.fine_per_group() * g.num_taps(), g.coarse_per_group()];
        let tile = Tile::new(isa, sizes);
        let block = block_of(POSITIONS, g.coarse());
        let neighbours = g.axes[N - 1].taps.min(tile.kernel.rows()) as f64;
        let packing = [COPIED + WINDOW / neighbours, TRANSPOSED];
        Choice { roles: Roles::Windows, tile, block, items: items(g, block), packing, sizes }
    }

    /// Half cycles per position.
    fn cost(&self) -> f64 {
        self.cost_of([1, 1])
    }

    /// Half cycles per position when rows and lanes are cut into so many parts: each part packs what it reads.
    fn cost_of(&self, parts: [usize; 2]) -> f64 {
        let [rows, lanes] = [0, 1].map(|side| self.sizes[side] as f64 * self.packing[side]);
        self.tile.cost + rows * parts[1] as f64 + lanes * parts[0] as f64
    }

    /// Rows and lanes of a task, and parts of the positions: those with which packing and adding take least, once the
    /// threads have enough tasks.
    fn parts(&self, g: &Geometry<N>) -> ([usize; 2], usize) {
        let steps = [self.tile.kernel.rows(), self.tile.width];
        let taps = match self.roles {
            Roles::Phases => g.num_taps(),
            Roles::Windows => 1,
        };
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
                let num_sums = sizes[0].saturating_mul(sizes[1]).saturating_mul(taps);
                let fits = sizes[0].saturating_mul(positions) <= ROWS_LEN && num_sums <= SUMS_LEN;
                if !fits && !least {
                    continue;
                }
                let pieces = [0, 1].map(|side| self.sizes[side].div_ceil(sizes[side]));
                let num_pieces = g.groups * pieces[0] * pieces[1];
                let all_sums = num_pieces.saturating_mul(num_sums);
                let most =
                    if is_shared { (num_places / PLACES).min(TASKS).min(PARTIAL_LEN / all_sums) } else { 1 };
                for parts in
                    (0..usize::BITS).map(|power| 1 << power).take_while(|&parts| parts <= most.max(1))
                {
                    let tasks = (num_pieces * parts) as f64;
                    let waiting =
                        if is_shared { (TASKS as f64 / tasks - 1.0).max(0.0) / WAITING } else { 0.0 };
                    let adding = if parts == 1 { 0.0 } else { (parts * all_sums) as f64 * ADDED };
                    let adding = adding / (g.batch() * g.coarse_len()) as f64;
                    let cost = (self.cost_of(pieces) + adding) * (1.0 + waiting);
                    if cost < best.0 {
                        best = (cost, sizes, parts);
                    }
                }
            }
        }
        (best.1, best.2)
    }
}

fn num_places<const N: usize>(g: &Geometry<N>, block: [usize; N], items: usize) -> usize {
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
}

/// Half cycles of a term: two multiply-adds a cycle, or two reads, of which one is that of the offset; or, where there
/// are few sums, the 4 cycles until a sum can be added to again. Lines of more than 64 bytes have to be read from the
/// second-level cache, and no tile reaches what it could by one half cycle.
fn cycles(rows: usize, vectors: usize, line_bytes: usize) -> f64 {
    let far = line_bytes.div_ceil(64).saturating_sub(1);
    ((rows * vectors).max(rows + vectors + 1).max(8) + far + 1) as f64
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
            let schedule = Schedule::<f32, 1>::new(&options.resolve(shapes).unwrap(), Isa::best());
            assert!(schedule.workspace_len <= 704 * 1024, "{schedule:?}");
            largest = largest.max(schedule.workspace_len);
        }
        assert!(largest > 256 * 1024, "{largest}");
    }

    #[test]
    fn counts_rise_to_the_most() {
        assert_eq!(counts(1).collect::<Vec<_>>(), [1]);
        assert_eq!(counts(2).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(counts(9).collect::<Vec<_>>(), [1, 1, 2, 3, 4, 6, 8, 9]);
    }
}
