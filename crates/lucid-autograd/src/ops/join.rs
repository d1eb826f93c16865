//! Putting values side by side, and around them.

use lucid_tensor::{PadMode, Tensor};

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `dx[i] = ` the part of `dy` where `x[i]` was put
struct Concatenate {
    axis: usize,
    lens: Vec<usize>,
}

impl<T: Element> Operation<T> for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let mut start = 0;
        let parts = self.lens.iter().enumerate().map(|(index, &len)| {
            let part = start..start + len;
            start += len;
            links.needs(index).then(|| dy.slice(self.axis, part)).transpose()
        });
        parts.collect()
    }
}

/// `dx = ` the part of `dy` within the padding
struct PadConstant {
    padding: Vec<(usize, usize)>,
    x_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for PadConstant {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let mut dx = dy.clone();
        for (axis, (&(before, after), &len)) in self.padding.iter().zip(&self.x_shape).enumerate() {
            if before + after > 0 {
                dx = dx.slice(axis, before..before + len)?;
            }
        }
        Ok(vec![Some(dx)])
    }
}

impl<T: Element> Var<T> {
    /// Values one after the other along an existing axis.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an empty list, or shapes that differ along another axis.
    pub fn concatenate(parts: &[&Self], axis: usize) -> Result<Self> {
        let values: Vec<Tensor<T>> = parts.iter().map(|part| part.value()).collect();
        let y = Tensor::concatenate(&values.iter().collect::<Vec<_>>(), axis)?;
        Ok(record(y, parts, || {
            Box::new(Concatenate { axis, lens: values.iter().map(|value| value.shape()[axis]).collect() })
        }))
    }

    /// Values of one shape along a new axis.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for an empty list, or shapes that differ.
    pub fn stack(parts: &[&Self], axis: usize) -> Result<Self> {
        let values: Vec<Tensor<T>> = parts.iter().map(|part| part.value()).collect();
        // Checks the shapes with the right message, which concatenating could not.
        let y = Tensor::stack(&values.iter().collect::<Vec<_>>(), axis)?;
        if !parts.iter().any(|part| part.requires_grad()) {
            return Ok(Var::constant(y));
        }
        let parts: Vec<Self> = parts.iter().map(|part| part.unsqueeze(axis)).collect::<Result<_>>()?;
        Var::concatenate(&parts.iter().collect::<Vec<_>>(), axis)
    }

    /// Lengthened by `(before, after)` positions on each axis.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for another number of pairs than axes, or a padding that the mode can't give.
    pub fn pad(&self, padding: &[(usize, usize)], mode: PadMode<T>) -> Result<Self> {
        let y = self.value().pad(padding, mode)?;
        if let PadMode::Constant(_) = mode {
            let (padding, x_shape) = (padding.to_vec(), self.shape());
            return Ok(record(y, &[self], || Box::new(PadConstant { padding, x_shape })));
        }
        // Every other mode repeats elements, so it is a choice of indices per axis.
        let mut padded = self.clone();
        for (axis, &(before, after)) in padding.iter().enumerate() {
            if before + after > 0 {
                let sources = mode.source_indices(self.shape()[axis], before, after)?;
                padded = padded.index_select(axis, &sources)?;
            }
        }
        Ok(padded)
    }
}
