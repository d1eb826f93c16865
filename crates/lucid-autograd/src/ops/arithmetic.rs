//! The four operations, with broadcasting: an input that was repeated along an axis gets the sum over that axis.

use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::Result;
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// `y = a + sign b`: `da = dy`, `db = sign dy`
struct AddSub<T> {
    name: &'static str,
    sign: T,
    a_shape: Vec<usize>,
    b_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for AddSub<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let da = if links.needs(0) { Some(dy.sum_to(&self.a_shape)?) } else { None };
        let db = if links.needs(1) {
            let db = dy.sum_to(&self.b_shape)?;
            Some(if self.sign == T::one() { db } else { db * self.sign })
        } else {
            None
        };
        Ok(vec![da, db])
    }
}

/// `y = a b`: `da = dy b`, `db = dy a`
struct Mul<T> {
    a: Tensor<T>,
    b: Tensor<T>,
}

impl<T: Element> Operation<T> for Mul<T> {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (mut da, mut db) = (None, None);
        if links.needs(0) {
            da = Some((dy * &links.input(1, &self.b))?.sum_to(self.a.shape())?);
        }
        if links.needs(1) {
            db = Some((dy * &links.input(0, &self.a))?.sum_to(self.b.shape())?);
        }
        Ok(vec![da, db])
    }
}

/// `y = a / b`: `da = dy / b`, `db = -dy y / b`
struct Div<T> {
    a_shape: Vec<usize>,
    b: Tensor<T>,
    y: Tensor<T>,
}

impl<T: Element> Operation<T> for Div<T> {
    fn name(&self) -> &'static str {
        "div"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let over_b = (dy / &links.input(1, &self.b))?;
        let (mut da, mut db) = (None, None);
        if links.needs(0) {
            da = Some(over_b.sum_to(&self.a_shape)?);
        }
        if links.needs(1) {
            db = Some((-(&over_b * &links.output(&self.y))?).sum_to(self.b.shape())?);
        }
        Ok(vec![da, db])
    }
}

/// `y = x a + b`: `dx = dy a`, `da = dy x`, `db = dy`
struct MulAdd<T> {
    x: Tensor<T>,
    a: Tensor<T>,
    b_shape: Vec<usize>,
}

impl<T: Element> Operation<T> for MulAdd<T> {
    fn name(&self) -> &'static str {
        "mul_add"
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (mut dx, mut da, mut db) = (None, None, None);
        if links.needs(0) {
            dx = Some((dy * &links.input(1, &self.a))?.sum_to(self.x.shape())?);
        }
        if links.needs(1) {
            da = Some((dy * &links.input(0, &self.x))?.sum_to(self.a.shape())?);
        }
        if links.needs(2) {
            db = Some(dy.sum_to(&self.b_shape)?);
        }
        Ok(vec![dx, da, db])
    }
}

/// `y = scale x + offset`: `dx = scale dy`
struct Affine<T> {
    scale: T,
}

impl<T: Element> Operation<T> for Affine<T> {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn backward(&self, _: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        Ok(vec![Some(dy.affine(self.scale, T::zero()))])
    }
}

impl<T: Element> Var<T> {
    /// `self + other` with broadcasting; also the operator `+`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn add(&self, other: &Self) -> Result<Self> {
        let y = self.value().add(&other.value())?;
        Ok(self.record_add_sub(other, y, "add", T::one()))
    }

    /// `self - other` with broadcasting; also the operator `-`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        let y = self.value().sub(&other.value())?;
        Ok(self.record_add_sub(other, y, "sub", -T::one()))
    }

    fn record_add_sub(&self, other: &Self, y: Tensor<T>, name: &'static str, sign: T) -> Self {
        record(y, &[self, other], || {
            Box::new(AddSub { name, sign, a_shape: self.shape(), b_shape: other.shape() })
        })
    }

    /// `self * other`, element by element, with broadcasting; also the operator `*`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.value(), other.value());
        let y = a.mul(&b)?;
        Ok(record(y, &[self, other], || Box::new(Mul { a, b })))
    }

    /// `self / other`, element by element, with broadcasting; also the operator `/`.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn div(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.value(), other.value());
        let y = a.div(&b)?;
        Ok(record(y.clone(), &[self, other], || Box::new(Div { a_shape: a.shape().to_vec(), b, y })))
    }

    /// `self * a + b`, element by element, with broadcasting, in one pass: a scale and a shift per channel, say.
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) for shapes that don't broadcast together.
    pub fn mul_add(&self, a: &Self, b: &Self) -> Result<Self> {
        let (x, a_value, b_value) = (self.value(), a.value(), b.value());
        let pairs = a_value.zip_map(&b_value, |a, b| (a, b))?;
        let y = x.zip_map(&pairs, |x, (a, b)| x * a + b)?;
        Ok(record(y, &[self, a, b], || Box::new(MulAdd { x, a: a_value, b_shape: b_value.shape().to_vec() })))
    }

    /// `scale * self + offset` for every element; behind the operators with a number.
    pub fn affine(&self, scale: T, offset: T) -> Self {
        record(self.value().map(|x| scale * x + offset), &[self], || Box::new(Affine { scale }))
    }

    /// As [`affine`](Self::affine), over the variable's own storage where that is possible.
    pub(super) fn into_affine(self, scale: T, offset: T) -> Self {
        match self.into_storage(None) {
            Ok(mut x) => {
                x.map_inplace(|x| scale * x + offset);
                Var::constant(x)
            }
            Err(x) => x.affine(scale, offset),
        }
    }
}
