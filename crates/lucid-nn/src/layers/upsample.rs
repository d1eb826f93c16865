//! Resizing by interpolation, one axis after the other.

use lucid_autograd::{Element, Var};
use lucid_conv::Axes;
use lucid_tensor::Windows;

use super::{check_spatial, no_parameters};
use crate::error::{Result, check};
use crate::module::Forward;
use crate::number::number;

/// How long the axes of an [`Upsample`] become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpsampleTo<const N: usize> {
    /// These lengths.
    Size(Axes<N>),
    /// `floor(len * factor)` for each axis.
    Factor([f64; N]),
}

/// How an [`Upsample`] finds values between positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The value of the position at or before.
    Nearest,
    /// The straight line between the two neighbours, along each axis: PyTorch's `linear`, `bilinear`, `trilinear`.
    Linear {
        /// Whether the first and last positions keep their places, rather than the outer edges of both.
        align_corners: bool,
    },
}

/// Resizes the last `N` axes.
///
/// An output position `o` lies at `o / factor` of the input ([`Nearest`](Interpolation::Nearest)), at
/// `(o + 1/2) / factor - 1/2` (linear), or at `o (len - 1) / (new - 1)` (linear, corners aligned); with a size given,
/// `factor = new / len`.
///
/// # Shapes
/// `(batch, channels, spatial...)`, or without the batch, to the same with new lengths of the spatial axes.
///
/// ```
/// use lucid_nn::{Forward, Interpolation, Tensor, Upsample1d, UpsampleTo, Var};
///
/// let x = Var::<f32>::constant(Tensor::from([[1.0, 3.0]]));
/// let to = UpsampleTo::Factor([2.0]);
/// let y = Upsample1d { to, interpolation: Interpolation::Linear { align_corners: false } }.forward(&x)?;
/// assert_eq!(y.value(), Tensor::from([[1.0, 1.5, 2.5, 3.0]]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Upsample<const N: usize> {
    /// How long the axes become.
    pub to: UpsampleTo<N>,
    /// How values between positions are found.
    pub interpolation: Interpolation,
}

/// Resizing of one axis.
pub type Upsample1d = Upsample<1>;
/// Resizing of two axes.
pub type Upsample2d = Upsample<2>;
/// Resizing of three axes.
pub type Upsample3d = Upsample<3>;

impl<const N: usize> Upsample<N> {
    /// What the outputs along one axis read of an input of length `len`.
    fn windows<T: Element>(&self, axis: usize, len: usize) -> Result<Windows<T>> {
        let new = match self.to {
            UpsampleTo::Size(size) => size[axis],
            UpsampleTo::Factor(factor) => {
                let factor = factor[axis];
                check(factor.is_finite() && factor > 0.0, "factor", factor, "a finite number above 0")?;
                // A cast of a float saturates, and such a length finds no memory.
                (len as f64 * factor) as usize
            }
        };
        let given = format!("{new} for an axis of length {len}");
        check(new > 0 && len > 0, "the new length", given, "at least 1, of an axis that is not empty")?;
        // Input positions per output position.
        let step = match self.to {
            UpsampleTo::Size(_) => len as f64 / new as f64,
            UpsampleTo::Factor(factor) => factor[axis].recip(),
        };
        let mut windows = Windows::new(len, new)?;
        for o in 0..new {
            match self.interpolation {
                Interpolation::Nearest => {
                    let at = match self.to {
                        // o len / new < len, and without rounding.
                        UpsampleTo::Size(_) => (o as u128 * len as u128 / new as u128) as usize,
                        UpsampleTo::Factor(factor) => (o as f64 / factor[axis]) as usize,
                    };
                    windows.push(at.min(len - 1), [T::one()])?;
                }
                Interpolation::Linear { align_corners } => {
                    let at = match align_corners {
                        true if new == 1 => 0.0,
                        true => o as f64 * ((len - 1) as f64 / (new - 1) as f64),
                        false => ((o as f64 + 0.5) * step - 0.5).max(0.0),
                    };
                    let before = (at as usize).min(len - 1);
                    let part = at - before as f64;
                    if part > 0.0 && before + 1 < len {
                        windows.push(before, [number(1.0 - part), number(part)])?;
                    } else {
                        windows.push(before, [T::one()])?;
                    }
                }
            }
        }
        Ok(windows)
    }
}

no_parameters!(Upsample<N>);

impl<const N: usize, T: Element> Forward<T> for Upsample<N> {
    /// # Errors
    /// For an input with another number of axes, a factor that is not finite and above 0, and a length of 0.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let shape = x.shape();
        let first = check_spatial::<N>(&shape)?;
        let axes = (0..N).zip(&shape[first..]);
        axes.into_iter()
            .try_fold(x.clone(), |x, (axis, &len)| Ok(x.window_sum(first + axis, &self.windows(axis, len)?)?))
    }
}
