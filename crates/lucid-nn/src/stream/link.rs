//! Which samples a convolution reads, in time: `fine = coarse * stride + tap * dilation - before`.
//!
//! Positions are those of the whole signal, whatever has been dropped. Where a sample before the first or after the last is
//! read, it is a zero, as in the module's own padding.

use lucid_conv::{Kind, Options, Padding, Shapes};

use crate::error::{Error, Result};

/// A convolution's one axis, resolved but for the length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    kind: Kind,
    stride: i128,
    /// From the first tap to the last.
    span: i128,
    before: i128,
    after: i128,
    /// Positions that a transposed convolution has beyond those that taps reach.
    added: i128,
}

/// What is computed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The first input that is read, perhaps before the first sample.
    pub(super) first: i128,
    /// Inputs.
    pub(super) len: i128,
    /// Outputs; the first `skipped` are not asked for.
    pub(super) outputs: i128,
    pub(super) skipped: i128,
    /// Padding of the inputs that gives so many outputs.
    pub(super) padding: (i128, i128),
}

impl Link {
    /// # Errors
    /// [`Error::NotStreamable`] for padding that depends on the length.
    pub(super) fn new(options: &Options<1>, weight_shape: &[usize]) -> Result<Self> {
        options.validate()?;
        let (stride, taps) = (options.stride[0], weight_shape[2]);
        let span = (taps as i128 - 1) * options.dilation[0] as i128;
        let added = options.output_padding[0] as i128;
        let (before, after, added) = match options.padding {
            Padding::Explicit([(before, after)]) => (before as i128, after as i128, added),
            Padding::Valid => (0, 0, added),
            Padding::Same if options.kind == Kind::Conv && stride > 1 => {
                return Err(Error::NotStreamable {
                    module: options.name(),
                    reason: "padding \"same\" with a stride depends on the length: accepted are numbers"
                        .into(),
                });
            }
            Padding::Same => {
                let channels = match options.kind {
                    Kind::Conv => weight_shape[1].saturating_mul(options.groups),
                    Kind::ConvTranspose => weight_shape[0],
                };
                // With stride 1, or transposed, it comes to the same for any length.
                let geometry = options.resolve(Shapes { x: &[channels, 1], w: weight_shape })?;
                let before = geometry.overhang()[0].0 as i128;
                let total = geometry.y_shape()[1] as i128;
                match options.kind {
                    Kind::Conv => (before, span - before, 0),
                    // total = span + 1 - before - after + added
                    Kind::ConvTranspose => {
                        let missing = span + 1 - before - total;
                        (before, missing.max(0), (-missing).max(0))
                    }
                }
            }
        };
        Ok(Link { kind: options.kind, stride: stride as i128, span, before, after, added })
    }

    /// Outputs that are what they will be, and are sure to exist, once so many samples are there.
    pub(super) fn ready(&self, pushed: i128) -> i128 {
        if pushed == 0 {
            return 0;
        }
        match self.kind {
            Kind::Conv => (pushed - 1 + self.before - self.span).div_euclid(self.stride) + 1,
            Kind::ConvTranspose => (pushed * self.stride - self.before).min(self.total(pushed)),
        }
        .max(0)
    }

    /// Outputs of a signal of so many samples; below 1 where there is none.
    pub(super) fn total(&self, len: i128) -> i128 {
        let Link { stride, span, before, after, added, .. } = *self;
        match self.kind {
            Kind::Conv => (len + before + after - span - 1).div_euclid(stride) + 1,
            Kind::ConvTranspose => (len - 1) * stride - before - after + span + added + 1,
        }
    }

    /// The last sample that has to be there for an output to be among those [`ready`](Self::ready): the first one at least.
    pub(super) fn needs(&self, output: i128) -> i128 {
        let Link { stride, span, before, after, added, .. } = *self;
        match self.kind {
            Kind::Conv => output * stride + span - before,
            Kind::ConvTranspose => {
                // The last tap that reaches it, and the sample that makes it sure that it exists.
                let reached = (output + before).div_euclid(stride);
                reached.max((output + before + after - span - added + stride - 1).div_euclid(stride))
            }
        }
        .max(0)
    }

    /// The first input that outputs from `output` on read.
    pub(super) fn first_read(&self, output: i128) -> i128 {
        match self.kind {
            Kind::Conv => output * self.stride - self.before,
            Kind::ConvTranspose => (output + self.before).div_euclid(self.stride) - self.span / self.stride,
        }
    }

    /// How to compute outputs `from` to `to`, at least one.
    ///
    /// Transposed, a step begins with an output of the first phase, so that every step has the same padding before. Relative
    /// to the input beside it, output `i` reads inputs `(i - span) / stride` to `i / stride`, both rounded towards zero.
    pub(super) fn step(&self, from: i128, to: i128) -> Step {
        let (first, stride, span) = (self.first_read(from), self.stride, self.span);
        match self.kind {
            Kind::Conv => {
                let (outputs, len) = (to - from, (to - from - 1) * stride + span + 1);
                Step { first, len, outputs, skipped: 0, padding: (0, 0) }
            }
            Kind::ConvTranspose => {
                let skipped = (from + self.before).rem_euclid(stride);
                let outputs = to - from + skipped;
                let (whole, phase) = ((outputs - 1) / stride, (outputs - 1) % stride);
                // No tap reaches the last phases where strides are wider than kernels: one more input does.
                let more = if phase > span { 1 } else { 0 };
                let len = span / stride + whole + 1 + more;
                let padding = (span / stride * stride, span - phase + more * stride);
                Step { first, len, outputs, skipped, padding }
            }
        }
    }
}
