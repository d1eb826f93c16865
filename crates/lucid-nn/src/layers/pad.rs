//! Padding as a layer.

use lucid_autograd::{Element, Var};
use lucid_tensor::PadMode;

use super::check_spatial;
use crate::error::Result;
use crate::module::Forward;
use crate::{Module, Path};

/// Lengthens the last `N` axes. With the four [`PadMode`]s this is what PyTorch calls `ConstantPad` and `ZeroPad`,
/// `ReflectionPad`, `ReplicationPad` and `CircularPad`; the pairs are in the order of the axes, PyTorch's begin at the
/// last one.
///
/// # Shapes
/// `(batch, channels, spatial...)`, or without the batch, to the same with `before + len + after` for each spatial axis.
///
/// ```
/// use lucid_nn::{Forward, Pad1d, PadMode, Tensor, Var};
///
/// let x = Var::<f32>::constant(Tensor::from([[1.0, 2.0, 3.0]]));
/// let y = Pad1d { padding: [(2, 1)], mode: PadMode::Reflect }.forward(&x)?;
/// assert_eq!(y.value(), Tensor::from([[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad<const N: usize, T = f32> {
    /// Positions added `(before, after)` each axis.
    pub padding: [(usize, usize); N],
    /// What they hold, and so how many there may be.
    pub mode: PadMode<T>,
}

/// Padding of one axis.
pub type Pad1d<T = f32> = Pad<1, T>;
/// Padding of two axes.
pub type Pad2d<T = f32> = Pad<2, T>;
/// Padding of three axes.
pub type Pad3d<T = f32> = Pad<3, T>;

impl<const N: usize, T: Element> Module<T> for Pad<N, T> {
    fn visit(&self, _: &Path, _: &mut dyn FnMut(&Path, &Var<T>)) {}
    fn set_training(&mut self, _: bool) {}
}

impl<const N: usize, T: Element> Forward<T> for Pad<N, T> {
    /// # Errors
    /// For an input with another number of axes, and for more padding than the mode can fill.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let first = check_spatial::<N>(&x.shape())?;
        let padding: Vec<_> = std::iter::repeat_n((0, 0), first).chain(self.padding).collect();
        Ok(x.pad(&padding, self.mode)?)
    }
}
