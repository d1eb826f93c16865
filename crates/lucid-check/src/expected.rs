//! A reference result together with how far a correct implementation may be from it.
//!
//! A sum of n products evaluated in precision T, in any order, with or without fused operations, differs from
//! the exact one by at most gamma_n times the sum of the absolute values of the products (Higham, Accuracy and
//! Stability of Numerical Algorithms, section 3.1). That sum is the same convolution of |x| and |w|, so the
//! bound is known element by element and grows with the length of the reduction.

use ndarray::{ArrayD, ArrayViewD, Axis};

use crate::close::{bound_of, check_close};
use crate::reference::{self, Problem};
use crate::{Error, Precision};

/// A float64 result of a sum of products, with what its error bound is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The sums.
    pub value: ArrayD<f64>,
    /// The sums of the absolute values of the same products.
    pub magnitude: ArrayD<f64>,
    /// One number that no magnitude exceeds, even when the output is cropped differently.
    pub ceiling: f64,
    /// The most terms that one sum has.
    pub num_terms: usize,
}

impl Expected {
    /// [`reference::forward`] of `x` and `w`.
    ///
    /// # Panics
    /// As there.
    pub fn forward(problem: &Problem, x: ArrayViewD<'_, f64>, w: ArrayViewD<'_, f64>) -> Self {
        let (x_abs, w_abs) = (x.mapv(f64::abs), w.mapv(f64::abs));
        Self {
            value: reference::forward(problem, x, w.view()),
            magnitude: reference::forward(problem, x_abs.view(), w_abs.view()),
            ceiling: largest(&x_abs) * largest(&w_abs) * problem.forward_terms(w.shape()) as f64,
            num_terms: problem.forward_terms(w.shape()),
        }
    }

    /// [`reference::backward_data`] of `y` and `w`.
    ///
    /// # Panics
    /// As there.
    pub fn backward_data(problem: &Problem, y: ArrayViewD<'_, f64>, w: ArrayViewD<'_, f64>) -> Self {
        let (y_abs, w_abs) = (y.mapv(f64::abs), w.mapv(f64::abs));
        Self {
            value: reference::backward_data(problem, y, w.view()),
            magnitude: reference::backward_data(problem, y_abs.view(), w_abs.view()),
            ceiling: largest(&y_abs) * largest(&w_abs) * problem.backward_data_terms(w.shape()) as f64,
            num_terms: problem.backward_data_terms(w.shape()),
        }
    }

    /// [`reference::backward_weight`] of `x` and `dy`.
    ///
    /// # Panics
    /// As there.
    pub fn backward_weight(
        problem: &Problem,
        x: ArrayViewD<'_, f64>,
        dy: ArrayViewD<'_, f64>,
        weight_shape: &[usize],
    ) -> Self {
        let (x_abs, dy_abs) = (x.mapv(f64::abs), dy.mapv(f64::abs));
        let num_terms = problem.backward_weight_terms(x.len_of(Axis(0)));
        Self {
            value: reference::backward_weight(problem, x, dy, weight_shape),
            magnitude: reference::backward_weight(problem, x_abs.view(), dy_abs.view(), weight_shape),
            ceiling: largest(&x_abs) * largest(&dy_abs) * num_terms as f64,
            num_terms,
        }
    }

    /// [`reference::bias_gradient`] of `dy`.
    ///
    /// # Panics
    /// As there.
    pub fn bias_gradient(dy: ArrayViewD<'_, f64>) -> Self {
        let dy_abs = dy.mapv(f64::abs);
        let num_terms = dy.len() / dy.len_of(Axis(1)).max(1);
        Self {
            value: reference::bias_gradient(dy),
            magnitude: reference::bias_gradient(dy_abs.view()),
            ceiling: largest(&dy_abs) * num_terms as f64,
            num_terms,
        }
    }

    /// The result with [`reference::add_bias`]: one more term in every sum.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn with_bias(self, b: ArrayViewD<'_, f64>) -> Self {
        let b_abs = b.mapv(f64::abs);
        Self {
            value: reference::add_bias(self.value, b),
            ceiling: self.ceiling + largest(&b_abs),
            magnitude: reference::add_bias(self.magnitude, b_abs.view()),
            num_terms: self.num_terms + 1,
        }
    }

    /// The same numbers in another shape with as many elements, row-major: unbatched, for example.
    ///
    /// # Panics
    /// When the number of elements differs.
    #[must_use]
    pub fn reshaped(self, shape: &[usize]) -> Self {
        let reshape = |array: ArrayD<f64>| {
            array.into_shape_with_order(shape).expect("documented: the number of elements is the same")
        };
        Self { value: reshape(self.value), magnitude: reshape(self.magnitude), ..self }
    }

    /// The largest error that a plain sum in precision `T` can have, element by element.
    ///
    /// With n terms, u the unit roundoff of `T` and v that of float64:
    ///
    /// - the two factors of a product may have been rounded to `T` from float64, the product is rounded, and
    ///   it goes through at most n - 1 additions => a relative error of at most gamma_(n+2)(u) per product;
    /// - the reference made at most gamma_n(v), and found the magnitude too small by as much at most
    ///   => one more rounding in each gamma covers it;
    /// - a product that underflows is off by at most the smallest positive number of `T`, n times.
    pub fn bound<T: Precision>(&self) -> ArrayD<f64> {
        bound_of(&self.magnitude, self.relative::<T>(), self.num_terms as f64 * T::SMALLEST)
    }

    /// Compares with the result of an algorithm that evaluates the sums of the definition, in any order.
    ///
    /// # Errors
    /// [`Error::Shape`], or [`Error::Mismatch`] when a value is farther away than [`Expected::bound`].
    pub fn compare<T: Precision>(&self, tensor: &str, got: ArrayViewD<'_, T>) -> Result<(), Error> {
        check_close(tensor, got, self.value.view(), self.bound::<T>().view())
    }

    /// Compares with the result of an algorithm that mixes neighbouring sums and subtracts again (F(2,2),
    /// Winograd, Fourier transforms), whose error at one element depends on the products of its neighbours.
    ///
    /// The bound is that of [`Expected::bound`] with [`Expected::ceiling`], the most that any sum can reach,
    /// for every magnitude, times `growth`: the number of terms of the definition that one term of the
    /// algorithm stands for. For F(2,2), m1 + m2 = w1 (x0 - x1) + (w0 + w1) x1 has four products where the
    /// definition has two, and two more roundings for the sums inside them => growth 3 suffices.
    ///
    /// # Errors
    /// [`Error::Shape`], or [`Error::Mismatch`] when a value is farther away than that.
    pub fn compare_mixed<T: Precision>(
        &self,
        tensor: &str,
        got: ArrayViewD<'_, T>,
        growth: f64,
    ) -> Result<(), Error> {
        let bound = growth * (self.relative::<T>() * self.ceiling + self.num_terms as f64 * T::SMALLEST);
        check_close(tensor, got, self.value.view(), ArrayD::from_elem(self.value.raw_dim(), bound).view())
    }

    fn relative<T: Precision>(&self) -> f64 {
        T::gamma_n(self.num_terms + 3) + f64::gamma_n(self.num_terms + 3)
    }
}

fn largest(absolute: &ArrayD<f64>) -> f64 {
    absolute.iter().fold(0.0, |most, &value| value.max(most))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    fn dot_problem() -> Problem {
        let one = vec![1];
        Problem {
            stride: one.clone(),
            dilation: one.clone(),
            pad_before: vec![0],
            groups: 1,
            fine: one.clone(),
            coarse: one,
        }
    }

    /// Many products of one sign with a result near zero: the bound follows the magnitude, not the value.
    #[test]
    fn the_bound_holds_for_a_naive_float32_sum_and_not_for_a_missing_term() {
        let len = 301;
        let x = Array1::from_shape_fn(len, |i| f64::from((i as f32 * 0.7).sin()));
        let w = Array1::from_shape_fn(len, |i| f64::from((i as f32 * 1.3).cos()));
        let (x, w) = (
            x.into_shape_with_order(vec![1, len, 1]).unwrap(),
            w.into_shape_with_order(vec![1, len, 1]).unwrap(),
        );
        let expected = Expected::forward(&dot_problem(), x.view(), w.view());
        assert_eq!(expected.num_terms, len);

        let naive = x.iter().zip(&w).fold(0.0_f32, |sum, (&x, &w)| sum + x as f32 * w as f32);
        let missing = naive - x[[0, 7, 0]] as f32 * w[[0, 7, 0]] as f32;
        let tensor = |value: f32| array![[[value]]].into_dyn();
        expected.compare("y", tensor(naive).view()).unwrap();
        expected.compare("y", tensor(missing).view()).unwrap_err();
        expected.compare_mixed("y", tensor(naive).view(), 3.0).unwrap();
        expected.compare_mixed("y", tensor(missing).view(), 3.0).unwrap_err();
    }

    #[test]
    fn a_bias_is_one_more_term() {
        let (x, w) = (array![[[3.0]]].into_dyn(), array![[[-2.0]]].into_dyn());
        let expected =
            Expected::forward(&dot_problem(), x.view(), w.view()).with_bias(array![1.0].into_dyn().view());
        assert_eq!((expected.value[[0, 0, 0]], expected.magnitude[[0, 0, 0]]), (-5.0, 7.0));
        assert_eq!((expected.ceiling, expected.num_terms), (7.0, 2));
    }
}
