//! Dropout.

use std::sync::{Mutex, PoisonError};

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::error::{Error, Result};
use crate::module::Forward;
use crate::stream::{Chain, Stage};
use crate::{Module, Path};

/// In training, zeroes each element with probability `p` and multiplies the others with `1 / (1 - p)`; in evaluation,
/// passes everything on (Srivastava et al. 2014).
///
/// ```
/// use lucid_nn::{Dropout, Forward, Tensor, Var};
///
/// let mut dropout = Dropout::new(0.5, 0)?;
/// let x = Var::<f32>::constant(Tensor::ones([4])?);
/// assert!(dropout.forward(&x)?.value().to_vec().iter().all(|&y| y == 0.0 || y == 2.0));
/// dropout.eval();
/// assert_eq!(dropout.forward(&x)?.value(), x.value());
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Dropout {
    p: f64,
    training: bool,
    rng: Mutex<StdRng>,
}

impl Dropout {
    /// Dropout with probability `p` and a generator of its own.
    ///
    /// # Errors
    /// [`Error::Parameter`] when `p` is not at least 0 and below 1.
    pub fn new(p: f64, seed: u64) -> Result<Self> {
        if !(0.0..1.0).contains(&p) {
            let accepted = "at least 0 and below 1".to_string();
            return Err(Error::Parameter { parameter: "p", given: p.to_string(), accepted });
        }
        Ok(Dropout { p, training: true, rng: Mutex::new(StdRng::seed_from_u64(seed)) })
    }

    /// Switches to training. [`Module::train`] does the same, but of which element type can't be inferred.
    pub fn train(&mut self) {
        self.training = true;
    }

    /// Switches to evaluation, as [`Module::eval`] does.
    pub fn eval(&mut self) {
        self.training = false;
    }
}

impl<T: Element> Module<T> for Dropout {
    fn visit(&self, _: &Path, _: &mut dyn FnMut(&Path, &Var<T>)) {}

    fn set_training(&mut self, training: bool) {
        self.training = training;
    }
}

impl<T: Element> Forward<T> for Dropout {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        if !self.training || self.p == 0.0 {
            return Ok(x.clone());
        }
        let number = <T as lucid_tensor::Element>::from_f64;
        let draws = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            Tensor::uniform(x.shape(), T::zero(), T::one(), &mut *rng)?
        };
        let (p, scale) = (number(self.p), number(1.0 / (1.0 - self.p)));
        let mask = draws.map(|draw| if draw < p { T::zero() } else { scale });
        Ok(x.mul(&mask.into())?)
    }
    fn stage(&self) -> Result<Box<dyn Stage<T>>> {
        if !self.training || self.p == 0.0 {
            return Ok(Box::new(Chain::new(Vec::new())?));
        }
        let reason = "it is in training, where accepted is evaluation".into();
        Err(Error::NotStreamable { module: "dropout".into(), reason })
    }
}
