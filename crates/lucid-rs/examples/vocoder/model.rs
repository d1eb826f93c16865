//! The decoder of a Piper voice, which is HiFi-GAN's third and smallest (Kong et al. 2020): three transposed convolutions
//! that lengthen the latent 256 times, each followed by residual blocks whose mean goes on.

use lucid::{Conv1d, ConvTranspose1d, Forward, LeakyRelu, Module, Result, StateDict, Strictness, Tanh, Var};

/// Channels of the latent.
pub(crate) const LATENT_CHANNELS: usize = 192;
/// Channels before the first transposed convolution; each halves them.
const CHANNELS: usize = 256;
/// Of the transposed convolutions, whose kernels are twice as long.
const STRIDES: [usize; 3] = [8, 8, 4];
/// Kernel and dilations of the residual blocks after each of them.
const BLOCKS: [(usize, [usize; 2]); 3] = [(3, [1, 2]), (5, [2, 6]), (7, [3, 12])];

/// `x = x + conv(act(x))` for every convolution.
#[derive(Module)]
struct ResidualBlock {
    convs: Vec<Conv1d>,
    act: LeakyRelu,
}

impl ResidualBlock {
    fn new(channels: usize, (kernel, dilations): (usize, [usize; 2])) -> Result<Self> {
        let conv = |dilation| {
            let padding = (kernel - 1) / 2 * dilation;
            Conv1d::builder(channels, channels, kernel).dilation(dilation).padding(padding).build()
        };
        let convs = dilations.into_iter().map(conv).collect::<Result<_>>()?;
        Ok(ResidualBlock { convs, act: LeakyRelu { slope: 0.1 } })
    }

    /// `sum`, if there is one, plus what the block makes of `x`.
    fn add_to(&self, sum: Option<&Var<f32>>, x: &Var<f32>) -> Result<Var<f32>> {
        let mut x = x.clone();
        for (index, conv) in self.convs.iter().enumerate() {
            let mut fused = conv.fused().before(&self.act).skip(&x);
            if let (Some(sum), true) = (sum, index + 1 == self.convs.len()) {
                fused = fused.skip(sum);
            }
            x = fused.forward(&x)?;
        }
        Ok(x)
    }
}

/// The decoder, with Piper's names.
#[derive(Module)]
pub(crate) struct Vocoder {
    conv_pre: Conv1d,
    ups: Vec<ConvTranspose1d>,
    /// Those after the first transposed convolution, then those after the second, ...
    resblocks: Vec<ResidualBlock>,
    conv_post: Conv1d,
    act: LeakyRelu,
    last_act: LeakyRelu,
}

impl Vocoder {
    /// The decoder with `weights`.
    pub(crate) fn with_weights(weights: &StateDict<f32>) -> Result<Self> {
        let (mut ups, mut resblocks) = (Vec::new(), Vec::new());
        let mut channels = CHANNELS;
        for stride in STRIDES {
            // Padding of half a stride at either side: L positions become exactly L stride.
            let up = ConvTranspose1d::builder(channels, channels / 2, 2 * stride);
            ups.push(up.stride(stride).padding(stride / 2).build()?);
            channels /= 2;
            for block in BLOCKS {
                resblocks.push(ResidualBlock::new(channels, block)?);
            }
        }
        let mut model = Vocoder {
            conv_pre: Conv1d::builder(LATENT_CHANNELS, CHANNELS, 7).padding(3).build()?,
            ups,
            resblocks,
            conv_post: Conv1d::builder(channels, 1, 7).padding(3).bias(false).build()?,
            act: LeakyRelu { slope: 0.1 },
            last_act: LeakyRelu { slope: 0.01 },
        };
        let _complete = model.load_state_dict(weights, Strictness::Strict)?;
        model.eval();
        Ok(model)
    }
}

impl Forward for Vocoder {
    /// # Shapes
    /// `[batch, 192, frames]` to `[batch, 1, 256 frames]`, amplitudes in -1..1.
    fn forward(&self, z: &Var<f32>) -> Result<Var<f32>> {
        let mut x = self.conv_pre.forward(z)?;
        for (up, blocks) in self.ups.iter().zip(self.resblocks.chunks_exact(BLOCKS.len())) {
            x = up.fused().before(&self.act).forward(&x)?;
            let mut sum = None;
            for block in blocks {
                sum = Some(block.add_to(sum.as_ref(), &x)?);
            }
            x = sum.map_or(x, |sum| sum / BLOCKS.len() as f32);
        }
        self.conv_post.fused().before(&self.last_act).after(&Tanh).forward(&x)
    }
}
