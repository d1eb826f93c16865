//! GTCRN (Rong et al. 2024): speech out of noise, by a mask that a small network with a memory computes frame by frame.
//!
//! What it sees of a frame is the magnitude, the real and the imaginary part of every bin. The upper bins are first gathered
//! in bands; two convolutions and three blocks halve what is left twice and look back in time; two layers of recurrent units
//! look along frequency and time; the decoder mirrors the encoder. Nothing looks ahead.

mod block;
mod dual_path;

use lucid::rand::{SeedableRng, rngs::StdRng};
use lucid::{
    Conv2d, ConvTranspose2d, Forward, Linear, Module, PRelu, Result, StateDict, Strictness, Tanh, Tensor, Var,
};

use block::Block;
use dual_path::DualPath;

pub(crate) use block::BlockState;
pub(crate) use dual_path::DualPathState;

/// Bins of a frame: those of a transform of 512 samples.
pub(crate) const NUM_BINS: usize = 257;
/// Bins from 0 on that stand for themselves.
const NUM_LOW: usize = 65;
/// Bands that the others are gathered in.
const NUM_BANDS: usize = 64;
/// Channels inside.
const CHANNELS: usize = 16;
/// Positions along frequency that are left after two halvings.
const WIDTH: usize = 33;
/// Frames from one tap to the next in the encoder's blocks; the decoder's have them the other way round.
const DILATIONS: [usize; 3] = [1, 2, 5];

/// The network, with GTCRN's names.
#[derive(Module)]
pub(crate) struct Gtcrn {
    erb: Bands,
    encoder: Encoder,
    dpgrnn1: DualPath,
    dpgrnn2: DualPath,
    decoder: Decoder,
}

/// The upper bins in bands of one width to the ear (equivalent rectangular bandwidths), and back.
#[derive(Module)]
struct Bands {
    erb_fc: Linear,
    ierb_fc: Linear,
}

#[derive(Module)]
struct Encoder {
    en_convs: (Down, Down, Block<Conv2d>, Block<Conv2d>, Block<Conv2d>),
}

#[derive(Module)]
struct Decoder {
    de_convs: (Mirrored, Mirrored, Mirrored, Up<PRelu>, Up<Tanh>),
}

type Down = Level<Conv2d, PRelu>;
type Up<A> = Level<ConvTranspose2d, A>;
type Mirrored = Block<ConvTranspose2d>;

/// A convolution that halves the width, or a transposed one that doubles it.
#[derive(Module)]
struct Level<C, A> {
    conv: C,
    act: A,
}

/// What the network remembers of the frames before.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) encoder: [BlockState; 3],
    pub(crate) dual_paths: [DualPathState; 2],
    pub(crate) decoder: [BlockState; 3],
}

impl State {
    /// Before the first frame: nothing but zeros.
    pub(crate) fn new() -> Result<Self> {
        let [a, b, c] = DILATIONS;
        Ok(State {
            encoder: [BlockState::new(a)?, BlockState::new(b)?, BlockState::new(c)?],
            dual_paths: [DualPathState::new()?, DualPathState::new()?],
            decoder: [BlockState::new(c)?, BlockState::new(b)?, BlockState::new(a)?],
        })
    }
}

impl Gtcrn {
    /// The network with the weights that are part of the program.
    pub(crate) fn trained() -> Result<Self> {
        // Whatever the layers start with is replaced.
        let rng = &mut StdRng::seed_from_u64(0);
        let [a, b, c] = DILATIONS;
        let down = |inputs, groups| {
            let conv = Conv2d::builder(inputs, CHANNELS, [1, 5]).stride([1, 2]).padding([0, 2]);
            conv.groups(groups).build()
        };
        let up = |outputs, groups| {
            let conv = ConvTranspose2d::builder(CHANNELS, outputs, [1, 5]).stride([1, 2]).padding([0, 2]);
            conv.groups(groups).build()
        };
        let num_high = NUM_BINS - NUM_LOW;
        let mut model = Gtcrn {
            erb: Bands {
                erb_fc: Linear::new(num_high, NUM_BANDS, false, rng)?,
                ierb_fc: Linear::new(NUM_BANDS, num_high, false, rng)?,
            },
            encoder: Encoder {
                en_convs: (
                    Level { conv: down(9, 1)?, act: PRelu::new(1)? },
                    Level { conv: down(CHANNELS, 2)?, act: PRelu::new(1)? },
                    Block::encoder(a, rng)?,
                    Block::encoder(b, rng)?,
                    Block::encoder(c, rng)?,
                ),
            },
            dpgrnn1: DualPath::new(rng)?,
            dpgrnn2: DualPath::new(rng)?,
            decoder: Decoder {
                de_convs: (
                    Block::decoder(c, rng)?,
                    Block::decoder(b, rng)?,
                    Block::decoder(a, rng)?,
                    Level { conv: up(CHANNELS, 2)?, act: PRelu::new(1)? },
                    Level { conv: up(2, 1)?, act: Tanh },
                ),
            },
        };
        let weights = StateDict::from_bytes(include_bytes!("../model.safetensors"))?;
        let _complete = model.load_state_dict(&weights, Strictness::Strict)?;
        model.eval();
        Ok(model)
    }

    /// The spectrum of the speech in frames that follow those that `state` is of, which is moved on. One frame at a time or
    /// all at once, the same comes out.
    ///
    /// # Shapes
    /// `[1, 2, frames, 257]`, real parts before imaginary ones, to the same.
    pub(crate) fn enhance(&self, spectrum: &Var<f32>, state: &mut State) -> Result<Var<f32>> {
        let features = Var::concatenate(&[&magnitude(spectrum)?, spectrum], 1)?;
        let mask = self.erb.split(&self.mask(&self.erb.gather(&features)?, state)?)?;
        masked(spectrum, &mask)
    }

    /// `[1, 3, frames, 129]` to `[1, 2, frames, 129]`.
    fn mask(&self, features: &Var<f32>, state: &mut State) -> Result<Var<f32>> {
        let (down1, down2, look1, look2, look3) = &self.encoder.en_convs;
        let e1 = down1.forward(&with_neighbours(features)?)?;
        let e2 = down2.forward(&e1)?;
        let [s1, s2, s3] = &mut state.encoder;
        let e3 = look1.forward(&e2, s1)?;
        let e4 = look2.forward(&e3, s2)?;
        let e5 = look3.forward(&e4, s3)?;

        let [s1, s2] = &mut state.dual_paths;
        let x = self.dpgrnn2.forward(&self.dpgrnn1.forward(&e5, s1)?, s2)?;

        let (look3, look2, look1, up2, up1) = &self.decoder.de_convs;
        let [s3, s2, s1] = &mut state.decoder;
        let x = look3.forward(&(x + &e5)?, s3)?;
        let x = look2.forward(&(x + &e4)?, s2)?;
        let x = look1.forward(&(x + &e3)?, s1)?;
        let x = up2.forward(&(x + &e2)?)?;
        up1.forward(&(x + &e1)?)
    }
}

impl<C: Forward, A: Forward> Forward for Level<C, A> {
    fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
        self.act.forward(&self.conv.forward(x)?)
    }
}

impl Bands {
    /// 257 bins to 129 bins and bands.
    fn gather(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let high = self.erb_fc.forward(&x.slice(3, NUM_LOW..NUM_BINS)?)?;
        Ok(Var::concatenate(&[&x.slice(3, 0..NUM_LOW)?, &high], 3)?)
    }

    /// And back.
    fn split(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let high = self.ierb_fc.forward(&x.slice(3, NUM_LOW..NUM_LOW + NUM_BANDS)?)?;
        Ok(Var::concatenate(&[&x.slice(3, 0..NUM_LOW)?, &high], 3)?)
    }
}

/// `sqrt(re^2 + im^2 + 1e-12)`, `[1, 1, frames, bins]`.
fn magnitude(spectrum: &Var<f32>) -> Result<Var<f32>> {
    Ok(spectrum.square().sum(&[1], true)?.affine(1.0, 1e-12).sqrt())
}

/// Channel `3 c + k` is channel `c` of the position `k - 1` further, with zeros outside.
fn with_neighbours(x: &Var<f32>) -> Result<Var<f32>> {
    let &[batch, channels, frames, width] = x.shape().as_slice() else {
        unreachable!("features have four axes")
    };
    let zeros = Var::constant(Tensor::zeros([batch, channels, frames, 1])?);
    let before = Var::concatenate(&[&zeros, &x.slice(3, 0..width - 1)?], 3)?;
    let after = Var::concatenate(&[&x.slice(3, 1..width)?, &zeros], 3)?;
    Ok(Var::stack(&[&before, x, &after], 2)?.reshape([batch, 3 * channels, frames, width])?)
}

/// The product of two complex numbers per bin.
fn masked(spectrum: &Var<f32>, mask: &Var<f32>) -> Result<Var<f32>> {
    let [re, im] = [spectrum.slice(1, 0..1)?, spectrum.slice(1, 1..2)?];
    let [mask_re, mask_im] = [mask.slice(1, 0..1)?, mask.slice(1, 1..2)?];
    let real = (re.mul(&mask_re)? - &im.mul(&mask_im)?)?;
    let imaginary = (re.mul(&mask_im)? + &im.mul(&mask_re)?)?;
    Ok(Var::concatenate(&[&real, &imaginary], 1)?)
}
