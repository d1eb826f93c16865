//! Training: random segments of one clip, a loss in time and in frequency, AdamW.
//!
//! What a step does depends on the state before it, the seed and its own number, and on nothing else. So a run that was
//! stopped and resumed ends in the same bits as one that was not.

use std::path::Path;

use lucid::optim::{AdamW, AdamWConfig, Optimizer, clip_grad_norm};
use lucid::{Forward, Module, Tensor, Var};
use rand::RngExt;

use crate::audio::Clip;
use crate::checkpoint;
use crate::config::Config;
use crate::error::Result;
use crate::model::Autoencoder;
use crate::session::Run;
use crate::session::losses::Losses;
use crate::session::rng::rng;
use crate::spectral::{SpectralLoss, relative_error};

/// A run: everything that changes from step to step, and what it depends on.
pub(crate) struct Training<'a> {
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) clip: &'a Clip,
    pub(crate) model: Autoencoder,
    pub(crate) optimizer: AdamW,
    /// `|y - x| / |x|` of the waveforms, and the distance of the spectra.
    pub(crate) losses: Losses<2>,
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
        let losses = Losses::new(["waveform", "spectra"]);
        Ok(Training { config, seed, clip, model, optimizer, losses, spectral })
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

impl Run for Training<'_> {
    const CHECKPOINT_STEPS: u64 = 100;

    fn num_steps(&self) -> u64 {
        self.losses.num_steps()
    }

    fn step(&mut self) -> Result<()> {
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
        self.optimizer.set_learning_rate(training.learning_rate.at(step)?)?;
        self.optimizer.step()?;
        self.losses.push([time.item()?, spectral.item()?]);
        Ok(())
    }

    fn message(&self) -> String {
        self.losses.last()
    }

    fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(path, self)
    }
}
