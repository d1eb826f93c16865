//! What running a plan takes beside its arrays, kept from one call to the next.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use lucid_kernels::{Element, Isa};

use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::polyphase::PanelShape;
use crate::{depthwise, polyphase};

/// Tables and buffers for [`Plan::convolve_prepared_into`](crate::Plan::convolve_prepared_into) and
/// [`Plan::convolve_fused_into`](crate::Plan::convolve_fused_into), made when they are first needed and used again.
///
/// It serves any plan, and any number of them in turn. Once it has served a plan, serving it again takes no memory on the
/// calling thread, except where the algorithm is a matrix product, which packs for itself. Tables are kept for the
/// [`KEPT`](Self::KEPT) geometries that were used last; buffers, one set per thread that took part, never shrink.
///
/// ```
/// use lucid_conv::{Options, Plan, Shapes, Workspace};
/// use ndarray::Array3;
///
/// let (x, w, mut y) = (Array3::<f32>::ones((1, 8, 70)), Array3::ones((8, 4, 4)), Array3::zeros((1, 4, 142)));
/// let options = Options::<1>::conv_transpose().stride(2);
/// let plan = Plan::new(options.resolve(Shapes { x: x.shape(), w: w.shape() })?);
/// let (prepared, mut workspace) = (plan.prepare(w.view())?, Workspace::new());
/// for _ in 0..3 {
///     plan.convolve_prepared_into(x.view(), &prepared, None, y.view_mut(), &mut workspace)?;
/// }
/// # Ok::<(), lucid_conv::Error>(())
/// ```
#[derive(Debug)]
pub struct Workspace<T: 'static, const N: usize> {
    pub(crate) schedules: Recent<Key<N>, polyphase::Schedule<T, N>>,
    pub(crate) scratch: Pool<polyphase::Scratch<T>>,
    pub(crate) filters: Recent<Key<N>, depthwise::Form<N>>,
    pub(crate) filter_scratch: Pool<depthwise::Scratch<T>>,
    /// An input that was activated as a whole.
    pub(crate) activated: Vec<T>,
}

/// What tables are made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Key<const N: usize> {
    pub(crate) geometry: Geometry<N>,
    pub(crate) pass: Pass,
    pub(crate) isa: Isa,
    /// How the weight is packed, where it is, beforehand or not.
    pub(crate) panels: Option<PanelShape>,
    pub(crate) is_prepared: bool,
}

impl<T: Element, const N: usize> Workspace<T, N> {
    /// How many geometries tables are kept for: a stream's chunks differ in length by a position or two.
    pub const KEPT: usize = 8;

    /// An empty one.
    pub fn new() -> Self {
        Workspace {
            schedules: Recent::new(Self::KEPT),
            scratch: Pool::default(),
            filters: Recent::new(Self::KEPT),
            filter_scratch: Pool::default(),
            activated: Vec::new(),
        }
    }
}

impl<T: Element, const N: usize> Default for Workspace<T, N> {
    fn default() -> Self {
        Workspace::new()
    }
}

/// The values made last, by what they were made for: the latest at the end.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: Vec<(K, V)>,
    most: usize,
}

impl<K: PartialEq, V> Recent<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Recent { entries: Vec::new(), most }
    }

    /// The value of a key, made if it is not there.
    pub(crate) fn get(&mut self, key: K, make: impl FnOnce() -> V) -> &V {
        match self.entries.iter().position(|(known, _)| *known == key) {
            Some(found) => self.entries[found..].rotate_left(1),
            None => {
                if self.entries.len() == self.most {
                    self.entries.remove(0);
                }
                self.entries.push((key, make()));
            }
        }
        let (_, value) = self.entries.last().expect("moved or put there above");
        value
    }
}

/// Workspaces of threads: each takes one, and it is there for the next when it is done.
#[derive(Debug)]
pub(crate) struct Pool<S> {
    idle: Mutex<Vec<S>>,
}

impl<S> Default for Pool<S> {
    fn default() -> Self {
        Pool { idle: Mutex::new(Vec::new()) }
    }
}

impl<S: Default> Pool<S> {
    pub(crate) fn lend(&self) -> Lent<'_, S> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { value: idle.unwrap_or_default(), pool: self }
    }
}

/// One of a [`Pool`], which has it back afterwards.
pub(crate) struct Lent<'a, S: Default> {
    value: S,
    pool: &'a Pool<S>,
}

impl<S: Default> Deref for Lent<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.value
    }
}

impl<S: Default> DerefMut for Lent<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.value
    }
}

impl<S: Default> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        let value = std::mem::take(&mut self.value);
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_used_last_are_kept() {
        let mut recent = Recent::new(2);
        let mut made = Vec::new();
        for key in [1, 2, 1, 3, 1, 2] {
            assert_eq!(
                *recent.get(key, || {
                    made.push(key);
                    key * 10
                }),
                key * 10
            );
        }
        assert_eq!(made, [1, 2, 3, 2]);
    }

    #[test]
    fn what_was_lent_comes_back() {
        let pool: Pool<Vec<u8>> = Pool::default();
        pool.lend().push(1);
        let (first, second) = (pool.lend(), pool.lend());
        assert_eq!((&first[..], &second[..]), (&[1][..], &[][..]));
    }
}
