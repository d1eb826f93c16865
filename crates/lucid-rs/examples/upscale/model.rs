//! waifu2x's network upconv_7: six convolutions that each lose a pixel at every side, and a transposed one that doubles
//! what is left.
//!
//! The margin of the input, 7 pixels, is one per convolution and one for the inputs that the last layer mixes. So every
//! output pixel is computed from pixels that are there, and a tile with its margin gives what the whole picture would.

use lucid::{Conv2d, ConvTranspose2d, Forward, LeakyRelu, Module, Result, StateDict, Strictness, Var};

/// Pixels of the input at every side that there is no output for.
pub(crate) const MARGIN: usize = 7;
/// Pixels of the output per pixel of the input, along either side.
pub(crate) const SCALE: usize = 2;

/// The network, with waifu2x's names.
#[derive(Module)]
pub(crate) struct UpConv7 {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
    conv4: Conv2d,
    conv5: Conv2d,
    conv6: Conv2d,
    conv7: ConvTranspose2d,
    act: LeakyRelu,
}

impl UpConv7 {
    /// The network with the weights that are part of the program.
    pub(crate) fn trained() -> Result<Self> {
        let conv = |inputs, outputs| Conv2d::builder(inputs, outputs, 3).build();
        let mut model = UpConv7 {
            conv1: conv(3, 16)?,
            conv2: conv(16, 32)?,
            conv3: conv(32, 64)?,
            conv4: conv(64, 128)?,
            conv5: conv(128, 128)?,
            conv6: conv(128, 256)?,
            conv7: ConvTranspose2d::builder(256, 3, 4).stride(SCALE).padding(3).build()?,
            act: LeakyRelu { slope: 0.1 },
        };
        let weights = StateDict::from_bytes(include_bytes!("model.safetensors"))?;
        let _complete = model.load_state_dict(&weights, Strictness::Strict)?;
        model.eval();
        Ok(model)
    }
}

impl Forward for UpConv7 {
    /// # Shapes
    /// `[batch, 3, height + 14, width + 14]` to `[batch, 3, 2 height, 2 width]`: red, green and blue in 0..1.
    fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
        let mut x = x.clone();
        for conv in [&self.conv1, &self.conv2, &self.conv3, &self.conv4, &self.conv5, &self.conv6] {
            x = conv.fused().after(&self.act).forward(&x)?;
        }
        self.conv7.forward(&x)
    }
}
