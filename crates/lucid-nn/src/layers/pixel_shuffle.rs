//! From channels to space.

use lucid_autograd::{Element, Var};
use serde::{Deserialize, Serialize};

use super::no_parameters;
use crate::error::{Error, Result, check};
use crate::module::Forward;

/// Interleaves groups of `upscale_factor^N` channels into one channel that is `upscale_factor` times as long on each of
/// `N` axes (Shi et al. 2016): `y[c, l r + i] = x[c r + i, l]` for `N = 1`.
///
/// # Shapes
/// `(..., channels * upscale_factor^N, spatial...)` to `(..., channels, spatial * upscale_factor...)`.
///
/// ```
/// use lucid_nn::{Forward, PixelShuffle1d, Tensor, Var};
///
/// let x = Var::<f32>::constant(Tensor::from([[1.0, 2.0], [10.0, 20.0]]));
/// let y = PixelShuffle1d { upscale_factor: 2 }.forward(&x)?;
/// assert_eq!(y.value(), Tensor::from([[1.0, 10.0, 2.0, 20.0]]));
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelShuffle<const N: usize> {
    /// How much longer each axis becomes: at least 1.
    pub upscale_factor: usize,
}

/// From channels to one axis.
pub type PixelShuffle1d = PixelShuffle<1>;
/// From channels to two axes.
pub type PixelShuffle2d = PixelShuffle<2>;

no_parameters!(PixelShuffle<N>);

impl<const N: usize, T: Element> Forward<T> for PixelShuffle<N> {
    /// # Errors
    /// For an input with too few axes, or channels that are no multiple of `upscale_factor^N`.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let (shape, factor) = (x.shape(), self.upscale_factor);
        check(factor > 0, "upscale_factor", factor, "at least 1")?;
        let group = u32::try_from(N).ok().and_then(|rank| factor.checked_pow(rank));
        let split = shape.len().checked_sub(N + 1).map(|at| (&shape[..at], shape[at], &shape[at + 1..]));
        let fitting = split.zip(group).filter(|((_, channels, _), group)| channels.is_multiple_of(*group));
        let Some(((leading, channels, spatial), group)) = fitting else {
            let accepted = format!("(..., a multiple of {factor}^{N} channels, {N} spatial)");
            let given = format!("shape {shape:?}");
            return Err(Error::Parameter { parameter: "input", given, accepted });
        };
        let mut result = leading.to_vec();
        result.push(channels / group);
        // (..., channels, factors..., spatial...) with each factor moved behind its axis.
        let mut split: Vec<usize> = result.clone();
        split.extend([factor; N]);
        split.extend(spatial);
        let first = result.len();
        let order = (0..first).chain((0..N).flat_map(|axis| [first + N + axis, first + axis]));
        let shuffled = x.reshape(&split)?.permute(order.collect::<Vec<_>>())?;
        // Elements are counted by the input, so no product overflows unless there are none.
        result.extend(spatial.iter().map(|&len| len.saturating_mul(factor)));
        Ok(shuffled.reshape(result)?)
    }
}
