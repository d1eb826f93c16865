//! The reverse sweep.
//!
//! Nodes are numbered as they are made, so visiting the reachable ones by falling number visits each after everything
//! that was computed from it: its gradient is complete by then. No recursion, no separate sort.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::node::{Links, Node};
use crate::record::{is_recording, with_recording};
use crate::var::Var;

/// What becomes of the recorded operations that a sweep visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graph {
    /// They are freed: a second sweep over them is an error.
    Free,
    /// They stay, so they can be swept again (PyTorch's `retain_graph`).
    Retain,
    /// They stay, and the sweep itself is recorded, so its results can be differentiated (PyTorch's `create_graph`). A
    /// result that turns out constant, such as the derivative of `2 x`, requires no gradient.
    Create,
}

/// The gradients of the sum of all elements of `outputs` with respect to each of `inputs`, which may be leaves or
/// intermediate values; what leaves have accumulated is left alone. An input that no output depends on has gradient 0.
///
/// ```
/// use lucid_autograd::{Graph, Var, grad};
/// use lucid_tensor::tensor;
///
/// // (x^3)' = 3 x^2, (x^3)'' = 6 x
/// let x = Var::leaf(tensor!([2.0]));
/// let first = grad(&[&x.powf(3.0)], &[&x], Graph::Create)?.remove(0);
/// assert_eq!(first.value(), tensor!([12.0]));
/// let second = grad(&[&first], &[&x], Graph::Free)?.remove(0);
/// assert_eq!(second.value(), tensor!([12.0]));
/// # Ok::<(), lucid_autograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::NoGradient`] when no output, or some input, requires a gradient; [`Error::GraphFreed`].
pub fn grad<T: Element>(outputs: &[&Var<T>], inputs: &[&Var<T>], graph: Graph) -> Result<Vec<Var<T>>> {
    let seeds: Vec<Var<T>> = outputs.iter().map(|output| Var::constant(output.value().ones_like())).collect();
    grad_with(outputs, &seeds.iter().collect::<Vec<_>>(), inputs, graph)
}

/// As [`grad`], with `seeds` the gradients that arrive at `outputs`, of their shapes. The result depends on the seeds
/// differentiably with [`Graph::Create`].
///
/// # Errors
/// As [`grad`], and [`Error::Count`] or [`Error::Shape`] for seeds that don't fit the outputs.
pub fn grad_with<T: Element>(
    outputs: &[&Var<T>],
    seeds: &[&Var<T>],
    inputs: &[&Var<T>],
    graph: Graph,
) -> Result<Vec<Var<T>>> {
    if seeds.len() != outputs.len() {
        return Err(Error::Count { what: "seeds", given: seeds.len(), expected: outputs.len() });
    }
    let mut wanted = HashMap::new();
    for (index, input) in inputs.iter().enumerate() {
        wanted.insert(input.require_node(&format!("input number {index}"))?.id, None);
    }
    // What was made before the oldest input can't depend on any of them.
    let lowest = wanted.keys().copied().min().unwrap_or(u64::MAX);
    let starts = outputs.iter().copied().zip(seeds.iter().map(|&seed| seed.clone())).collect();
    sweep(starts, lowest, graph, |node, dy| {
        if let Some(found) = wanted.get_mut(&node.id) {
            *found = Some(dy.clone());
        }
    })?;
    let found = |input: &&Var<T>| input.node().and_then(|node| wanted[&node.id].clone());
    Ok(inputs
        .iter()
        .map(|input| found(input).unwrap_or_else(|| Var::constant(input.value().zeros_like())))
        .collect())
}

impl<T: Element> Var<T> {
    /// Adds, to every leaf that this value was computed from, the gradient of the sum of this value's elements, and
    /// frees the graph.
    ///
    /// # Errors
    /// [`Error::NoGradient`] when this value requires none, [`Error::GraphFreed`] when its graph was freed before.
    pub fn backward(&self) -> Result<()> {
        self.backward_graph(None, Graph::Free)
    }

    /// As [`backward`](Self::backward), with `dy` the gradient that arrives at this value.
    ///
    /// # Errors
    /// As `backward`, and [`Error::Shape`] when `dy` has another shape than the value.
    pub fn backward_with(&self, dy: &Tensor<T>) -> Result<()> {
        self.backward_graph(Some(dy), Graph::Free)
    }

    /// As [`backward_with`](Self::backward_with) (ones without a `dy`), with a choice of what becomes of the graph.
    /// Accumulated gradients are plain tensors; to differentiate a gradient, use [`grad`].
    ///
    /// # Errors
    /// As `backward_with`.
    pub fn backward_graph(&self, dy: Option<&Tensor<T>>, graph: Graph) -> Result<()> {
        let seed = dy.cloned().unwrap_or_else(|| self.value().ones_like());
        let mut arrived: Vec<(Arc<Node<T>>, Tensor<T>)> = Vec::new();
        sweep(vec![(self, Var::constant(seed))], 0, graph, |node, dy| {
            if node.keeps_grad() {
                arrived.push((Arc::clone(node), dy.value()));
            }
        })?;
        // Only a sweep that got through leaves its gradients behind.
        for (node, dy) in arrived {
            let mut grad = node.grad();
            match grad.as_mut() {
                Some(grad) => grad.add_assign(&dy)?,
                None => *grad = Some(dy),
            }
        }
        Ok(())
    }
}

/// Visits every node numbered `lowest` or higher that an output was computed from, with its complete gradient.
fn sweep<T: Element>(
    starts: Vec<(&Var<T>, Var<T>)>,
    lowest: u64,
    graph: Graph,
    mut visit: impl FnMut(&Arc<Node<T>>, &Var<T>),
) -> Result<()> {
    let mut pending = Pending { by_id: BTreeMap::new(), lowest };
    let mut any = false;
    let recording = graph == Graph::Create && is_recording();
    with_recording(recording, || {
        for (output, seed) in starts {
            let (given, expected) = (seed.shape(), output.shape());
            if given != expected {
                return Err(Error::Shape {
                    what: "the gradient that arrives at the output",
                    given,
                    expected,
                });
            }
            if let Some(node) = output.node() {
                any = true;
                pending.add(node, seed)?;
            }
        }
        if !any {
            return Err(Error::NoGradient { what: "the output".to_string() });
        }
        while let Some((_, (node, dy))) = pending.by_id.pop_last() {
            visit(&node, &dy);
            if node.is_leaf() {
                continue;
            }
            let history = node
                .history(graph == Graph::Free)
                .ok_or_else(|| Error::GraphFreed { operation: node.name() })?;
            let links = Links { inputs: &history.inputs, output: &node, lowest };
            let gradients = history.operation.backward(&links, &dy)?;
            if gradients.len() != history.inputs.len() {
                let (given, accepted) = (gradients.len(), history.inputs.len());
                return Err(Error::Backward {
                    operation: node.name(),
                    given: format!("{given} gradients"),
                    accepted: format!("one for each of its {accepted} inputs"),
                });
            }
            for (index, (input, gradient)) in history.inputs.iter().zip(gradients).enumerate() {
                let (Some(input), Some(gradient)) = (input, gradient) else { continue };
                if *gradient.shape() != *input.shape {
                    return Err(Error::Backward {
                        operation: node.name(),
                        given: format!("a gradient of shape {:?} for input number {index}", gradient.shape()),
                        accepted: format!("the input's shape {:?}", input.shape),
                    });
                }
                pending.add(input, gradient)?;
            }
        }
        Ok(())
    })
}

/// The gradients that have arrived so far, by the number of their node.
struct Pending<T: Element> {
    by_id: BTreeMap<u64, (Arc<Node<T>>, Var<T>)>,
    lowest: u64,
}

impl<T: Element> Pending<T> {
    fn add(&mut self, node: &Arc<Node<T>>, gradient: Var<T>) -> Result<()> {
        if node.id < self.lowest {
            return Ok(());
        }
        let sum = match self.by_id.remove(&node.id) {
            Some((_, before)) => (&before + &gradient)?,
            None => gradient,
        };
        self.by_id.insert(node.id, (Arc::clone(node), sum));
        Ok(())
    }
}
