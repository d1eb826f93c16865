//! The two number types that kernels exist for.

use std::fmt::{Debug, Display};

use num_traits::{Float, NumAssign};

use crate::isa::Isa;

/// `f32` or `f64`: what every kernel, and so every convolution, is generic over.
///
/// The trait is sealed: a new element type needs kernels of its own.
pub trait Element:
    Float + NumAssign + Debug + Display + Default + Send + Sync + sealed::Peak + sealed::Tiles + 'static
{
}

impl Element for f32 {}

impl Element for f64 {}

pub(crate) mod sealed {
    use super::Isa;
    use crate::tile::TileKernel;

    /// The tile kernels, per element type.
    pub trait Tiles: Sized {
        /// The kernel of `isa`, or of the baseline where this machine lacks it, for 1 to 16 rows.
        fn tile_kernel(isa: Isa, rows: usize) -> TileKernel<Self>;
    }

    /// The multiply-add loop of [`crate::fma_peak`], per element type.
    pub trait Peak {
        /// Runs `rounds` rounds and returns the floating-point operations done.
        ///
        /// `isa` must be available: see [`Isa::is_available`].
        fn multiply_adds(isa: Isa, rounds: usize) -> f64;
    }
}
