//! The layers. Each file holds one layer with its configuration.

mod activation;
mod conv;
mod conv_transpose;
mod dropout;
mod flatten;
mod linear;
mod sequential;

pub use activation::{Elu, Gelu, LeakyRelu, LogSoftmax, Relu, Sigmoid, Silu, Softmax, Softplus, Tanh};
pub use conv::{Conv, Conv1d, Conv2d, Conv3d, ConvBuilder, ConvConfig, PaddingMode};
pub use conv_transpose::{
    ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeBuilder,
    ConvTransposeConfig,
};
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use linear::Linear;
pub use sequential::Sequential;

/// A layer without parameters, for every element type.
macro_rules! no_parameters {
    ($layer:ident) => {
        impl<T: $crate::Element> $crate::Module<T> for $layer {
            fn visit(&self, _: &$crate::Path, _: &mut dyn FnMut(&$crate::Path, &$crate::Var<T>)) {}
            fn set_training(&mut self, _: bool) {}
        }
    };
}
pub(crate) use no_parameters;
