//! Pooling over windows. Sums and maxima over a box are sums and maxima along one axis after the other, so a window is a
//! matter of one axis, and the layers differ in what they do with it.

mod adaptive;
mod average;
mod max;

use std::ops::Range;

pub use adaptive::{AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d};
pub use average::{AvgPool, AvgPool1d, AvgPool2d, AvgPool3d};
pub use max::{MaxPool, MaxPool1d, MaxPool2d, MaxPool3d};

use lucid_conv::Axes;

use crate::error::{Result, check};

/// No padding.
fn none<const N: usize>() -> Axes<N> {
    0.into()
}

/// Where the windows of one axis lie: tap `k` of output `o` reads position `o stride + k dilation - padding`.
#[derive(Clone, Copy, Debug)]
struct Pooling {
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    ceil_mode: bool,
}

impl Pooling {
    /// The number of outputs over an axis of length `len`: `(len + 2 padding - extent) / stride + 1`, rounded up in
    /// `ceil_mode` as long as the last window begins before the padding after the axis.
    fn output_len(&self, len: usize) -> Result<usize> {
        let &Pooling { kernel, stride, padding, dilation, ceil_mode } = self;
        for (parameter, value) in [("kernel_size", kernel), ("stride", stride), ("dilation", dilation)] {
            check(value > 0, parameter, value, "at least 1")?;
        }
        // Positions from the first tap to the last, both included.
        let extent = (kernel - 1).checked_mul(dilation).and_then(|extent| extent.checked_add(1));
        let extent = extent.filter(|&extent| extent <= isize::MAX as usize).unwrap_or(isize::MAX as usize);
        let accepted = format!("at most {}, half of the kernel's extent", extent / 2);
        check(padding <= extent / 2, "padding", padding, &accepted)?;
        let padded = len.saturating_add(2 * padding);
        let accepted = format!("at least the kernel's extent, {extent}");
        check(padded >= extent, "the padded length", padded, &accepted)?;
        let room = padded - extent;
        let steps = if ceil_mode { room.div_ceil(stride) } else { room / stride };
        // The last window of `ceil_mode` may read less than the others, but not only what is not there.
        let begins_outside = steps.saturating_mul(stride) >= len + padding;
        Ok(if ceil_mode && begins_outside { steps } else { steps + 1 })
    }

    /// The taps of output `o` that are within an axis of length `len`. `o` is below the output's length, so nothing
    /// overflows: `o stride < len + padding`.
    fn taps(&self, o: usize, len: usize) -> Range<usize> {
        let start = o * self.stride;
        let first = self.padding.saturating_sub(start).div_ceil(self.dilation);
        let end = (len + self.padding).saturating_sub(start).div_ceil(self.dilation);
        first..end.clamp(first, self.kernel.max(first))
    }

    /// The position that tap `k` of output `o` reads, for taps that are within the axis.
    fn position(&self, o: usize, k: usize) -> usize {
        o * self.stride + k * self.dilation - self.padding
    }
}
