//! Random tensors. Values are drawn one after the other in row-major order from the generator that the caller
//! brings, so a seed fixes every value, on any machine and for any number of threads.

use rand::{
    Rng,
    distr::{Distribution, Uniform},
};
use rand_distr::StandardNormal;

use crate::{
    element::Element,
    error::{Error, Result},
    memory::reserve,
    tensor::Tensor,
};

impl<T: Element> Tensor<T> {
    /// Independent values from the uniform distribution on `[low, high)`; all `low` where the two are equal.
    ///
    /// # Errors
    ///
    /// [`Error::Uniform`] unless `low <= high` and both and their difference are finite; [`Error::TooLarge`] or
    /// [`Error::OutOfMemory`] when there is no room for the shape.
    ///
    /// ```
    /// use lucid_tensor::Tensor;
    ///
    /// let x = Tensor::<f32>::uniform([4], -1.0, 1.0, &mut rand::rng())?;
    /// assert!(x.view().iter().all(|v| (-1.0..1.0).contains(v)));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn uniform(
        shape: impl AsRef<[usize]>,
        low: T,
        high: T,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        let refused = || Error::Uniform { low: low.to_f64(), high: high.to_f64() };
        if !(high - low).is_finite() || low > high {
            return Err(refused());
        }
        if low == high {
            return Self::full(shape, low);
        }
        draw(shape.as_ref(), Uniform::new(low, high).map_err(|_| refused())?, rng)
    }

    /// Independent values from the normal distribution of the given mean and standard deviation.
    ///
    /// # Errors
    ///
    /// [`Error::Normal`] unless both are finite and `std >= 0`; [`Error::TooLarge`] or [`Error::OutOfMemory`]
    /// when there is no room for the shape.
    ///
    /// ```
    /// use lucid_tensor::Tensor;
    /// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    ///
    /// let draw = || Tensor::<f32>::normal([2, 3], 0.0, 0.02, &mut ChaCha8Rng::seed_from_u64(7));
    /// assert_eq!(draw()?, draw()?);
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn normal(
        shape: impl AsRef<[usize]>,
        mean: T,
        std: T,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        if !mean.is_finite() || !std.is_finite() || std < T::zero() {
            return Err(Error::Normal { mean: mean.to_f64(), std: std.to_f64() });
        }
        let standard = StandardNormal.map(|z: f64| mean + std * T::from_f64(z));
        draw(shape.as_ref(), standard, rng)
    }
}

fn draw<T: Element>(
    shape: &[usize],
    distribution: impl Distribution<T>,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Tensor<T>> {
    let mut values = reserve(shape)?;
    let len: usize = shape.iter().product();
    values.extend((0..len).map(|_| distribution.sample(rng)));
    Ok(Tensor::assemble(shape, values))
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::tensor;

    fn rng(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    #[test]
    fn a_seed_fixes_every_value() {
        let x = Tensor::<f32>::uniform([3, 5], -2.0, 2.0, &mut rng(1)).unwrap();
        assert_eq!(x, Tensor::uniform([3, 5], -2.0, 2.0, &mut rng(1)).unwrap());
        assert_ne!(x, Tensor::uniform([3, 5], -2.0, 2.0, &mut rng(2)).unwrap());
        let z = Tensor::<f64>::normal([3, 5], 0.0, 1.0, &mut rng(1)).unwrap();
        assert_eq!(z, Tensor::normal([3, 5], 0.0, 1.0, &mut rng(1)).unwrap());
        assert_ne!(z, Tensor::normal([3, 5], 0.0, 1.0, &mut rng(2)).unwrap());
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let n = 1 << 16;
        // The mean of n draws is within 5 standard errors of the true one, but for 1 seed in 10^6.
        let bound = 5.0 / (n as f64).sqrt();
        let u = Tensor::<f64>::uniform([n], 2.0, 6.0, &mut rng(3)).unwrap();
        let std = 4.0 / 12.0_f64.sqrt();
        assert!((u.mean_all().item().unwrap() - 4.0).abs() < bound * std);
        assert!(u.view().iter().all(|v| (2.0..6.0).contains(v)));
        let z = Tensor::<f64>::normal([n], -3.0, 0.5, &mut rng(4)).unwrap();
        assert!((z.mean_all().item().unwrap() + 3.0).abs() < bound * 0.5);
        let variance = (z + 3.0).square().mean_all().item().unwrap();
        assert!((variance - 0.25).abs() < bound * 0.25 * 2.0_f64.sqrt());
    }

    #[test]
    fn degenerate_distributions_are_constants() {
        assert_eq!(Tensor::uniform([2], 1.5, 1.5, &mut rng(0)).unwrap(), tensor!([1.5, 1.5]));
        assert_eq!(Tensor::normal([2], 1.5, 0.0, &mut rng(0)).unwrap(), tensor!([1.5, 1.5]));
    }

    #[test]
    fn parameters_are_checked() {
        for (low, high) in [(1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (f64::MIN, f64::MAX)] {
            let error = Tensor::uniform([2], low, high, &mut rng(0)).unwrap_err();
            assert!(matches!(error, Error::Uniform { .. }), "{low} {high}");
        }
        for (mean, std) in [(0.0, -1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (0.0, f64::NAN)] {
            let error = Tensor::normal([2], mean, std, &mut rng(0)).unwrap_err();
            assert!(matches!(error, Error::Normal { .. }), "{mean} {std}");
        }
    }
}
