//! Matrix products, batched with broadcasting.

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `y = a b`: `da = dy b^T`, `db = a^T dy`, each summed over the batch axes that it was repeated along
struct Matmul<T> {
    a: Tensor<T>,
    b: Tensor<T>,
}

impl<T: Element> Operation<T> for Matmul<T> {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (mut da, mut db) = (None, None);
        if links.needs(0) {
            da = Some(dy.matmul(&links.input(1, &self.b).swap_last_two()?)?.sum_to(self.a.shape())?);
        }
        if links.needs(1) {
            db = Some(links.input(0, &self.a).swap_last_two()?.matmul(dy)?.sum_to(self.b.shape())?);
        }
        Ok(vec![da, db])
    }
}

impl<T: Element> Var<T> {
    /// The matrix product over the last two axes, with broadcasting of the axes before them; a vector on either side
    /// counts as a matrix of one row or column, as in `torch.matmul`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't fit.
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let y = self.value().matmul(&other.value())?;
        match (self.ndim(), other.ndim()) {
            (1, 1) => (self * other).map(|products| products.sum_all()),
            (1, _) => {
                let product = self.unsqueeze(0)?.matmul(other)?;
                product.squeeze(product.ndim() - 2)
            }
            (_, 1) => {
                let product = self.matmul(&other.unsqueeze(1)?)?;
                product.squeeze(product.ndim() - 1)
            }
            _ => Ok(record(y, &[self, other], || Box::new(Matmul { a: self.value(), b: other.value() }))),
        }
    }

    fn swap_last_two(&self) -> Result<Self> {
        self.transpose(self.ndim() - 2, self.ndim() - 1)
    }
}
