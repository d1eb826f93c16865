//! Comparison of two tensors, element by element, each with its own bound.
//!
//! A comparison returns what it found instead of panicking: a verifier goes on to the next case, and a test
//! turns the message into its own panic. NaN and infinity are values like others here: they have to come out
//! where the reference has them, and nowhere else.

use std::fmt;

use ndarray::{ArrayD, ArrayViewD, Dimension};

use crate::Error;

/// A floating point type whose sums are judged.
pub trait Precision: Copy + Into<f64> {
    /// Half the distance from 1 to the next number: the relative error of one rounding.
    const UNIT_ROUNDOFF: f64;
    /// The smallest positive number, subnormal: twice the absolute error of a product that underflows.
    const SMALLEST: f64;

    /// gamma_n = n u / (1 - n u), the relative error that n roundings can add up to; infinite once n u >= 1.
    ///
    /// Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1.
    fn gamma_n(num_roundings: usize) -> f64 {
        let nu = num_roundings as f64 * Self::UNIT_ROUNDOFF;
        if nu < 1.0 { nu / (1.0 - nu) } else { f64::INFINITY }
    }
}

impl Precision for f32 {
    const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const SMALLEST: f64 = 1.401_298_464_324_817e-45;
}

impl Precision for f64 {
    const UNIT_ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const SMALLEST: f64 = 5e-324;
}

/// The worst element of a tensor that has elements outside their bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The name of the tensor.
    pub tensor: String,
    /// Where the error is largest, measured in bounds.
    pub index: Vec<usize>,
    /// The value that came.
    pub got: f64,
    /// The value that was expected.
    pub expected: f64,
    /// |got - expected|; infinite where one of them is not finite and the other differs.
    pub error: f64,
    /// The largest error that would have been accepted at this index.
    pub bound: f64,
    /// How many elements are outside their bounds.
    pub num_wrong: usize,
    /// How many elements the tensor has.
    pub len: usize,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tensor, index, got, expected, error, bound, num_wrong, len } = self;
        write!(
            f,
            "{tensor}: {num_wrong} of {len} values wrong, worst at {index:?}: got {got:e}, expected \
             {expected:e}, error {error:.3e} > bound {bound:.3e}"
        )
    }
}

impl std::error::Error for Mismatch {}

/// Checks |got - expected| <= bound at every index.
///
/// Where the expected value is NaN the result has to be NaN, and where it is infinite, the same infinity.
///
/// # Shapes
/// All three are equal.
///
/// # Errors
/// [`Error::Shape`] when `got` has another shape than `expected`, [`Error::Mismatch`] with the worst element
/// when a value is outside its bound. Where the bound is NaN, only the expected value itself is accepted.
///
/// # Panics
/// When `bound` has another shape than `expected`.
pub fn check_close<T: Precision>(
    tensor: &str,
    got: ArrayViewD<'_, T>,
    expected: ArrayViewD<'_, f64>,
    bound: ArrayViewD<'_, f64>,
) -> Result<(), Error> {
    assert_eq!(bound.shape(), expected.shape(), "{tensor}: one bound per expected value");
    if got.shape() != expected.shape() {
        return Err(Error::Shape {
            tensor: tensor.to_owned(),
            got: got.shape().to_vec(),
            expected: expected.shape().to_vec(),
        });
    }
    let (len, mut num_wrong) = (expected.len(), 0);
    let mut worst: Option<(f64, Mismatch)> = None;
    for (((index, &expected), &got), &bound) in expected.indexed_iter().zip(&got).zip(&bound) {
        let got: f64 = got.into();
        let error = error_between(got, expected);
        // What is accepted is asked, not what is refused: then a NaN bound accepts only what is equal, and an
        // infinite one never takes a NaN for a number.
        if error == 0.0 || (error <= bound && error.is_finite()) {
            continue;
        }
        num_wrong += 1;
        let excess = if bound > 0.0 { error / bound } else { f64::INFINITY };
        if worst.as_ref().is_none_or(|(most, mismatch)| (excess, error) > (*most, mismatch.error)) {
            let (tensor, index) = (tensor.to_owned(), index.slice().to_vec());
            worst = Some((excess, Mismatch { tensor, index, got, expected, error, bound, num_wrong, len }));
        }
    }
    match worst {
        None => Ok(()),
        Some((_, mismatch)) => Err(Error::Mismatch(Box::new(Mismatch { num_wrong, ..mismatch }))),
    }
}

/// Checks |got - expected| <= tolerance * max |expected| at every index: the rule of the conformance cases,
/// whose tolerance is 1e-10 in float64.
///
/// The largest is taken over the finite expected values; where there are none, or all are zero, the values
/// have to be equal.
///
/// # Shapes
/// Both are equal.
///
/// # Errors
/// As [`check_close`].
pub fn check_close_relative<T: Precision>(
    tensor: &str,
    got: ArrayViewD<'_, T>,
    expected: ArrayViewD<'_, f64>,
    tolerance: f64,
) -> Result<(), Error> {
    let largest = expected.iter().filter(|v| v.is_finite()).fold(0.0_f64, |most, v| most.max(v.abs()));
    let bound = ArrayD::from_elem(expected.raw_dim(), tolerance * largest);
    check_close(tensor, got, expected, bound.view())
}

fn error_between(got: f64, expected: f64) -> f64 {
    let same = got == expected || (got.is_nan() && expected.is_nan());
    let error = (got - expected).abs();
    match (same, error.is_nan()) {
        (true, _) => 0.0,
        (false, true) => f64::INFINITY,
        (false, false) => error,
    }
}

/// The bound of a sum: `relative` of its magnitude, and an absolute part for products that underflow.
pub(crate) fn bound_of(magnitude: &ArrayD<f64>, relative: f64, absolute: f64) -> ArrayD<f64> {
    magnitude.mapv(|m| relative * m + absolute)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn worst(got: ArrayD<f64>, expected: ArrayD<f64>, bound: f64) -> Option<Mismatch> {
        let bound = ArrayD::from_elem(expected.raw_dim(), bound);
        match check_close("y", got.view(), expected.view(), bound.view()) {
            Ok(()) => None,
            Err(Error::Mismatch(mismatch)) => Some(*mismatch),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_worst_element_is_reported() {
        let found = worst(array![1.0, 2.5, 3.0].into_dyn(), array![1.1, 2.0, 3.0].into_dyn(), 0.01).unwrap();
        assert_eq!((found.index.as_slice(), found.num_wrong, found.len), ([1].as_slice(), 2, 3));
        assert!(found.to_string().starts_with("y: 2 of 3 values wrong, worst at [1]: got 2.5e0"), "{found}");
    }

    #[test]
    fn an_error_equal_to_the_bound_is_accepted() {
        assert_eq!(worst(array![1.5].into_dyn(), array![1.0].into_dyn(), 0.5), None);
        assert!(worst(array![1.5].into_dyn(), array![1.0].into_dyn(), 0.499).is_some());
    }

    #[test]
    fn nan_and_infinity_have_to_stand_where_they_are_expected() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        for (got, expected, equal) in [
            (nan, nan, true),
            (inf, inf, true),
            (nan, 1.0, false),
            (1.0, nan, false),
            (inf, -inf, false),
            (1.0, inf, false),
            (inf, nan, false),
        ] {
            let found = worst(array![got].into_dyn(), array![expected].into_dyn(), 1e300);
            assert_eq!(found.is_none(), equal, "got {got}, expected {expected}");
        }
        assert!(worst(array![1.0].into_dyn(), array![2.0].into_dyn(), nan).is_some());
        assert!(worst(array![nan].into_dyn(), array![nan].into_dyn(), nan).is_none());
        assert!(worst(array![nan].into_dyn(), array![2.0].into_dyn(), inf).is_some());
    }

    #[test]
    fn shapes_are_compared_before_values() {
        let (got, expected) = (array![1.0].into_dyn(), array![1.0, 2.0].into_dyn());
        let error = check_close_relative("dx", got.view(), expected.view(), 1.0).unwrap_err();
        assert_eq!(error.to_string(), "dx: shape [1], expected [2]");
    }

    #[test]
    fn gamma_grows_with_the_number_of_roundings_and_ends() {
        assert!(f32::gamma_n(2) > 2.0 * f32::UNIT_ROUNDOFF && f32::gamma_n(2) < 2.1 * f32::UNIT_ROUNDOFF);
        assert!(f32::gamma_n(1000) > 1000.0 * f32::UNIT_ROUNDOFF);
        assert_eq!(f32::gamma_n(1 << 24), f64::INFINITY);
        assert_eq!(f32::SMALLEST, f64::from(f32::from_bits(1)));
        assert_eq!(f64::SMALLEST, f64::from_bits(1));
    }
}
