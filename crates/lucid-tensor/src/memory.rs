//! The only place where the storage of a tensor is sized and allocated.
//!
//! `Vec` and `ndarray` panic on sizes beyond `isize::MAX` bytes and abort when the allocator refuses. Here the
//! first is a checked product and the second a fallible reservation, so both reach the caller as an [`Error`].

use crate::error::{Error, Result};

/// Number of elements of `shape`, if `T`s of that shape can be addressed at all.
///
/// `ndarray` computes strides from the product of the non-zero lengths, so that is what must fit:
/// product <= isize::MAX => every stride, every offset and the number of elements fit in `isize`.
pub(crate) fn checked_len<T>(shape: &[usize]) -> Result<usize> {
    let too_large = || Error::TooLarge { shape: shape.to_vec(), element_bytes: size_of::<T>() };
    let span = shape
        .iter()
        .filter(|&&len| len != 0)
        .try_fold(size_of::<T>().max(1), |product, &len| product.checked_mul(len))
        .ok_or_else(too_large)?;
    if isize::try_from(span).is_err() {
        return Err(too_large());
    }
    Ok(shape.iter().product())
}

/// An empty vector with room for exactly the elements of `shape`.
pub(crate) fn reserve<T>(shape: &[usize]) -> Result<Vec<T>> {
    let len = checked_len::<T>(shape)?;
    let mut values = Vec::new();
    values
        .try_reserve_exact(len)
        .map_err(|_| Error::OutOfMemory { shape: shape.to_vec(), bytes: len * size_of::<T>() })?;
    Ok(values)
}

/// As many copies of `value` as `shape` has elements.
pub(crate) fn filled<T: Clone>(shape: &[usize], value: T) -> Result<Vec<T>> {
    let mut values = reserve(shape)?;
    values.resize(shape.iter().product(), value);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_checked() {
        assert_eq!(checked_len::<f32>(&[]), Ok(1));
        assert_eq!(checked_len::<f32>(&[2, 3, 4]), Ok(24));
        assert_eq!(checked_len::<f32>(&[usize::MAX / 8, 0]), Ok(0));
        for shape in
            [vec![usize::MAX], vec![usize::MAX / 4, 1], vec![1 << 40, 1 << 40], vec![usize::MAX, 2, 0]]
        {
            assert_eq!(
                checked_len::<f32>(&shape),
                Err(Error::TooLarge { shape: shape.clone(), element_bytes: 4 }),
                "{shape:?}"
            );
        }
    }

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        let shape = [isize::MAX as usize / 8];
        assert!(matches!(reserve::<f64>(&shape), Err(Error::OutOfMemory { .. })));
        assert!(matches!(filled(&shape, 1.0), Err(Error::OutOfMemory { .. })));
    }
}
