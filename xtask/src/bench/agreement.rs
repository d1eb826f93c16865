//! Whether two programs computed the same: an error bound per tensor that grows with the length of its sums.
//!
//! Operands are uniform in -1..1, so a sum of n products is a random walk, and so are its roundings: each is at most u
//! times a partial sum of order sqrt(k) / 3, and together they have a standard deviation below u n / 4. Sums in another
//! order, or by minimal filtering, have about twice that. The largest of ten million errors is within six deviations,
//! 3 u n; `4 u (n + 8)` is accepted, while operands rounded to half precision or a wrong tap are far outside.

use std::collections::BTreeMap;

use lucid_conv::Geometry;

/// Half the distance from 1 to the next float32.
const UNIT_ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;

/// How long the sums of a layer's tensors are.
#[derive(Clone, Copy, Debug)]
pub(super) struct SumLengths {
    y: f64,
    dx: f64,
    dw: f64,
    db: f64,
}

impl SumLengths {
    pub(super) fn of<const N: usize>(geometry: &Geometry<N>) -> Self {
        let len = |shape: Vec<usize>| shape.into_iter().product::<usize>() as f64;
        let (x_len, y_len) = (len(geometry.x_shape()), len(geometry.y_shape()));
        // Every product goes into one element of a tensor, so this is the mean length; elements differ by a tap or so,
        // for which the bound has room.
        let products = geometry.multiplications();
        SumLengths {
            y: products / y_len,
            dx: products / x_len,
            dw: products / len(geometry.weight_shape()),
            db: y_len / geometry.y_shape()[1] as f64,
        }
    }

    fn tolerance(&self, tensor: &str) -> f64 {
        let len = match tensor {
            "y" => self.y,
            "dx" => self.dx,
            "dw" => self.dw,
            _ => self.db,
        };
        4.0 * UNIT_ROUNDOFF * (len + 8.0)
    }

    /// Compares every tensor of `expected`.
    ///
    /// # Errors
    /// A line on the tensor that is missing, of another length, or outside the bound.
    pub(super) fn check(
        &self,
        expected: &BTreeMap<&'static str, Vec<f32>>,
        given: &BTreeMap<String, Vec<f32>>,
    ) -> Result<(), String> {
        for (name, expected) in expected {
            let given = given.get(*name).ok_or_else(|| format!("there is no {name}"))?;
            if given.len() != expected.len() {
                return Err(format!("{name} has {} elements, lucid's has {}", given.len(), expected.len()));
            }
            let difference = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs();
            let errors = given.iter().zip(expected).map(difference);
            // A NaN on either side is outside every bound.
            let (at, worst) = errors.enumerate().fold((0, 0.0), |worst, error| {
                if error.1 > worst.1 || error.1.is_nan() { error } else { worst }
            });
            let tolerance = self.tolerance(name);
            if worst > tolerance || worst.is_nan() {
                let (given, expected) = (given[at], expected[at]);
                return Err(format!(
                    "{name}[{at}] = {given}, lucid's is {expected}: off by {worst:.1e}, accepted is {tolerance:.1e}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: SumLengths = SumLengths { y: 1000.0, dx: 8.0, dw: 8.0, db: 8.0 };

    fn check(name: &'static str, error: f32) -> Result<(), String> {
        let expected = BTreeMap::from([(name, vec![0.0, 0.0])]);
        LENGTHS.check(&expected, &BTreeMap::from([(name.to_owned(), vec![0.0, error])]))
    }

    #[test]
    fn the_bound_grows_with_the_length_of_the_sum() {
        check("y", 2e-4).unwrap();
        check("y", -3e-4).unwrap_err();
        check("dx", 3e-6).unwrap();
        let error = check("dx", 2e-4).unwrap_err();
        assert!(error.contains("dx[1] = 0.0002, lucid's is 0"), "{error}");
    }

    #[test]
    fn what_is_not_a_number_or_not_there_is_a_difference() {
        check("y", f32::NAN).unwrap_err();
        check("y", f32::INFINITY).unwrap_err();
        let expected = BTreeMap::from([("dw", vec![0.0])]);
        assert!(LENGTHS.check(&expected, &BTreeMap::new()).unwrap_err().contains("no dw"));
        let longer = BTreeMap::from([("dw".to_owned(), vec![0.0; 2])]);
        assert!(LENGTHS.check(&expected, &longer).unwrap_err().contains("2 elements"));
    }
}
