//! The activations as layers, so that they can be part of a sequence.

use lucid_autograd::{Element, Var, scalar};
use serde::{Deserialize, Serialize};

use super::fused::{Activation, ChannelFunction, of_each};
use super::no_parameters;
use crate::error::{Result, check};
use crate::module::Forward;
use crate::number::{above_0, finite};
use crate::stream::{Pointwise, Stage};

/// A layer that applies a function of [`Var`] and has no parameters; and where it is one of every number, that for streams and
/// convolutions.
macro_rules! activation {
    ($name:ident, |$layer:ident, $x:ident| $forward:expr $(, $stage:expr)?) => {
        no_parameters!($name);

        impl<T: Element> Forward<T> for $name {
            fn forward(&self, $x: &Var<T>) -> Result<Var<T>> {
                let $layer = self;
                Ok($forward)
            }

            $(fn stage(&self) -> Result<Box<dyn Stage<T>>> {
                let $layer = self;
                Ok(Box::new(Pointwise::new($stage)))
            })?
        }

        $(impl<T: Element> Activation<T> for $name {
            fn function(&self, _: usize) -> Result<ChannelFunction<T>> {
                let $layer = self;
                Ok(of_each($stage))
            }
        })?
    };
}

fn check_axis<T: Element>(axis: usize, x: &Var<T>) -> Result<()> {
    check(axis < x.ndim(), "axis", axis, &format!("below {}", x.ndim()))
}

/// `max(x, 0)`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Relu;

activation!(Relu, |_layer, x| x.relu(), |_, x| scalar::relu(x));

/// The hyperbolic tangent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tanh;

activation!(Tanh, |_layer, x| x.tanh(), |_, x: T| x.tanh());

/// `1 / (1 + e^-x)`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sigmoid;

activation!(Sigmoid, |_layer, x| x.sigmoid(), |_, x| scalar::sigmoid(x));

/// `x sigmoid(x)`, also called swish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Silu;

activation!(Silu, |_layer, x| x.silu(), |_, x| scalar::silu(x));

/// `x Phi(x)` with `Phi` the normal distribution function, or its approximation by tanh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gelu {
    /// Whether the approximation is used; not by default.
    pub tanh: bool,
}

activation!(Gelu, |layer, x| if layer.tanh { x.gelu_tanh()? } else { x.gelu()? }, {
    let is_tanh = layer.tanh;
    move |_, x| if is_tanh { scalar::gelu_tanh(x) } else { scalar::gelu(x) }
});

/// `x` above 0, `slope x` elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeakyRelu {
    /// What numbers below 0 are multiplied with; 0.01 by default.
    pub slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        LeakyRelu { slope: 0.01 }
    }
}

activation!(LeakyRelu, |layer, x| x.leaky_relu(finite("slope", layer.slope)?), {
    let slope = finite("slope", layer.slope)?;
    move |_, x| scalar::leaky_relu(x, slope)
});

/// `x` above 0, `alpha (e^x - 1)` elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Elu {
    /// The value approached far below 0, negated; 1 by default.
    pub alpha: f64,
}

impl Default for Elu {
    fn default() -> Self {
        Elu { alpha: 1.0 }
    }
}

activation!(Elu, |layer, x| x.elu(finite("alpha", layer.alpha)?), {
    let alpha = finite("alpha", layer.alpha)?;
    move |_, x| scalar::elu(x, alpha)
});

/// `ln(1 + e^(beta x)) / beta`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Softplus {
    /// How sharp the bend at 0 is, above 0; 1 by default.
    pub beta: f64,
}

impl Default for Softplus {
    fn default() -> Self {
        Softplus { beta: 1.0 }
    }
}

activation!(Softplus, |layer, x| x.softplus(above_0("beta", layer.beta)?), {
    let beta = above_0("beta", layer.beta)?;
    move |_, x| scalar::softplus(x, beta)
});

/// `e^x / sum(e^x)` along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Softmax {
    /// The axis; 1, the channels, by default.
    pub axis: usize,
}

impl Default for Softmax {
    fn default() -> Self {
        Softmax { axis: 1 }
    }
}

activation!(Softmax, |layer, x| {
    check_axis(layer.axis, x)?;
    x.softmax(layer.axis)?
});

/// The logarithm of [`Softmax`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSoftmax {
    /// The axis; 1, the channels, by default.
    pub axis: usize,
}

impl Default for LogSoftmax {
    fn default() -> Self {
        LogSoftmax { axis: 1 }
    }
}

activation!(LogSoftmax, |layer, x| {
    check_axis(layer.axis, x)?;
    x.log_softmax(layer.axis)?
});
