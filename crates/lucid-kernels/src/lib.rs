#![doc = include_str!("../README.md")]
#![allow(unsafe_code, reason = "calling a function with a target feature is unsafe; each block is argued")]

mod bandwidth;
mod blank;
mod copy;
mod edge;
mod element;
mod filter;
mod filter_loops;
mod filter_sets;
mod filter_signals;
mod finite;
mod generated;
mod interleave;
#[cfg(target_arch = "x86_64")]
mod interleave_blocks;
mod interleave_sets;
mod isa;
mod lines;
mod peak;
mod pointwise;
#[cfg(target_arch = "x86_64")]
mod run_shuffles;
mod runs;
mod shuffle;
mod signal_loops;
mod signal_sets;
mod slices;
mod sum;
mod table;
mod tile;
mod vector;
mod winograd;
mod winograd_filters;
mod winograd_gradient;
mod winograd_sets;
mod winograd_signals;

pub use bandwidth::copy_bandwidth;
pub use blank::Blank;
pub use copy::{CopyShape, copy_rows};
pub use element::Element;
pub use filter::{Rows, Taps, filter, filter_gradient, filter_pairs};
pub use filter_signals::{SignalTap, Signals, filter_signals};
pub use finite::all_finite;
pub use interleave::{Repeats, deinterleave, interleave, interleave_each};
pub use isa::Isa;
pub use lines::transpose_lines;
pub use peak::fma_peak;
pub use pointwise::{LINE_BYTES, add, map, prefetch};
pub use runs::{deinterleave_runs, interleave_runs};
pub use sum::sum;
pub use table::{MAX_ROWS, tile_kernel};
pub use tile::{CacheLevel, SignalLayout, Start, Sums, Terms, TileKernel};
pub use winograd::{
    Bias, WINOGRAD_OUTPUTS, WINOGRAD_POINTS, winograd_lines, winograd_outputs, winograd_weights,
};
pub use winograd_filters::{FilterLayout, winograd_filters};
pub use winograd_gradient::{ColumnKind, winograd_columns, winograd_taps};
pub use winograd_signals::{SignalColumns, winograd_signals};
