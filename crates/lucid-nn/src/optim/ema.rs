//! Averages of parameters over the steps, which are often better than the parameters of any one step.

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use super::parameters::{Parameters, Reader};
use crate::error::{Result, check};
use crate::module::Path;
use crate::number::number;
use crate::state_dict::{LoadReport, StateDict};

/// Exponential moving averages of parameters: after each step `a <- a + (1 - decay) (p - a)`, from `a = p` at the start
/// (Polyak and Juditsky 1992, with the weights of PyTorch's `get_ema_multi_avg_fn`).
///
/// ```
/// use lucid_nn::{Var, optim::Ema};
/// use lucid_tensor::tensor;
///
/// let p = Var::leaf(tensor!([0.0]));
/// let mut ema = Ema::new(vec![("p".to_string(), p.clone())], 0.75)?;
/// p.set_value(tensor!([4.0]))?;
/// ema.update()?;
/// ema.with_averages(|| assert_eq!(p.value(), tensor!([1.0])))?;
/// assert_eq!(p.value(), tensor!([4.0]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Ema<T: Element = f32> {
    parameters: Parameters<T>,
    decay: f64,
    averages: Vec<Tensor<T>>,
}

impl<T: Element> Ema<T> {
    /// Averages of `parameters`, such as a module's `named_parameters()`, that start from what they are now.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a decay outside 0..=1, for two parameters of one name, and for one
    /// that is not a leaf that requires a gradient.
    pub fn new(parameters: Vec<(String, Var<T>)>, decay: f64) -> Result<Self> {
        check((0.0..=1.0).contains(&decay), "decay", decay, "0 to 1")?;
        let parameters = Parameters::new(parameters)?;
        let averages = parameters.iter().map(|(_, parameter)| parameter.value()).collect();
        Ok(Ema { parameters, decay, averages })
    }

    /// Takes the parameters as they are now into the averages.
    ///
    /// # Errors
    /// When there is no memory left.
    pub fn update(&mut self) -> Result<()> {
        let taken = number::<T>(1.0 - self.decay);
        for ((_, parameter), average) in self.parameters.iter().zip(&mut self.averages) {
            average.zip_inplace(&parameter.value(), |a, p| a + taken * (p - a))?;
        }
        Ok(())
    }

    /// What `f` gives while the parameters are their averages; afterwards they are as before.
    ///
    /// # Errors
    /// When a parameter's value can't be replaced.
    pub fn with_averages<R>(&mut self, f: impl FnOnce() -> R) -> Result<R> {
        let before: Vec<Tensor<T>> = self.parameters.iter().map(|(_, parameter)| parameter.value()).collect();
        let result = self.set_all(&self.averages).map(|()| f());
        self.set_all(&before)?;
        result
    }

    fn set_all(&self, values: &[Tensor<T>]) -> Result<()> {
        for ((_, parameter), value) in self.parameters.iter().zip(values) {
            parameter.set_value(value.clone())?;
        }
        Ok(())
    }

    /// The averages under the parameters' names: with a module's, a state dict that the module loads.
    pub fn state_dict(&self) -> StateDict<T> {
        let named = self.parameters.iter().zip(&self.averages);
        named.map(|((path, _), average)| (path.to_string(), average.clone())).collect()
    }

    /// Goes on from averages of the same parameters.
    ///
    /// # Errors
    /// [`Error::StateDict`](crate::Error::StateDict) with everything that does not fit: the averages are then as before.
    pub fn load_state_dict(&mut self, state: &StateDict<T>) -> Result<()> {
        let mut reader = Reader::new(state);
        let mut read = |(path, parameter): (&Path, &Var<T>)| {
            let name = path.to_string();
            let found = reader.read(&Path::root(), [(&name, &parameter.shape())]);
            found.map(|[average]| average).ok_or(name)
        };
        let found: Vec<_> = self.parameters.iter().map(&mut read).collect();
        reader.finish()?;
        // Everything else that does not fit was told.
        let missing = found.iter().filter_map(|found| found.as_ref().err().cloned()).collect();
        LoadReport { missing, ..LoadReport::default() }.require_complete()?;
        self.averages = found.into_iter().flatten().collect();
        Ok(())
    }
}
