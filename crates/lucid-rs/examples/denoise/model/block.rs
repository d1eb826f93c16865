//! The blocks that look back in time: on half of the channels a convolution over frequency and time, weighted by what a
//! recurrent unit makes of their energies; then both halves are shuffled.

use lucid::rand::Rng;
use lucid::{
    Conv2d, ConvTranspose2d, Forward, Gru, Linear, Module, PRelu, RecurrentConfig, Result, Tensor, Var,
};

use super::{CHANNELS, WIDTH};

/// Channels that a block works on; the others pass.
const HALF: usize = CHANNELS / 2;
/// Numbers that the unit for the energies remembers.
const HIDDEN: usize = 2 * HALF;

/// A block of the encoder, or, with transposed convolutions, of the decoder.
#[derive(Module)]
pub(super) struct Block<C> {
    point_conv1: C,
    point_act: PRelu,
    depth_conv: C,
    depth_act: PRelu,
    point_conv2: C,
    tra: Attention,
}

/// A factor per channel and frame, from the energies until then.
#[derive(Module)]
struct Attention {
    att_gru: Gru,
    att_fc: Linear,
}

/// What a block remembers.
#[derive(Clone)]
pub(crate) struct BlockState {
    /// The frames that the convolution over time still reads: `[1, 16, 2 dilation, 33]`.
    pub(crate) past: Var<f32>,
    /// The recurrent unit's state: `[1, 1, 16]`.
    pub(crate) hidden: Var<f32>,
}

impl BlockState {
    pub(super) fn new(dilation: usize) -> Result<Self> {
        let past = Var::constant(Tensor::zeros([1, CHANNELS, 2 * dilation, WIDTH])?);
        Ok(BlockState { past, hidden: Var::constant(Tensor::zeros([1, 1, HIDDEN])?) })
    }
}

impl Block<Conv2d> {
    pub(super) fn encoder(dilation: usize, rng: &mut impl Rng) -> Result<Self> {
        Ok(Block {
            point_conv1: Conv2d::builder(HALF, CHANNELS, [1, 3]).padding([0, 1]).build_with(rng)?,
            point_act: PRelu::new(1)?,
            // The frames before are there: the state has them.
            depth_conv: Conv2d::builder(CHANNELS, CHANNELS, 3)
                .dilation([dilation, 1])
                .padding([0, 1])
                .groups(CHANNELS)
                .build_with(rng)?,
            depth_act: PRelu::new(1)?,
            point_conv2: Conv2d::builder(CHANNELS, HALF, 1).build_with(rng)?,
            tra: Attention::new(rng)?,
        })
    }
}

impl Block<ConvTranspose2d> {
    pub(super) fn decoder(dilation: usize, rng: &mut impl Rng) -> Result<Self> {
        Ok(Block {
            point_conv1: ConvTranspose2d::builder(HALF, CHANNELS, [1, 3]).padding([0, 1]).build_with(rng)?,
            point_act: PRelu::new(1)?,
            // A transposed convolution of T + 2d frames has T + 4d: the first 2d are of the past, the last 2d not complete.
            depth_conv: ConvTranspose2d::builder(CHANNELS, CHANNELS, 3)
                .dilation([dilation, 1])
                .padding([2 * dilation, 1])
                .groups(CHANNELS)
                .build_with(rng)?,
            depth_act: PRelu::new(1)?,
            point_conv2: ConvTranspose2d::builder(CHANNELS, HALF, 1).build_with(rng)?,
            tra: Attention::new(rng)?,
        })
    }
}

impl<C: Forward> Block<C> {
    /// # Shapes
    /// `[1, 16, frames, 33]` to the same.
    pub(super) fn forward(&self, x: &Var<f32>, state: &mut BlockState) -> Result<Var<f32>> {
        let mixed = self.point_act.forward(&self.point_conv1.forward(&x.slice(1, 0..HALF)?)?)?;
        let mixed = Var::concatenate(&[&state.past, &mixed], 2)?;
        let (look_back, len) = (state.past.shape()[2], mixed.shape()[2]);
        state.past = mixed.slice(2, len - look_back..len)?;
        let mixed = self.depth_act.forward(&self.depth_conv.forward(&mixed)?)?;
        let mixed = self.tra.forward(&self.point_conv2.forward(&mixed)?, &mut state.hidden)?;
        // One channel of this half, one of that.
        Ok(Var::stack(&[&mixed, &x.slice(1, HALF..CHANNELS)?], 2)?.reshape(x.shape())?)
    }
}

impl Attention {
    fn new(rng: &mut impl Rng) -> Result<Self> {
        let att_gru =
            Gru::new(RecurrentConfig { batch_first: true, ..RecurrentConfig::new(HALF, HIDDEN) }, rng)?;
        Ok(Attention { att_gru, att_fc: Linear::new(HIDDEN, HALF, true, rng)? })
    }

    /// # Shapes
    /// `[1, 8, frames, 33]` to the same.
    fn forward(&self, x: &Var<f32>, hidden: &mut Var<f32>) -> Result<Var<f32>> {
        let energies = x.square().mean(&[3], false)?.transpose(1, 2)?;
        let (y, next) = self.att_gru.forward_with_state(&energies, Some(hidden))?;
        *hidden = next;
        let factors = self.att_fc.forward(&y)?.sigmoid().transpose(1, 2)?.unsqueeze(3)?;
        Ok(x.mul(&factors)?)
    }
}
