//! The two number types that kernels exist for.

use std::fmt::{Debug, Display};

use num_traits::{Float, NumAssign};

use crate::isa::Isa;

/// `f32` or `f64`: what every kernel, and so every convolution, is generic over.
///
/// The trait is sealed: a new element type needs kernels of its own.
pub trait Element:
    Float
    + NumAssign
    + Debug
    + Display
    + Default
    + Send
    + Sync
    + sealed::Peak
    + sealed::Tiles
    + sealed::Interleave
    + sealed::TransposeLines
    + sealed::Winograd
    + sealed::Copies
    + sealed::Moves
    + sealed::Filters
    + sealed::SignalFilters
    + sealed::Finite
    + sealed::Sum
    + 'static
{
}

impl Element for f32 {}

impl Element for f64 {}

pub(crate) mod sealed {
    use super::Isa;
    use crate::copy::Copy;
    use crate::filter::{Rows, Taps};
    use crate::filter_signals::{SignalTap, Signals};
    use crate::interleave::Interleaving;
    use crate::lines::Job;
    use crate::runs::Runs;
    use crate::tile::TileKernel;
    use crate::winograd::{Lines, Outputs};
    use crate::winograd_filters::Values;
    use crate::winograd_gradient::{Columns, TapSums};
    use crate::winograd_signals::SignalLines;

    /// The tile kernels, per element type.
    pub trait Tiles: Sized {
        /// The kernel of `isa`, or of the baseline where this machine lacks it, for 1 to 16 rows.
        fn tile_kernel(isa: Isa, rows: usize) -> TileKernel<Self>;
    }

    /// [`crate::all_finite`], per element type.
    pub trait Finite: Sized {
        /// Falls back to the baseline where this machine lacks `isa`.
        fn all_finite(isa: Isa, values: &[Self]) -> bool;
    }

    /// [`crate::sum()`], per element type.
    pub trait Sum: Sized {
        /// Falls back to the baseline where this machine lacks `isa`.
        fn sum(isa: Isa, values: &[Self]) -> Self;
    }

    /// The blocks of [`crate::interleave`] and its inverse that are transposed in registers, per element type: both
    /// return up to which position they went.
    pub trait Interleave: Sized {
        /// # Safety
        /// The job must be as its type says.
        unsafe fn interleave_blocks(isa: Isa, job: &Interleaving<'_, Self>) -> usize;

        /// # Safety
        /// `rows` must have `(num_rows - 1) * row_stride + len` elements.
        unsafe fn deinterleave_blocks(
            isa: Isa,
            from: &[Self],
            num_rows: usize,
            len: usize,
            rows: *mut Self,
            row_stride: usize,
        ) -> usize;
    }

    /// [`crate::transpose_lines`], per element type. Falls back to the baseline.
    pub trait TransposeLines: Sized {
        /// Returns how many positions it went over.
        ///
        /// # Safety
        /// The job must be as its type says.
        unsafe fn transpose_lines(isa: Isa, job: &Job<'_, Self>) -> usize;
    }

    /// [`crate::winograd_lines`], [`crate::winograd_signals`], [`crate::winograd_outputs`], [`crate::winograd_filters`] and
    /// their adjoints, per element type. All fall back to the baseline.
    pub trait Winograd: Sized {
        /// # Safety
        /// The job must be as its type says.
        unsafe fn lines(isa: Isa, job: &Lines<'_, Self>);

        /// # Safety
        /// The job must be as its type says.
        unsafe fn signals(isa: Isa, job: &SignalLines<'_, Self>);

        /// # Safety
        /// The job must be as its type says.
        unsafe fn outputs(isa: Isa, job: &Outputs<'_, Self>) -> bool;

        /// # Safety
        /// The job must be as its type says.
        unsafe fn filters(isa: Isa, job: &Values<'_, Self>);

        /// # Safety
        /// The job must be as its type says.
        unsafe fn columns(isa: Isa, job: &Columns<'_, Self>);

        /// # Safety
        /// The job must be as its type says.
        unsafe fn taps(isa: Isa, job: &TapSums<'_, Self>);
    }

    /// [`crate::copy_rows`], per element type. Falls back to the baseline.
    pub trait Copies: Sized {
        /// # Safety
        /// The job must be as its type says.
        unsafe fn copy_rows(isa: Isa, job: &Copy<'_, Self>);
    }

    /// [`crate::interleave_runs`] and its inverse, per element type. Falls back to the baseline.
    pub trait Moves: Sized {
        /// # Safety
        /// The job must be as its type says.
        unsafe fn move_runs(isa: Isa, job: &Runs<'_, Self>);
    }

    /// The loops of [`crate::filter()`], [`crate::filter_pairs`] and [`crate::filter_gradient`], per element type. All
    /// fall back to the baseline.
    pub trait Filters: Sized {
        /// Positions per vector.
        fn lanes(isa: Isa) -> usize;

        /// # Safety
        /// The taps must read within the signal for the rows, of at least one vector; `out` must have space for them.
        unsafe fn filter(
            isa: Isa,
            taps: Taps<'_, Self>,
            bias: Self,
            signal: *const Self,
            out: *mut Self,
            rows: Rows,
        );

        /// # Safety
        /// The taps must read within the signal for `len` positions, at least one vector; `out` must have space for two
        /// elements per position.
        unsafe fn filter_pairs(
            isa: Isa,
            taps: [Taps<'_, Self>; 2],
            bias: Self,
            signal: *const Self,
            out: *mut Self,
            len: usize,
        );

        /// # Safety
        /// There must be a sum per offset, and as many as one of the groups of `filter.rs`; every row, of at least
        /// one vector, must lie within `coarse`, and read within the signal at each offset.
        unsafe fn filter_gradient(
            isa: Isa,
            offsets: &[usize],
            signal: *const Self,
            coarse: *const Self,
            rows: Rows,
            sums: &mut [Self],
        );
    }

    /// The loops of [`crate::filter_signals()`], per element type.
    pub trait SignalFilters: Sized {
        /// Falls back to the baseline where this machine lacks `isa`.
        ///
        /// # Safety
        /// There must be one or two phases; every tap must have a weight in each channel, and its row must lie within the
        /// channel's signal; the channels must have a bias each or none; `out` must have space for all rows.
        unsafe fn filter_signals(
            isa: Isa,
            phases: &[Vec<SignalTap>],
            signals: &Signals<'_, Self>,
            out: *mut Self,
        );
    }

    /// The multiply-add loop of [`crate::fma_peak`], per element type.
    pub trait Peak {
        /// Runs `rounds` rounds and returns the floating-point operations done.
        ///
        /// `isa` must be available: see [`Isa::is_available`].
        fn multiply_adds(isa: Isa, rounds: usize) -> f64;
    }
}
