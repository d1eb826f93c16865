//! `MaxPool1d`, `MaxPool2d`, `MaxPool3d`: one layer, generic over the rank.

use lucid_autograd::{Element, Var};
use lucid_conv::Axes;
use serde::{Deserialize, Serialize};

use super::{Pooling, none};
use crate::error::{Result, check};
use crate::layers::conv::one;
use crate::layers::{check_spatial, no_parameters};
use crate::module::Forward;

/// The largest number in windows of the last `N` axes, under PyTorch's names; NaN where there is one. The gradient goes
/// to the first of several that are largest.
///
/// # Shapes
/// `(batch, channels, spatial...)`, or without the batch, to the same with
/// `floor((len + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1` for each spatial axis; rounded up with
/// `ceil_mode`, as long as the last window does not begin behind the axis.
///
/// ```
/// use lucid_nn::{Forward, MaxPool1d, Tensor, Var};
///
/// let x = Var::<f32>::constant(Tensor::from([[1.0, 3.0, 9.0, 5.0, 0.0]]));
/// assert_eq!(MaxPool1d::new(2).forward(&x)?.value(), Tensor::from([[3.0, 9.0]]));
/// let with_the_rest = MaxPool1d { ceil_mode: true, ..MaxPool1d::new(2) };
/// assert_eq!(with_the_rest.forward(&x)?.value(), Tensor::from([[3.0, 9.0, 0.0]]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool<const N: usize> {
    /// Positions in a window: at least 1.
    pub kernel_size: Axes<N>,
    /// Positions from one window to the next, at least 1; those of a window by default.
    #[serde(default)]
    pub stride: Option<Axes<N>>,
    /// Positions before and after each axis that windows may reach to, at most half of a window's extent.
    #[serde(default = "none")]
    pub padding: Axes<N>,
    /// Positions from one of a window to the next: at least 1.
    #[serde(default = "one")]
    pub dilation: Axes<N>,
    /// Whether what is left at the end gets a window that is not full; not by default.
    #[serde(default)]
    pub ceil_mode: bool,
}

/// The largest number in windows of one axis.
pub type MaxPool1d = MaxPool<1>;
/// The largest number in windows of two axes.
pub type MaxPool2d = MaxPool<2>;
/// The largest number in windows of three axes.
pub type MaxPool3d = MaxPool<3>;

impl<const N: usize> MaxPool<N> {
    /// Windows side by side, without padding or dilation.
    pub fn new(kernel_size: impl Into<Axes<N>>) -> Self {
        MaxPool {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: 0.into(),
            dilation: one(),
            ceil_mode: false,
        }
    }

    /// The positions of each window along one axis.
    fn windows(&self, axis: usize, len: usize) -> Result<Vec<Vec<usize>>> {
        let pooling = Pooling {
            kernel: self.kernel_size[axis],
            stride: self.stride.unwrap_or(self.kernel_size)[axis],
            padding: self.padding[axis],
            dilation: self.dilation[axis],
            ceil_mode: self.ceil_mode,
        };
        let windows = (0..pooling.output_len(len)?).map(|o| {
            let window: Vec<_> = pooling.taps(o, len).map(|k| pooling.position(o, k)).collect();
            let given = format!("{pooling:?} on an axis of length {len}");
            check(!window.is_empty(), "the window", given, "windows that read at least one position")?;
            Ok(window)
        });
        windows.collect()
    }
}

no_parameters!(MaxPool<N>);

impl<const N: usize, T: Element> Forward<T> for MaxPool<N> {
    /// # Errors
    /// For an input with another number of axes or shorter than a window, and for options that are refused.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let shape = x.shape();
        let first = check_spatial::<N>(&shape)?;
        // The last axis first: of equals, the first in row-major order is then found.
        (0..N).rev().try_fold(x.clone(), |x, axis| {
            Ok(x.window_max(first + axis, &self.windows(axis, shape[first + axis])?)?)
        })
    }
}
