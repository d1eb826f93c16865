//! From a module to a state dict and back.
//!
//! Loading is in two steps, first finding everything that does not fit and then writing, so that an error lists all of
//! it and leaves the module untouched.

use std::collections::{BTreeSet, HashMap};

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use super::StateDict;
use crate::error::{Error, Misshapen, Result, Unreadable};
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
    /// Tensors that the module has and the file held as elements of a type that can't be read. Those that the module
    /// lacks are among the unexpected.
    pub unreadable: Vec<Unreadable>,
}

impl LoadReport {
    /// Whether everything fitted: always so after loading with [`Strictness::Strict`].
    pub fn is_complete(&self) -> bool {
        let LoadReport { missing, unexpected, misshapen, unreadable } = self;
        missing.is_empty() && unexpected.is_empty() && misshapen.is_empty() && unreadable.is_empty()
    }

    /// [`Error::StateDict`] unless everything fitted.
    pub(crate) fn require_complete(self) -> Result<Self> {
        if self.is_complete() {
            return Ok(self);
        }
        let LoadReport { missing, unexpected, misshapen, unreadable } = self;
        Err(Error::StateDict { missing, unexpected, misshapen, unreadable })
    }
}

/// The values of all parameters and buffers of `module`.
pub(crate) fn take<T: Element, M: Module<T> + ?Sized>(module: &M) -> StateDict<T> {
    let mut state = StateDict::new();
    let mut vars = HashMap::new();
    module.visit(&Path::root(), &mut |path, var| {
        let name = path.to_string();
        note_duplicate(&mut vars, &mut state.duplicates, &name, var);
        state.insert(name, var.value());
    });
    state
}

/// Notes `name` when a variable other than `var` came under it before: the same one may come as often as it likes.
fn note_duplicate<T: Element>(
    vars: &mut HashMap<String, Var<T>>,
    duplicates: &mut BTreeSet<String>,
    name: &str,
    var: &Var<T>,
) {
    if vars.insert(name.to_string(), var.clone()).is_some_and(|other| !other.is_same(var)) {
        duplicates.insert(name.to_string());
    }
}

/// Writes `state` into the parameters and buffers of `module`.
pub(crate) fn load<T: Element, M: Module<T> + ?Sized>(
    module: &M,
    state: &StateDict<T>,
    strictness: Strictness,
) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    let (mut known, mut duplicates) = (HashMap::new(), state.duplicates.clone());
    let mut fitting: Vec<(Var<T>, Tensor<T>)> = Vec::new();
    let mut is_writable = true;
    let has = |name: &str| state.all_names().any(|known| known == name);
    module.visit(&Path::root(), &mut |path, var| {
        let name = path.to_string();
        let name = match path.other() {
            Some(other) if !has(&name) && has(other) => other.to_string(),
            _ => name,
        };
        match state.get(&name) {
            None => match state.unreadable().iter().find(|unreadable| unreadable.name == name) {
                Some(unreadable) => report.unreadable.push(unreadable.clone()),
                None => report.missing.push(name.clone()),
            },
            Some(tensor) if tensor.shape() != var.shape() => {
                let (given, expected) = (tensor.shape().to_vec(), var.shape());
                report.misshapen.push(Misshapen { name: name.clone(), given, expected });
            }
            Some(tensor) => {
                is_writable &= var.is_leaf();
                fitting.push((var.clone(), tensor.clone()));
            }
        }
        note_duplicate(&mut known, &mut duplicates, &name, var);
    });
    StateDict::<T>::require_no_duplicates(&duplicates)?;
    report.unexpected =
        state.all_names().filter(|&name| !known.contains_key(name)).map(str::to_string).collect();
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
