//! `AdaptiveAvgPool1d`, `AdaptiveAvgPool2d`, `AdaptiveAvgPool3d`: one layer, generic over the rank.

use lucid_autograd::{Element, Var};
use lucid_conv::Axes;
use lucid_tensor::Windows;
use serde::{Deserialize, Serialize};

use crate::error::{Result, check};
use crate::layers::{check_spatial, no_parameters};
use crate::module::Forward;
use crate::number::number;

/// The mean over as many windows of the last `N` axes as are asked for: output `o` of `n` reads the positions from
/// `floor(o len / n)` to `ceil((o + 1) len / n)`.
///
/// # Shapes
/// `(batch, channels, spatial...)`, or without the batch, to `(batch, channels, output_size...)`.
///
/// ```
/// use lucid_nn::{AdaptiveAvgPool1d, Forward, Tensor, Var};
///
/// let x = Var::<f32>::constant(Tensor::from([[1.0, 3.0, 5.0]]));
/// let pool = AdaptiveAvgPool1d { output_size: 2.into() };
/// assert_eq!(pool.forward(&x)?.value(), Tensor::from([[2.0, 4.0]]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveAvgPool<const N: usize> {
    /// The length of each axis of the output: at least 1.
    pub output_size: Axes<N>,
}

/// The mean over a number of windows of one axis.
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// The mean over a number of windows of two axes.
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
/// The mean over a number of windows of three axes.
pub type AdaptiveAvgPool3d = AdaptiveAvgPool<3>;

fn windows<T: Element>(len: usize, new: usize) -> Result<Windows<T>> {
    check(new > 0, "output_size", new, "at least 1")?;
    check(len > 0, "the length", len, "at least 1")?;
    let mut windows = Windows::new(len, new)?;
    let (long, wide) = (len as u128, new as u128);
    for o in 0..wide {
        // Both are at most len.
        let (start, end) = ((o * long / wide) as usize, ((o + 1) * long).div_ceil(wide) as usize);
        let weight = number::<T>(((end - start) as f64).recip());
        windows.push(start, std::iter::repeat_n(weight, end - start))?;
    }
    Ok(windows)
}

no_parameters!(AdaptiveAvgPool<N>);

impl<const N: usize, T: Element> Forward<T> for AdaptiveAvgPool<N> {
    /// # Errors
    /// For an input with another number of axes or an empty one, and for an output size of 0.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let shape = x.shape();
        let first = check_spatial::<N>(&shape)?;
        (0..N).try_fold(x.clone(), |x, axis| {
            Ok(x.window_sum(first + axis, &windows(shape[first + axis], self.output_size[axis])?)?)
        })
    }
}
