//! State dicts: the tensors of a module or an optimiser by name, detached from it.
//!
//! The names and the file format (safetensors) are PyTorch's, so that files go both ways. A state dict shares storage
//! with what it was taken from, and the first write to either copies: taking one costs no memory, and it is a snapshot.

mod atomic;
mod damage;
mod dtype;
mod header;
mod load;
mod rename;
mod safetensors;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use lucid_autograd::Element;
use lucid_tensor::Tensor;

use crate::error::{Error, Result, Unreadable};

pub use damage::Damage;
pub use dtype::Dtype;
pub use load::{LoadReport, Strictness};
pub(crate) use load::{load, take};

/// Tensors by name, in the order in which they were put in, and any number of strings.
///
/// ```
/// use lucid_nn::{Linear, Module, StateDict, Strictness};
///
/// let linear = Linear::<f32>::new(3, 2, true, &mut rand::rng())?;
/// let mut state = linear.state_dict();
/// state.metadata_mut().insert("epoch".to_string(), "7".to_string());
/// let bytes = state.to_bytes()?;
///
/// let same = StateDict::from_bytes(&bytes)?;
/// assert_eq!(same.names().collect::<Vec<_>>(), ["weight", "bias"]);
/// linear.load_state_dict(&same, Strictness::Strict)?;
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone)]
pub struct StateDict<T: Element = f32> {
    entries: Vec<(String, Tensor<T>)>,
    /// Where in `entries` each name is.
    places: HashMap<String, usize>,
    metadata: BTreeMap<String, String>,
    /// Names that the module this was taken from has more than once: of their tensors, only the last is here.
    duplicates: BTreeSet<String>,
    /// Tensors that the file this was read from has beside those in `entries`.
    unreadable: Vec<Unreadable>,
}

impl<T: Element> StateDict<T> {
    /// No tensors and no metadata.
    pub fn new() -> Self {
        StateDict {
            entries: Vec::new(),
            places: HashMap::new(),
            metadata: BTreeMap::new(),
            duplicates: BTreeSet::new(),
            unreadable: Vec::new(),
        }
    }

    /// Puts a tensor at the end, or in the place of the one that has the name, which is returned.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor<T>) -> Option<Tensor<T>> {
        let name = name.into();
        self.unreadable.retain(|unreadable| unreadable.name != name);
        match self.places.get(&name) {
            Some(&place) => Some(std::mem::replace(&mut self.entries[place].1, tensor)),
            None => {
                self.places.insert(name.clone(), self.entries.len());
                self.entries.push((name, tensor));
                None
            }
        }
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor<T>> {
        self.places.get(name).map(|&place| &self.entries[place].1)
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The tensors with their names, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor<T>)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Strings that are stored along with the tensors.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Strings that are stored along with the tensors, to be changed.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }

    /// Tensors of the file this was read from whose elements are of a type that can't be read, such as the `I64` of
    /// PyTorch's `num_batches_tracked`. Their values are not here: a state dict that has some is loaded into modules like
    /// any other, but not stored, which would lose them.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Forgets the [`unreadable`](Self::unreadable) tensors and returns what is known of them.
    pub fn take_unreadable(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.unreadable)
    }

    /// The names of all tensors, also of those that could not be read.
    pub(crate) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names().chain(self.unreadable.iter().map(|unreadable| unreadable.name.as_str()))
    }

    fn require_no_duplicates(names: &BTreeSet<String>) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        Err(Error::DuplicateNames { names: names.iter().cloned().collect() })
    }

    /// Puts in all tensors and strings of `part`, each under `<name>.<its name>`: so one file can hold a model and its
    /// optimiser.
    ///
    /// ```
    /// # let (model, optimizer) = (lucid_nn::StateDict::<f32>::new(), lucid_nn::StateDict::new());
    /// let mut checkpoint = lucid_nn::StateDict::new();
    /// checkpoint.insert_part("model", model);
    /// checkpoint.insert_part("optimizer", optimizer);
    /// let (model, optimizer) = (checkpoint.part("model"), checkpoint.part("optimizer"));
    /// ```
    pub fn insert_part(&mut self, name: &str, part: StateDict<T>) {
        let outer = |inner: String| format!("{name}.{inner}");
        self.extend(part.entries.into_iter().map(|(inner, tensor)| (outer(inner), tensor)));
        self.metadata.extend(part.metadata.into_iter().map(|(inner, text)| (outer(inner), text)));
        self.duplicates.extend(part.duplicates.into_iter().map(outer));
        let unreadable = part.unreadable.into_iter();
        self.unreadable.extend(unreadable.map(|it| Unreadable { name: outer(it.name), ..it }));
    }

    /// The tensors and strings whose names begin with `<name>.`, without that beginning.
    #[must_use]
    pub fn part(&self, name: &str) -> StateDict<T> {
        let inner = |full: &str| Some(full.strip_prefix(name)?.strip_prefix('.')?.to_string());
        let tensors = self.iter().filter_map(|(full, tensor)| Some((inner(full)?, tensor.clone())));
        let strings = self.metadata.iter().filter_map(|(full, text)| Some((inner(full)?, text.clone())));
        let unreadable = self.unreadable.iter();
        StateDict {
            metadata: strings.collect(),
            duplicates: self.duplicates.iter().filter_map(|full| inner(full)).collect(),
            unreadable: unreadable
                .filter_map(|it| Some(Unreadable { name: inner(&it.name)?, ..it.clone() }))
                .collect(),
            ..tensors.collect()
        }
    }
}

impl<T: Element> Default for StateDict<T> {
    fn default() -> Self {
        StateDict::new()
    }
}

impl<T: Element> Extend<(String, Tensor<T>)> for StateDict<T> {
    fn extend<I: IntoIterator<Item = (String, Tensor<T>)>>(&mut self, entries: I) {
        for (name, tensor) in entries {
            self.insert(name, tensor);
        }
    }
}

impl<T: Element> FromIterator<(String, Tensor<T>)> for StateDict<T> {
    fn from_iter<I: IntoIterator<Item = (String, Tensor<T>)>>(entries: I) -> Self {
        let mut state = StateDict::new();
        state.extend(entries);
        state
    }
}

impl<T: Element> IntoIterator for StateDict<T> {
    type Item = (String, Tensor<T>);
    type IntoIter = std::vec::IntoIter<(String, Tensor<T>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Names and shapes: the values would fill pages.
impl<T: Element> fmt::Debug for StateDict<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, tensor)| (name, tensor.shape()))).finish()
    }
}
