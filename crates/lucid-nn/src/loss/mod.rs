//! Losses: how far a prediction is from its target, as one differentiable number.
//!
//! All are PyTorch's functions of the same names, written in differentiable operations, so that they can be
//! differentiated twice; none overflows for large logits. A prediction and its target must have the same shape: a
//! silently broadcast target is a common mistake that still trains.

mod classification;
mod regression;

use lucid_autograd::{Element, Var};
use serde::{Deserialize, Serialize};

use crate::error::Result;

pub use classification::{BceOptions, CrossEntropyOptions, bce_with_logits, cross_entropy};
pub use regression::{huber, l1, mse, smooth_l1};

/// What becomes of the losses of the single elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their mean, of rank 0; NaN where there are none.
    #[default]
    Mean,
    /// Their sum, of rank 0.
    Sum,
    /// They are the result.
    None,
}

impl Reduction {
    fn apply<T: Element>(self, losses: Var<T>) -> Var<T> {
        match self {
            Reduction::Mean => losses.mean_all(),
            Reduction::Sum => losses.sum_all(),
            Reduction::None => losses,
        }
    }
}

fn check_same_shape(expected: &[usize], given: &[usize]) -> Result<()> {
    if given == expected {
        return Ok(());
    }
    let (given, expected) = (given.to_vec(), expected.to_vec());
    Err(lucid_autograd::Error::Shape { what: "the target", given, expected }.into())
}
