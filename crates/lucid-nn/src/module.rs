//! What all modules have in common: parameters and buffers with names, a training mode, and, where one value goes in
//! and one comes out, `forward`.

use std::fmt;

use lucid_autograd::{Element, Var};

use crate::error::{Error, Result};
use crate::state_dict::{self, LoadReport, StateDict, Strictness};
use crate::stream::{Stage, Stream};

/// Something with parameters: a layer, or a struct of layers.
///
/// A parameter is a leaf on the tape; a buffer is a constant [`Var`] that belongs to the module's state. Both have
/// PyTorch's names: the fields' names joined by dots.
///
/// Derive it for a struct whose fields are modules, options, vectors, arrays, tuples or boxes of modules, or [`Var`]s.
/// The element type is the type parameter that is bounded by [`Element`], else `f32` (`#[module(element = f64)]` on the
/// struct says otherwise); other type parameters in fields must be modules. On a field, `#[module(skip)]` leaves out
/// what is no module and `#[module(name = "...")]` gives it another name; no two fields have one name.
///
/// ```compile_fail
/// # use lucid_nn::{Module, Var};
/// #[derive(Module)]
/// struct OneName {
///     #[module(name = "w")]
///     a: Var<f32>,
///     w: Var<f32>,
/// }
/// ```
///
/// ```
/// use lucid_nn::{ConvTranspose1d, Forward, Module, Relu, Result, Var};
///
/// #[derive(Module)]
/// struct Decoder {
///     deconv1: ConvTranspose1d,
///     relu: Relu,
/// }
///
/// impl Forward for Decoder {
///     fn forward(&self, x: &Var<f32>) -> Result<Var<f32>> {
///         self.relu.forward(&self.deconv1.forward(x)?)
///     }
/// }
///
/// let deconv1 = ConvTranspose1d::builder(4, 2, 3).stride(2).padding(1).output_padding(1).build()?;
/// let decoder = Decoder { deconv1, relu: Relu };
/// let names: Vec<String> = decoder.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["deconv1.weight", "deconv1.bias"]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module of element type `{T}`",
    note = "derive it with `#[derive(Module)]`, or mark a field that holds no parameters with `#[module(skip)]`"
)]
pub trait Module<T: Element = f32>: Send + Sync {
    /// Calls `visit` for every parameter and buffer with its name below `path`, in the order of the fields.
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>));

    /// Switches this module and all below it between training and evaluation.
    fn set_training(&mut self, training: bool);

    /// Switches to training, the mode that modules are made in.
    fn train(&mut self) {
        self.set_training(true);
    }

    /// Switches to evaluation: dropout passes everything on, and batch normalisation uses its running statistics.
    fn eval(&mut self) {
        self.set_training(false);
    }

    /// Every parameter with its name.
    fn named_parameters(&self) -> Vec<(String, Var<T>)> {
        named(self, Var::requires_grad)
    }

    /// Every buffer with its name.
    fn named_buffers(&self) -> Vec<(String, Var<T>)> {
        named(self, |var| !var.requires_grad())
    }

    /// Every parameter.
    fn parameters(&self) -> Vec<Var<T>> {
        self.named_parameters().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// The number of trainable numbers.
    fn num_parameters(&self) -> usize {
        self.parameters().iter().map(Var::len).sum()
    }

    /// Forgets the gradients of all parameters.
    fn zero_grad(&self) {
        self.visit(&Path::root(), &mut |_, var| var.zero_grad());
    }

    /// The values of all parameters and buffers by name: a snapshot, that copies nothing until either side is written.
    ///
    /// Where different ones have one name, the state dict holds the last of them and remembers that: storing or loading
    /// it is an [`Error::DuplicateNames`](crate::Error::DuplicateNames).
    fn state_dict(&self) -> StateDict<T> {
        state_dict::take(self)
    }

    /// Writes the values of a state dict into the parameters and buffers of the same names, and tells what did not fit.
    ///
    /// # Errors
    /// [`Error::StateDict`](crate::Error::StateDict) with [`Strictness::Strict`] when anything does not fit: it names
    /// all of it, and nothing is loaded. [`Error::DuplicateNames`](crate::Error::DuplicateNames) when different parameters
    /// or buffers have one name.
    fn load_state_dict(&self, state: &StateDict<T>, strictness: Strictness) -> Result<LoadReport> {
        state_dict::load(self, state, strictness)
    }

    /// [`state_dict`](Self::state_dict), written to a safetensors file by [`StateDict::save`].
    ///
    /// # Errors
    /// As `save`: an existing file is then as it was.
    fn save_state_dict(&self, path: impl AsRef<std::path::Path>) -> Result<()>
    where
        Self: Sized,
    {
        self.state_dict().save(path)
    }

    /// [`load_state_dict`](Self::load_state_dict) from a safetensors file, such as PyTorch's, read by
    /// [`StateDict::load`].
    ///
    /// # Errors
    /// As both of them: nothing is loaded then.
    fn load_state_dict_from(
        &self,
        path: impl AsRef<std::path::Path>,
        strictness: Strictness,
    ) -> Result<LoadReport>
    where
        Self: Sized,
    {
        self.load_state_dict(&StateDict::load(path)?, strictness)
    }
}

/// A module that takes one value to one value, and so can be part of a [`Sequential`](crate::Sequential).
pub trait Forward<T: Element = f32>: Module<T> {
    /// What the module makes of `x`.
    ///
    /// # Errors
    /// When `x` has not the shape that the module takes.
    fn forward(&self, x: &Var<T>) -> Result<Var<T>>;

    /// The state that the module begins to run with chunk by chunk: what [`stream`](Self::stream) is made of. A module of
    /// modules makes it of theirs with [`Chain`](crate::stream::Chain) and [`Sum`](crate::stream::Sum).
    ///
    /// # Errors
    /// [`Error::NotStreamable`], unless the module says otherwise.
    fn stage(&self) -> Result<Box<dyn Stage<T>>> {
        let module = std::any::type_name::<Self>().to_string();
        Err(Error::NotStreamable { module, reason: "it defines no `Forward::stage`".into() })
    }

    /// The module, with the weights that it has now, as a [`Stream`]: chunk by chunk, without gradients.
    ///
    /// # Errors
    /// [`Error::NotStreamable`] when the module, or one in it, can't be streamed.
    fn stream(&self) -> Result<Stream<T>> {
        Stream::new(self.stage()?)
    }
}

fn named<T: Element, M: Module<T> + ?Sized>(
    module: &M,
    wanted: impl Fn(&Var<T>) -> bool,
) -> Vec<(String, Var<T>)> {
    let mut found = Vec::new();
    module.visit(&Path::root(), &mut |path, var| {
        if wanted(var) {
            found.push((path.to_string(), var.clone()));
        }
    });
    found
}

/// Where in a tree of modules something is: names joined by dots. What files call by two names has a second one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    name: String,
    other: Option<String>,
}

impl Path {
    /// The outermost module's own place.
    pub fn root() -> Self {
        Path::default()
    }

    /// The place of the part called `name`.
    #[must_use]
    pub fn join(&self, name: impl fmt::Display) -> Self {
        let join = |path: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        Path { name: join(&self.name), other: self.other.as_deref().map(join) }
    }

    /// The same place, which is also loaded from under the name of `other`, where the first is not there.
    #[must_use]
    pub fn or(self, other: Path) -> Self {
        Path { name: self.name, other: Some(other.name) }
    }

    /// The second name, if there is one.
    pub fn other(&self) -> Option<&str> {
        self.other.as_deref()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A parameter, or a buffer where it is a constant.
impl<T: Element> Module<T> for Var<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        visit(path, self);
    }

    fn set_training(&mut self, _: bool) {}
}

impl<T: Element, M: Module<T>> Module<T> for Option<M> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        if let Some(module) = self {
            module.visit(path, visit);
        }
    }

    fn set_training(&mut self, training: bool) {
        if let Some(module) = self {
            module.set_training(training);
        }
    }
}

/// The parts are called `0`, `1`, ...
impl<T: Element, M: Module<T>> Module<T> for Vec<M> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        for (index, module) in self.iter().enumerate() {
            module.visit(&path.join(index), visit);
        }
    }

    fn set_training(&mut self, training: bool) {
        for module in self {
            module.set_training(training);
        }
    }
}

/// The parts are called `0`, `1`, ...
impl<T: Element, M: Module<T>, const K: usize> Module<T> for [M; K] {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        for (index, module) in self.iter().enumerate() {
            module.visit(&path.join(index), visit);
        }
    }

    fn set_training(&mut self, training: bool) {
        for module in self {
            module.set_training(training);
        }
    }
}

macro_rules! tuple {
    ($($module:ident $index:tt),+) => {
        /// The parts are called `0`, `1`, ...
        impl<T: Element, $($module: Module<T>),+> Module<T> for ($($module,)+) {
            fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
                $(self.$index.visit(&path.join($index), visit);)+
            }

            fn set_training(&mut self, training: bool) {
                $(self.$index.set_training(training);)+
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);

impl<T: Element, M: Module<T> + ?Sized> Module<T> for Box<M> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        (**self).visit(path, visit);
    }

    fn set_training(&mut self, training: bool) {
        (**self).set_training(training);
    }
}

impl<T: Element, M: Forward<T> + ?Sized> Forward<T> for Box<M> {
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        (**self).forward(x)
    }

    fn stage(&self) -> Result<Box<dyn Stage<T>>> {
        (**self).stage()
    }
}
