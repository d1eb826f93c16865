//! Other names for the tensors of a state dict, so that a checkpoint of another program loads as it is.

use std::collections::BTreeMap;

use lucid_autograd::Element;

use super::StateDict;
use crate::error::{Error, Result, Unreadable};

impl<T: Element> StateDict<T> {
    /// The tensors under the names that `name` gives for theirs; those it gives none for are left out. The order, the
    /// strings and the storage stay.
    ///
    /// The generator of a checkpoint that also has a discriminator, without the wrapper that its program put around it:
    ///
    /// ```
    /// use lucid_nn::{Linear, Module, StateDict, Strictness, Tensor};
    ///
    /// let mut checkpoint = StateDict::<f32>::new();
    /// checkpoint.insert("generator.module.weight", Tensor::zeros([2, 3])?);
    /// checkpoint.insert("discriminator.module.weight", Tensor::zeros([1, 2])?);
    /// let state = checkpoint.renamed(|name| Some(name.strip_prefix("generator.module.")?.to_string()))?;
    /// let linear = Linear::new(3, 2, false, &mut rand::rng())?;
    /// assert!(linear.load_state_dict(&state, Strictness::Strict)?.is_complete());
    /// # Ok::<(), lucid_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Renaming`] when two tensors would have one name: with the name and all that would have it.
    pub fn renamed(self, mut name: impl FnMut(&str) -> Option<String>) -> Result<Self> {
        let StateDict { entries, metadata, duplicates, unreadable, places: _ } = self;
        let mut state = StateDict { metadata, ..StateDict::new() };
        let mut origins: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut rename = |old: String| {
            let new = name(&old)?;
            if duplicates.contains(&old) {
                state.duplicates.insert(new.clone());
            }
            origins.entry(new.clone()).or_default().push(old);
            Some(new)
        };
        let entries: Vec<_> =
            entries.into_iter().filter_map(|(old, tensor)| Some((rename(old)?, tensor))).collect();
        let unreadable = unreadable.into_iter();
        state.unreadable =
            unreadable.filter_map(|it| Some(Unreadable { name: rename(it.name)?, ..it })).collect();
        if let Some((name, from)) = origins.into_iter().find(|(_, from)| from.len() > 1) {
            return Err(Error::Renaming { name, from });
        }
        state.extend(entries);
        Ok(state)
    }
}
