//! Activations with learnable numbers, which broadcast: one per channel, say.

use lucid_tensor::Tensor;

use crate::element::{Element, number};
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::scalar;
use crate::var::Var;

/// `y = x` above 0, `a x` elsewhere: `dx = dy` above 0, `a dy` elsewhere; `da = dy min(x, 0)`
struct PRelu<T> {
    x: Tensor<T>,
    a: Tensor<T>,
}

impl<T: Element> Operation<T> for PRelu<T> {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (mut dx, mut da) = (None, None);
        let above = self.x.map(|x| x > T::zero());
        if links.needs(0) {
            let below = (dy * &links.input(1, &self.a))?;
            dx = Some(Var::where_(&above, dy, &below)?.sum_to(self.x.shape())?);
        }
        if links.needs(1) {
            let zero = Var::constant(Tensor::scalar(T::zero()));
            let negative = Var::where_(&above, &zero, &links.input(0, &self.x))?;
            da = Some((dy * &negative)?.sum_to(self.a.shape())?);
        }
        Ok(vec![dx, da])
    }
}

/// `y = x + s sin^2(a x)`: `dx = dy (1 + s a sin(2 a x))`, `da = dy s x sin(2 a x)`, `ds = dy sin^2(a x)`
struct Snake<T> {
    x: Tensor<T>,
    a: Tensor<T>,
    s: Tensor<T>,
}

impl<T: Element> Operation<T> for Snake<T> {
    fn name(&self) -> &'static str {
        "snake"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (x, a, s) = (links.input(0, &self.x), links.input(1, &self.a), links.input(2, &self.s));
        let (mut dx, mut da, mut ds) = (None, None, None);
        let phase = (&x * &a)?;
        if links.needs(0) || links.needs(1) {
            let slope = (((&phase * number::<T>(2.0)).sin() * &s)? * dy)?;
            if links.needs(0) {
                dx = Some(slope.mul_add(&a, dy)?.sum_to(self.x.shape())?);
            }
            if links.needs(1) {
                da = Some((&slope * &x)?.sum_to(self.a.shape())?);
            }
        }
        if links.needs(2) {
            ds = Some((phase.sin().square() * dy)?.sum_to(self.s.shape())?);
        }
        Ok(vec![dx, da, ds])
    }
}

impl<T: Element> Var<T> {
    /// `x` above 0, `slope x` elsewhere, with `slope` broadcast (He et al. 2015).
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn prelu(&self, slope: &Self) -> Result<Self> {
        let (x, a) = (self.value(), slope.value());
        let y = x.zip_map(&a, scalar::leaky_relu)?;
        Ok(record(y, &[self, slope], || Box::new(PRelu { x, a })))
    }

    /// `x + scale sin^2(frequency x)`, with both broadcast: with `scale = 1 / frequency` the snake of Ziyin et al. 2020.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn snake(&self, frequency: &Self, scale: &Self) -> Result<Self> {
        let (x, a, s) = (self.value(), frequency.value(), scale.value());
        let pairs = a.zip_map(&s, |a, s| (a, s))?;
        let y = x.zip_map(&pairs, |x, (a, s)| scalar::snake(x, a, s))?;
        Ok(record(y, &[self, frequency, scale], || Box::new(Snake { x, a, s })))
    }
}
