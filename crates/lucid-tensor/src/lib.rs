//! n-dimensional tensors as plain values: shared storage, broadcasting, reductions and matrix products,
//! without gradients.
//!
//! A [`Tensor<T>`] is a shape and a reference to storage that clones share and that is copied when one of
//! them is written to. It wraps [`ndarray`], so arrays move in ([`From`]) and out ([`Tensor::into_array`],
//! [`Tensor::view`]) without being copied.
//!
//! Three conventions hold everywhere:
//!
//! - A caller's mistake is an [`Error`] that says what was given and what would be accepted; nothing panics.
//!   Arithmetic between two tensors therefore returns a [`Result`]; between a tensor and a number it cannot
//!   fail and returns the tensor.
//! - Results are bitwise the same for any number of threads: work is split by the shape of the output, and a
//!   sum always follows the same tree. Element-wise operations on fewer than 65536 elements, and matrix
//!   products of fewer than 262144 multiplications, stay on the calling thread; larger ones use the current
//!   `rayon` pool.
//! - Arithmetic writes its result in row-major order. Only [`Tensor::permute`], [`Tensor::transpose`] and
//!   [`Tensor::slice`] make tensors of another layout, because they share the storage of their input.
//!
//! ```
//! use lucid_tensor::{Tensor, tensor};
//!
//! let x = tensor!([[1.0, 2.0], [3.0, 4.0]]);
//! let bias = tensor!([10.0, 20.0]);
//! let y = (&x + &bias)? * 2.0;
//! assert_eq!(y.to_string(), "Tensor([[22.0, 44.0], [26.0, 48.0]])");
//! assert_eq!(y.sum(&[0], false)?, tensor!([48.0, 92.0]));
//! # Ok::<(), lucid_tensor::Error>(())
//! ```

mod arithmetic;
mod broadcast;
mod compare;
mod construct;
mod element;
mod error;
mod fold;
mod format;
mod gather;
mod index;
mod join;
mod layout;
mod literal;
mod map;
mod matmul;
mod memory;
mod operators;
mod pad;
mod random;
mod reduce;
mod shape;
mod slice;
mod tensor;
mod unary;
mod walk;
mod windows;

pub use element::{Element, Scalar};
pub use error::{Error, Result};
pub use pad::PadMode;
pub use shape::broadcast_shapes;
pub use slice::Slice;
pub use tensor::Tensor;
pub use windows::Windows;

// The example in the readme is compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
