//! The layers. Each file holds one layer with its configuration; a family that shares its computation is a folder.

use lucid_autograd::{Element, Var};
use lucid_conv::Options;

use crate::error::{Error, Result, check};
use crate::stream::{ConvStage, Stage};

mod activation;
mod conv;
mod conv_transpose;
mod dropout;
mod embedding;
mod flatten;
mod fused;
mod linear;
mod norm;
mod packed;
mod pad;
mod parametric;
mod pixel_shuffle;
mod pool;
mod recurrent;
mod sequential;
mod sum;
mod upsample;
mod weight_norm;

pub use activation::{Elu, Gelu, LeakyRelu, LogSoftmax, Relu, Sigmoid, Silu, Softmax, Softplus, Tanh};
pub use conv::{Conv, Conv1d, Conv2d, Conv3d, ConvBuilder, ConvConfig, PaddingMode};
pub use conv_transpose::{
    ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeBuilder,
    ConvTransposeConfig,
};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use fused::{Activation, ChannelFunction, Fused};
pub use linear::Linear;
pub use norm::{
    BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormConfig, ChannelState, GroupNorm,
    GroupNormConfig, InstanceNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, InstanceNormConfig,
    LayerNorm, LayerNormConfig, RunningStatistics,
};
pub use pad::{Pad, Pad1d, Pad2d, Pad3d};
pub use parametric::{PRelu, Snake, SnakeBeta};
pub use pixel_shuffle::{PixelShuffle, PixelShuffle1d, PixelShuffle2d};
pub use pool::{
    AdaptiveAvgPool, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AvgPool, AvgPool1d, AvgPool2d,
    AvgPool3d, MaxPool, MaxPool1d, MaxPool2d, MaxPool3d,
};
pub use recurrent::{GateWeights, Gru, Lstm, LstmState, RecurrentConfig};
pub use sequential::Sequential;
pub use sum::Sum;
pub use upsample::{Interpolation, Upsample, Upsample1d, Upsample2d, Upsample3d, UpsampleTo};
pub use weight_norm::{WeightNorm, Weighted};

/// Fields of layers are public: what a caller replaced has to have the shape that the layer was made for.
fn check_parameter<T: Element>(what: &'static str, given: &Var<T>, expected: &[usize]) -> Result<()> {
    if given.shape() == expected {
        return Ok(());
    }
    let (given, expected) = (given.shape(), expected.to_vec());
    Err(lucid_autograd::Error::Shape { what, given, expected }.into())
}

/// As [`check_parameter`], for a bias that is there if `is_wanted`.
fn check_bias<T: Element>(given: Option<&Var<T>>, is_wanted: bool, num_outputs: usize) -> Result<()> {
    let in_words = |is_there| if is_there { "there" } else { "absent" };
    let accepted = format!("{}, as in the config", in_words(is_wanted));
    check(given.is_some() == is_wanted, "bias", in_words(given.is_some()), &accepted)?;
    given.map_or(Ok(()), |bias| check_parameter("the bias", bias, &[num_outputs]))
}

/// The stage of a convolution, which there is for signals.
fn conv_stage<T: Element, const N: usize>(
    options: &Options<N>,
    weight: &Var<T>,
    bias: Option<&Var<T>>,
) -> Result<Box<dyn Stage<T>>> {
    let signal = options.along_one_axis().ok_or_else(|| Error::NotStreamable {
        module: options.name(),
        reason: "accepted are convolutions over one axis".into(),
    })?;
    Ok(Box::new(ConvStage::new(&signal, &weight.value(), bias.map(Var::value).as_ref())?))
}

/// The shape in which numbers per channel meet a value with `num_spatial` axes after the channels.
fn channel_shape(num_channels: usize, num_spatial: usize) -> Vec<usize> {
    let mut shape = vec![1; 1 + num_spatial];
    shape[0] = num_channels;
    shape
}

/// Where the `N` spatial axes of an input begin, which has channels before them and may have a batch.
fn check_spatial<const N: usize>(shape: &[usize]) -> Result<usize> {
    let accepted = format!("(batch, channels, {N} spatial) or without the batch");
    let holds = shape.len() == N + 1 || shape.len() == N + 2;
    check(holds, "input", format_args!("shape {shape:?}"), &accepted)?;
    Ok(shape.len() - N)
}

/// A layer without parameters, for every element type; with `<N>`, one that is generic over the rank.
macro_rules! no_parameters {
    ($layer:ident $(<$rank:ident>)?) => {
        impl<$(const $rank: usize,)? T: $crate::Element> $crate::Module<T> for $layer $(<$rank>)? {
            fn visit(&self, _: &$crate::Path, _: &mut dyn FnMut(&$crate::Path, &$crate::Var<T>)) {}
            fn set_training(&mut self, _: bool) {}
        }
    };
}
pub(crate) use no_parameters;
