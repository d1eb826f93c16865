//! Taking elements out along an axis, and putting them back.

use lucid_tensor::Slice;

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `slice`: `dx = unslice(dy)`; `unslice`: `dx = slice(dy)`
struct Sliced {
    axis: usize,
    slice: Slice,
    /// The length of the axis that `slice` is a part of, in `slice`; `None` in `unslice`.
    len: Option<usize>,
}

impl<T: Element> Operation<T> for Sliced {
    fn name(&self) -> &'static str {
        if self.len.is_some() { "slice" } else { "unslice" }
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(match self.len {
            Some(len) => dy.unslice(self.axis, self.slice, len)?,
            None => dy.slice(self.axis, self.slice)?,
        })])
    }
}

/// `index_select`: `dx = index_add(dy)`; `index_add`: `dx = index_select(dy)`
struct Indexed {
    axis: usize,
    indices: Vec<usize>,
    /// The length of the axis that is selected from, in `index_select`; `None` in `index_add`.
    len: Option<usize>,
}

impl<T: Element> Operation<T> for Indexed {
    fn name(&self) -> &'static str {
        if self.len.is_some() { "index_select" } else { "index_add" }
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(match self.len {
            Some(len) => dy.index_add(self.axis, &self.indices, len)?,
            None => dy.index_select(self.axis, &self.indices)?,
        })])
    }
}

impl<T: Element> Var<T> {
    /// Part of an axis: `start..end`, or with a step.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when the slice does not lie within the axis.
    pub fn slice(&self, axis: usize, slice: impl Into<Slice>) -> Result<Self> {
        let slice = slice.into();
        let x = self.value();
        let y = x.slice(axis, slice)?;
        Ok(record(y, &[self], || Box::new(Sliced { axis, slice, len: Some(x.shape()[axis]) })))
    }

    /// Zeros of length `len` along `axis`, with this put at `slice`: the adjoint of [`slice`](Self::slice).
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) when the slice does not lie within `len` or has another length than this.
    pub fn unslice(&self, axis: usize, slice: impl Into<Slice>, len: usize) -> Result<Self> {
        let slice = slice.into();
        let y = self.value().unslice(axis, slice, len)?;
        Ok(record(y, &[self], || Box::new(Sliced { axis, slice, len: None })))
    }

    /// The entries `indices` of an axis, in that order; an index may come more than once.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an index outside the axis.
    pub fn index_select(&self, axis: usize, indices: &[usize]) -> Result<Self> {
        let x = self.value();
        let y = x.index_select(axis, indices)?;
        Ok(record(y, &[self], || {
            Box::new(Indexed { axis, indices: indices.to_vec(), len: Some(x.shape()[axis]) })
        }))
    }

    /// Zeros of length `len` along `axis`, with entry `i` of this added at `indices[i]`: the adjoint of
    /// [`index_select`](Self::index_select).
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an index outside `len`, or another number of indices than entries.
    pub fn index_add(&self, axis: usize, indices: &[usize], len: usize) -> Result<Self> {
        let y = self.value().index_add(axis, indices, len)?;
        Ok(record(y, &[self], || Box::new(Indexed { axis, indices: indices.to_vec(), len: None })))
    }
}
