//! Arithmetic on shapes alone: broadcasting, checks of axes, and the three numbers that place an axis in
//! row-major storage. Every operation asks these functions, so a rule and its message exist once.

use crate::error::{Error, Result};

/// The shape that two shapes broadcast to, by NumPy's rule: aligned at their last axes, lengths are equal or
/// one of them is 1 (and is repeated); a missing axis counts as 1.
///
/// # Errors
///
/// [`Error::Broadcast`] when a pair of lengths differs and neither is 1.
///
/// ```
/// use lucid_tensor::broadcast_shapes;
///
/// assert_eq!(broadcast_shapes(&[8, 1, 6], &[7, 1])?, [8, 7, 6]);
/// assert!(broadcast_shapes(&[2, 3], &[2]).is_err());
/// # Ok::<(), lucid_tensor::Error>(())
/// ```
pub fn broadcast_shapes(a: impl AsRef<[usize]>, b: impl AsRef<[usize]>) -> Result<Vec<usize>> {
    let (a, b) = (a.as_ref(), b.as_ref());
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut shape = long.to_vec();
    for (out, &len) in shape[long.len() - short.len()..].iter_mut().zip(short) {
        *out = match (*out, len) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(Error::Broadcast { left: a.to_vec(), right: b.to_vec() }),
        };
    }
    Ok(shape)
}

/// Whether a tensor of shape `from` broadcasts to exactly `to`.
pub(crate) fn broadcasts_to(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(|(&f, &t)| f == t || f == 1)
}

/// Refuses an axis that `shape` does not have.
pub(crate) fn check_axis(op: &'static str, axis: usize, shape: &[usize]) -> Result<()> {
    if axis < shape.len() {
        Ok(())
    } else {
        Err(Error::Axis { op, axis, limit: shape.len(), shape: shape.to_vec() })
    }
}

/// Which axes of `shape` are listed in `axes`; refuses strangers and repetitions.
pub(crate) fn axis_flags(op: &'static str, axes: &[usize], shape: &[usize]) -> Result<Vec<bool>> {
    let mut flags = vec![false; shape.len()];
    for &axis in axes {
        check_axis(op, axis, shape)?;
        if std::mem::replace(&mut flags[axis], true) {
            return Err(Error::DuplicateAxis { op, axis, axes: axes.to_vec(), shape: shape.to_vec() });
        }
    }
    Ok(flags)
}

/// `shape` with one length replaced.
pub(crate) fn with_len(shape: &[usize], axis: usize, len: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    shape[axis] = len;
    shape
}

/// Where an axis (or a run of neighbouring axes) lies in row-major storage: `outer` blocks, each of `len` rows,
/// each of `inner` neighbouring elements. Element `(o, l, i)` is at `(o * len + l) * inner + i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) outer: usize,
    pub(crate) len: usize,
    pub(crate) inner: usize,
}

impl Span {
    /// The span of `axes`, which lie within `shape`. The tensor exists, so the products do not overflow;
    /// saturation only matters for the lengths beside a zero, which are never used as offsets.
    pub(crate) fn new(shape: &[usize], axes: std::ops::Range<usize>) -> Self {
        let product = |lens: &[usize]| lens.iter().fold(1_usize, |product, &len| product.saturating_mul(len));
        Self {
            outer: product(&shape[..axes.start]),
            len: product(&shape[axes.clone()]),
            inner: product(&shape[axes.end..]),
        }
    }

    /// The span of one axis.
    pub(crate) fn of_axis(shape: &[usize], axis: usize) -> Self {
        Self::new(shape, axis..axis + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_numpy() {
        for (a, b, expected) in [
            (vec![], vec![], Some(vec![])),
            (vec![], vec![3], Some(vec![3])),
            (vec![2, 1], vec![3], Some(vec![2, 3])),
            (vec![1], vec![0], Some(vec![0])),
            (vec![0], vec![0], Some(vec![0])),
            (vec![2], vec![0], None),
            (vec![4, 3], vec![4], None),
        ] {
            assert_eq!(broadcast_shapes(&a, &b).ok(), expected, "{a:?} {b:?}");
            assert_eq!(broadcast_shapes(&b, &a).ok(), expected, "{b:?} {a:?}");
        }
    }

    #[test]
    fn a_refusal_shows_both_shapes_in_order() {
        let message = broadcast_shapes([2], [4, 3]).unwrap_err().to_string();
        assert!(message.contains("[2] and [4, 3]"), "{message}");
    }

    #[test]
    fn broadcasting_to_never_shrinks() {
        assert!(broadcasts_to(&[1, 3], &[5, 2, 3]));
        assert!(!broadcasts_to(&[5, 2, 3], &[2, 3]));
        assert!(!broadcasts_to(&[3], &[1]));
    }

    #[test]
    fn spans_place_an_axis() {
        assert_eq!(Span::of_axis(&[2, 3, 5], 1), Span { outer: 2, len: 3, inner: 5 });
        assert_eq!(Span::new(&[2, 3, 5], 1..3), Span { outer: 2, len: 15, inner: 1 });
    }
}
