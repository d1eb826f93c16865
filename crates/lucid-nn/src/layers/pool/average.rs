//! `AvgPool1d`, `AvgPool2d`, `AvgPool3d`: one layer, generic over the rank.

use lucid_autograd::{Element, Var};
use lucid_conv::Axes;
use lucid_tensor::Windows;
use serde::{Deserialize, Serialize};

use super::{Pooling, none};
use crate::error::Result;
use crate::layers::conv::yes;
use crate::layers::{check_spatial, no_parameters};
use crate::module::Forward;
use crate::number::number;

/// The mean over windows of the last `N` axes, under PyTorch's names.
///
/// # Shapes
/// `(batch, channels, spatial...)`, or without the batch, to the same with
/// `floor((len + 2 padding - kernel_size) / stride) + 1` for each spatial axis; rounded up with `ceil_mode`, as long as
/// the last window does not begin behind the axis.
///
/// ```
/// use lucid_nn::{AvgPool1d, Forward, Tensor, Var};
///
/// let x = Var::<f32>::constant(Tensor::from([[1.0, 3.0, 5.0, 9.0, 0.0]]));
/// assert_eq!(AvgPool1d::new(2).forward(&x)?.value(), Tensor::from([[2.0, 7.0]]));
/// let overlapping = AvgPool1d { stride: Some(1.into()), ..AvgPool1d::new(3) };
/// assert_eq!(overlapping.forward(&x)?.shape(), [1, 3]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool<const N: usize> {
    /// Positions in a window: at least 1.
    pub kernel_size: Axes<N>,
    /// Positions from one window to the next, at least 1; those of a window by default.
    #[serde(default)]
    pub stride: Option<Axes<N>>,
    /// Zeros before and after each axis, at most half of the window; none by default.
    #[serde(default = "none")]
    pub padding: Axes<N>,
    /// Whether what is left at the end gets a window that is not full; not by default.
    #[serde(default)]
    pub ceil_mode: bool,
    /// Whether the mean counts the zeros of the padding; so by default.
    #[serde(default = "yes")]
    pub count_include_pad: bool,
}

/// The mean over windows of one axis.
pub type AvgPool1d = AvgPool<1>;
/// The mean over windows of two axes.
pub type AvgPool2d = AvgPool<2>;
/// The mean over windows of three axes.
pub type AvgPool3d = AvgPool<3>;

impl<const N: usize> AvgPool<N> {
    /// Windows side by side, without padding.
    pub fn new(kernel_size: impl Into<Axes<N>>) -> Self {
        AvgPool {
            kernel_size: kernel_size.into(),
            stride: None,
            padding: 0.into(),
            ceil_mode: false,
            count_include_pad: true,
        }
    }

    fn windows<T: Element>(&self, axis: usize, len: usize) -> Result<Windows<T>> {
        let (kernel, padding) = (self.kernel_size[axis], self.padding[axis]);
        let stride = self.stride.unwrap_or(self.kernel_size)[axis];
        let pooling = Pooling { kernel, stride, padding, dilation: 1, ceil_mode: self.ceil_mode };
        let output_len = pooling.output_len(len)?;
        let mut windows = Windows::new(len, output_len)?;
        for o in 0..output_len {
            let taps = pooling.taps(o, len);
            // A window that reaches beyond the padding is counted up to there.
            let padded = kernel.min(len + 2 * padding - o * stride);
            let count = if self.count_include_pad { padded } else { taps.len() };
            let weight = number::<T>((count as f64).recip());
            windows.push(pooling.position(o, taps.start), std::iter::repeat_n(weight, taps.len()))?;
        }
        Ok(windows)
    }
}

no_parameters!(AvgPool<N>);

impl<const N: usize, T: Element> Forward<T> for AvgPool<N> {
    /// # Errors
    /// For an input with another number of axes or shorter than a window, and for options that are refused.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let shape = x.shape();
        let first = check_spatial::<N>(&shape)?;
        (0..N).try_fold(x.clone(), |x, axis| {
            Ok(x.window_sum(first + axis, &self.windows(axis, shape[first + axis])?)?)
        })
    }
}
