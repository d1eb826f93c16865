//! Running modules chunk by chunk, with explicit state.
//!
//! A [`Stage`] is a module's state below the tape: it takes the next samples and gives what they complete of the output.
//! A [`Stream`] is what callers hold: it checks chunks and knows whether the stream has ended. docs/streaming.md tells how
//! stages keep what they read again, and why the chunking cannot be heard.

mod chain;
mod conv;
mod link;
mod pointwise;
mod rows;
mod sum;

use std::fmt;

use lucid_autograd::Element;
use lucid_conv::Channels;
use ndarray::ArrayView2;

pub use chain::Chain;
pub(crate) use conv::ConvStage;
pub use pointwise::Pointwise;
pub use rows::Rows;
pub use sum::Sum;

use crate::error::{Error, Result};

/// Output samples per input sample, as `up / down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Output samples for every `down` input samples: a period of [`Stage::needs`].
    pub up: usize,
    /// Input samples for every `up` output samples.
    pub down: usize,
}

/// Output samples of a period, at most: the product of the strides of transposed convolutions.
const MAX_PERIOD: usize = 1 << 16;

/// A module's state between two chunks: what a module of your own implements to be part of a stream.
///
/// Whatever the chunks, the outputs one after the other are the output for all samples at once.
pub trait Stage<T: Element>: Send + fmt::Debug {
    /// Takes the next samples, `(channels, any number)`, and gives the outputs that are complete with them, perhaps none.
    /// With the last samples, perhaps none, the rest of the output is complete; nothing follows but a [`reset`](Self::reset).
    ///
    /// # Errors
    /// For other channels than [`channels`](Self::channels), and where all samples at once would be an error.
    fn run(&mut self, x: ArrayView2<'_, T>, is_last: bool) -> Result<ArrayView2<'_, T>>;

    /// Forgets all samples, and keeps the memory that they took.
    fn reset(&mut self);

    /// The channels of input and output, where they are fixed; without, as many come out as go in.
    fn channels(&self) -> Option<Channels>;

    /// Output samples per input sample.
    fn rate(&self) -> Rate;

    /// The last input sample that has to be there for output sample `output` to come out, not at the end of a stream.
    /// It grows with `output`, and from some output on `needs(output + up) = needs(output) + down` with those of
    /// [`rate`](Self::rate). Of padding alone an output still needs the first sample, number 0.
    fn needs(&self, output: i64) -> i64;
}

/// A module that runs chunk by chunk: made by [`Forward::stream`](crate::Forward::stream).
///
/// It has the weights that the module had then. Chunks are `(channels, samples)` with any number of samples. Once chunks of
/// one length have been there, more of them take no memory.
///
/// ```
/// use lucid_nn::{Conv1d, ConvTranspose1d, Forward, LeakyRelu, Sequential, Sum};
/// use ndarray::Array2;
///
/// let causal = Conv1d::builder(4, 4, 3).dilation(2).padding([(4, 0)]).build()?;
/// let decoder = Sequential::new()
///     .with(Sum::residual(Sequential::new().with(LeakyRelu { slope: 0.1 }).with(causal)))
///     .with(ConvTranspose1d::builder(4, 1, 4).stride(2).padding(1).build()?);
/// let mut stream = decoder.stream()?;
/// assert_eq!(stream.latency(), 1);
/// let mut len = stream.push(Array2::<f32>::ones((4, 7)).view())?.ncols();
/// len += stream.flush()?.ncols();
/// assert_eq!(len, 14);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<T: Element = f32> {
    stage: Box<dyn Stage<T>>,
    state: State,
    latency: usize,
    /// Of the chunks so far.
    channels: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Flushed,
    Failed,
}

impl<T: Element> Stream<T> {
    /// A stream that runs a stage: for modules of your own that are no [`Forward`](crate::Forward).
    ///
    /// # Errors
    /// [`Error::NotStreamable`] when strides are so large that the latency can't be told.
    pub fn new(stage: Box<dyn Stage<T>>) -> Result<Self> {
        let latency = latency(&*stage)?;
        let channels = stage.channels().map(|channels| channels.input);
        Ok(Stream { stage, state: State::Open, latency, channels })
    }

    /// The outputs that are complete with the next samples: `(channels, samples)`, perhaps no samples.
    ///
    /// # Errors
    /// [`Error::Chunk`] for another number of channels: the stream is as it was. [`Error::StreamEnded`] after
    /// [`flush`](Self::flush), or after an error other than these two; [`reset`](Self::reset) begins anew.
    pub fn push(&mut self, x: ArrayView2<'_, T>) -> Result<ArrayView2<'_, T>> {
        self.run(x, false)
    }

    /// The rest of the output. A stream of no samples has none.
    ///
    /// # Errors
    /// Those of the module when all samples at once are too few for it, and [`Error::StreamEnded`] as [`push`](Self::push).
    pub fn flush(&mut self) -> Result<ArrayView2<'_, T>> {
        let channels = self.channels.unwrap_or(0);
        let none = ArrayView2::from_shape((channels, 0), &[]).expect("no elements fill a shape of none");
        self.run(none, true)
    }

    /// Begins anew, with the same weights.
    pub fn reset(&mut self) {
        self.stage.reset();
        self.state = State::Open;
        self.channels = self.stage.channels().map(|channels| channels.input);
    }

    /// How many input samples an output waits for, at most, beyond the one that it stands beside: output sample `j` stands
    /// beside input sample `floor(j down / up)` of [`rate`](Self::rate). 0 for a causal module.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// Output samples per input sample.
    pub fn rate(&self) -> Rate {
        self.stage.rate()
    }

    fn run(&mut self, x: ArrayView2<'_, T>, is_last: bool) -> Result<ArrayView2<'_, T>> {
        let why = match self.state {
            State::Open => None,
            State::Flushed => Some("it was flushed"),
            State::Failed => Some("a module failed"),
        };
        if let Some(why) = why {
            return Err(Error::StreamEnded { why });
        }
        expect_channels(&x, *self.channels.get_or_insert(x.nrows()))?;
        // Should the stage fail, or panic, its parts may have taken different numbers of samples.
        self.state = State::Failed;
        let y = self.stage.run(x, is_last)?;
        self.state = if is_last { State::Flushed } else { State::Open };
        Ok(y)
    }
}

/// `max over j of needs(j) - floor(j down / up)`.
///
/// `needs` is the larger of a constant, for outputs of padding alone, and of what is periodic => the first is largest for
/// output 0, and a period has the largest of the second.
fn latency<T: Element>(stage: &dyn Stage<T>) -> Result<usize> {
    let Rate { up, down } = stage.rate();
    if up > MAX_PERIOD || down > MAX_PERIOD {
        return Err(Error::NotStreamable {
            module: "a stack of convolutions".into(),
            reason: format!("strides of {up} up and {down} down, where accepted are {MAX_PERIOD} each"),
        });
    }
    let (up, down) = (up as i64, down as i64);
    let most = (0..up).map(|output| stage.needs(output) - output * down / up).max().unwrap_or(0);
    Ok(usize::try_from(most).unwrap_or(0))
}

/// [`Error::Chunk`] for another number of channels.
pub(crate) fn expect_channels<T>(x: &ArrayView2<'_, T>, channels: usize) -> Result<()> {
    if x.nrows() == channels {
        return Ok(());
    }
    Err(Error::Chunk { given: [x.nrows(), x.ncols()], channels })
}
