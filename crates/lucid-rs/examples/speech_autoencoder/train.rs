//! Training: random segments of one clip, a loss in time and in frequency, AdamW.
//!
//! What a step does depends on the state before it, the seed and its own number, and on nothing else. So a run that was
//! stopped and resumed ends in the same bits as one that was not.

use lucid::optim::{AdamW, AdamWConfig, Optimizer, Schedule, clip_grad_norm};
use lucid::{Forward, Module, Tensor, Var};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::audio::Clip;
use crate::config::Config;
use crate::error::Result;
use crate::model::Autoencoder;
use crate::spectral::{SpectralLoss, relative_error};

/// The losses of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Losses {
    /// `|y - x| / |x|` of the waveforms.
    pub(crate) time: f32,
    /// The distance of the spectra.
    pub(crate) spectral: f32,
}

/// A run: everything that changes from step to step, and what it depends on.
pub(crate) struct Training<'a> {
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) clip: &'a Clip,
    pub(crate) model: Autoencoder,
    pub(crate) optimizer: AdamW,
    /// The losses of all steps so far: their number is the number of the next step.
    pub(crate) log: Vec<Losses>,
    schedule: Schedule,
    spectral: SpectralLoss,
}

impl<'a> Training<'a> {
    /// A run before its first step.
    pub(crate) fn new(config: Config, seed: u64, clip: &'a Clip) -> Result<Self> {
        let segment = config.training.segment;
        let Clip { name, samples } = clip;
        if samples.len() < segment {
            return Err(format!(
                "{name} has {} samples: accepted for training are at least {segment}, one segment",
                samples.len()
            )
            .into());
        }
        let model = Autoencoder::new(config.model.clone(), &mut rng(seed, 0))?;
        let optimizer = AdamW::new(model.named_parameters(), AdamWConfig::default())?;
        let spectral = SpectralLoss::new(&config.training.resolutions)?;
        let schedule = config.training.schedule();
        Ok(Training { config, seed, clip, model, optimizer, log: Vec::new(), schedule, spectral })
    }

    /// The number of steps so far.
    pub(crate) fn num_steps(&self) -> u64 {
        self.log.len() as u64
    }

    /// One step.
    pub(crate) fn step(&mut self) -> Result<Losses> {
        let step = self.num_steps();
        let training = &self.config.training;
        let x = Var::constant(self.segments(step)?);
        let y = self.model.forward(&x)?;
        let time = relative_error(&y, &x)?;
        let spectral = self.spectral.between(&y, &x)?;
        let loss = (&time + &(&spectral * training.spectral_weight as f32))?;

        self.optimizer.zero_grad();
        loss.backward()?;
        let norm = clip_grad_norm(&self.model.parameters(), training.max_grad_norm)?;
        if !norm.is_finite() {
            return Err(
                format!("the gradients are not finite at step {step}: try a lower learning_rate").into()
            );
        }
        let share = self.schedule.share_at(step)?;
        self.optimizer.set_learning_rate(training.learning_rate * share)?;
        self.optimizer.step()?;

        let losses = Losses { time: time.item()?, spectral: spectral.item()? };
        self.log.push(losses);
        Ok(losses)
    }

    /// Random segments of the clip, each with a random volume and polarity.
    fn segments(&self, step: u64) -> Result<Tensor<f32>> {
        let (batch, segment) = (self.config.training.batch, self.config.training.segment);
        let samples = &self.clip.samples;
        // Stream 0 is for the initial values.
        let mut rng = rng(self.seed, step + 1);
        let mut values = Vec::with_capacity(batch * segment);
        for _ in 0..batch {
            let start = rng.random_range(0..=samples.len() - segment);
            let gain = rng.random_range(0.5..1.5) * if rng.random() { 1.0 } else { -1.0_f32 };
            values.extend(samples[start..start + segment].iter().map(|sample| sample * gain));
        }
        Ok(Tensor::from_vec([batch, 1, segment], values)?)
    }
}

/// The generator of the given seed and stream: streams of one seed are independent of each other.
fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}
