//! Rearranging and repeating elements. Each of these is linear; its gradient is the adjoint.

use std::ops::RangeInclusive;

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `dx = dy` in the shape of `x`
struct Reshape {
    x_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(dy.reshape(&self.x_shape)?)])
    }
}

/// `dx = dy` with the axes in the inverse order
struct Permute {
    inverse: Vec<usize>,
}

impl<T: Element> Operation<T> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(dy.permute(&self.inverse)?)])
    }
}

/// `dx = ` the sum of `dy` over the axes that `x` was repeated along
struct BroadcastTo {
    x_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(dy.sum_to(&self.x_shape)?)])
    }
}

/// `dx = dy` repeated along the axes that were summed
struct SumTo {
    x_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for SumTo {
    fn name(&self) -> &'static str {
        "sum_to"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(dy.broadcast_to(&self.x_shape)?)])
    }
}

impl<T: Element> Var<T> {
    /// The same elements, in row-major order, in another shape.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when the number of elements differs.
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        let y = self.value().reshape(shape)?;
        Ok(record(y, &[self], || Box::new(Reshape { x_shape: self.shape() })))
    }

    /// The axes in another order: axis `i` of the result is axis `axes[i]` of this.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when `axes` is not a permutation.
    pub fn permute(&self, axes: impl AsRef<[usize]>) -> Result<Self> {
        let axes = axes.as_ref();
        let y = self.value().permute(axes)?;
        Ok(record(y, &[self], || {
            let mut inverse = vec![0; axes.len()];
            for (to, &from) in axes.iter().enumerate() {
                inverse[from] = to;
            }
            Box::new(Permute { inverse })
        }))
    }

    /// Two axes swapped.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an axis that does not exist.
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self> {
        let mut axes: Vec<usize> = (0..self.ndim()).collect();
        if a.max(b) < axes.len() {
            axes.swap(a, b);
            self.permute(axes)
        } else {
            Ok(Var::constant(self.value().transpose(a, b)?))
        }
    }

    /// Several neighbouring axes as one.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for axes that do not exist.
    pub fn flatten(&self, axes: RangeInclusive<usize>) -> Result<Self> {
        let y = self.value().flatten(axes)?;
        Ok(record(y, &[self], || Box::new(Reshape { x_shape: self.shape() })))
    }

    /// Without an axis of length 1.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when the axis does not exist or has another length.
    pub fn squeeze(&self, axis: usize) -> Result<Self> {
        let y = self.value().squeeze(axis)?;
        Ok(record(y, &[self], || Box::new(Reshape { x_shape: self.shape() })))
    }

    /// With another axis, of length 1, at `axis`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when `axis` is above the number of axes.
    pub fn unsqueeze(&self, axis: usize) -> Result<Self> {
        let y = self.value().unsqueeze(axis)?;
        Ok(record(y, &[self], || Box::new(Reshape { x_shape: self.shape() })))
    }

    /// Repeated along axes of length 1, and along new leading axes, to `shape`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when this shape does not broadcast to `shape`.
    pub fn broadcast_to(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        if self.shape() == shape.as_ref() {
            return Ok(self.clone());
        }
        let y = self.value().broadcast_to(shape)?;
        Ok(record(y, &[self], || Box::new(BroadcastTo { x_shape: self.shape() })))
    }

    /// Summed over the axes along which `shape` would be repeated to give this shape: the adjoint of
    /// [`broadcast_to`](Self::broadcast_to).
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when `shape` does not broadcast to this shape.
    pub fn sum_to(&self, shape: impl AsRef<[usize]>) -> Result<Self> {
        if self.shape() == shape.as_ref() {
            return Ok(self.clone());
        }
        let y = self.value().sum_to(shape)?;
        Ok(record(y, &[self], || Box::new(SumTo { x_shape: self.shape() })))
    }
}
