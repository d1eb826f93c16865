//! One stage after the other.

use lucid_autograd::Element;
use lucid_conv::Channels;
use ndarray::ArrayView2;

use super::{Rate, Rows, Stage};
use crate::error::{Error, Result};

/// Stages in order; none of them pass everything on.
///
/// ```
/// use lucid_nn::stream::{Chain, Stage};
/// use lucid_nn::{Conv1d, Forward, Module, Relu, Result, Var};
///
/// #[derive(Module)]
/// struct Block {
///     conv: Conv1d,
/// }
///
/// impl Forward for Block {
///     fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
///         Ok(self.conv.forward(x)?.relu())
///     }
///     fn stage(&self) -> Result<Box<dyn Stage<f32>>> {
///         Ok(Box::new(Chain::new(vec![self.conv.stage()?, Relu.stage()?])?))
///     }
/// }
///
/// let block = Block { conv: Conv1d::builder(2, 2, 3).padding([(2, 0)]).build()? };
/// assert_eq!(block.stream()?.latency(), 0);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Chain<T: Element> {
    stages: Vec<Box<dyn Stage<T>>>,
    channels: Option<Channels>,
    rate: Rate,
    /// What passes through where there are no stages.
    passed_on: Rows<T>,
}

impl<T: Element> Chain<T> {
    /// Stages in order.
    ///
    /// # Errors
    /// [`Error::NotStreamable`] where the channels of neighbours do not fit, or the rates' product overflows.
    pub fn new(stages: Vec<Box<dyn Stage<T>>>) -> Result<Self> {
        let mut channels: Option<Channels> = None;
        let mut rate = Rate { up: 1, down: 1 };
        for (number, stage) in stages.iter().enumerate() {
            let refused = |reason| Error::NotStreamable { module: format!("stage {number}"), reason };
            if let Some(own) = stage.channels() {
                let input = channels.map_or(own.input, |channels| channels.output);
                if input != own.input {
                    let reason = format!("{input} channels arrive, where accepted are {}", own.input);
                    return Err(refused(reason));
                }
                let first = channels.map_or(own.input, |channels| channels.input);
                channels = Some(Channels { input: first, output: own.output });
            }
            let Rate { up, down } = stage.rate();
            let product = rate.up.checked_mul(up).zip(rate.down.checked_mul(down));
            let (up, down) = product.ok_or_else(|| refused("the product of the strides overflows".into()))?;
            rate = Rate { up, down };
        }
        Ok(Chain { stages, channels, rate, passed_on: Rows::new() })
    }
}

impl<T: Element> Stage<T> for Chain<T> {
    fn run(&mut self, x: ArrayView2<'_, T>, is_last: bool) -> Result<ArrayView2<'_, T>> {
        let mut stages = self.stages.iter_mut();
        let Some(first) = stages.next() else {
            self.passed_on.resize(x.nrows(), x.ncols())?.assign(&x);
            return Ok(self.passed_on.view());
        };
        stages.try_fold(first.run(x, is_last)?, |x, stage| stage.run(x, is_last))
    }

    fn reset(&mut self) {
        self.stages.iter_mut().for_each(|stage| stage.reset());
    }

    fn channels(&self) -> Option<Channels> {
        self.channels
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn needs(&self, output: i64) -> i64 {
        self.stages.iter().rev().fold(output, |at, stage| stage.needs(at))
    }
}
