//! From feature maps to vectors.

use lucid_autograd::{Element, Var};
use serde::{Deserialize, Serialize};

use super::no_parameters;
use crate::error::Result;
use crate::module::Forward;

/// All axes from `start_axis` on as one; by default all but the batch.
///
/// ```
/// use lucid_nn::{Flatten, Forward, Tensor, Var};
///
/// let y = Flatten::default().forward(&Var::<f32>::constant(Tensor::zeros([2, 3, 4])?))?;
/// assert_eq!(y.shape(), [2, 12]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flatten {
    /// The first axis to be merged with those after it.
    pub start_axis: usize,
}

impl Default for Flatten {
    fn default() -> Self {
        Flatten { start_axis: 1 }
    }
}

no_parameters!(Flatten);

impl<T: Element> Forward<T> for Flatten {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        // One axis is flat already; with none, the operation says what it would take.
        let last = x.ndim().saturating_sub(1).max(self.start_axis);
        Ok(x.flatten(self.start_axis..=last)?)
    }
}
