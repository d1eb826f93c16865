//! A tensor on the tape.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::node::Node;
use crate::record::is_recording;

/// A tensor and its place on the tape. Cloning gives another handle of the same value and place.
///
/// A **leaf** requires a gradient and is where gradients accumulate; a **constant** requires none. The result of an
/// operation requires one when any of its inputs does.
///
/// ```
/// use lucid_autograd::Var;
/// use lucid_tensor::tensor;
///
/// let x = Var::leaf(tensor!([1.0, 2.0, 3.0]));
/// let y = (&x * &x)?.sum_all();
/// y.backward()?;
/// assert_eq!(x.grad(), Some(tensor!([2.0, 4.0, 6.0])));
/// # Ok::<(), lucid_autograd::Error>(())
/// ```
#[derive(Clone)]
pub struct Var<T: Element> {
    value: Arc<RwLock<Tensor<T>>>,
    node: Option<Arc<Node<T>>>,
}

impl<T: Element> Var<T> {
    /// A value that requires a gradient.
    pub fn leaf(value: Tensor<T>) -> Self {
        let node = Node::leaf(value.shape());
        Var::on_tape(value, Some(node))
    }

    /// A value that requires none.
    pub fn constant(value: Tensor<T>) -> Self {
        Var::on_tape(value, None)
    }

    pub(crate) fn on_tape(value: Tensor<T>, node: Option<Arc<Node<T>>>) -> Self {
        Var { value: Arc::new(RwLock::new(value)), node }
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node<T>>> {
        self.node.as_ref()
    }

    /// The value. Cheap: storage is shared.
    pub fn value(&self) -> Tensor<T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value of a leaf or constant, for every handle of it. What was computed from the old value keeps its
    /// gradients as they were: operations saved what they read.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape, [`Error::NotALeaf`] on the result of an operation.
    pub fn set_value(&self, value: Tensor<T>) -> Result<()> {
        if self.node.as_ref().is_some_and(|node| !node.is_leaf()) {
            return Err(Error::NotALeaf { action: "setting a value" });
        }
        let mut current = self.value.write().unwrap_or_else(PoisonError::into_inner);
        if current.shape() != value.shape() {
            let (given, expected) = (value.shape().to_vec(), current.shape().to_vec());
            return Err(Error::Shape { what: "the new value", given, expected });
        }
        *current = value;
        Ok(())
    }

    /// The value, for an operation with `other` to write its result over: only where nobody else holds it and the operation
    /// is not recorded, else the variable comes back.
    pub(crate) fn into_storage(self, other: Option<&Self>) -> std::result::Result<Tensor<T>, Self> {
        let is_recorded = is_recording() && (self.requires_grad() || other.is_some_and(Var::requires_grad));
        if is_recorded {
            return Err(self);
        }
        let Var { value, node } = self;
        match Arc::try_unwrap(value) {
            Ok(value) => Ok(value.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(value) => Err(Var { value, node }),
        }
    }

    /// The lengths of the axes.
    pub fn shape(&self) -> Vec<usize> {
        self.value.read().unwrap_or_else(PoisonError::into_inner).shape().to_vec()
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The only element of a value that has exactly one.
    ///
    /// # Errors
    /// [`Error::Tensor`] when there is not exactly one.
    pub fn item(&self) -> Result<T> {
        Ok(self.value().item()?)
    }

    /// Whether a sweep from here would find leaves.
    pub fn requires_grad(&self) -> bool {
        self.node.is_some()
    }

    /// Whether this is a leaf or a constant rather than a recorded result.
    pub fn is_leaf(&self) -> bool {
        self.node.as_ref().is_none_or(|node| node.is_leaf())
    }

    /// Whether two handles are of the same value and place.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
    }

    /// The same value as a constant.
    #[must_use]
    pub fn detach(&self) -> Self {
        Var::constant(self.value())
    }

    /// The gradient accumulated so far, if any has arrived.
    pub fn grad(&self) -> Option<Tensor<T>> {
        self.node.as_ref()?.grad().clone()
    }

    /// Replaces the accumulated gradient.
    ///
    /// # Errors
    /// [`Error::NoGradient`] on a constant, [`Error::Shape`] for another shape than the value's.
    pub fn set_grad(&self, grad: Tensor<T>) -> Result<()> {
        let node = self.require_node("the variable")?;
        let expected = self.shape();
        if grad.shape() != expected {
            return Err(Error::Shape { what: "the gradient", given: grad.shape().to_vec(), expected });
        }
        *node.grad() = Some(grad);
        Ok(())
    }

    /// Forgets the accumulated gradient.
    pub fn zero_grad(&self) {
        if let Some(node) = &self.node {
            *node.grad() = None;
        }
    }

    /// Makes sweeps leave the gradient of this intermediate value, as they do for leaves.
    ///
    /// # Errors
    /// [`Error::NoGradient`] on a constant.
    pub fn retain_grad(&self) -> Result<()> {
        self.require_node("the variable").map(|node| node.keep_grad())
    }

    pub(crate) fn require_node(&self, what: &str) -> Result<&Arc<Node<T>>> {
        self.node.as_ref().ok_or_else(|| Error::NoGradient { what: what.to_string() })
    }
}

impl<T: Element> From<Tensor<T>> for Var<T> {
    fn from(value: Tensor<T>) -> Self {
        Var::constant(value)
    }
}

/// `Tensor([[1.0, 2.5]])`, with `, requires_grad=true` where that is so.
impl<T: Element> fmt::Display for Var<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor(")?;
        let precision = f.precision();
        self.value().write_nested(f, precision)?;
        f.write_str(if self.requires_grad() { ", requires_grad=true)" } else { ")" })
    }
}

impl<T: Element> fmt::Debug for Var<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Var").field("value", &self.value()).field("node", &self.node).finish()
    }
}
