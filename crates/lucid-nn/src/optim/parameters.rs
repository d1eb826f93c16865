//! The parameters of an optimiser, and the tensors that it remembers for each of them.

use std::collections::HashSet;

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use crate::error::{Error, Misshapen, Result};
use crate::module::Path;
use crate::state_dict::{LoadReport, StateDict};

/// Parameters with distinct names, each once.
#[derive(Debug)]
pub(super) struct Parameters<T: Element>(Vec<(Path, Var<T>)>);

impl<T: Element> Parameters<T> {
    /// Takes a parameter that comes under two names (tied weights) under its first one, so that it is moved once.
    pub(super) fn new(named: Vec<(String, Var<T>)>) -> Result<Self> {
        let mut names = HashSet::new();
        let mut parameters: Vec<(Path, Var<T>)> = Vec::with_capacity(named.len());
        for (name, var) in named {
            let refuse = |accepted: &str| {
                let given = format!("{name:?} of shape {:?}", var.shape());
                Err(Error::Parameter { parameter: "parameters", given, accepted: accepted.to_string() })
            };
            if !(var.is_leaf() && var.requires_grad()) {
                return refuse("leaves that require a gradient");
            }
            if !names.insert(name.clone()) {
                return refuse("parameters with distinct names");
            }
            if !parameters.iter().any(|(_, other)| other.is_same(&var)) {
                parameters.push((Path::root().join(name), var));
            }
        }
        Ok(Parameters(parameters))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn zero_grad(&self) {
        self.0.iter().for_each(|(_, var)| var.zero_grad());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &Var<T>)> {
        self.0.iter().map(|(path, var)| (path, var))
    }
}

/// Replaces the value of `parameter`, if it has a gradient, by what `update` makes of both. `update` is given slices
/// in row-major order.
pub(super) fn update<T: Element>(
    parameter: &Var<T>,
    update: impl FnOnce(&[T], &[T]) -> Vec<T>,
) -> Result<()> {
    let Some(gradient) = parameter.grad() else { return Ok(()) };
    // Both share storage with the parameter, so no element is copied unless its layout is another.
    let (value, gradient) = (parameter.value().contiguous(), gradient.contiguous());
    let moved = update(value.as_slice().unwrap_or_default(), gradient.as_slice().unwrap_or_default());
    Ok(parameter.set_value(Tensor::from_vec(value.shape(), moved)?)?)
}

/// Reads a state dict entry by entry, and notes what does not fit.
pub(super) struct Reader<'a, T: Element> {
    state: &'a StateDict<T>,
    known: HashSet<String>,
    report: LoadReport,
}

impl<'a, T: Element> Reader<'a, T> {
    pub(super) fn new(state: &'a StateDict<T>) -> Self {
        Reader { state, known: HashSet::new(), report: LoadReport::default() }
    }

    /// The tensors of `path` with the names and shapes given: `None` when all are missing, as they are for a parameter
    /// that never had a gradient, or when some don't fit.
    pub(super) fn read<const N: usize>(
        &mut self,
        path: &Path,
        wanted: [(&str, &[usize]); N],
    ) -> Option<[Tensor<T>; N]> {
        let mut missing = Vec::new();
        let found = wanted.map(|(what, expected)| {
            let name = path.join(what).to_string();
            let tensor = self.state.get(&name).cloned();
            match &tensor {
                None => match self.state.unreadable().iter().find(|unreadable| unreadable.name == name) {
                    Some(unreadable) => self.report.unreadable.push(unreadable.clone()),
                    None => missing.push(name.clone()),
                },
                Some(tensor) if tensor.shape() != expected => {
                    let (given, expected) = (tensor.shape().to_vec(), expected.to_vec());
                    self.report.misshapen.push(Misshapen { name: name.clone(), given, expected });
                }
                Some(_) => {}
            }
            self.known.insert(name);
            tensor.map(|tensor| tensor.contiguous())
        });
        if missing.len() < N {
            self.report.missing.append(&mut missing);
        }
        let found: Option<Vec<Tensor<T>>> = found.into_iter().collect();
        found?.try_into().ok()
    }

    /// # Errors
    /// [`Error::StateDict`] when something did not fit.
    pub(super) fn finish(mut self) -> Result<()> {
        let unexpected = self.state.all_names().filter(|&name| !self.known.contains(name));
        self.report.unexpected = unexpected.map(str::to_string).collect();
        self.report.require_complete().map(|_| ())
    }
}

/// The elements of a tensor that an optimiser keeps, copied first if a state dict shares them.
pub(super) fn with_elements<T: Element, R>(tensor: &mut Tensor<T>, f: impl FnOnce(&mut [T]) -> R) -> R {
    let mut view = tensor.view_mut();
    f(view.as_slice_mut().expect("made by from_vec or contiguous: in row-major order"))
}
