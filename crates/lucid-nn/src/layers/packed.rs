//! A convolution's weight packed for inference, once for as long as it stays what it is.
//!
//! What is packed remembers the tensor that it was made from. Tensors are copied when one that shares its storage is
//! written, so as long as the weight still is that tensor, it holds those numbers, however it could have been changed.

use std::sync::{Arc, Mutex, PoisonError};

use lucid_autograd::{Element, Error, Var, is_recording};
use lucid_conv::{Fused, Options, Plan, PreparedWeight, Shapes};
use lucid_tensor::Tensor;

use crate::error::Result;

/// The packed forms of one weight.
#[derive(Debug)]
pub(crate) struct Packed<T: Element, const N: usize> {
    made: Mutex<Option<Made<T, N>>>,
}

#[derive(Debug)]
struct Made<T: Element, const N: usize> {
    weight: Tensor<T>,
    /// For plans that differ in algorithm, or in the padding that "same" comes to: the latest at the end.
    forms: Vec<Arc<PreparedWeight<T, N>>>,
}

/// Packed forms of one weight that are kept.
const KEPT: usize = 2;

impl<T: Element, const N: usize> Packed<T, N> {
    pub(crate) fn new() -> Self {
        Packed { made: Mutex::new(None) }
    }

    /// [`Var::convolve`]; where it would not be recorded, with the packed weight and to the same bits.
    pub(crate) fn convolve(
        &self,
        x: &Var<T>,
        w: &Var<T>,
        b: Option<&Var<T>>,
        options: &Options<N>,
    ) -> Result<Var<T>> {
        let needs_gradient = x.requires_grad() || w.requires_grad() || b.is_some_and(Var::requires_grad);
        if is_recording() && needs_gradient {
            // A weight that learns is another one soon.
            *self.made.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(x.convolve(w, b, options)?);
        }
        self.convolve_fused(x, w, b, options, &Fused::default())
    }

    /// `after(conv(before(x)) + skips)` with the packed weight, as a constant.
    pub(crate) fn convolve_fused(
        &self,
        x: &Var<T>,
        w: &Var<T>,
        b: Option<&Var<T>>,
        options: &Options<N>,
        fused: &Fused<'_, T>,
    ) -> Result<Var<T>> {
        let (x, w, b) = (x.value(), w.value(), b.map(Var::value));
        let plan = Plan::new(options.resolve(Shapes { x: x.shape(), w: w.shape() })?);
        let b = b.as_ref().map(|b| b.view().into_dimensionality()).transpose().map_err(|_| Error::Rank {
            what: "the bias",
            given: b.as_ref().map_or(Vec::new(), |b| b.shape().to_vec()),
            accepted: "one axis, the output channels",
        })?;
        let packed = self.form(&plan, w)?;
        Ok(Var::constant(plan.convolve_fused(x.view(), &packed, b, fused)?.into()))
    }

    /// The weight as a plan reads it.
    fn form(&self, plan: &Plan<N>, weight: Tensor<T>) -> Result<Arc<PreparedWeight<T, N>>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let Made { weight, forms } = match &mut *made {
            Some(known) if known.weight.is_same(&weight) => known,
            other => other.insert(Made { weight, forms: Vec::new() }),
        };
        if let Some(found) = forms.iter().find(|form| form.suits(plan)) {
            return Ok(Arc::clone(found));
        }
        let form = Arc::new(plan.prepare(weight.view())?);
        if forms.len() == KEPT {
            forms.remove(0);
        }
        forms.push(Arc::clone(&form));
        Ok(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(len: usize) -> Plan<1> {
        let shapes = Shapes { x: &[1, 16, len], w: &[16, 16, 4] };
        Plan::new(Options::conv_transpose().stride(2).resolve(shapes).expect("they fit"))
    }

    /// What is packed is the same one again, for other lengths too, until the weight is another.
    #[test]
    fn a_weight_is_packed_once() {
        let (packed, weight) = (Packed::<f32, 1>::new(), Tensor::ones([16, 16, 4]).unwrap());
        let first = packed.form(&plan(80), weight.clone()).unwrap();
        assert!(Arc::ptr_eq(&first, &packed.form(&plan(80), weight.clone()).unwrap()));
        assert!(Arc::ptr_eq(&first, &packed.form(&plan(90), weight.clone()).unwrap()));
        let equal = Tensor::ones([16, 16, 4]).unwrap();
        assert!(!Arc::ptr_eq(&first, &packed.form(&plan(80), equal).unwrap()));
    }
}
