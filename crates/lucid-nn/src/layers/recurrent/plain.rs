//! The walk over time on plain numbers, where nothing is recorded and a step has few products: as tensors, most of a step
//! would be their making.

use lucid_autograd::{Element, Var, is_recording};
use lucid_tensor::Tensor;

use super::config::GateWeights;
use super::scan::Cell;
use crate::error::Result;

/// Products per step up to which a loop over them is faster than a matrix product with its packing.
const FEW: usize = 1 << 14;

/// Whether the walk over inputs `(time, batch, ..)` may be this one.
pub(super) fn suits<C: Cell, T: Element>(
    weights: &GateWeights<T>,
    inputs: &Var<T>,
    carried: &Var<T>,
) -> bool {
    let GateWeights { weight_hh, bias_hh, .. } = weights;
    let needs_gradient = [inputs, carried, weight_hh].into_iter().chain(bias_hh).any(Var::requires_grad);
    // The weight is in memory, so its number of elements is in range; a batch may be of no numbers and of any length.
    let num_products = weight_hh.len().saturating_mul(inputs.shape()[1]);
    !(is_recording() && needs_gradient) && num_products <= FEW
}

/// The outputs, `(time, batch, hidden_size)`, and what is carried after the last step, from what the gates make of the
/// inputs, `(time, batch, gates * hidden_size)`.
pub(super) fn scan<C: Cell, T: Element>(
    weights: &GateWeights<T>,
    inputs: &Tensor<T>,
    carried: &Tensor<T>,
    is_reversed: bool,
) -> Result<(Tensor<T>, Tensor<T>)> {
    let &[num_steps, batch, width] = inputs.shape() else { unreachable!("inputs have three axes") };
    let size = width / C::NUM_GATES;
    // By columns: a product with a vector is then a sum of rows, which runs along memory.
    let weight_hh = columns(&weights.weight_hh.value().to_vec(), size);
    let bias_hh = match &weights.bias_hh {
        Some(bias) => bias.value().to_vec(),
        None => vec![T::zero(); width],
    };
    let (inputs, mut state) = (inputs.to_vec(), carried.to_vec());
    let mut outputs = vec![T::zero(); num_steps * batch * size];
    let mut hidden = bias_hh.clone();
    for step in 0..num_steps {
        let time = if is_reversed { num_steps - 1 - step } else { step };
        for (row, carried) in state.chunks_exact_mut(C::NUM_CARRIED * size).enumerate() {
            hidden.copy_from_slice(&bias_hh);
            for (&h, weights) in carried[..size].iter().zip(weight_hh.chunks_exact(width)) {
                hidden.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += h * weight);
            }
            let at = time * batch + row;
            C::advance(&inputs[at * width..][..width], &hidden, carried);
            outputs[at * size..][..size].copy_from_slice(&carried[..size]);
        }
    }
    Ok((Tensor::from_vec([num_steps, batch, size], outputs)?, Tensor::from_vec(carried.shape(), state)?))
}

/// The elements of rows of `len`, column by column.
fn columns<T: Element>(rows: &[T], len: usize) -> Vec<T> {
    (0..len).flat_map(|column| rows.iter().skip(column).step_by(len).copied()).collect()
}
