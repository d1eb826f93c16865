//! The gated recurrent unit.

use lucid_autograd::{Element, Links, Operation, Var, record};
use lucid_tensor::Tensor;
use rand::Rng;

use super::config::{self, GateWeights, RecurrentConfig};
use super::gates::{derivative_of_sigmoid, derivative_of_tanh, gate, sigmoid};
use super::scan::{Cell, run};
use super::state_shape;
use crate::error::Result;
use crate::layers::check_parameter;
use crate::module::Forward;
use crate::{Module, Path};

/// Gated recurrent units (Cho et al. 2014, in PyTorch's form), one or more layers in one direction or both: with the rows
/// of the weights in the order r, z, n,
///
/// ```text
/// r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
/// n = tanh(W_in x + b_in + r * (W_hn h + b_hn))     h <- (1 - z) * n + z * h
/// ```
///
/// Its parameters are `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, the same with `_reverse` at the end for
/// the other direction, and with `l1`, ... for more layers. PyTorch's dropout between layers is left out.
///
/// # Shapes
/// `x` is `(time, batch, input_size)`, or `(batch, time, input_size)` with `batch_first`, or unbatched
/// `(time, input_size)`. The output is alike with `hidden_size` in place of `input_size`, twice that in both directions
/// (first forwards, then backwards). The state is `(num_layers * directions, batch, hidden_size)`, without `batch` where
/// `x` has none.
///
/// Frame by frame, the state is handed from call to call:
///
/// ```
/// use lucid_nn::{Gru, RecurrentConfig, Tensor, Var};
/// use lucid_autograd::no_grad;
///
/// let gru = Gru::<f32>::new(RecurrentConfig::new(4, 8), &mut rand::rng())?;
/// let (frame, mut state) = (Var::constant(Tensor::ones([1, 4])?), None);
/// for _ in 0..3 {
///     let (y, next) = no_grad(|| gru.forward_with_state(&frame, state.as_ref()))?;
///     assert_eq!((y.shape(), next.shape()), (vec![1, 8], vec![1, 8]));
///     state = Some(next);
/// }
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Gru<T: Element = f32> {
    config: RecurrentConfig,
    /// The parameters of the first layer, of its other direction, of the second layer, ...
    pub weights: Vec<GateWeights<T>>,
}

impl<T: Element> Gru<T> {
    /// Layers with initial values drawn from `rng`: uniform in +-1/sqrt(hidden_size).
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a size of 0.
    pub fn new(config: RecurrentConfig, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        let weights = config::draw(&config, GruCell::NUM_GATES, rng)?;
        Ok(Gru { config, weights })
    }

    /// What the layers were made from.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// The outputs of the last layer, and the state after the last step; it starts from `state`, or from zeros.
    ///
    /// # Errors
    /// For an input or a state of another shape than above, and for an input without time steps.
    pub fn forward_with_state(&self, x: &Var<T>, state: Option<&Var<T>>) -> Result<(Var<T>, Var<T>)> {
        if let Some(state) = state {
            check_parameter("the state", state, &state_shape(&self.config, x))?;
        }
        run::<GruCell, T>(&self.config, &self.weights, x, state)
    }
}

/// The outputs, from a state of zeros.
impl<T: Element> Forward<T> for Gru<T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        Ok(self.forward_with_state(x, None)?.0)
    }
}

impl<T: Element> Module<T> for Gru<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        config::visit(&self.config, &self.weights, path, visit);
    }

    fn set_training(&mut self, _: bool) {}
}

struct GruCell;

impl Cell for GruCell {
    const NUM_GATES: usize = 3;
    const NUM_CARRIED: usize = 1;

    fn step<T: Element>(input: &Var<T>, hidden: &Var<T>, h: &Var<T>) -> Result<Var<T>> {
        let step = GruStep { input: input.value(), hidden: hidden.value(), h: h.value() };
        let y = step.value()?;
        Ok(record(y, &[input, hidden, h], || Box::new(step)))
    }

    fn advance<T: Element>(i: &[T], j: &[T], h: &mut [T]) {
        let size = h.len();
        for (at, h) in h.iter_mut().enumerate() {
            let r = sigmoid(i[at] + j[at]);
            let z = sigmoid(i[size + at] + j[size + at]);
            let n = (i[2 * size + at] + r * j[2 * size + at]).tanh();
            *h = n + z * (*h - n);
        }
    }
}

/// The part of a step behind the products, as one operation: a frame makes one tensor instead of twelve. With `i` and
/// `j` the input's and the hidden state's part of a gate,
///
/// ```text
/// r = sigmoid(i_r + j_r)    z = sigmoid(i_z + j_z)    n = tanh(i_n + r j_n)    y = n + z (h - n)
/// dh = z dy    di_z = dj_z = (h - n) z (1 - z) dy    di_n = (1 - z) (1 - n^2) dy    dj_n = r di_n
/// di_r = dj_r = j_n r (1 - r) di_n
/// ```
struct GruStep<T> {
    input: Tensor<T>,
    hidden: Tensor<T>,
    h: Tensor<T>,
}

impl<T: Element> GruStep<T> {
    fn value(&self) -> Result<Tensor<T>> {
        let (input, hidden, mut y) = (self.input.to_vec(), self.hidden.to_vec(), self.h.to_vec());
        let size = self.h.shape()[1];
        let gates = input.chunks_exact(3 * size).zip(hidden.chunks_exact(3 * size));
        for ((i, j), h) in gates.zip(y.chunks_exact_mut(size)) {
            GruCell::advance(i, j, h);
        }
        Ok(Tensor::from_vec(self.h.shape(), y)?)
    }
}

impl<T: Element> Operation<T> for GruStep<T> {
    fn name(&self) -> &'static str {
        "gru_step"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> lucid_autograd::Result<Vec<Option<Var<T>>>> {
        let (i, j) = (links.input(0, &self.input), links.input(1, &self.hidden));
        let h = links.input(2, &self.h);
        let size = self.h.shape()[1];
        let r = (&gate(&i, 0, size)? + &gate(&j, 0, size)?)?.sigmoid();
        let z = (&gate(&i, 1, size)? + &gate(&j, 1, size)?)?.sigmoid();
        let j_n = gate(&j, 2, size)?;
        let n = (&gate(&i, 2, size)? + &(&r * &j_n)?)?.tanh();

        let dh = (&z * dy)?;
        let dz = (&(&(&h - &n)? * dy)? * &derivative_of_sigmoid(&z)?)?;
        let di_n = (&(dy - &dh)? * &derivative_of_tanh(&n)?)?;
        let dj_n = (&r * &di_n)?;
        let dr = (&(&j_n * &di_n)? * &derivative_of_sigmoid(&r)?)?;
        let di = Var::concatenate(&[&dr, &dz, &di_n], 1)?;
        let dj = Var::concatenate(&[&dr, &dz, &dj_n], 1)?;
        Ok(vec![Some(di), Some(dj), Some(dh)])
    }
}
