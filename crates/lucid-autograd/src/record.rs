//! Putting operations on the tape, and keeping them off it.

use std::cell::Cell;

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::node::{Node, Operation};
use crate::var::Var;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on this thread are recorded.
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Runs `f` without recording: what it computes requires no gradient. Applies to the calling thread, and ends when `f`
/// returns or unwinds.
///
/// The left operand of `+ - * /`, given up rather than by reference and held by nobody else, then lends its storage to the
/// result: `f(&x)? + &x` takes no memory beside that of `f(&x)`.
///
/// ```
/// use lucid_autograd::{Var, no_grad};
/// use lucid_tensor::tensor;
///
/// let x = Var::leaf(tensor!([1.0, 2.0]));
/// let y = no_grad(|| x.exp());
/// assert!(!y.requires_grad());
/// assert!(x.exp().requires_grad());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    with_recording(false, f)
}

pub(crate) fn with_recording<R>(recording: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(recording));
    f()
}

/// The result `value` of an operation on `inputs`, recorded where recording is on and any input requires a gradient;
/// only then is `operation` called.
///
/// ```
/// use lucid_autograd::{Element, Links, Operation, Result, Var, record};
///
/// /// y = x, but the gradient is reversed, as domain-adversarial training asks for.
/// struct ReverseGradient;
///
/// impl<T: Element> Operation<T> for ReverseGradient {
///     fn name(&self) -> &'static str {
///         "reverse_gradient"
///     }
///     fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
///         Ok(vec![Some(-dy)])
///     }
/// }
///
/// let x = Var::leaf(lucid_tensor::tensor!([3.0]));
/// let y = record(x.value(), &[&x], || Box::new(ReverseGradient));
/// y.backward()?;
/// assert_eq!(x.grad(), Some(lucid_tensor::tensor!([-1.0])));
/// # Ok::<(), lucid_autograd::Error>(())
/// ```
pub fn record<T: Element>(
    value: Tensor<T>,
    inputs: &[&Var<T>],
    operation: impl FnOnce() -> Box<dyn Operation<T>>,
) -> Var<T> {
    if !is_recording() || !inputs.iter().any(|input| input.requires_grad()) {
        return Var::constant(value);
    }
    let nodes = inputs.iter().map(|input| input.node().cloned()).collect();
    let node = Node::operation(value.shape(), operation(), nodes);
    Var::on_tape(value, Some(node))
}
