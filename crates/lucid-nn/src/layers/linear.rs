//! A dense layer.

use lucid_autograd::{Element, Var};
use rand::Rng;

use super::check_bias;
use crate::error::{Error, Result};
use crate::init::uniform_fan_in;
use crate::module::Forward;
use crate::{Module, Path};

/// `y = x W^T + b` over the last axis.
///
/// # Shapes
/// `x` is `(..., in_features)`, `weight` is `(out_features, in_features)`, `bias` is `(out_features)`, the output is
/// `(..., out_features)`.
///
/// ```
/// use lucid_nn::{Forward, Linear, Tensor, Var};
///
/// let linear = Linear::<f32>::new(8, 3, true, &mut rand::rng())?;
/// assert_eq!(linear.forward(&Var::constant(Tensor::zeros([5, 8])?))?.shape(), [5, 3]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Linear<T: Element = f32> {
    /// The weight: `(out_features, in_features)`.
    pub weight: Var<T>,
    /// The bias: `(out_features)`.
    pub bias: Option<Var<T>>,
}

impl<T: Element> Linear<T> {
    /// A dense layer with initial values drawn from `rng`: uniform in +-1/sqrt(in_features).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a zero number of features.
    pub fn new(
        in_features: usize,
        out_features: usize,
        bias: bool,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        for (parameter, value) in [("in_features", in_features), ("out_features", out_features)] {
            if value == 0 {
                let accepted = "at least 1".to_string();
                return Err(Error::Parameter { parameter, given: value.to_string(), accepted });
            }
        }
        let weight = uniform_fan_in(&[out_features, in_features], in_features, rng)?;
        let bias = bias.then(|| uniform_fan_in(&[out_features], in_features, rng)).transpose()?;
        Ok(Linear { weight, bias })
    }
}

impl<T: Element> Forward<T> for Linear<T> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let &[num_outputs, _] = self.weight.shape().as_slice() else {
            let accepted = "2: (out_features, in_features)";
            let (what, given) = ("the weight", self.weight.shape());
            return Err(lucid_autograd::Error::Rank { what, given, accepted }.into());
        };
        // Another shape could broadcast, to an output of another shape.
        check_bias(self.bias.as_ref(), self.bias.is_some(), num_outputs)?;
        let y = x.matmul(&self.weight.transpose(0, 1)?)?;
        Ok(match &self.bias {
            Some(bias) => y.add(bias)?,
            None => y,
        })
    }
}

impl<T: Element> Module<T> for Linear<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
        self.bias.visit(&path.join("bias"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}
