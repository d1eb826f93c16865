//! The differentiable operations, each with its forward computation and its gradient side by side.

mod activation;
mod arithmetic;
mod convolution;
mod elementwise;
mod indexing;
mod join;
mod matmul;
mod normalize;
mod operators;
mod parametric;
mod reduction;
mod selection;
mod shape;
mod softmax;
mod unary;
mod windows;

pub use normalize::Normalized;
