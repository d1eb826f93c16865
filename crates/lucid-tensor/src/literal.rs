//! Tensors written out in source. Nested arrays carry their shape in their type, so a ragged literal does not
//! compile and a well-formed one cannot fail; that is why these conversions return no [`Result`](crate::Result).

use ndarray::arr0;

use crate::{element::Scalar, tensor::Tensor};

/// A tensor written out as one nested array of up to six levels, or as one number.
///
/// The argument is the whole tensor, brackets included: `tensor!([1.0, 2.0])` has shape `[2]`, `tensor!(1.0)`
/// shape `[]`. The same as [`Tensor::from`].
///
/// ```
/// use lucid_tensor::{Tensor, tensor};
///
/// let x: Tensor<f32> = tensor!([[[1.0, 2.0, 3.0]]]);
/// assert_eq!(x.shape(), [1, 1, 3]);
/// assert_eq!(tensor!([[true, false], [false, true]]).shape(), [2, 2]);
/// assert_eq!(tensor!(3.0).shape(), []);
/// ```
///
/// A ragged array is not a value of any type:
///
/// ```compile_fail
/// let x = lucid_tensor::tensor!([[1.0, 2.0], [3.0]]);
/// ```
#[macro_export]
macro_rules! tensor {
    ($nested:expr $(,)?) => {
        $crate::Tensor::from($nested)
    };
    ($($entry:expr),+ $(,)?) => {
        ::core::compile_error!("tensor! takes the whole array, brackets included: tensor!([1.0, 2.0])")
    };
}

impl<T: Scalar> From<T> for Tensor<T> {
    /// A tensor of shape `[]`.
    fn from(value: T) -> Self {
        arr0(value).into()
    }
}

/// One rank: the array type, its lengths, and one `as_flattened` for each level but the last.
macro_rules! from_nested {
    ($array:ty, [$($len:ident),+] $(, $flatten:ident)*) => {
        impl<T: Scalar, $(const $len: usize),+> From<$array> for Tensor<T> {
            /// A tensor of the shape that the nesting spells.
            fn from(nested: $array) -> Self {
                Self::assemble(&[$($len),+], nested$(.$flatten())*.to_vec())
            }
        }
    };
}

from_nested!([T; A], [A]);
from_nested!([[T; B]; A], [A, B], as_flattened);
from_nested!([[[T; C]; B]; A], [A, B, C], as_flattened, as_flattened);
from_nested!([[[[T; D]; C]; B]; A], [A, B, C, D], as_flattened, as_flattened, as_flattened);
from_nested!(
    [[[[[T; E]; D]; C]; B]; A],
    [A, B, C, D, E],
    as_flattened,
    as_flattened,
    as_flattened,
    as_flattened
);
from_nested!(
    [[[[[[T; F]; E]; D]; C]; B]; A],
    [A, B, C, D, E, F],
    as_flattened,
    as_flattened,
    as_flattened,
    as_flattened,
    as_flattened
);

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn the_nesting_is_the_shape() {
        assert_eq!(tensor!([1.0, 2.0, 3.0]).shape(), [3]);
        assert_eq!(tensor!([[1.0], [2.0]]).shape(), [2, 1]);
        assert_eq!(tensor!([[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]).shape(), [3, 1, 2]);
        assert_eq!(tensor!([[[[1.0], [2.0]]]]).shape(), [1, 1, 2, 1]);
        assert_eq!(tensor!([[[[[1.0, 2.0, 3.0]]]]]).shape(), [1, 1, 1, 1, 3]);
        assert_eq!(tensor!([[[[[[1.0, 2.0]]], [[[3.0, 4.0]]]]]]).shape(), [1, 1, 2, 1, 1, 2]);
        assert_eq!(Tensor::<f32>::from([[0.0; 0]; 3]).shape(), [3, 0]);
    }

    #[test]
    fn elements_come_in_row_major_order() {
        let x = tensor!([[[1_usize, 2], [3, 4]], [[5, 6], [7, 8]]]);
        assert_eq!(x.to_vec(), (1..=8).collect::<Vec<_>>());
        assert_eq!(x.view()[[1, 0, 1]], 6);
    }
}
