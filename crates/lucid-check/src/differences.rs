//! Gradients by central differences in float64: the judge of every hand-written derivative.
//!
//! It sees a function of plain arrays and nothing of a tape, so a mistake in the tape cannot cancel here. The
//! four-point formula
//!
//! ```text
//! f'(x) = (f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12h  -  f'''''(x) h^4 / 30
//! ```
//!
//! has an error of order h^4, which at [`STEP`] meets the rounding error of order eps / h near 1e-12, where
//! the usual two-point formula stops at 1e-10.

use ndarray::{ArrayD, ArrayViewD};

use crate::{Error, check_close};

/// The step that balances both errors for functions whose derivatives are of the order of 1.
pub const STEP: f64 = 1e-3;

/// The tolerance for [`check_vjp`] that functions of a few hundred operations of order 1 meet with [`STEP`].
pub const TOLERANCE: f64 = 1e-9;

/// The gradient of <f(inputs), dy> with respect to each input, by fourth-order central differences.
///
/// Each element is moved by `step * max(1, |element|)`. The function has to be smooth that far around its
/// inputs: at the corner of a `relu` the result means nothing.
///
/// # Shapes
/// `dy` has the shape of `f(inputs)`; the result has one array for each input, of its shape.
///
/// # Panics
/// When `f` returns another shape than that of `dy`.
///
/// ```
/// use lucid_check::differences::{STEP, numerical_vjp};
/// use ndarray::array;
///
/// let cube = |inputs: &[ndarray::ArrayD<f64>]| inputs[0].mapv(|x| x * x * x);
/// let dx = numerical_vjp(cube, &[array![2.0].into_dyn()], array![10.0].into_dyn().view(), STEP);
/// assert!((dx[0][[0]] - 120.0).abs() < 1e-8);
/// ```
pub fn numerical_vjp(
    f: impl Fn(&[ArrayD<f64>]) -> ArrayD<f64>,
    inputs: &[ArrayD<f64>],
    dy: ArrayViewD<'_, f64>,
    step: f64,
) -> Vec<ArrayD<f64>> {
    let mut moved = inputs.to_vec();
    let mut gradients = Vec::with_capacity(inputs.len());
    for (number, input) in inputs.iter().enumerate() {
        let mut gradient = ArrayD::zeros(input.raw_dim());
        for (index, &at) in input.indexed_iter() {
            // The step that is really taken: `at + step` is rounded, and its distance from `at` is exact.
            let h = at + step * at.abs().max(1.0) - at;
            let mut value = |steps: f64| {
                moved[number][index.clone()] = at + steps * h;
                let y = f(&moved);
                assert_eq!(y.shape(), dy.shape(), "shape of f(inputs) and of dy");
                y
            };
            let (near, far) = (value(1.0) - value(-1.0), value(2.0) - value(-2.0));
            // Differences first, then the product with dy: the sums of both sides cancel element by element.
            gradient[index.clone()] = ((near * 8.0 - far) * &dy).sum() / (12.0 * h);
            moved[number][index] = at;
        }
        gradients.push(gradient);
    }
    gradients
}

/// Compares `gradients`, one per input, with [`numerical_vjp`] of `f` at [`STEP`].
///
/// The bound for an input is `tolerance * max(1, largest numerical gradient of that input)`.
///
/// # Errors
/// [`Error::NumGradients`] when there is not one gradient for each input; [`Error::Shape`] or
/// [`Error::Mismatch`] for "gradient of input i" when one differs.
///
/// # Panics
/// When `f` returns another shape than that of `dy`.
pub fn check_vjp(
    f: impl Fn(&[ArrayD<f64>]) -> ArrayD<f64>,
    inputs: &[ArrayD<f64>],
    dy: ArrayViewD<'_, f64>,
    gradients: &[ArrayD<f64>],
    tolerance: f64,
) -> Result<(), Error> {
    if gradients.len() != inputs.len() {
        return Err(Error::NumGradients { got: gradients.len(), expected: inputs.len() });
    }
    for (number, (numerical, got)) in numerical_vjp(f, inputs, dy, STEP).iter().zip(gradients).enumerate() {
        let largest = numerical.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        let bound = ArrayD::from_elem(numerical.raw_dim(), tolerance * largest);
        check_close(&format!("gradient of input {number}"), got.view(), numerical.view(), bound.view())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::{Ix2, array};

    use super::*;

    fn matmul(inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        let matrix = |i: usize| inputs[i].view().into_dimensionality::<Ix2>().unwrap();
        matrix(0).dot(&matrix(1)).into_dyn()
    }

    #[test]
    fn functions_with_known_derivatives() {
        let x = array![-1.5, -0.3, 0.2, 0.9, 30.0].into_dyn();
        let dy = array![1.0, -2.0, 0.5, 3.0, 0.1].into_dyn();
        type Function = fn(f64) -> f64;
        let functions: [(Function, Function); 4] = [
            (f64::sin, f64::cos),
            (f64::tanh, |x| 1.0 - x.tanh() * x.tanh()),
            (|x| 1.0 / (x * x + 1.0), |x| -2.0 * x / (x * x + 1.0).powi(2)),
            (|x| x * x * x - x, |x| 3.0 * x * x - 1.0),
        ];
        for (f, derivative) in functions {
            let gradient = x.mapv(derivative) * &dy;
            let f = |inputs: &[ArrayD<f64>]| inputs[0].mapv(f);
            check_vjp(f, std::slice::from_ref(&x), dy.view(), &[gradient], TOLERANCE).unwrap();
        }
    }

    #[test]
    fn every_input_gets_its_own_gradient() {
        let a = array![[1.0, 2.0, -1.0], [0.5, 0.1, 3.0]].into_dyn();
        let b = array![[0.3, -2.0], [1.1, 0.7], [0.2, 0.4]].into_dyn();
        let dy = array![[1.0, -1.0], [2.0, 0.5]].into_dyn();
        let transpose = |array: &ArrayD<f64>| array.clone().reversed_axes();
        let da = matmul(&[dy.clone(), transpose(&b)]);
        let db = matmul(&[transpose(&a), dy.clone()]);
        let inputs = [a, b];
        check_vjp(matmul, &inputs, dy.view(), &[da.clone(), db.clone()], TOLERANCE).unwrap();

        let mut wrong = db;
        wrong[[2, 1]] += 1e-6;
        let error = check_vjp(matmul, &inputs, dy.view(), &[da.clone(), wrong], TOLERANCE).unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("gradient of input 1: 1 of 6 values wrong, worst at [2, 1]"),
            "{message}"
        );

        let error = check_vjp(matmul, &inputs, dy.view(), &[da], TOLERANCE).unwrap_err();
        assert_eq!(error.to_string(), "1 gradients given for 2 inputs");
    }
}
