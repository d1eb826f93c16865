//! Softmax and its logarithm along an axis, shifted by the maximum so that no exponential overflows.

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `dx = y (dy - sum(dy y))`
struct Softmax<T> {
    axis: usize,
    y: Tensor<T>,
}

impl<T: Element> Operation<T> for Softmax<T> {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let y = links.output(&self.y);
        let total = (dy * &y)?.sum(&[self.axis], true)?;
        Ok(vec![Some((&y * &(dy - &total)?)?)])
    }
}

/// `dx = dy - e^y sum(dy)`
struct LogSoftmax<T> {
    axis: usize,
    y: Tensor<T>,
}

impl<T: Element> Operation<T> for LogSoftmax<T> {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let probability = links.output(&self.y).exp();
        let total = dy.sum(&[self.axis], true)?;
        Ok(vec![Some((dy - &(&probability * &total)?)?)])
    }
}

impl<T: Element> Var<T> {
    /// `e^x / sum(e^x)` along `axis`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an axis that does not exist or is empty.
    pub fn softmax(&self, axis: usize) -> Result<Self> {
        let x = self.value();
        let e = x.sub(&x.max(&[axis], true)?)?.exp();
        let y = e.div(&e.sum(&[axis], true)?)?;
        Ok(record(y.clone(), &[self], || Box::new(Softmax { axis, y })))
    }

    /// `x - ln(sum(e^x))` along `axis`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an axis that does not exist or is empty.
    pub fn log_softmax(&self, axis: usize) -> Result<Self> {
        let x = self.value();
        let shifted = x.sub(&x.max(&[axis], true)?)?;
        let y = shifted.sub(&shifted.exp().sum(&[axis], true)?.ln())?;
        Ok(record(y.clone(), &[self], || Box::new(LogSoftmax { axis, y })))
    }
}
