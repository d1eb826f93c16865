//! Choosing between two values element by element.

use lucid_tensor::Tensor;

use crate::element::{Element, number};
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `y = mask ? a : b`: `da = mask ? dy : 0`, `db = mask ? 0 : dy`
struct Where {
    mask: Tensor<bool>,
    a_shape: Vec<usize>,
    b_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for Where {
    fn name(&self) -> &'static str {
        "where"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        // Chosen rather than multiplied by 0, which would turn an infinite gradient into NaN.
        let zero = Var::constant(Tensor::scalar(T::zero()));
        let (mut da, mut db) = (None, None);
        if links.needs(0) {
            da = Some(Var::where_(&self.mask, dy, &zero)?.sum_to(&self.a_shape)?);
        }
        if links.needs(1) {
            db = Some(Var::where_(&self.mask, &zero, dy)?.sum_to(&self.b_shape)?);
        }
        Ok(vec![da, db])
    }
}

/// `y = max(a, b)` or `min(a, b)`: `dy` goes to the one chosen, half each where they are equal
struct Extremum<T> {
    name: &'static str,
    /// The part of `a` in each element.
    share: Tensor<T>,
    a_shape: Vec<usize>,
    b_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for Extremum<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (mut da, mut db) = (None, None);
        if links.needs(0) {
            da = Some((dy * &self.share.clone().into())?.sum_to(&self.a_shape)?);
        }
        if links.needs(1) {
            let rest = self.share.map(|share| T::one() - share);
            db = Some((dy * &rest.into())?.sum_to(&self.b_shape)?);
        }
        Ok(vec![da, db])
    }
}

impl<T: Element> Var<T> {
    /// `a` where `mask` holds and `b` elsewhere, with broadcasting.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn where_(mask: &Tensor<bool>, a: &Self, b: &Self) -> Result<Self> {
        let y = Tensor::where_(mask, &a.value(), &b.value())?;
        Ok(record(y, &[a, b], || {
            Box::new(Where { mask: mask.clone(), a_shape: a.shape(), b_shape: b.shape() })
        }))
    }

    /// The larger of the two, element by element, with broadcasting; NaN where either is.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn maximum(&self, other: &Self) -> Result<Self> {
        let y = self.value().maximum(&other.value())?;
        self.extremum(other, "maximum", y, |a, b| a > b)
    }

    /// The smaller of the two, element by element, with broadcasting; NaN where either is.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn minimum(&self, other: &Self) -> Result<Self> {
        let y = self.value().minimum(&other.value())?;
        self.extremum(other, "minimum", y, |a, b| a < b)
    }

    fn extremum(
        &self,
        other: &Self,
        name: &'static str,
        y: Tensor<T>,
        is_first: impl Fn(T, T) -> bool + Send + Sync,
    ) -> Result<Self> {
        let share = self.value().zip_map(&other.value(), |a, b| match (is_first(a, b), a == b) {
            (true, _) => T::one(),
            (false, true) => number::<T>(0.5),
            (false, false) => T::zero(),
        })?;
        let (a_shape, b_shape) = (self.shape(), other.shape());
        Ok(record(y, &[self, other], || Box::new(Extremum { name, share, a_shape, b_shape })))
    }
}
