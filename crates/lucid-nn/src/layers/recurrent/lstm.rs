//! Long short-term memory.

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

/// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), one or more layers
/// in one direction or both: with the rows of the weights in the order i, f, g, o,
///
/// ```text
/// i, f, o = sigmoid(W_i x + b_i + W_h h + b_h)      g = tanh(W_i x + b_i + W_h h + b_h)
/// c <- f * c + i * g                                h <- o * tanh(c)
/// ```
///
/// Its parameters have the names of [`Gru`](crate::Gru)'s; PyTorch's dropout between layers and its projection
/// (`proj_size`) are left out.
///
/// # Shapes
/// As [`Gru`](crate::Gru); `h` and `c` of the state each have the shape of its state.
///
/// ```
/// use lucid_nn::{Lstm, RecurrentConfig, Tensor, Var};
///
/// let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::new(4, 8) };
/// let lstm = Lstm::<f32>::new(config, &mut rand::rng())?;
/// let x = Var::constant(Tensor::zeros([10, 3, 4])?);
/// let (y, state) = lstm.forward_with_state(&x, None)?;
/// assert_eq!((y.shape(), state.c.shape()), (vec![10, 3, 16], vec![2, 3, 8]));
/// lstm.forward_with_state(&x, Some(&state))?;
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Lstm<T: Element = f32> {
    config: RecurrentConfig,
    /// The parameters of the first layer, of its other direction, of the second layer, ...
    pub weights: Vec<GateWeights<T>>,
}

/// What an [`Lstm`] carries from step to step.
#[derive(Clone, Debug)]
pub struct LstmState<T: Element = f32> {
    /// The hidden state: the last output.
    pub h: Var<T>,
    /// The cell: what was kept.
    pub c: Var<T>,
}

impl<T: Element> Lstm<T> {
    /// Layers with initial values drawn from `rng`: uniform in +-1/sqrt(hidden_size).
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a size of 0.
    pub fn new(config: RecurrentConfig, rng: &mut (impl Rng + ?Sized)) -> Result<Self> {
        let weights = config::draw(&config, LstmCell::NUM_GATES, rng)?;
        Ok(Lstm { config, weights })
    }

    /// What the layers were made from.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// The outputs of the last layer, and the state after the last step; it starts from `state`, or from zeros.
    ///
    /// # Errors
    /// For an input or a state of another shape than above, and for an input without time steps.
    pub fn forward_with_state(
        &self,
        x: &Var<T>,
        state: Option<&LstmState<T>>,
    ) -> Result<(Var<T>, LstmState<T>)> {
        let mut carried = None;
        if let Some(LstmState { h, c }) = state {
            let expected = state_shape(&self.config, x);
            check_parameter("the state's h", h, &expected)?;
            check_parameter("the state's c", c, &expected)?;
            carried = Some(Var::concatenate(&[h, c], h.ndim() - 1)?);
        }
        let (y, carried) = run::<LstmCell, T>(&self.config, &self.weights, x, carried.as_ref())?;
        let (size, last) = (self.config.hidden_size, carried.ndim() - 1);
        let (h, c) = (carried.slice(last, 0..size)?, carried.slice(last, size..2 * size)?);
        Ok((y, LstmState { h, c }))
    }
}

/// The outputs, from a state of zeros.
impl<T: Element> Forward<T> for Lstm<T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        Ok(self.forward_with_state(x, None)?.0)
    }
}

impl<T: Element> Module<T> for Lstm<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        config::visit(&self.config, &self.weights, path, visit);
    }

    fn set_training(&mut self, _: bool) {}
}

struct LstmCell;

impl Cell for LstmCell {
    const NUM_GATES: usize = 4;
    const NUM_CARRIED: usize = 2;

    fn step<T: Element>(input: &Var<T>, hidden: &Var<T>, carried: &Var<T>) -> Result<Var<T>> {
        let gates = input.add(hidden)?;
        let size = carried.shape()[1] / Self::NUM_CARRIED;
        let c = carried.slice(1, size..2 * size)?;
        let step = LstmStep { gates: gates.value(), c: c.value() };
        let y = step.value()?;
        Ok(record(y, &[&gates, &c], || Box::new(step)))
    }

    fn advance<T: Element>(input: &[T], hidden: &[T], carried: &mut [T]) {
        update(|at| input[at] + hidden[at], carried);
    }
}

/// Moves `h` and `c`, side by side in `carried`, on by a step whose gates have the arguments `a`.
fn update<T: Element>(a: impl Fn(usize) -> T, carried: &mut [T]) {
    let size = carried.len() / LstmCell::NUM_CARRIED;
    let (h, c) = carried.split_at_mut(size);
    for (at, (h, c)) in h.iter_mut().zip(c).enumerate() {
        *c = sigmoid(a(size + at)) * *c + sigmoid(a(at)) * a(2 * size + at).tanh();
        *h = sigmoid(a(3 * size + at)) * c.tanh();
    }
}

/// The part of a step behind the products, as one operation whose result is `h` and `c` side by side. With `a` the
/// argument of a gate, `t = tanh(c')`, and `dh`, `dc'` the parts of the gradient that arrives,
///
/// ```text
/// i, f, o = sigmoid(a)    g = tanh(a)    c' = f c + i g    h = o t
/// e = dc' + o (1 - t^2) dh    dc = f e
/// da_i = g i (1 - i) e    da_f = c f (1 - f) e    da_g = i (1 - g^2) e    da_o = t o (1 - o) dh
/// ```
struct LstmStep<T> {
    gates: Tensor<T>,
    c: Tensor<T>,
}

impl<T: Element> LstmStep<T> {
    fn value(&self) -> Result<Tensor<T>> {
        let (gates, c) = (self.gates.to_vec(), self.c.to_vec());
        let (batch, size) = (self.c.shape()[0], self.c.shape()[1]);
        let mut y = Vec::with_capacity(2 * c.len());
        for (a, c) in gates.chunks_exact(4 * size).zip(c.chunks_exact(size)) {
            let start = y.len();
            // What is there for h is not read.
            y.extend_from_slice(c);
            y.extend_from_slice(c);
            update(|at| a[at], &mut y[start..]);
        }
        Ok(Tensor::from_vec([batch, 2 * size], y)?)
    }
}

impl<T: Element> Operation<T> for LstmStep<T> {
    fn name(&self) -> &'static str {
        "lstm_step"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> lucid_autograd::Result<Vec<Option<Var<T>>>> {
        let (a, c) = (links.input(0, &self.gates), links.input(1, &self.c));
        let size = self.c.shape()[1];
        let (i, f) = (gate(&a, 0, size)?.sigmoid(), gate(&a, 1, size)?.sigmoid());
        let (g, o) = (gate(&a, 2, size)?.tanh(), gate(&a, 3, size)?.sigmoid());
        let t = (&(&f * &c)? + &(&i * &g)?)?.tanh();

        let (dh, dc) = (gate(dy, 0, size)?, gate(dy, 1, size)?);
        let e = (&dc + &(&(&o * &dh)? * &derivative_of_tanh(&t)?)?)?;
        let di = (&(&g * &e)? * &derivative_of_sigmoid(&i)?)?;
        let df = (&(&c * &e)? * &derivative_of_sigmoid(&f)?)?;
        let dg = (&(&i * &e)? * &derivative_of_tanh(&g)?)?;
        let d_o = (&(&t * &dh)? * &derivative_of_sigmoid(&o)?)?;
        Ok(vec![Some(Var::concatenate(&[&di, &df, &dg, &d_o], 1)?), Some((&f * &e)?)])
    }
}
