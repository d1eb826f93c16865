//! The layers. Each file holds one layer with its configuration.

use lucid_autograd::{Element, Var};

use crate::error::{Result, check};

mod activation;
mod conv;
mod conv_transpose;
mod dropout;
mod flatten;
mod linear;
mod recurrent;
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
pub use recurrent::{GateWeights, Gru, Lstm, LstmState, RecurrentConfig};
pub use sequential::Sequential;

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
