//! Choosing a tile kernel by instruction set, element type and rows.

use crate::element::sealed::Tiles;
use crate::generated::portable;
#[cfg(target_arch = "x86_64")]
use crate::generated::{avx2, avx512};
use crate::isa::Isa;
use crate::tile::TileKernel;

/// The most rows that a tile has.
pub const MAX_ROWS: usize = 16;

/// The kernel of `isa` for tiles of `rows` rows, 1 to [`MAX_ROWS`]; `None` where this machine lacks the instruction set
/// or there is no kernel of so many rows.
pub fn tile_kernel<T: crate::Element>(isa: Isa, rows: usize) -> Option<TileKernel<T>> {
    if isa.is_available() && (1..=MAX_ROWS).contains(&rows) { Some(T::tile_kernel(isa, rows)) } else { None }
}

macro_rules! impl_tiles {
    ($scalar:ty, $table:ident, $lanes:literal, $lanes_avx2:literal, $lanes_avx512:literal) => {
        impl Tiles for $scalar {
            fn tile_kernel(isa: Isa, rows: usize) -> TileKernel<$scalar> {
                let (lanes, table) = match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() => ($lanes_avx512, &avx512::$table),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => ($lanes_avx2, &avx2::$table),
                    _ => ($lanes, &portable::$table),
                };
                // SAFETY: entry `rows - 1` of a table has the functions for `rows` rows and 1, 2, ... vectors of its
                // instruction set, whose lanes these are; the guard has found the set, and the baseline is always there.
                unsafe { TileKernel::from_parts(rows, lanes, table[rows - 1]) }
            }
        }
    };
}

impl_tiles!(f32, F32, 4, 8, 16);
impl_tiles!(f64, F64, 2, 4, 8);
