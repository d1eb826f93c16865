//! What has no state: a function of one number, which may differ from channel to channel.

use std::fmt;

use lucid_autograd::Element;
use lucid_conv::Channels;
use ndarray::{ArrayView2, Axis};

use super::{Rate, Rows, Stage};
use crate::error::Result;

/// The stage of a function of the channel's number and a sample: activations, and affine maps per channel such as a batch
/// norm's in evaluation.
///
/// ```
/// use lucid_nn::stream::{Pointwise, Stream};
/// use ndarray::array;
///
/// let gains = [1.0, 10.0];
/// let mut stream = Stream::new(Box::new(Pointwise::new(move |channel, x: f32| gains[channel] * x)))?;
/// assert_eq!(stream.push(array![[1.0], [2.0]].view())?, array![[1.0], [20.0]]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
pub struct Pointwise<T, F> {
    function: F,
    output: Rows<T>,
}

impl<T: Element, F: Fn(usize, T) -> T + Send> Pointwise<T, F> {
    /// `y[c, l] = function(c, x[c, l])`
    pub fn new(function: F) -> Self {
        Pointwise { function, output: Rows::new() }
    }
}

impl<T, F> fmt::Debug for Pointwise<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pointwise").finish_non_exhaustive()
    }
}

impl<T: Element, F: Fn(usize, T) -> T + Send> Stage<T> for Pointwise<T, F> {
    fn run(&mut self, x: ArrayView2<'_, T>, _: bool) -> Result<ArrayView2<'_, T>> {
        let mut y = self.output.resize(x.nrows(), x.ncols())?;
        for (channel, (mut y, x)) in y.axis_iter_mut(Axis(0)).zip(x.axis_iter(Axis(0))).enumerate() {
            y.zip_mut_with(&x, |y, &x| *y = (self.function)(channel, x));
        }
        Ok(self.output.view())
    }

    fn reset(&mut self) {}

    fn channels(&self) -> Option<Channels> {
        None
    }

    fn rate(&self) -> Rate {
        Rate { up: 1, down: 1 }
    }

    fn needs(&self, output: i64) -> i64 {
        output
    }
}
