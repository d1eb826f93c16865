//! The tape's nodes: who was computed from whom, and what the gradient needs.
//!
//! A node holds no value of its own, only its operation's saved tensors and links to its inputs' nodes. Links live in
//! the history alone, never inside an operation, so taking a graph apart is a loop.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::Result;
use crate::var::Var;

/// A differentiable operation: what it saved in its forward computation, and its gradient.
///
/// Implement it to put an operation of your own on the tape; see [`record`](crate::record).
pub trait Operation<T: Element>: Send + Sync + 'static {
    /// The name that errors show.
    fn name(&self) -> &'static str;

    /// The gradient that arrives at each input when `dy` arrives at the output, in the order of the inputs; `None` for
    /// one that needs none (see [`Links::needs`]).
    ///
    /// Written in differentiable operations on `dy` and on what [`links`](Links) returns, it can be differentiated in
    /// turn.
    ///
    /// # Errors
    /// Those of the operations it is written in.
    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>>;
}

/// Ties tensors that an operation saved to their places on the tape.
#[derive(Debug)]
pub struct Links<'a, T: Element> {
    pub(crate) inputs: &'a [Option<Arc<Node<T>>>],
    pub(crate) output: &'a Arc<Node<T>>,
    /// Nodes numbered below this one are not asked for.
    pub(crate) lowest: u64,
}

impl<T: Element> Links<'_, T> {
    /// Whether anything asks for the gradient of input number `index`.
    pub fn needs(&self, index: usize) -> bool {
        self.inputs.get(index).is_some_and(|node| node.as_ref().is_some_and(|node| node.id >= self.lowest))
    }

    /// Whether the operation was recorded with an input number `index`.
    pub fn has(&self, index: usize) -> bool {
        index < self.inputs.len()
    }

    /// The value of input number `index` as saved, on the tape where the input was.
    ///
    /// # Panics
    /// When the operation was recorded with fewer inputs; see [`has`](Self::has).
    pub fn input(&self, index: usize, saved: &Tensor<T>) -> Var<T> {
        Var::on_tape(saved.clone(), self.inputs[index].clone())
    }

    /// The output's value as saved, on the tape.
    pub fn output(&self, saved: &Tensor<T>) -> Var<T> {
        Var::on_tape(saved.clone(), Some(Arc::clone(self.output)))
    }
}

/// What a node was computed by and from.
pub(crate) struct History<T: Element> {
    pub(crate) operation: Box<dyn Operation<T>>,
    pub(crate) inputs: Vec<Option<Arc<Node<T>>>>,
}

/// A value's place on the tape.
pub(crate) struct Node<T: Element> {
    /// Nodes are numbered as they are made, so an input's number is below its output's.
    pub(crate) id: u64,
    /// The value's shape, which is its gradient's.
    pub(crate) shape: Box<[usize]>,
    /// `None` in a leaf; taken away when a sweep frees the graph.
    history: Option<HistorySlot<T>>,
    keeps_grad: AtomicBool,
    grad: Mutex<Option<Tensor<T>>>,
}

struct HistorySlot<T: Element> {
    operation: &'static str,
    taken: Mutex<Option<Arc<History<T>>>>,
}

impl<T: Element> Node<T> {
    pub(crate) fn leaf(shape: &[usize]) -> Arc<Self> {
        Arc::new(Node {
            id: next_id(),
            shape: shape.into(),
            history: None,
            keeps_grad: AtomicBool::new(true),
            grad: Mutex::new(None),
        })
    }

    pub(crate) fn operation(
        shape: &[usize],
        operation: Box<dyn Operation<T>>,
        inputs: Vec<Option<Arc<Node<T>>>>,
    ) -> Arc<Self> {
        let name = operation.name();
        let history = Arc::new(History { operation, inputs });
        Arc::new(Node {
            id: next_id(),
            shape: shape.into(),
            history: Some(HistorySlot { operation: name, taken: Mutex::new(Some(history)) }),
            keeps_grad: AtomicBool::new(false),
            grad: Mutex::new(None),
        })
    }

    pub(crate) fn is_leaf(&self) -> bool {
        self.history.is_none()
    }

    /// The name of the operation, for messages.
    pub(crate) fn name(&self) -> &'static str {
        self.history.as_ref().map_or("a leaf", |slot| slot.operation)
    }

    /// The history, where there is one and it was not freed; with `free`, the last time that there is.
    pub(crate) fn history(&self, free: bool) -> Option<Arc<History<T>>> {
        let mut slot = lock(&self.history.as_ref()?.taken);
        if free { slot.take() } else { slot.clone() }
    }

    pub(crate) fn keeps_grad(&self) -> bool {
        self.keeps_grad.load(Ordering::Relaxed)
    }

    pub(crate) fn keep_grad(&self) {
        self.keeps_grad.store(true, Ordering::Relaxed);
    }

    pub(crate) fn grad(&self) -> MutexGuard<'_, Option<Tensor<T>>> {
        lock(&self.grad)
    }
}

/// Takes the graph behind a node apart in a loop: dropping a chain recursively would need a stack as deep as the chain.
impl<T: Element> Drop for Node<T> {
    fn drop(&mut self) {
        let Some(history) = self.history(true) else { return };
        let mut unlinked = vec![history];
        while let Some(history) = unlinked.pop() {
            let Some(history) = Arc::into_inner(history) else { continue };
            for node in history.inputs.into_iter().flatten() {
                if let Some(node) = Arc::into_inner(node) {
                    unlinked.extend(node.history(true));
                }
            }
        }
    }
}

impl<T: Element> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} ({})", self.id, self.name())
    }
}

/// A poisoned lock only means that another thread panicked while it held a whole value; the value is still whole.
pub(crate) fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
