//! The sum of stages with the same input: residual connections.

use lucid_autograd::Element;
use lucid_conv::Channels;
use ndarray::{ArrayView2, s};

use super::{Rate, Rows, Stage};
use crate::error::{Error, Result};

/// `y = scale * sum over branches of their outputs`. A branch that looks further ahead gives its samples later; those of
/// the others wait for them, so all are added where they belong.
#[derive(Debug)]
pub struct Sum<T: Element> {
    branches: Vec<Branch<T>>,
    scale: Option<T>,
    channels: Option<Channels>,
    rate: Rate,
    output: Rows<T>,
    spare: Rows<T>,
}

#[derive(Debug)]
struct Branch<T: Element> {
    stage: Box<dyn Stage<T>>,
    /// Outputs that wait for those of the others.
    waiting: Rows<T>,
}

impl<T: Element> Sum<T> {
    /// Branches that are added in order, and what their sum is multiplied with, if with anything.
    ///
    /// # Errors
    /// [`Error::NotStreamable`] where there are no branches, or they differ in channels or rate.
    pub fn new(stages: Vec<Box<dyn Stage<T>>>, scale: Option<T>) -> Result<Self> {
        let refused = |reason: &str| Error::NotStreamable { module: "a sum".into(), reason: reason.into() };
        let mut rates = stages.iter().map(|stage| stage.rate());
        let Some(mut rate) = rates.next() else { return Err(refused("it has no branches")) };
        for Rate { up, down } in rates {
            let (a, b) = (rate.up.checked_mul(down), rate.down.checked_mul(up));
            if a.is_none() || a != b {
                return Err(refused("the strides of its branches differ"));
            }
            // Both periods are parts of this one.
            let times = up / gcd(rate.up, up);
            let period = rate.up.checked_mul(times).zip(rate.down.checked_mul(times));
            let (up, down) = period.ok_or_else(|| refused("the product of the strides overflows"))?;
            rate = Rate { up, down };
        }
        let mut channels: Option<Channels> = None;
        let is_open = stages.iter().any(|stage| stage.channels().is_none());
        for own in stages.iter().filter_map(|stage| stage.channels()) {
            if *channels.get_or_insert(own) != own || (is_open && own.input != own.output) {
                return Err(refused("the channels of its branches differ"));
            }
        }
        let branches = stages.into_iter().map(|stage| Branch { stage, waiting: Rows::new() }).collect();
        Ok(Sum { branches, scale, channels, rate, output: Rows::new(), spare: Rows::new() })
    }
}

impl<T: Element> Stage<T> for Sum<T> {
    fn run(&mut self, x: ArrayView2<'_, T>, is_last: bool) -> Result<ArrayView2<'_, T>> {
        let Sum { branches, scale, output, spare, .. } = self;
        for Branch { stage, waiting } in branches.iter_mut() {
            waiting.shift(0, &stage.run(x, is_last)?, spare)?;
        }
        let lens = branches.iter().map(|branch| branch.waiting.len());
        let (least, most) = (lens.clone().min().unwrap_or(0), lens.max().unwrap_or(0));
        if is_last && least != most {
            let reason = format!("its branches differ in length by {} samples", most - least);
            return Err(Error::NotStreamable { module: "a sum".into(), reason });
        }
        let channels = branches.first().map_or(0, |branch| branch.waiting.view().nrows());
        let mut sum = output.resize(channels, least)?;
        for (number, Branch { waiting, .. }) in branches.iter_mut().enumerate() {
            let ready = waiting.view();
            let ready = ready.slice(s![.., ..least]);
            if ready.nrows() != channels {
                return Err(Error::Chunk { given: [ready.nrows(), least], channels });
            }
            if number == 0 {
                sum.assign(&ready)
            } else {
                sum += &ready
            }
            let none = ArrayView2::from_shape((channels, 0), &[]).expect("no elements fill a shape of none");
            waiting.shift(least, &none, spare)?;
        }
        if let Some(scale) = *scale {
            sum.mapv_inplace(|sum| sum * scale);
        }
        Ok(self.output.view())
    }

    fn reset(&mut self) {
        for Branch { stage, waiting } in &mut self.branches {
            stage.reset();
            waiting.clear();
        }
    }

    fn channels(&self) -> Option<Channels> {
        self.channels
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn needs(&self, output: i64) -> i64 {
        self.branches.iter().map(|branch| branch.stage.needs(output)).max().unwrap_or(output)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
