//! Two paths through a map of frequency and time: recurrent units along each, one after the other.

use lucid::rand::Rng;
use lucid::{Forward, Gru, LayerNorm, LayerNormConfig, Linear, Module, RecurrentConfig, Result, Tensor, Var};

use super::{CHANNELS, WIDTH};

/// Channels of each of the two units that share a path.
const HALF: usize = CHANNELS / 2;

/// `x + norm(fc(units(x)))` along frequency, both ways, then along time.
#[derive(Module)]
pub(super) struct DualPath {
    intra_rnn: Grouped,
    intra_fc: Linear,
    intra_ln: LayerNorm,
    inter_rnn: Grouped,
    inter_fc: Linear,
    inter_ln: LayerNorm,
}

/// Two recurrent units, each for half of the channels.
#[derive(Module)]
struct Grouped {
    rnn1: Gru,
    rnn2: Gru,
}

/// The states of the two units along time, `[1, 33, 8]` each.
#[derive(Clone)]
pub(crate) struct DualPathState {
    pub(crate) inter: [Var<f32>; 2],
}

impl DualPathState {
    pub(super) fn new() -> Result<Self> {
        let zeros = Var::constant(Tensor::zeros([1, WIDTH, HALF])?);
        Ok(DualPathState { inter: [zeros.clone(), zeros] })
    }
}

impl DualPath {
    pub(super) fn new(rng: &mut impl Rng) -> Result<Self> {
        let norm = || {
            LayerNorm::from_config(LayerNormConfig { eps: 1e-8, ..LayerNormConfig::new([WIDTH, CHANNELS]) })
        };
        let one_way = RecurrentConfig { batch_first: true, ..RecurrentConfig::new(HALF, HALF) };
        // Half as many numbers in each direction.
        let both_ways = RecurrentConfig { hidden_size: HALF / 2, bidirectional: true, ..one_way };
        Ok(DualPath {
            intra_rnn: Grouped { rnn1: Gru::new(both_ways, rng)?, rnn2: Gru::new(both_ways, rng)? },
            intra_fc: Linear::new(CHANNELS, CHANNELS, true, rng)?,
            intra_ln: norm()?,
            inter_rnn: Grouped { rnn1: Gru::new(one_way, rng)?, rnn2: Gru::new(one_way, rng)? },
            inter_fc: Linear::new(CHANNELS, CHANNELS, true, rng)?,
            inter_ln: norm()?,
        })
    }

    /// # Shapes
    /// `[1, 16, frames, 33]` to the same.
    pub(super) fn forward(&self, x: &Var<f32>, state: &mut DualPathState) -> Result<Var<f32>> {
        // [frames, 33, 16]: a sequence along frequency for every frame.
        let x = x.squeeze(0)?.permute([1, 2, 0])?;
        let (y, _) = self.intra_rnn.forward(&x, [None, None])?;
        let x = (self.intra_ln.forward(&self.intra_fc.forward(&y)?)? + &x)?;

        // [33, frames, 16]: a sequence along time for every position.
        let [first, second] = &state.inter;
        let (y, next) = self.inter_rnn.forward(&x.transpose(0, 1)?, [Some(first), Some(second)])?;
        state.inter = next;
        let y = self.inter_fc.forward(&y)?.transpose(0, 1)?;
        let x = (self.inter_ln.forward(&y)? + &x)?;
        Ok(x.permute([2, 0, 1])?.unsqueeze(0)?)
    }
}

impl Grouped {
    /// # Shapes
    /// `[batch, time, 16]` to the same, and the states after the last step.
    fn forward(&self, x: &Var<f32>, states: [Option<&Var<f32>>; 2]) -> Result<(Var<f32>, [Var<f32>; 2])> {
        let (y1, next1) = self.rnn1.forward_with_state(&x.slice(2, 0..HALF)?, states[0])?;
        let (y2, next2) = self.rnn2.forward_with_state(&x.slice(2, HALF..CHANNELS)?, states[1])?;
        Ok((Var::concatenate(&[&y1, &y2], 2)?, [next1, next2]))
    }
}
