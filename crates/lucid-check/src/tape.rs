//! First- and second-order gradients on the tape against central differences.
//!
//! For `y = f(x)` and a gradient `dy` that arrives at it, the tape gives `dx = g(x, dy)`. That function is compared with
//! differences of `f`, and its own derivatives with differences of `g`: by every input, and by `dy`.

use std::fmt::Display;

use lucid_autograd::lucid_tensor::Tensor;
use lucid_autograd::{Graph, Var, grad_with};
use ndarray::ArrayD;

use crate::Error;
use crate::differences::{TOLERANCE, check_vjp};

/// Checks the first- and second-order gradients of `f` at `inputs`, which it must be smooth around.
///
/// ```
/// use lucid_check::tape::check_gradients;
/// use ndarray::array;
///
/// let inputs = [array![0.3, -0.8].into_dyn(), array![1.5, 0.2].into_dyn()];
/// check_gradients(&inputs, |vars| &vars[0].sin() * &vars[1])?;
/// # Ok::<(), lucid_check::Error>(())
/// ```
///
/// # Errors
/// [`Error::Mismatch`] for a gradient that differs from the differences by more than [`TOLERANCE`] times the largest of
/// them; [`Error::Tape`] when `f` or a sweep fails.
///
/// # Panics
/// When `f` fails close to `inputs` but not at them.
pub fn check_gradients<E: Display>(
    inputs: &[ArrayD<f64>],
    f: impl Fn(&[Var<f64>]) -> Result<Var<f64>, E>,
) -> Result<(), Error> {
    let y = f(&constants(inputs)).map_err(tape)?;
    let dy = arbitrary(&y.shape(), 1);
    let dx = first_order(&f, inputs, &dy).map_err(tape)?;
    let value = |inputs: &[ArrayD<f64>]| {
        let y = f(&constants(inputs)).unwrap_or_else(|error| panic!("f failed near its inputs: {error}"));
        y.value().into_array()
    };
    check_vjp(value, inputs, dy.view(), &dx, TOLERANCE).map_err(|error| in_order("first", &error))?;

    // g(inputs, dy) = dx, one output per input.
    let mut extended = inputs.to_vec();
    extended.push(dy);
    for output in 0..inputs.len() {
        let v = arbitrary(inputs[output].shape(), 2 + output as u64);
        let gradients = second_order(&f, &extended, output, &v).map_err(tape)?;
        let g = |extended: &[ArrayD<f64>]| {
            let (dy, inputs) = extended.split_last().expect("dy is the last of them");
            first_order(&f, inputs, dy)
                .unwrap_or_else(|error| panic!("the gradient failed near its inputs: {error}"))
                .swap_remove(output)
        };
        check_vjp(g, &extended, v.view(), &gradients, TOLERANCE)
            .map_err(|error| in_order("second", &error))?;
    }
    Ok(())
}

fn first_order<E: Display>(
    f: &impl Fn(&[Var<f64>]) -> Result<Var<f64>, E>,
    inputs: &[ArrayD<f64>],
    dy: &ArrayD<f64>,
) -> Result<Vec<ArrayD<f64>>, String> {
    let leaves = leaves(inputs);
    let y = f(&leaves).map_err(|error| error.to_string())?;
    let dy = Var::constant(Tensor::from(dy.clone()));
    let leaves: Vec<&Var<f64>> = leaves.iter().collect();
    let dx = grad_with(&[&y], &[&dy], &leaves, Graph::Free).map_err(|error| error.to_string())?;
    Ok(dx.into_iter().map(|dx| dx.value().into_array()).collect())
}

/// The gradient of `<dx[output], v>` by every input and by `dy`.
fn second_order<E: Display>(
    f: &impl Fn(&[Var<f64>]) -> Result<Var<f64>, E>,
    extended: &[ArrayD<f64>],
    output: usize,
    v: &ArrayD<f64>,
) -> Result<Vec<ArrayD<f64>>, String> {
    let leaves = leaves(extended);
    let (dy, inputs) = leaves.split_last().expect("dy is the last of them");
    let y = f(inputs).map_err(|error| error.to_string())?;
    let wanted: Vec<&Var<f64>> = inputs.iter().collect();
    let dx = grad_with(&[&y], &[dy], &wanted, Graph::Create).map_err(|error| error.to_string())?;
    if !dx[output].requires_grad() {
        // Constant: its derivatives are 0, and a sweep from it would rightly be refused.
        return Ok(extended.iter().map(|array| ArrayD::zeros(array.raw_dim())).collect());
    }
    let v = Var::constant(Tensor::from(v.clone()));
    let leaves: Vec<&Var<f64>> = leaves.iter().collect();
    let second = grad_with(&[&dx[output]], &[&v], &leaves, Graph::Free).map_err(|error| error.to_string())?;
    Ok(second.into_iter().map(|gradient| gradient.value().into_array()).collect())
}

/// Numbers of the order of 1 without a pattern that a wrong gradient could share: the fractional parts of multiples of
/// the golden ratio, shifted to -1..1.
pub fn arbitrary(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut count = seed as f64 * 17.0;
    ArrayD::from_shape_simple_fn(shape.to_vec(), || {
        count += 1.0;
        (count * 1.618_033_988_749_895).fract() * 2.0 - 1.0
    })
}

fn leaves(inputs: &[ArrayD<f64>]) -> Vec<Var<f64>> {
    inputs.iter().map(|input| Var::leaf(Tensor::from(input.clone()))).collect()
}

fn constants(inputs: &[ArrayD<f64>]) -> Vec<Var<f64>> {
    inputs.iter().map(|input| Var::constant(Tensor::from(input.clone()))).collect()
}

fn tape(reason: impl Display) -> Error {
    Error::Tape { reason: reason.to_string() }
}

fn in_order(order: &str, error: &Error) -> Error {
    tape(format!("{order} order: {error}"))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use lucid_autograd::{Element, Links, Operation, record};

    /// y = x^2 whose gradient claims to be `scale x dy`.
    struct Claimed(Tensor<f64>, f64);

    impl Operation<f64> for Claimed {
        fn name(&self) -> &'static str {
            "claimed"
        }
        fn backward(
            &self,
            links: &Links<'_, f64>,
            dy: &Var<f64>,
        ) -> lucid_autograd::Result<Vec<Option<Var<f64>>>> {
            // With the input taken off the tape, the first order is right and the second is not.
            let x = if self.1 < 0.0 { links.input(0, &self.0).detach() } else { links.input(0, &self.0) };
            Ok(vec![Some((dy * &(x * self.1.abs()))?)])
        }
    }

    fn check(scale: f64) -> Result<(), Error> {
        check_gradients(&[array![0.4, -1.2].into_dyn()], |vars| {
            let x = vars[0].value();
            Ok::<_, lucid_autograd::Error>(record(x.map(|x| x * x), &[&vars[0]], || {
                Box::new(Claimed(x, scale))
            }))
        })
    }

    #[test]
    fn wrong_gradients_of_either_order_are_found() {
        check(2.0).unwrap();
        assert!(check(2.001).unwrap_err().to_string().contains("first order"));
        assert!(check(-2.0).unwrap_err().to_string().contains("second order"));
    }

    #[test]
    fn a_failing_function_is_an_error() {
        fn zeros<T: Element>(_: &[Var<T>]) -> Result<Var<T>, &'static str> {
            Err("no such luck")
        }
        let error = check_gradients(&[array![1.0].into_dyn()], zeros).unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
    }
}
