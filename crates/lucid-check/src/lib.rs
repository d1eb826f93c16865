//! What lucid's other crates are judged by: slow, plain, and written without looking at them.
//!
//! - [`mod@reference`]: the convolutions in float64, as nested loops over the one equation of the design;
//! - [`Expected`]: such a result with a rigorous elementwise error bound for float32 and float64;
//! - [`Case`]: the conformance files (`.safetensors`) that PyTorch or anyone else wrote;
//! - [`differences`]: gradients by central differences, knowing nothing of a tape;
//! - `tape`, behind the feature of that name: gradients of both orders on the tape against those differences;
//! - [`golden`]: values that PyTorch computed for layers, losses and optimisers.
//!
//! The crate is a dev-dependency of the others and is never published. Only `tape` depends on one of
//! them, so an error of theirs cannot hide in the judge.
//!
//! ```
//! use lucid_check::{Expected, Problem};
//! use ndarray::array;
//!
//! // The transposed convolution of [1, 2, 3] with [1, 0.5]: x is coarse, y is fine.
//! let problem = Problem {
//!     stride: vec![1], dilation: vec![1], pad_before: vec![0], groups: 1, fine: vec![4], coarse: vec![3],
//! };
//! let (x, w) = (array![[[1.0, 2.0, 3.0]]].into_dyn(), array![[[1.0, 0.5]]].into_dyn());
//! let y = Expected::backward_data(&problem, x.view(), w.view());
//! y.compare("y", array![[[1.0_f32, 2.5, 4.0, 1.5]]].into_dyn().view())?;
//! # Ok::<(), lucid_check::Error>(())
//! ```

mod case;
mod case_file;
mod close;
pub mod differences;
mod error;
mod expected;
pub mod golden;
mod op;
pub mod reference;
#[cfg(feature = "tape")]
pub mod tape;

pub use case::{Case, Gradients, ReferenceResult};
pub use case_file::read_dir;
pub use close::{Mismatch, Precision, check_close, check_close_relative};
pub use error::Error;
pub use expected::Expected;
pub use op::{Dtype, Op};
pub use reference::Problem;
