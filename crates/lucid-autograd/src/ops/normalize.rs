//! Normalising over axes: what batch, instance, group and layer normalisation have in common.

use lucid_tensor::Tensor;

use crate::element::{Element, number};
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// What [`Var::normalize`] makes of a value.
#[derive(Clone, Debug)]
pub struct Normalized<T: Element> {
    /// The normalised value, of the shape of the input.
    pub y: Var<T>,
    /// The mean over the axes, which have length 1.
    pub mean: Tensor<T>,
    /// The mean square of the distance from the mean over the axes, which have length 1.
    pub variance: Tensor<T>,
}

/// `y = (x - mean(x)) r` with `r = 1 / sqrt(var(x) + eps)`: `dx = r (dy - mean(dy) - y mean(y dy))`
struct Normalize<T> {
    axes: Vec<usize>,
    y: Tensor<T>,
    r: Tensor<T>,
}

impl<T: Element> Operation<T> for Normalize<T> {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let y = links.output(&self.y);
        // The scale depends on x too, which matters to a derivative of this one. It reads no more of x than y has.
        let x = links.input(0, &self.y);
        let r = record(self.r.clone(), &[&x, &y], || {
            Box::new(Scale { axes: self.axes.clone(), y: self.y.clone(), r: self.r.clone() })
        });
        let along_y = (dy * &y)?.mean(&self.axes, true)?;
        let centred = (dy - &dy.mean(&self.axes, true)?)?;
        Ok(vec![Some(((centred - (y * along_y)?)? * r)?)])
    }
}

/// `r = 1 / sqrt(var(x) + eps)` with `y = (x - mean(x)) r` given: `dx = -dr r^2 y / n` for `n` values of `x`
///
/// `y` is an input so that its place on the tape is known; it gets no gradient, because `r` is a function of `x`.
struct Scale<T> {
    axes: Vec<usize>,
    y: Tensor<T>,
    r: Tensor<T>,
}

impl<T: Element> Operation<T> for Scale<T> {
    fn name(&self) -> &'static str {
        "normalize's scale"
    }

    fn backward(&self, links: &Links<'_, T>, dr: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (y, r) = (links.input(1, &self.y), links.output(&self.r));
        let count: usize = self.axes.iter().map(|&axis| self.y.shape()[axis]).product();
        let per_deviation = (dr * &r.square())? / number::<T>(-(count as f64));
        Ok(vec![Some((y * per_deviation)?), None])
    }
}

impl<T: Element> Var<T> {
    /// `(x - mean) / sqrt(variance + eps)`, with mean and variance over `axes`.
    ///
    /// The variance is the mean square of `x - mean`, in a second pass: no digits are lost where the mean is large.
    ///
    /// ```
    /// use lucid_autograd::Var;
    /// use lucid_tensor::tensor;
    ///
    /// let x = Var::leaf(tensor!([[1001.0, 1003.0], [5.0, 5.0]]));
    /// let normalized = x.normalize(&[1], 1e-12)?;
    /// assert_eq!(normalized.mean, tensor!([[1002.0], [5.0]]));
    /// assert_eq!(normalized.variance, tensor!([[1.0], [0.0]]));
    /// assert!((normalized.y.value().to_vec()[0] + 1.0_f64).abs() < 1e-10);
    /// # Ok::<(), lucid_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for axes that do not exist or come twice.
    pub fn normalize(&self, axes: &[usize], eps: T) -> Result<Normalized<T>> {
        let x = self.value();
        let mean = x.mean(axes, true)?;
        let centred = x.sub(&mean)?;
        let variance = centred.map(|x| x * x).mean(axes, true)?;
        let r = variance.map(|variance| (variance + eps).sqrt().recip());
        let y = centred.mul(&r)?;
        let y = record(y.clone(), &[self], || Box::new(Normalize { axes: axes.to_vec(), y, r }));
        Ok(Normalized { y, mean, variance })
    }
}
