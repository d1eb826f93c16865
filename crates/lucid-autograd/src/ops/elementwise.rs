//! What all functions of one number have in common: `y = f(x)`, so `dx = dy f'(x)`.

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// Which of its two values a function's derivative is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Input,
    Output,
}

/// A differentiable function of one number.
pub(crate) trait Function<T: Element>: Send + Sync + 'static {
    const NAME: &'static str;
    /// What [`derivative`](Self::derivative) is given.
    const READS: Reads;

    /// `f(x)`
    fn value(&self, x: T) -> T;

    /// `f'(x)`, in differentiable operations on `x` or on `y = f(x)`, as [`READS`](Self::READS) says.
    fn derivative(&self, at: &Var<T>) -> Result<Var<T>>;
}

/// `y = f(x)` for every element.
pub(crate) fn apply<T: Element, F: Function<T>>(function: F, x: &Var<T>) -> Var<T> {
    let x_value = x.value();
    let y = x_value.map(|x| function.value(x));
    let saved = match F::READS {
        Reads::Input => x_value,
        Reads::Output => y.clone(),
    };
    record(y, &[x], || Box::new(Elementwise { function, saved }))
}

struct Elementwise<T, F> {
    function: F,
    saved: Tensor<T>,
}

impl<T: Element, F: Function<T>> Operation<T> for Elementwise<T, F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let at = match F::READS {
            Reads::Input => links.input(0, &self.saved),
            Reads::Output => links.output(&self.saved),
        };
        Ok(vec![Some((dy * &self.function.derivative(&at)?)?)])
    }
}
