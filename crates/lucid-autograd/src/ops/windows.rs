//! Sums and maxima over windows along an axis: what pooling and interpolation are made of.

use lucid_tensor::{Tensor, Windows};

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `window_sum`: `dx = window_spread(dy)`; `window_spread`: `dx = window_sum(dy)`
struct Windowed<T> {
    axis: usize,
    windows: Windows<T>,
    is_sum: bool,
}

impl<T: Element> Operation<T> for Windowed<T> {
    fn name(&self) -> &'static str {
        if self.is_sum { "window_sum" } else { "window_spread" }
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(match self.is_sum {
            true => dy.window_spread(self.axis, &self.windows)?,
            false => dy.window_sum(self.axis, &self.windows)?,
        })])
    }
}

/// `gather`: `dx = scatter_add(dy)`; `scatter_add`: `dx = gather(dy)`
struct Gathered {
    axis: usize,
    indices: Tensor<usize>,
    /// The length of the axis that is gathered from, in `gather`; `None` in `scatter_add`.
    len: Option<usize>,
}

impl<T: Element> Operation<T> for Gathered {
    fn name(&self) -> &'static str {
        if self.len.is_some() { "gather" } else { "scatter_add" }
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(match self.len {
            Some(len) => dy.scatter_add(self.axis, &self.indices, len)?,
            None => dy.gather(self.axis, &self.indices)?,
        })])
    }
}

impl<T: Element> Var<T> {
    /// The weighted sums over `windows` along an axis.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an axis that does not exist or has another length than the windows are
    /// for.
    pub fn window_sum(&self, axis: usize, windows: &Windows<T>) -> Result<Self> {
        let y = self.value().window_sum(axis, windows)?;
        Ok(record(y, &[self], || Box::new(Windowed { axis, windows: windows.clone(), is_sum: true })))
    }

    /// Every element of the axis spread over the positions of its window: the adjoint of
    /// [`window_sum`](Self::window_sum).
    ///
    /// # Errors
    /// As `window_sum`.
    pub fn window_spread(&self, axis: usize, windows: &Windows<T>) -> Result<Self> {
        let y = self.value().window_spread(axis, windows)?;
        Ok(record(y, &[self], || Box::new(Windowed { axis, windows: windows.clone(), is_sum: false })))
    }

    /// The largest element of each window of an axis, a window being the positions that it reads. The gradient goes to
    /// the first of several that are largest, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an axis that does not exist, a window that reads nothing, or a position
    /// outside the axis.
    pub fn window_max(&self, axis: usize, windows: &[Vec<usize>]) -> Result<Self> {
        self.gather(axis, &self.value().window_argmax(axis, windows)?)
    }

    /// The elements at `indices` along an axis, one index per element of the result, as `torch.gather`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an index outside the axis, or indices of another shape beside it.
    pub fn gather(&self, axis: usize, indices: &Tensor<usize>) -> Result<Self> {
        let x = self.value();
        let y = x.gather(axis, indices)?;
        Ok(record(y, &[self], || {
            Box::new(Gathered { axis, indices: indices.clone(), len: Some(x.shape()[axis]) })
        }))
    }

    /// Zeros of length `len` along an axis, with every element added at its index: the adjoint of
    /// [`gather`](Self::gather).
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an index outside `len`, or indices of another shape.
    pub fn scatter_add(&self, axis: usize, indices: &Tensor<usize>, len: usize) -> Result<Self> {
        let y = self.value().scatter_add(axis, indices, len)?;
        Ok(record(y, &[self], || Box::new(Gathered { axis, indices: indices.clone(), len: None })))
    }
}
