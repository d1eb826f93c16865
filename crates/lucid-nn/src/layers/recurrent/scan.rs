//! Layers of recurrent cells over time.
//!
//! What a cell makes of its input does not depend on the state, so it is one matrix product for all time steps of a layer;
//! only the product with the state is taken step by step.

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use super::config::{GateWeights, RecurrentConfig, check_weights};
use super::plain;
use crate::error::{Result, check};

/// A rule from one time step to the next.
pub(super) trait Cell {
    /// Blocks of rows in the weights.
    const NUM_GATES: usize;
    /// Numbers that are carried to the next step per number of the output. The output is the first of them.
    const NUM_CARRIED: usize;

    /// The values to carry on, `(batch, NUM_CARRIED * hidden_size)`, from those before and what the gates make of the
    /// input and of the hidden state, `(batch, NUM_GATES * hidden_size)`.
    fn step<T: Element>(input: &Var<T>, hidden: &Var<T>, carried: &Var<T>) -> Result<Var<T>>;

    /// The same for one row, on plain numbers and in place.
    fn advance<T: Element>(input: &[T], hidden: &[T], carried: &mut [T]);
}

/// The outputs of the last layer, and what all layers carry after the last step:
/// `(num_layers * num_directions, batch, NUM_CARRIED * hidden_size)`, without `batch` where `x` has none.
pub(super) fn run<C: Cell, T: Element>(
    config: &RecurrentConfig,
    weights: &[GateWeights<T>],
    x: &Var<T>,
    carried: Option<&Var<T>>,
) -> Result<(Var<T>, Var<T>)> {
    check_weights(config, weights, C::NUM_GATES)?;
    let is_batched = x.ndim() == 3;
    let mut y = time_first(config, x)?;
    let is_transposed = is_batched && config.batch_first;
    let batch = y.shape()[1];
    let num_carried = C::NUM_CARRIED * config.hidden_size;
    let carried = match carried {
        Some(carried) if is_batched => carried.clone(),
        Some(carried) => carried.unsqueeze(1)?,
        None => Var::constant(Tensor::zeros([weights.len(), batch, num_carried])?),
    };

    let mut ends = Vec::new();
    for (layer, weights) in weights.chunks(config.num_directions()).enumerate() {
        let mut outputs = Vec::new();
        for (direction, weights) in weights.iter().enumerate() {
            let place = layer * config.num_directions() + direction;
            let start = carried.slice(0, place..place + 1)?.squeeze(0)?;
            let (output, end) = scan::<C, T>(config, weights, &y, start, direction == 1)?;
            outputs.push(output);
            ends.push(end);
        }
        y = match outputs.as_slice() {
            [output] => output.clone(),
            outputs => Var::concatenate(&outputs.iter().collect::<Vec<_>>(), 2)?,
        };
    }
    let ends = Var::stack(&ends.iter().collect::<Vec<_>>(), 0)?;
    if !is_batched {
        return Ok((y.squeeze(1)?, ends.squeeze(1)?));
    }
    Ok((if is_transposed { y.transpose(0, 1)? } else { y }, ends))
}

/// `x` as `(time, batch, input_size)`.
fn time_first<T: Element>(config: &RecurrentConfig, x: &Var<T>) -> Result<Var<T>> {
    let shape = x.shape();
    let (&[.., given], 2 | 3) = (shape.as_slice(), shape.len()) else {
        let accepted = "2: (time, input_size), or 3: (time, batch, input_size), or (batch, time, input_size) with batch_first";
        return Err(lucid_autograd::Error::Rank { what: "the input", given: shape, accepted }.into());
    };
    if given != config.input_size {
        let mut expected = shape.clone();
        expected[shape.len() - 1] = config.input_size;
        return Err(lucid_autograd::Error::Shape { what: "the input", given: shape, expected }.into());
    }
    let x = match shape.len() {
        2 => x.unsqueeze(1)?,
        _ if config.batch_first => x.transpose(0, 1)?,
        _ => x.clone(),
    };
    check(x.shape()[0] > 0, "the input's number of time steps", 0, "at least 1")?;
    Ok(x)
}

/// One layer in one direction over `x`, `(time, batch, features)`: all outputs, and what is carried after the last step.
fn scan<C: Cell, T: Element>(
    config: &RecurrentConfig,
    weights: &GateWeights<T>,
    x: &Var<T>,
    mut carried: Var<T>,
    is_reversed: bool,
) -> Result<(Var<T>, Var<T>)> {
    let (mut shape, hidden_size) = (x.shape(), config.hidden_size);
    let (num_rows, num_features) = (shape[0] * shape[1], shape[2]);
    shape[2] = C::NUM_GATES * hidden_size;
    let rows = x.reshape([num_rows, num_features])?;
    let inputs =
        product(&rows, &weights.weight_ih.transpose(0, 1)?, weights.bias_ih.as_ref())?.reshape(&shape)?;
    if plain::suits::<C, T>(weights, &inputs, &carried) {
        let (y, end) = plain::scan::<C, T>(weights, &inputs.value(), &carried.value(), is_reversed)?;
        return Ok((Var::constant(y), Var::constant(end)));
    }
    let mut inputs = unstack(&inputs)?;
    if is_reversed {
        inputs.reverse();
    }
    let weight_hh = weights.weight_hh.transpose(0, 1)?;
    let output = |carried: &Var<T>| match C::NUM_CARRIED {
        1 => Ok(carried.clone()),
        _ => carried.slice(1, 0..hidden_size),
    };
    let mut outputs = vec![output(&carried)?];
    for input in inputs {
        let hidden = product(&outputs[outputs.len() - 1], &weight_hh, weights.bias_hh.as_ref())?;
        carried = C::step(&input, &hidden, &carried)?;
        outputs.push(output(&carried)?);
    }
    // The first is what was before the first step.
    let mut outputs: Vec<&Var<T>> = outputs.iter().skip(1).collect();
    if is_reversed {
        outputs.reverse();
    }
    Ok((Var::stack(&outputs, 0)?, carried))
}

fn product<T: Element>(x: &Var<T>, w: &Var<T>, b: Option<&Var<T>>) -> Result<Var<T>> {
    let y = x.matmul(w)?;
    Ok(match b {
        Some(b) => y.add(b)?,
        None => y,
    })
}

/// The parts of `x` along its first axis. Halves of halves: the gradient of a part is as long as what it was cut from, so
/// cutting all parts from the whole would take a time that grows with the square of their number.
fn unstack<T: Element>(x: &Var<T>) -> Result<Vec<Var<T>>> {
    let len = x.shape()[0];
    if len == 1 {
        return Ok(vec![x.squeeze(0)?]);
    }
    let mut parts = unstack(&x.slice(0, 0..len / 2)?)?;
    parts.extend(unstack(&x.slice(0, len / 2..len)?)?);
    Ok(parts)
}
