//! What can go wrong in building, running, training and storing modules.

use std::path::PathBuf;

use crate::state_dict::Damage;

/// A mistake in a module's options or input, or a file that can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation that was given shapes or options that don't fit.
    #[error(transparent)]
    Autograd(#[from] lucid_autograd::Error),

    /// What went wrong in a layer of a [`Sequential`](crate::Sequential).
    #[error("layer {path}: {source}")]
    InLayer {
        /// The layer's name: its place in the sequence, counted from 0.
        path: String,
        /// The layer's error.
        source: Box<Error>,
    },

    /// A parameter outside its range.
    #[error("{parameter} = {given} is refused: accepted is {accepted}")]
    Parameter {
        /// The parameter's name.
        parameter: &'static str,
        /// The value given.
        given: String,
        /// What would be accepted.
        accepted: String,
    },

    /// A state dict that does not fit the module.
    #[error("the state dict does not fit:{}", describe_mismatch(missing, unexpected, misshapen, unreadable))]
    StateDict {
        /// Names that the module has and the state dict lacks.
        missing: Vec<String>,
        /// Names that the state dict has and the module lacks.
        unexpected: Vec<String>,
        /// Names that both have with different shapes.
        misshapen: Vec<Misshapen>,
        /// Tensors that the module has and the file held as elements of a type that can't be read.
        unreadable: Vec<Unreadable>,
    },

    /// Several tensors under one name: a state dict has room for one.
    #[error(
        "different tensors are called {}: accepted is one tensor per name; #[module(name = \"...\")] on a field changes \
         its name",
        names.join(", ")
    )]
    DuplicateNames {
        /// The names.
        names: Vec<String>,
    },

    /// Tensors that were given one name.
    #[error("{} would all be called {name}: accepted is one tensor per name", from.join(", "))]
    Renaming {
        /// The name.
        name: String,
        /// The names before, of all that would have it.
        from: Vec<String>,
    },

    /// A state dict that no file can hold.
    #[error("the state dict can't be stored: {reason}")]
    NotStorable {
        /// What is wrong with it.
        reason: String,
    },

    /// A tensor of a state dict with numbers that it can't have.
    #[error("the state dict's {name} is refused: given is {given}, accepted is {accepted}")]
    Entry {
        /// The tensor's name.
        name: String,
        /// What is wrong in it.
        given: String,
        /// What would be accepted.
        accepted: &'static str,
    },

    /// A file that could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },

    /// A file that is not what it should be.
    #[error("{} is not a state dict that can be read: {damage}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// A tensor that a state dict has in another shape than the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// The tensor's name.
    pub name: String,
    /// The shape in the state dict.
    pub given: Vec<usize>,
    /// The shape in the module.
    pub expected: Vec<usize>,
}

/// A tensor of a file, with elements of a type that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The tensor's name.
    pub name: String,
    /// What the file calls the type: `I64`, `U8`, ...
    pub dtype: String,
    /// The tensor's shape.
    pub shape: Vec<usize>,
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<lucid_tensor::Error> for Error {
    fn from(error: lucid_tensor::Error) -> Self {
        Error::Autograd(error.into())
    }
}

impl From<lucid_conv::Error> for Error {
    fn from(error: lucid_conv::Error) -> Self {
        Error::Autograd(error.into())
    }
}

/// [`Error::Parameter`] unless `holds`.
pub(crate) fn check(
    holds: bool,
    parameter: &'static str,
    given: impl std::fmt::Display,
    accepted: &str,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Parameter { parameter, given: given.to_string(), accepted: accepted.to_string() })
}

fn describe_mismatch(
    missing: &[String],
    unexpected: &[String],
    misshapen: &[Misshapen],
    unreadable: &[Unreadable],
) -> String {
    let mut text = String::new();
    if !missing.is_empty() {
        text += &format!(" missing {};", missing.join(", "));
    }
    if !unexpected.is_empty() {
        text += &format!(" unexpected {};", unexpected.join(", "));
    }
    for Misshapen { name, given, expected } in misshapen {
        text += &format!(" {name} has shape {given:?} but the module's is {expected:?};");
    }
    for Unreadable { name, dtype, .. } in unreadable {
        text += &format!(" {name} has elements of type {dtype}: accepted are F16, BF16, F32 and F64;");
    }
    text.trim_end_matches(';').to_string()
}
