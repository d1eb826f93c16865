//! Training: the critic learns to tell speech from what the generator makes, the generator to leave it no difference.
//!
//! What a step does depends on the state before it, the seed and its own number, and on nothing else. So a run that was
//! stopped and resumed ends in the same bits as one that was not.

use std::path::Path;

use lucid::data::{Loader, LoaderConfig};
use lucid::optim::{Adam, AdamConfig, Ema, Optimizer};
use lucid::{Forward, Graph, Module, Tensor, Var, grad, no_grad};
use rand_chacha::ChaCha8Rng;

use crate::audio::Clip;
use crate::checkpoint;
use crate::config::Config;
use crate::error::Result;
use crate::model::{Critic, Generator, latents};
use crate::penalty::gradient_penalty;
use crate::session::Run;
use crate::session::losses::Losses;
use crate::session::origin::Origin;
use crate::session::rng::rng;
use crate::shuffle;
use crate::windows::Windows;

/// Streams of random numbers: one for the initial values, one for the sounds that are compared, one for each step.
const INITIAL: u64 = 0;
const SAMPLES: u64 = 1;
const FIRST_STEP: u64 = 2;

/// A run: everything that changes from step to step, and what it depends on.
pub(crate) struct Training {
    pub(crate) config: Config,
    pub(crate) seed: u64,
    /// What the checkpoint knows the clips by.
    pub(crate) clips: Vec<String>,
    pub(crate) critic: Critic,
    pub(crate) critic_optimizer: Adam,
    pub(crate) generator: Generator,
    pub(crate) generator_optimizer: Adam,
    pub(crate) ema: Ema,
    pub(crate) loader: Loader<Windows>,
    /// Per step of the generator: `mean D(real) - mean D(made)` and the gradient penalty, both the means over the critic's
    /// steps, and the generator's `-mean D(made)`.
    pub(crate) losses: Losses<3>,
}

impl Training {
    /// A run before its first step.
    pub(crate) fn new(config: Config, seed: u64, clips: &[Clip]) -> Result<Self> {
        let windows = Windows::new(clips, config.model.window())?;
        let loader =
            LoaderConfig { batch_size: config.training.batch, shuffle: true, seed, ..Default::default() };
        let loader = Loader::new(windows, loader)?;
        let mut rng = rng(seed, INITIAL);
        // In this order: what is made before the generator is left out where only its gradients are asked for.
        let critic = Critic::new(&config.model, &mut rng)?;
        let generator = Generator::new(&config.model, &mut rng)?;
        let adam = AdamConfig { betas: config.training.betas, ..Default::default() };
        Ok(Training {
            critic_optimizer: Adam::new(critic.named_parameters(), adam)?,
            generator_optimizer: Adam::new(generator.named_parameters(), adam)?,
            ema: Ema::new(generator.named_parameters(), config.training.ema_decay)?,
            losses: Losses::new(["wasserstein", "penalty", "generator"]),
            clips: clips.iter().map(|clip| Origin::fingerprint(&clip.samples)).collect(),
            config,
            seed,
            critic,
            generator,
            loader,
        })
    }

    /// What the generator with averaged weights makes of always the same latents.
    ///
    /// # Shapes
    /// `[count, 1, window]`
    pub(crate) fn samples(&mut self, count: usize) -> Result<Tensor<f32>> {
        let z = latents(&self.config.model, count, &mut rng(self.seed, SAMPLES))?;
        let generator = &self.generator;
        Ok(self.ema.with_averages(|| no_grad(|| generator.forward(&z)))??.value())
    }

    /// The next batch of real windows, of this epoch or the next one.
    fn real(&mut self) -> Result<Tensor<f32>> {
        loop {
            // Nothing is made ahead of its use, so the rest of the epoch is only begun here, not lost.
            if let Some(batch) = self.loader.epoch().next() {
                let windows = batch?;
                return Ok(Tensor::stack(&windows.iter().collect::<Vec<_>>(), 0)?);
            }
        }
    }

    /// One step of the critic, and what it loses: the negative Wasserstein estimate, and the penalty.
    fn train_critic(&mut self, rng: &mut ChaCha8Rng) -> Result<[f32; 2]> {
        let real = self.real()?;
        let batch = real.shape()[0];
        let z = latents(&self.config.model, batch, rng)?;
        let made = no_grad(|| self.generator.forward(&z))?.value();

        let both = Var::constant(Tensor::concatenate(&[&real, &made], 0)?);
        let scores = self.critic.score(&both, &self.shifts(rng))?;
        let mean = |part| Ok::<_, lucid::Error>(scores.slice(0, part)?.mean_all());
        let difference = (mean(batch..2 * batch)? - mean(0..batch)?)?;

        // Anywhere on the lines between real windows and made ones.
        let share = Tensor::uniform([batch, 1, 1], 0.0, 1.0, rng)?;
        let between = (&real + &(&share * &(&made - &real)?)?)?;
        let shifts = self.shifts(rng);
        let penalty = gradient_penalty(|x| self.critic.score(x, &shifts), between)?;

        let loss = (&difference + &(&penalty * self.config.training.penalty_weight as f32))?;
        self.critic_optimizer.zero_grad();
        loss.backward()?;
        self.critic_optimizer.step()?;
        Ok([difference.item()?, penalty.item()?])
    }

    /// One step of the generator, and what it loses.
    fn train_generator(&mut self, rng: &mut ChaCha8Rng) -> Result<f32> {
        let z = latents(&self.config.model, self.config.training.batch, rng)?;
        let scores = self.critic.score(&self.generator.forward(&z)?, &self.shifts(rng))?;
        let loss = -scores.mean_all();
        let parameters = self.generator.parameters();
        let gradients = grad(&[&loss], &parameters.iter().collect::<Vec<_>>(), Graph::Free)?;
        for (parameter, gradient) in parameters.iter().zip(gradients) {
            parameter.set_grad(gradient.value())?;
        }
        self.generator_optimizer.step()?;
        self.ema.update()?;
        Ok(loss.item()?)
    }

    fn shifts(&self, rng: &mut ChaCha8Rng) -> Vec<isize> {
        let model = &self.config.model;
        shuffle::draw(model.channels.len() - 1, model.phase_shuffle, rng)
    }
}

impl Run for Training {
    const CHECKPOINT_STEPS: u64 = 25;

    fn num_steps(&self) -> u64 {
        self.losses.num_steps()
    }

    fn step(&mut self) -> Result<()> {
        let step = self.num_steps();
        let mut rng = rng(self.seed, FIRST_STEP + step);
        let learning_rate = self.config.training.learning_rate.at(step)?;
        self.critic_optimizer.set_learning_rate(learning_rate)?;
        self.generator_optimizer.set_learning_rate(learning_rate)?;

        let critic_steps = self.config.training.critic_steps;
        let (mut estimate, mut penalty) = (0.0, 0.0);
        for _ in 0..critic_steps {
            let losses = self.train_critic(&mut rng)?;
            estimate -= losses[0] / critic_steps as f32;
            penalty += losses[1] / critic_steps as f32;
        }
        let losses = [estimate, penalty, self.train_generator(&mut rng)?];
        if losses.iter().any(|loss| !loss.is_finite()) {
            return Err(format!("the losses are not finite at step {step}: try a lower learning_rate").into());
        }
        self.losses.push(losses);
        Ok(())
    }

    fn message(&self) -> String {
        self.losses.last()
    }

    fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(path, self)
    }
}
