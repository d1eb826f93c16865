//! Which tiles the sums of a form are cut into.

use lucid_kernels::{Element, Isa, LINE_BYTES, MAX_ROWS, TileKernel, tile_kernel};

use super::form::Form;
use super::schedule::{MAX_PANELS_LEN, gcd};
use crate::geometry::Geometry;

/// What the vectors of a tile run over: a weight is packed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tiling {
    /// Positions: so many columns of them or a little less, or at least [`MANY`] vectors, some of which are
    /// [shifted](Form::has_shifts) or not.
    Positions { columns: usize, has_shifts: bool },
    /// Rows of the weight, where there are too few positions to fill vectors, or too many weights to stay in a cache.
    Rows,
}

/// Vectors from which on it makes little difference how many there are.
const MANY: usize = 8;
/// Columns of minimal filtering from which on it is paid back that weights are made on the way: measured with 4 to 17.
const MIN_COLUMNS: usize = 9;
/// Columns of minimal filtering from which on vectors of them are full enough.
const MANY_COLUMNS: usize = 64;
/// Weights of minimal filtering that stay near. More of them, twice as many as taps, take longer to arrive than to make.
const NEAR_WEIGHTS: usize = 512 * 1024;
/// Positions that a tile has at most if its vectors run over rows.
pub(crate) const MAX_COLUMNS: usize = 6;

/// Sixteenths of a cycle that a tile takes to read a weight: there are two reads a cycle, and no tile does quite as many. A vector takes
/// twice as long, and one of a whole cache line that may be shifted longer: measured on Intel's Emerald Rapids, where tiles of fewer
/// vectors and more rows take 5 to 20% less time then, and up to 8% more without shifts.
const PER_READ: usize = 9;
const SHIFTED: usize = 33;

/// The tiles of a panel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<T: 'static> {
    pub(crate) kernel: TileKernel<T>,
    /// Rows of a panel: those of the kernel, or the lanes of its vectors.
    pub(crate) rows: usize,
}

impl Tiling {
    /// The best one: the same for either element type, so that a plan knows it.
    pub(crate) fn of<const N: usize>(g: &Geometry<N>, form: &Form<N>, isa: Isa) -> Self {
        let columns = form.num_columns(form.axes[0].len);
        let lanes = kernel::<f32>(isa, 1).lanes();
        let phases = form.classes.iter().map(|class| class.phases.len()).max().unwrap_or(0);
        let rows = form.result_channels * phases;
        // Panels end where a channel does.
        let of_panel = rows_of_panel::<f32>(isa, phases);
        let panel_channels = of_panel / gcd(of_panel, phases.max(1));
        let taps =
            form.classes.iter().map(|class| class.phases.len() * class.phases[0].taps.len()).sum::<usize>();
        let fits = panel_channels * form.source_channels * taps <= MAX_PANELS_LEN;
        let columns_of_all = columns.saturating_mul(g.batch() / form.abreast);
        let is_by_row = match form.unit {
            // A vector of positions takes as long as half as many rows of one position each.
            1 => columns_of_all <= lanes / 2,
            _ => {
                let weights = form.source_channels * form.result_channels * form.num_products();
                // In images more terms than lines are copied for a column, and the few rows of a place share less.
                let is_far = N == 1 && weights > NEAR_WEIGHTS;
                columns_of_all >= MIN_COLUMNS && (columns_of_all < MANY_COLUMNS || is_far)
            }
        };
        if is_by_row && rows >= 2 * lanes && fits {
            return Tiling::Rows;
        }
        let columns = columns.min(MANY * lanes).next_multiple_of(lanes);
        Tiling::Positions { columns, has_shifts: form.has_shifts() }
    }

    /// The tiles of a class with so many phases.
    pub(crate) fn tile<T: Element, const N: usize>(self, form: &Form<N>, isa: Isa, phases: usize) -> Tile<T> {
        match self {
            Tiling::Positions { columns, has_shifts } => {
                let kernel = choose_kernel(isa, form.result_channels * phases, columns, has_shifts);
                Tile { kernel, rows: kernel.rows() }
            }
            Tiling::Rows => {
                Tile { kernel: row_kernel(isa, MAX_COLUMNS), rows: rows_of_panel::<T>(isa, phases) }
            }
        }
    }
}

/// Rows of a panel whose vectors run over rows: as many as a tile has, or, where a channel has a number of phases that
/// doesn't go into them, as whole channels have.
fn rows_of_panel<T: Element>(isa: Isa, phases: usize) -> usize {
    let kernel = row_kernel::<T>(isa, MAX_COLUMNS);
    let most = kernel.max_vectors() * kernel.lanes();
    let whole = kernel.lanes() / gcd(kernel.lanes(), phases.max(1)) * phases.max(1);
    if whole <= 2 * most { (most / whole).max(1) * whole } else { most }
}

/// The kernel for tiles of so many columns whose vectors run over rows.
pub(crate) fn row_kernel<T: Element>(isa: Isa, columns: usize) -> TileKernel<T> {
    kernel(isa, columns)
}

fn kernel<T: Element>(isa: Isa, rows: usize) -> TileKernel<T> {
    tile_kernel::<T>(isa, rows)
        .or_else(|| tile_kernel(Isa::Portable, rows))
        .expect("the baseline has every kernel of up to MAX_ROWS rows")
}

/// The kernel that takes least time for so many rows of so many columns, which are read with or without shifts; of equal ones, that
/// of the largest tile.
fn choose_kernel<T: Element>(isa: Isa, num_rows: usize, columns: usize, has_shifts: bool) -> TileKernel<T> {
    let cost = |kernel: &TileKernel<T>| {
        let (rows, most) = (kernel.rows(), kernel.max_vectors());
        let vectors = columns.div_ceil(kernel.lanes());
        let is_slow = has_shifts && kernel.lanes() * size_of::<T>() == LINE_BYTES;
        let per_vector = if is_slow { SHIFTED } else { 2 * PER_READ };
        // Sixteenths of a cycle per term: two multiply-adds a cycle; or reads; or, where there are few sums, the 4 cycles until a
        // sum can be added to again.
        let cycles = |vectors: usize| match vectors {
            0 => 0,
            _ => (8 * rows * vectors).max(PER_READ * rows + per_vector * vectors).max(64),
        };
        let of_row = if vectors < MANY {
            64 * (vectors / most * cycles(most) + cycles(vectors % most))
        } else {
            64 * vectors * cycles(most) / most
        };
        (num_rows.div_ceil(rows) * of_row, MAX_ROWS * 8 - rows * most)
    };
    (1..=MAX_ROWS).map(|rows| kernel(isa, rows)).min_by_key(cost).expect("there are kernels")
}
