//! From a module to a state dict and back.
//!
//! Loading is in two steps, first finding everything that does not fit and then writing, so that an error lists all of
//! it and leaves the module untouched.

use std::collections::HashSet;

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use super::StateDict;
use crate::error::{Error, Misshapen, Result};
use crate::module::{Module, Path};

/// What becomes of a state dict that does not fit the module it is loaded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Every name and shape must agree, else nothing is loaded.
    Strict,
    /// What agrees in name and shape is loaded, and the rest is reported.
    NonStrict,
}

/// What did not fit when a state dict was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names that the module has and the state dict lacks.
    pub missing: Vec<String>,
    /// Names that the state dict has and the module lacks.
    pub unexpected: Vec<String>,
    /// Names that both have with different shapes.
    pub misshapen: Vec<Misshapen>,
}

impl LoadReport {
    /// Whether everything fitted: always so after loading with [`Strictness::Strict`].
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }

    /// [`Error::StateDict`] unless everything fitted.
    pub(crate) fn require_complete(self) -> Result<Self> {
        if self.is_complete() {
            return Ok(self);
        }
        let LoadReport { missing, unexpected, misshapen } = self;
        Err(Error::StateDict { missing, unexpected, misshapen })
    }
}

/// The values of all parameters and buffers of `module`.
pub(crate) fn take<T: Element, M: Module<T> + ?Sized>(module: &M) -> StateDict<T> {
    let mut state = StateDict::new();
    module.visit(&Path::root(), &mut |path, var| {
        state.insert(path.to_string(), var.value());
    });
    state
}

/// Writes `state` into the parameters and buffers of `module`.
pub(crate) fn load<T: Element, M: Module<T> + ?Sized>(
    module: &M,
    state: &StateDict<T>,
    strictness: Strictness,
) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    let mut known = HashSet::new();
    let mut fitting: Vec<(Var<T>, Tensor<T>)> = Vec::new();
    let mut is_writable = true;
    module.visit(&Path::root(), &mut |path, var| {
        let name = path.to_string();
        match state.get(&name) {
            None => report.missing.push(name.clone()),
            Some(tensor) if tensor.shape() != var.shape() => {
                let (given, expected) = (tensor.shape().to_vec(), var.shape());
                report.misshapen.push(Misshapen { name: name.clone(), given, expected });
            }
            Some(tensor) => {
                is_writable &= var.is_leaf();
                fitting.push((var.clone(), tensor.clone()));
            }
        }
        known.insert(name);
    });
    report.unexpected = state.names().filter(|&name| !known.contains(name)).map(str::to_string).collect();
    if strictness == Strictness::Strict {
        report = report.require_complete()?;
    }
    if !is_writable {
        return Err(lucid_autograd::Error::NotALeaf { action: "loading a state dict" }.into());
    }
    for (var, tensor) in fitting {
        var.set_value(tensor)?;
    }
    Ok(report)
}
