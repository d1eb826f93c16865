//! Sums, means and maxima over axes.

use lucid_tensor::Tensor;

use crate::element::{Element, number};
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `dx = dy` repeated along the summed axes
struct Sum {
    /// The shape of `y` with the summed axes kept at length 1.
    kept: Vec<usize>,
    x_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(dy.reshape(&self.kept)?.broadcast_to(&self.x_shape)?)])
    }
}

/// `dx = dy` where `x` is the maximum, in equal parts where several are, as PyTorch's `amax`
struct Max<T> {
    kept: Vec<usize>,
    /// The part that each element has in its maximum.
    share: Tensor<T>,
}

impl<T: Element> Operation<T> for Max<T> {
    fn name(&self) -> &'static str {
        "max"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(dy.reshape(&self.kept)?.mul(&self.share.clone().into())?)])
    }
}

impl<T: Element> Var<T> {
    /// The sum over `axes`, which stay with length 1 if `keepdim`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for axes that do not exist or come twice.
    pub fn sum(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        let y = self.value().sum(axes, keepdim)?;
        Ok(record(y, &[self], || {
            let x_shape = self.shape();
            Box::new(Sum { kept: with_axes_kept(&x_shape, axes), x_shape })
        }))
    }

    /// The sum of all elements, of rank 0.
    pub fn sum_all(&self) -> Self {
        record(self.value().sum_all(), &[self], || {
            let x_shape = self.shape();
            Box::new(Sum { kept: vec![1; x_shape.len()], x_shape })
        })
    }

    /// The mean over `axes`, which stay with length 1 if `keepdim`; NaN where there is nothing to average.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for axes that do not exist or come twice.
    pub fn mean(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        let sum = self.sum(axes, keepdim)?;
        let shape = self.shape();
        let count: usize = axes.iter().map(|&axis| shape[axis]).product();
        Ok(sum / number::<T>(count as f64))
    }

    /// The mean of all elements, of rank 0.
    pub fn mean_all(&self) -> Self {
        self.sum_all() / number::<T>(self.len() as f64)
    }

    /// The largest element along `axes`, which stay with length 1 if `keepdim`; the gradient is shared equally by all
    /// that are largest.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for axes that do not exist, come twice or are empty.
    pub fn max(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        let x = self.value();
        let y = x.max(axes, keepdim)?;
        if !self.requires_grad() {
            return Ok(Var::constant(y));
        }
        let kept = with_axes_kept(x.shape(), axes);
        let largest = x.zip_map(&y.reshape(&kept)?, |x, y| if x == y { T::one() } else { T::zero() })?;
        let share = largest.div(&largest.sum(axes, true)?)?;
        Ok(record(y, &[self], || Box::new(Max { kept, share })))
    }

    /// The smallest element along `axes`, as [`max`](Self::max).
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for axes that do not exist, come twice or are empty.
    pub fn min(&self, axes: &[usize], keepdim: bool) -> Result<Self> {
        (-self).max(axes, keepdim).map(|largest| -largest)
    }
}

fn with_axes_kept(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    shape.iter().enumerate().map(|(axis, &len)| if axes.contains(&axis) { 1 } else { len }).collect()
}
