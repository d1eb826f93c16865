//! Adam and AdamW: steps of about the same size for every element, whatever the size of its gradients.
//!
//! They differ only in what weight decay is: part of the gradient, or a shrinking of the parameter beside the step. One
//! implementation serves both.

use lucid_autograd::{Element, Var};
use lucid_tensor::{Scalar, Tensor};
use serde::{Deserialize, Serialize};

use super::Optimizer;
use super::count::{MAX_COUNT, count_to_digits, digits_to_count};
use super::parameters::{Parameters, Reader, update, with_elements};
use crate::error::{Error, Result, check};
use crate::number::{at_least_0, number};
use crate::state_dict::StateDict;

/// How much of the means of the past is kept at each step, both in `0..1`; a list of two numbers in serde's formats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
pub struct Betas {
    /// Of the mean of the gradients: 0.9 by default.
    pub first: f64,
    /// Of the mean of their squares: 0.999 by default.
    pub second: f64,
}

impl From<[f64; 2]> for Betas {
    fn from([first, second]: [f64; 2]) -> Self {
        Betas { first, second }
    }
}

impl From<Betas> for [f64; 2] {
    fn from(Betas { first, second }: Betas) -> Self {
        [first, second]
    }
}

impl Default for Betas {
    fn default() -> Self {
        [0.9, 0.999].into()
    }
}

/// Both optimisers of this module: their configurations have the same fields, with another default in one.
macro_rules! adam {
    (
        $(#[$doc:meta])* $name:ident, $(#[$config_doc:meta])* $config:ident,
        weight_decay: $weight_decay:literal, $(#[$decay_doc:meta])* is_decoupled: $is_decoupled:literal
    ) => {
        $(#[$config_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $config {
            /// The learning rate, 0 or above: 0.001 by default.
            pub lr: f64,
            /// How much of the past is kept: 0.9 and 0.999 by default.
            pub betas: Betas,
            /// What is added to the divisor, 0 or above: 1e-8 by default. With 0, an element that never had a gradient
            /// other than 0 becomes NaN.
            pub eps: f64,
            $(#[$decay_doc])*
            pub weight_decay: f64,
        }

        impl Default for $config {
            fn default() -> Self {
                $config { lr: 1e-3, betas: Betas::default(), eps: 1e-8, weight_decay: $weight_decay }
            }
        }

        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T: Element = f32> {
            config: $config,
            moments: Moments<T>,
        }

        impl<T: Element> $name<T> {
            /// An optimiser of `parameters`, such as a module's `named_parameters()`.
            ///
            /// # Errors
            /// [`Error::Parameter`](crate::Error::Parameter) for a number outside its range, for two parameters of one name, and for one that is
            /// not a leaf that requires a gradient.
            pub fn new(parameters: Vec<(String, Var<T>)>, config: $config) -> Result<Self> {
                Rule::from(config).check::<T>()?;
                Ok($name { config, moments: Moments::new(parameters)? })
            }

            /// What the optimiser was made from, with the learning rate as it is now.
            pub fn config(&self) -> &$config {
                &self.config
            }
        }

        impl From<$config> for Rule {
            fn from($config { lr, betas, eps, weight_decay }: $config) -> Self {
                Rule { lr, betas, eps, weight_decay, is_decoupled: $is_decoupled }
            }
        }

        impl<T: Element> Optimizer<T> for $name<T> {
            fn step(&mut self) -> Result<()> {
                self.moments.step(&self.config.into())
            }

            fn zero_grad(&self) {
                self.moments.parameters.zero_grad();
            }

            fn learning_rate(&self) -> f64 {
                self.config.lr
            }

            fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
                let config = $config { lr: learning_rate, ..self.config };
                Rule::from(config).check::<T>()?;
                self.config = config;
                Ok(())
            }

            fn state_dict(&self) -> StateDict<T> {
                self.moments.state_dict()
            }

            fn load_state_dict(&mut self, state: &StateDict<T>) -> Result<()> {
                self.moments.load_state_dict(state)
            }
        }
    };
}

adam!(
    /// Adam (Kingma and Ba 2015): with `g = dp + weight_decay p` at step `t`, counted from 1 for each parameter,
    ///
    /// ```text
    /// m <- beta1 m + (1 - beta1) g
    /// v <- beta2 v + (1 - beta2) g^2
    /// p <- p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
    /// ```
    ///
    /// Its state is `step`, `exp_avg` (`m`) and `exp_avg_sq` (`v`) of each parameter. `step` has shape `(3)`: the digits
    /// of the count in base 2^24, lowest first, because a number beyond 2^24 is not exact in `f32`.
    ///
    /// ```
    /// use lucid_nn::{Linear, Module, Sequential, optim::{Adam, AdamConfig}};
    ///
    /// let model = Sequential::<f32>::new().with(Linear::new(3, 1, true, &mut rand::rng())?);
    /// let config = AdamConfig { lr: 2e-4, betas: [0.8, 0.99].into(), ..Default::default() };
    /// let optimizer = Adam::new(model.named_parameters(), config)?;
    /// # Ok::<(), lucid_nn::Error>(())
    /// ```
    Adam,
    /// What an [`Adam`] is made from, under PyTorch's names and with its defaults.
    AdamConfig,
    weight_decay: 0.0,
    /// The pull of the parameters towards 0, as a part of the gradient, 0 or above: 0 by default.
    is_decoupled: false
);

adam!(
    /// AdamW (Loshchilov and Hutter 2019): [`Adam`] with `g = dp` and, before the step,
    /// `p <- p - lr weight_decay p`. Its state is that of `Adam`.
    AdamW,
    /// What an [`AdamW`] is made from, under PyTorch's names and with its defaults.
    AdamWConfig,
    weight_decay: 0.01,
    /// The pull of the parameters towards 0, in units of the learning rate, 0 or above: 0.01 by default.
    is_decoupled: true
);

/// The numbers of both rules.
struct Rule {
    lr: f64,
    betas: Betas,
    eps: f64,
    weight_decay: f64,
    is_decoupled: bool,
}

/// The history of one parameter.
#[derive(Clone, Debug)]
struct Moment<T: Element> {
    /// The number of steps so far.
    step: u64,
    /// `m`: the mean of the gradients.
    exp_avg: Tensor<T>,
    /// `v`: the mean of their squares.
    exp_avg_sq: Tensor<T>,
}

#[derive(Debug)]
struct Moments<T: Element> {
    parameters: Parameters<T>,
    /// One place per parameter; empty until its first step.
    moments: Vec<Option<Moment<T>>>,
}

impl<T: Element> Moments<T> {
    fn new(parameters: Vec<(String, Var<T>)>) -> Result<Self> {
        let parameters = Parameters::new(parameters)?;
        let moments = vec![None; parameters.len()];
        Ok(Moments { parameters, moments })
    }

    fn step(&mut self, rule: &Rule) -> Result<()> {
        for ((_, parameter), moment) in self.parameters.iter().zip(&mut self.moments) {
            update(parameter, |p, dp| {
                let moment = moment.get_or_insert_with(|| {
                    let zeros = parameter.value().zeros_like();
                    Moment { step: 0, exp_avg: zeros.clone(), exp_avg_sq: zeros }
                });
                moment.step = (moment.step + 1).min(MAX_COUNT);
                with_elements(&mut moment.exp_avg, |m| {
                    with_elements(&mut moment.exp_avg_sq, |v| rule.moved(moment.step, p, dp, m, v))
                })
            })?;
        }
        Ok(())
    }

    fn state_dict(&self) -> StateDict<T> {
        let mut state = StateDict::new();
        for ((path, _), moment) in self.parameters.iter().zip(&self.moments) {
            if let Some(Moment { step, exp_avg, exp_avg_sq }) = moment {
                let mut put = |what: &str, tensor| state.insert(path.join(what).to_string(), tensor);
                put("step", count_to_digits(*step));
                put("exp_avg", exp_avg.clone());
                put("exp_avg_sq", exp_avg_sq.clone());
            }
        }
        state
    }

    fn load_state_dict(&mut self, state: &StateDict<T>) -> Result<()> {
        let mut reader = Reader::new(state);
        let mut moments = Vec::with_capacity(self.moments.len());
        for (path, parameter) in self.parameters.iter() {
            let shape = &parameter.shape();
            let wanted: [(_, &[usize]); 3] = [("step", &[3]), ("exp_avg", shape), ("exp_avg_sq", shape)];
            moments.push(reader.read(path, wanted));
        }
        reader.finish()?;
        let moments = moments.into_iter().zip(self.parameters.iter()).map(|(found, (path, _))| {
            let Some([step, exp_avg, exp_avg_sq]) = found else { return Ok(None) };
            let step = digits_to_count(&path.join("step"), &step)?;
            // NaN and infinity are what gradients that overflowed leave, so a run that has them is resumed with them.
            if let Some(negative) = exp_avg_sq.to_vec().into_iter().find(|&v| v < T::zero()) {
                return Err(Error::Entry {
                    name: path.join("exp_avg_sq").to_string(),
                    given: format!("the element {negative}"),
                    accepted: "a mean of squares: no element below 0",
                });
            }
            Ok(Some(Moment { step, exp_avg, exp_avg_sq }))
        });
        self.moments = moments.collect::<Result<_>>()?;
        Ok(())
    }
}

impl Rule {
    /// The numbers are checked as elements of type `T`, and so are those that a step makes of them.
    fn check<T: Element>(&self) -> Result<()> {
        let &Rule { lr, betas: Betas { first, second }, eps, weight_decay, is_decoupled } = self;
        at_least_0::<T>("lr", lr)?;
        for (parameter, beta) in [("betas.first", first), ("betas.second", second)] {
            let is_below_1 = beta >= 0.0 && number::<T>(beta) < T::one();
            let accepted = format!("a number in 0..1, also when rounded to {}", <T as Scalar>::NAME);
            check(is_below_1, parameter, beta, &accepted)?;
        }
        at_least_0::<T>("eps", eps)?;
        let accepted = format!("0, or a number that is not 0 when rounded to {}", <T as Scalar>::NAME);
        check(eps == 0.0 || number::<T>(eps) > T::zero(), "eps", eps, &accepted)?;
        at_least_0::<T>("weight_decay", weight_decay)?;
        // The first step is the largest: lr / (1 - first), because 1 - first^t grows with t.
        let accepted = format!(
            "a number that is finite when divided by 1 - betas.first and rounded to {}",
            <T as Scalar>::NAME
        );
        check(number::<T>(lr / (1.0 - first)).is_finite(), "lr", lr, &accepted)?;
        let accepted =
            format!("a number that is finite when multiplied by lr and rounded to {}", <T as Scalar>::NAME);
        let is_finite = !is_decoupled || number::<T>(lr * weight_decay).is_finite();
        check(is_finite, "weight_decay", weight_decay, &accepted)
    }

    /// The parameter after step number `step`, in one pass that also updates `m` and `v`.
    fn moved<T: Element>(&self, step: u64, p: &[T], dp: &[T], m: &mut [T], v: &mut [T]) -> Vec<T> {
        let Betas { first, second } = self.betas;
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let step_size = number::<T>(self.lr / correction(first));
        let root = number::<T>(correction(second).sqrt());
        let [first_taken, second_kept, second_taken, eps] =
            [1.0 - first, second, 1.0 - second, self.eps].map(number::<T>);
        let (in_gradient, shrinking) =
            if self.is_decoupled { (0.0, self.lr * self.weight_decay) } else { (self.weight_decay, 0.0) };
        let (in_gradient, kept) = (number::<T>(in_gradient), number::<T>(1.0 - shrinking));
        let elements = p.iter().zip(dp).zip(m).zip(v);
        let moved = elements.map(|(((&p, &dp), m), v)| {
            // 0 times an infinite parameter would be NaN.
            let g = if in_gradient == T::zero() { dp } else { dp + in_gradient * p };
            *m = *m + first_taken * (g - *m);
            *v = second_kept * *v + second_taken * g * g;
            p * kept - step_size * *m / ((*v).sqrt() / root + eps)
        });
        moved.collect()
    }
}
