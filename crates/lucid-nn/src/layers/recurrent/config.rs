//! What a recurrent layer is made from, and its parameters under PyTorch's names.

use lucid_autograd::{Element, Var};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::super::{check_bias, check_parameter};
use crate::error::{Result, check};
use crate::init::uniform_fan_in;
use crate::{Module, Path};

/// Everything about a [`Gru`](crate::Gru) or an [`Lstm`](crate::Lstm) but its numbers, under PyTorch's names and with its
/// defaults.
///
/// ```
/// use lucid_nn::RecurrentConfig;
///
/// let config: RecurrentConfig = serde_json::from_str(r#"{"input_size": 8, "hidden_size": 16, "num_layers": 2}"#)?;
/// assert_eq!(config, RecurrentConfig { num_layers: 2, ..RecurrentConfig::new(8, 16) });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentConfig {
    /// Numbers per time step of the input: at least 1.
    pub input_size: usize,
    /// Numbers per time step and direction of the output: at least 1.
    pub hidden_size: usize,
    /// Layers, each of which reads the one before: at least 1, which is the default.
    #[serde(default = "one")]
    pub num_layers: usize,
    /// Whether learnable biases are added: so by default.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether the input is `(batch, time, input_size)` rather than `(time, batch, input_size)`: not by default.
    #[serde(default)]
    pub batch_first: bool,
    /// Whether each layer also runs from the end to the start: not by default.
    #[serde(default)]
    pub bidirectional: bool,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl RecurrentConfig {
    /// One layer in one direction, with biases.
    pub fn new(input_size: usize, hidden_size: usize) -> Self {
        let (num_layers, bias, batch_first, bidirectional) = (1, true, false, false);
        RecurrentConfig { input_size, hidden_size, num_layers, bias, batch_first, bidirectional }
    }

    /// Directions that each layer runs in.
    pub(super) fn num_directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// The shapes of `weight_ih` and `weight_hh` in a layer.
    fn shapes(&self, layer: usize, num_gates: usize) -> [[usize; 2]; 2] {
        let input_size = if layer == 0 { self.input_size } else { self.hidden_size * self.num_directions() };
        let rows = num_gates * self.hidden_size;
        [[rows, input_size], [rows, self.hidden_size]]
    }

    fn check(&self) -> Result<()> {
        let sizes = [
            ("input_size", self.input_size),
            ("hidden_size", self.hidden_size),
            ("num_layers", self.num_layers),
        ];
        for (parameter, value) in sizes {
            check(value >= 1, parameter, value, "at least 1")?;
        }
        // Four gates at most, in weights that have to fit into memory.
        let accepted = "a number whose square, times the four gates, can be addressed";
        let squared = self.hidden_size.checked_mul(self.hidden_size).and_then(|all| all.checked_mul(8));
        check(squared.is_some(), "hidden_size", self.hidden_size, accepted)
    }
}

/// The parameters of one layer in one direction. The rows are those of the first gate, the second, ...
#[derive(Debug)]
pub struct GateWeights<T: Element = f32> {
    /// What the gates make of the input: `(gates * hidden_size, input_size)`; the input of all layers but the first is
    /// the output of the one before, with both directions.
    pub weight_ih: Var<T>,
    /// What the gates make of the hidden state: `(gates * hidden_size, hidden_size)`.
    pub weight_hh: Var<T>,
    /// What is added to the input's part: `(gates * hidden_size)`.
    pub bias_ih: Option<Var<T>>,
    /// What is added to the hidden state's part: `(gates * hidden_size)`.
    pub bias_hh: Option<Var<T>>,
}

/// Initial parameters, uniform in +-1/sqrt(hidden_size): those of the first layer, of its other direction, ...
pub(super) fn draw<T: Element>(
    config: &RecurrentConfig,
    num_gates: usize,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Vec<GateWeights<T>>> {
    config.check()?;
    let mut weights = Vec::new();
    for layer in 0..config.num_layers {
        for _ in 0..config.num_directions() {
            let [ih, hh] = config.shapes(layer, num_gates);
            let mut uniform = |shape: &[usize]| uniform_fan_in(shape, config.hidden_size, rng);
            weights.push(GateWeights {
                weight_ih: uniform(&ih)?,
                weight_hh: uniform(&hh)?,
                bias_ih: config.bias.then(|| uniform(&ih[..1])).transpose()?,
                bias_hh: config.bias.then(|| uniform(&hh[..1])).transpose()?,
            });
        }
    }
    Ok(weights)
}

/// The parameters are public: what a caller replaced has to fit.
pub(super) fn check_weights<T: Element>(
    config: &RecurrentConfig,
    weights: &[GateWeights<T>],
    num_gates: usize,
) -> Result<()> {
    let expected = config.num_layers * config.num_directions();
    check(weights.len() == expected, "weights", weights.len(), &format!("{expected}, as in the config"))?;
    for (index, weights) in weights.iter().enumerate() {
        let [ih, hh] = config.shapes(index / config.num_directions(), num_gates);
        check_parameter("weight_ih", &weights.weight_ih, &ih)?;
        check_parameter("weight_hh", &weights.weight_hh, &hh)?;
        check_bias(weights.bias_ih.as_ref(), config.bias, ih[0])?;
        check_bias(weights.bias_hh.as_ref(), config.bias, hh[0])?;
    }
    Ok(())
}

/// [`Module::visit`] with PyTorch's names: `weight_ih_l0`, ..., `weight_ih_l0_reverse`, ..., `weight_ih_l1`, ...
pub(super) fn visit<T: Element>(
    config: &RecurrentConfig,
    weights: &[GateWeights<T>],
    path: &Path,
    visit: &mut dyn FnMut(&Path, &Var<T>),
) {
    for (index, weights) in weights.iter().enumerate() {
        let layer = index / config.num_directions();
        let suffix = if index % config.num_directions() == 1 { "_reverse" } else { "" };
        let name = |what: &str| path.join(format!("{what}_l{layer}{suffix}"));
        weights.weight_ih.visit(&name("weight_ih"), visit);
        weights.weight_hh.visit(&name("weight_hh"), visit);
        weights.bias_ih.visit(&name("bias_ih"), visit);
        weights.bias_hh.visit(&name("bias_hh"), visit);
    }
}
