//! A convolution, plain or transposed, chunk by chunk.
//!
//! The inputs that later outputs read are kept. What a chunk completes is one convolution of those and the chunk, on the
//! kernels of the whole signal's: each output is summed in the same order, with the bias first, wherever a chunk ends.

use lucid_autograd::Element;
use lucid_conv::{Algorithm, Channels, Kind, Options, Pass, Plan, PreparedWeight, Shapes, Workspace};
use lucid_tensor::Tensor;
use ndarray::{Array1, ArrayView2, ArrayViewMut2, s};

use super::link::{Link, Step};
use super::{Rate, Rows, Stage, expect_channels};
use crate::error::{Error, Result};

/// The state of a convolution.
#[derive(Debug)]
pub(crate) struct ConvStage<T: Element> {
    options: Options<1>,
    weight_shape: Vec<usize>,
    channels: Channels,
    link: Link,
    weight: PreparedWeight<T, 1>,
    bias: Option<Array1<T>>,
    /// Those used last, the latest at the end, by the outputs of a step.
    plans: Vec<(i128, Plan<1>)>,
    workspace: Workspace<T, 1>,
    /// Samples so far, and outputs.
    pushed: i128,
    done: i128,
    /// The samples that are kept: up to the last one.
    held: Rows<T>,
    spare: Rows<T>,
    window: Rows<T>,
    output: Rows<T>,
}

impl<T: Element> ConvStage<T> {
    /// # Errors
    /// For options that depend on the length, and a weight or a bias that does not fit them.
    pub(crate) fn new(options: &Options<1>, weight: &Tensor<T>, bias: Option<&Tensor<T>>) -> Result<Self> {
        let weight_shape = weight.shape().to_vec();
        let link = Link::new(options, &weight_shape)?;
        let (coarse, fine) = (weight_shape[0], weight_shape[1].saturating_mul(options.groups));
        let channels = match options.kind {
            Kind::Conv => Channels { input: fine, output: coarse },
            Kind::ConvTranspose => Channels { input: coarse, output: fine },
        };
        let plan = plan(options, link.step(0, 1), channels, &weight_shape)?;
        Ok(ConvStage {
            options: *options,
            channels,
            link,
            weight: plan.prepare(weight.view())?,
            bias: bias.map(|bias| bias.to_vec().into()),
            weight_shape,
            plans: Vec::new(),
            workspace: Workspace::new(),
            pushed: 0,
            done: 0,
            held: Rows::new(),
            spare: Rows::new(),
            window: Rows::new(),
            output: Rows::new(),
        })
    }

    /// The plan of a step, the same for every step of so many inputs and outputs.
    fn plan(&mut self, step: Step) -> Result<Plan<1>> {
        if let Some(found) = self.plans.iter().position(|(outputs, _)| *outputs == step.outputs) {
            self.plans[found..].rotate_left(1);
        } else {
            let plan = plan(&self.options, step, self.channels, &self.weight_shape)?;
            if self.plans.len() == Workspace::<T, 1>::KEPT {
                self.plans.remove(0);
            }
            self.plans.push((step.outputs, plan));
        }
        let (_, plan) = self.plans.last().expect("found or put there above");
        Ok(*plan)
    }

    /// Computes a step into the output, with what is kept and the samples `x` after it.
    fn compute(&mut self, step: Step, x: &ArrayView2<'_, T>) -> Result<()> {
        let plan = self.plan(step)?;
        let held_from = self.pushed - self.held.len() as i128;
        let mut window = self.window.resize(self.channels.input, size(step.len)?)?;
        window.fill(T::zero());
        put(&mut window, self.held.view(), held_from - step.first);
        put(&mut window, x.view(), self.pushed - step.first);
        let y = self.output.resize(self.channels.output, size(step.outputs)?)?;
        let bias = self.bias.as_ref().map(|bias| bias.view());
        plan.convolve_prepared_into(self.window.view(), &self.weight, bias, y, &mut self.workspace)?;
        Ok(())
    }
}

impl<T: Element> Stage<T> for ConvStage<T> {
    fn run(&mut self, x: ArrayView2<'_, T>, is_last: bool) -> Result<ArrayView2<'_, T>> {
        expect_channels(&x, self.channels.input)?;
        let pushed = self.pushed + x.ncols() as i128;
        let end = match is_last {
            false => self.link.ready(pushed),
            true if pushed == 0 => 0,
            true => {
                let whole = [self.channels.input, size(pushed)?];
                self.options.resolve(Shapes { x: &whole, w: &self.weight_shape })?;
                self.link.total(pushed)
            }
        };
        let mut skipped = 0;
        if end > self.done {
            let step = self.link.step(self.done, end);
            self.compute(step, &x)?;
            skipped = size(step.skipped)?;
        } else {
            self.output.resize(self.channels.output, 0)?;
        }
        let held_from = self.pushed - self.held.len() as i128;
        let drop = (self.link.first_read(end) - held_from).clamp(0, pushed - held_from);
        self.held.shift(size(drop)?, &x, &mut self.spare)?;
        (self.pushed, self.done) = (pushed, end);
        Ok(self.output.view().slice_move(s![.., skipped..]))
    }

    fn reset(&mut self) {
        self.held.clear();
        (self.pushed, self.done) = (0, 0);
    }

    fn channels(&self) -> Option<Channels> {
        Some(self.channels)
    }

    fn rate(&self) -> Rate {
        match self.options.kind {
            Kind::Conv => Rate { up: 1, down: self.options.stride[0] },
            Kind::ConvTranspose => Rate { up: self.options.stride[0], down: 1 },
        }
    }

    fn needs(&self, output: i64) -> i64 {
        let needs = self.link.needs(output.into());
        needs.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// A plan whose sums do not depend on the length: in the order of the definition.
fn plan(options: &Options<1>, step: Step, channels: Channels, weight_shape: &[usize]) -> Result<Plan<1>> {
    let padding = [(size(step.padding.0)?, size(step.padding.1)?)];
    let options = options.padding(padding).output_padding(0);
    let x = [channels.input, size(step.len)?];
    let plan = Plan::new(options.resolve(Shapes { x: &x, w: weight_shape })?);
    let pass = match options.kind {
        Kind::Conv => Pass::Forward,
        Kind::ConvTranspose => Pass::BackwardData,
    };
    // Strides and taps decide which, not the length.
    let algorithms = [Algorithm::Depthwise, Algorithm::Polyphase, Algorithm::Direct];
    let mut plans = algorithms.into_iter().map(|algorithm| plan.with_algorithm(pass, algorithm));
    let plan = plans.find_map(std::result::Result::ok).expect("the direct sums accept everything");
    Ok(plan)
}

/// Puts samples from column `at` on, those that are inside.
fn put<T: Element>(to: &mut ArrayViewMut2<'_, T>, from: ArrayView2<'_, T>, at: i128) {
    let (start, end) = (at.max(0), (at + from.ncols() as i128).min(to.ncols() as i128));
    if start < end {
        // Both are within `to`, and less `at` within `from`.
        let (first, last) = ((start - at) as usize, (end - at) as usize);
        to.slice_mut(s![.., start as usize..end as usize]).assign(&from.slice(s![.., first..last]));
    }
}

/// A number of samples, as an index.
fn size(number: i128) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::NotStreamable {
        module: "a convolution".into(),
        reason: format!("{number} samples at a time"),
    })
}
