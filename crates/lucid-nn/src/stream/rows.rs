//! Samples by channel, in memory that is used again.

use lucid_autograd::Element;
use ndarray::{ArrayView2, ArrayViewMut2, s};

use super::expect_channels;
use crate::error::{Error, Result};

/// A matrix of channels by samples whose number of samples changes; its memory grows and never shrinks.
#[derive(Debug)]
pub struct Rows<T> {
    values: Vec<T>,
    channels: usize,
    len: usize,
}

impl<T: Element> Rows<T> {
    /// No samples.
    pub fn new() -> Self {
        Rows { values: Vec::new(), channels: 0, len: 0 }
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The samples.
    pub fn view(&self) -> ArrayView2<'_, T> {
        let values = &self.values[..self.channels * self.len];
        ArrayView2::from_shape((self.channels, self.len), values).expect("the slice has so many elements")
    }

    /// The samples, to be written.
    pub fn view_mut(&mut self) -> ArrayViewMut2<'_, T> {
        let values = &mut self.values[..self.channels * self.len];
        ArrayViewMut2::from_shape((self.channels, self.len), values).expect("the slice has so many elements")
    }

    /// Makes room for so many samples, and has them written: what was there is lost, and what is there is anything.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn resize(&mut self, channels: usize, len: usize) -> Result<ArrayViewMut2<'_, T>> {
        let all = channels.checked_mul(len).ok_or_else(|| out_of_memory(channels, len))?;
        let more = all.saturating_sub(self.values.len());
        self.values.try_reserve(more).map_err(|_| out_of_memory(channels, len))?;
        if more > 0 {
            self.values.resize(all, T::zero());
        }
        (self.channels, self.len) = (channels, len);
        Ok(self.view_mut())
    }

    /// Forgets the samples.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Drops the first samples and appends others; `spare` is another buffer to do it in.
    ///
    /// # Errors
    /// When there is no memory for them, or they are of other channels than those that stay.
    pub(super) fn shift(&mut self, drop: usize, x: &ArrayView2<'_, T>, spare: &mut Self) -> Result<()> {
        let kept = self.len.saturating_sub(drop);
        let dropped_of_x = drop.saturating_sub(self.len).min(x.ncols());
        let mut to = spare.resize(x.nrows(), kept + x.ncols() - dropped_of_x)?;
        if kept > 0 {
            expect_channels(x, self.channels)?;
            to.slice_mut(s![.., ..kept]).assign(&self.view().slice(s![.., drop..]));
        }
        to.slice_mut(s![.., kept..]).assign(&x.slice(s![.., dropped_of_x..]));
        // The other one is as large then, so that the next time takes no more memory.
        if self.values.len() < spare.values.len() {
            self.values
                .try_reserve(spare.values.len() - self.values.len())
                .map_err(|_| out_of_memory(x.nrows(), kept + x.ncols()))?;
            self.values.resize(spare.values.len(), T::zero());
        }
        std::mem::swap(self, spare);
        Ok(())
    }
}

fn out_of_memory(channels: usize, len: usize) -> Error {
    lucid_conv::Error::OutOfMemory { quantity: "a chunk", shape: vec![channels, len] }.into()
}

impl<T: Element> Default for Rows<T> {
    fn default() -> Self {
        Rows::new()
    }
}
