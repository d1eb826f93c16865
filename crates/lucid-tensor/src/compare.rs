//! Masks: comparisons that make them, and the choice between two tensors that uses them.
//! A comparison with NaN is false, so a mask never holds the trace of one.

use crate::{
    element::Element, error::Result, memory::reserve, shape::broadcast_shapes, tensor::Tensor, walk,
};

macro_rules! comparison {
    ($($(#[$doc:meta])+ $name:ident = |$x:ident, $y:ident| $formula:expr;)+) => {$(
        $(#[$doc])+
        ///
        /// Both operands are broadcast to their common shape.
        ///
        /// # Errors
        ///
        /// Those of [`zip_map`](Tensor::zip_map).
        pub fn $name(&self, other: &Self) -> Result<Tensor<bool>> {
            self.zip_map(other, |$x, $y| $formula)
        }
    )+};
}

impl<T: Copy + PartialOrd + Send + Sync> Tensor<T> {
    comparison! {
        /// Where `x = y`.
        ///
        /// ```
        /// use lucid_tensor::tensor;
        ///
        /// let mask = tensor!([1.0, 2.0, f64::NAN]).eq_elementwise(&tensor!([1.0, 3.0, f64::NAN]))?;
        /// assert_eq!(mask, tensor!([true, false, false]));
        /// # Ok::<(), lucid_tensor::Error>(())
        /// ```
        eq_elementwise = |x, y| x == y;

        /// Where `x > y`.
        gt = |x, y| x > y;

        /// Where `x >= y`.
        ///
        /// ```
        /// use lucid_tensor::tensor;
        ///
        /// assert_eq!(tensor!([1.0, 2.0]).ge(&tensor!(2.0))?, tensor!([false, true]));
        /// # Ok::<(), lucid_tensor::Error>(())
        /// ```
        ge = |x, y| x >= y;

        /// Where `x < y`.
        lt = |x, y| x < y;

        /// Where `x <= y`.
        le = |x, y| x <= y;
    }
}

impl<T: Copy + Send + Sync> Tensor<T> {
    /// The elements of `a` where `mask` is true and those of `b` where it is false, all three broadcast to
    /// their common shape.
    ///
    /// # Errors
    ///
    /// Those of [`zip_map`](Tensor::zip_map).
    ///
    /// ```
    /// use lucid_tensor::{Tensor, tensor};
    ///
    /// let x = tensor!([-1.0, 2.0]);
    /// assert_eq!(Tensor::where_(&x.map(|v| v > 0.0), &x, &tensor!(0.0))?, tensor!([0.0, 2.0]));
    /// # Ok::<(), lucid_tensor::Error>(())
    /// ```
    pub fn where_(mask: &Tensor<bool>, a: &Self, b: &Self) -> Result<Self> {
        let shape = broadcast_shapes(broadcast_shapes(mask.shape(), a.shape())?, b.shape())?;
        let all_of_it = |x: &[usize]| x == shape;
        if all_of_it(mask.shape())
            && all_of_it(a.shape())
            && all_of_it(b.shape())
            && let (Some(mask), Some(a), Some(b)) = (mask.as_slice(), a.as_slice(), b.as_slice())
        {
            let mut out = reserve(&shape)?;
            walk::zip3(mask, a, b, &mut out, |&m, &a, &b| if m { a } else { b });
            return Ok(Self::assemble(&shape, out));
        }
        let chosen = if let Some(b) = b.single() {
            mask.zip_map(a, |m, a| if m { a } else { b })?
        } else if let Some(a) = a.single() {
            mask.zip_map(b, |m, b| if m { a } else { b })?
        } else {
            let kept = mask.zip_map(a, |m, a| m.then_some(a))?;
            kept.zip_map(b, |kept, b| kept.unwrap_or(b))?
        };
        // A single element may still have brought axes of length 1.
        chosen.broadcast_to(&shape)
    }
}

impl Tensor<bool> {
    /// 1 where the mask is true and 0 where it is false.
    ///
    /// ```
    /// use lucid_tensor::tensor;
    ///
    /// assert_eq!(tensor!([true, false]).to_element::<f32>(), tensor!([1.0, 0.0]));
    /// ```
    pub fn to_element<T: Element>(&self) -> Tensor<T> {
        self.map(|set| if set { T::one() } else { T::zero() })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, tensor};

    #[test]
    fn comparisons_are_their_formulas() {
        let (x, y) = (tensor!([1.0, 2.0, 3.0, f64::NAN]), tensor!([2.0, 2.0, 2.0, f64::NAN]));
        assert_eq!(x.eq_elementwise(&y).unwrap(), tensor!([false, true, false, false]));
        assert_eq!(x.gt(&y).unwrap(), tensor!([false, false, true, false]));
        assert_eq!(x.ge(&y).unwrap(), tensor!([false, true, true, false]));
        assert_eq!(x.lt(&y).unwrap(), tensor!([true, false, false, false]));
        assert_eq!(x.le(&y).unwrap(), tensor!([true, true, false, false]));
        let message = x.gt(&tensor!([1.0, 2.0])).unwrap_err().to_string();
        assert!(message.contains("[4] and [2]"), "{message}");
    }

    #[test]
    fn where_broadcasts_all_three() {
        let mask = tensor!([[true], [false]]);
        let (a, b) = (tensor!([1.0, 2.0]), tensor!([[10.0, 20.0]]));
        assert_eq!(Tensor::where_(&mask, &a, &b).unwrap(), tensor!([[1.0, 2.0], [10.0, 20.0]]));
        assert_eq!(Tensor::where_(&mask, &tensor!(5.0), &b).unwrap(), tensor!([[5.0, 5.0], [10.0, 20.0]]));
        assert_eq!(
            Tensor::where_(&mask, &a, &tensor!([[[5.0]]])).unwrap(),
            tensor!([[[1.0, 2.0], [5.0, 5.0]]])
        );
        let square = tensor!([[true, false], [false, true]]);
        let (a, b) = (tensor!([[1.0, 2.0], [3.0, 4.0]]), tensor!([[5.0, 6.0], [7.0, 8.0]]));
        assert_eq!(Tensor::where_(&square, &a, &b).unwrap(), tensor!([[1.0, 6.0], [7.0, 4.0]]));
    }

    #[test]
    fn where_refuses_shapes_that_do_not_fit() {
        let mask = tensor!([true, false]);
        let wrong = Tensor::<f64>::zeros([3]).unwrap();
        let right = Tensor::<f64>::zeros([2]).unwrap();
        for result in [Tensor::where_(&mask, &wrong, &right), Tensor::where_(&mask, &right, &wrong)] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains("[2] and [3]"), "{message}");
        }
    }

    #[test]
    fn a_choice_does_not_touch_the_other_side() {
        let chosen =
            Tensor::where_(&tensor!([true, false]), &tensor!([1.0, f64::NAN]), &tensor!([f64::NAN, 2.0]));
        assert_eq!(chosen.unwrap(), tensor!([1.0, 2.0]));
    }
}
