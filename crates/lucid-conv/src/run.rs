//! Running a plan: checks the arrays against the geometry, then hands their elements to an algorithm.

use lucid_kernels::{Element, all_finite};
use ndarray::{Array1, ArrayD, ArrayView, ArrayView1, Axis, CowArray, Dimension, IxDyn};

use crate::error::{Error, Result};
use crate::options::{Kind, Options};
use crate::plan::{Algorithm, Pass, Plan, Recipe};
use crate::polyphase::{self, Filtering, Operands, Sides, Weight};
use crate::{columns, depthwise, direct, geometry::Shapes};

/// What arrives at the input, the weight and the bias when `dy` arrives at the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T> {
    /// Gradient of the input, of its shape.
    pub dx: ArrayD<T>,
    /// Gradient of the weight, of its shape.
    pub dw: ArrayD<T>,
    /// Gradient of the bias: one number per output channel.
    pub db: Array1<T>,
}

/// Convolves `x` with `w` and adds the bias `b`: resolves the options, plans and runs, all in one call.
///
/// # Shapes
/// `x` is `(batch, channels, spatial...)` or `(channels, spatial...)`; `w` is
/// `[channels of the coarse side, channels of the fine side / groups, taps...]`; `b` is `(output channels)`.
///
/// ```
/// use lucid_conv::{Options, convolve};
/// use ndarray::array;
///
/// let (x, w) = (array![[1.0, 2.0, 3.0]], array![[[1.0, 0.5]]]);
/// let y = convolve(&Options::<1>::conv_transpose(), x.view(), w.view(), None)?;
/// assert_eq!(y, array![[1.0, 2.5, 4.0, 1.5]].into_dyn());
/// # Ok::<(), lucid_conv::Error>(())
/// ```
///
/// # Errors
/// Those of [`Options::resolve`], and [`Error::Shape`] for a bias of another length.
pub fn convolve<T: Element, D: Dimension, E: Dimension, const N: usize>(
    options: &Options<N>,
    x: ArrayView<'_, T, D>,
    w: ArrayView<'_, T, E>,
    b: Option<ArrayView1<'_, T>>,
) -> Result<ArrayD<T>> {
    let geometry = options.resolve(Shapes { x: x.shape(), w: w.shape() })?;
    Plan::new(geometry).convolve(x, w, b)
}

impl<const N: usize> Plan<N> {
    /// The output of the convolution or transposed convolution that the geometry was resolved for.
    ///
    /// # Errors
    /// [`Error::Shape`] when an array has not the geometry's shape.
    pub fn convolve<T: Element, D: Dimension, E: Dimension>(
        &self,
        x: ArrayView<'_, T, D>,
        w: ArrayView<'_, T, E>,
        b: Option<ArrayView1<'_, T>>,
    ) -> Result<ArrayD<T>> {
        let x = expect_shape("x", x, &self.geometry().x_shape())?;
        let w = expect_shape("w", w, &self.geometry().weight_shape())?;
        match self.geometry().kind() {
            Kind::Conv => self.forward(x, w, b),
            Kind::ConvTranspose => self.backward_data(x, w, b),
        }
    }

    /// All gradients of [`convolve`](Self::convolve), with `dy` the gradient that arrives at its output.
    ///
    /// # Errors
    /// [`Error::Shape`] when an array has not the geometry's shape.
    pub fn gradients<T: Element, D: Dimension, E: Dimension, F: Dimension>(
        &self,
        x: ArrayView<'_, T, D>,
        w: ArrayView<'_, T, E>,
        dy: ArrayView<'_, T, F>,
    ) -> Result<Gradients<T>> {
        let x = expect_shape("x", x, &self.geometry().x_shape())?;
        let w = expect_shape("w", w, &self.geometry().weight_shape())?;
        let dy = expect_shape("dy", dy, &self.geometry().y_shape())?;
        let db = self.backward_bias(dy.view())?;
        let (dx, dw) = match self.geometry().kind() {
            Kind::Conv => (self.backward_data(dy.view(), w, None)?, self.backward_weight(x, dy)?),
            Kind::ConvTranspose => (self.forward(dy.view(), w, None)?, self.backward_weight(dy, x)?),
        };
        Ok(Gradients { dx, dw, db })
    }

    /// `coarse[n, c, l] = b[c] + sum over (f, k) of w[c, f, k] fine[n, f, l s + k d - p]`, with `f` over the fine
    /// channels of the group of `c`, and only terms whose fine position exists.
    ///
    /// # Shapes
    /// Those of [`Geometry`](crate::Geometry): `fine_shape`, `weight_shape`; `b` is one number per coarse channel; the
    /// result has `coarse_shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] when an array has not the geometry's shape.
    pub fn forward<T: Element, D: Dimension, E: Dimension>(
        &self,
        fine: ArrayView<'_, T, D>,
        w: ArrayView<'_, T, E>,
        b: Option<ArrayView1<'_, T>>,
    ) -> Result<ArrayD<T>> {
        let g = self.geometry();
        let x = standard("the fine side", fine, &g.fine_shape())?;
        let w = standard("the weight", w, &g.weight_shape())?;
        let b = bias(b, g.coarse_channels)?;
        let (x, w, b) = (elements(&x), elements(&w), b.as_ref().map(elements));
        let mut y = zeros("the coarse side", &g.coarse_shape())?;
        let recipe = self.exact_recipe(Pass::Forward, w);
        match recipe.algorithm {
            Algorithm::Im2col | Algorithm::Col2im => {
                columns::forward(g, &recipe, x, w, b, elements_mut(&mut y))
            }
            Algorithm::Polyphase | Algorithm::Minimal => {
                let operands = Operands { source: x, weight: Weight::Plain(w), bias: b };
                if !polyphase::pass(
                    g,
                    Pass::Forward,
                    recipe.algorithm.filtering().unwrap_or(Filtering::Plain),
                    recipe.isa,
                    &operands,
                    elements_mut(&mut y),
                ) {
                    direct::forward(g, &Recipe::direct(g), x, w, b, elements_mut(&mut y));
                }
            }
            Algorithm::Depthwise => {
                let operands = depthwise::Operands { source: x, weight: w, bias: b };
                depthwise::pass(g, Pass::Forward, recipe.isa, &operands, elements_mut(&mut y));
            }
            Algorithm::Direct => direct::forward(g, &recipe, x, w, b, elements_mut(&mut y)),
        }
        Ok(y)
    }

    /// `fine[n, f, j] = b[f] + sum over (c, l, k) with j = l s + k d - p of w[c, f, k] coarse[n, c, l]`, with `c` over
    /// the coarse channels of the group of `f`: the adjoint of [`forward`](Self::forward), and a transposed convolution.
    ///
    /// # Shapes
    /// Those of [`Geometry`](crate::Geometry): `coarse_shape`, `weight_shape`; `b` is one number per fine channel; the
    /// result has `fine_shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] when an array has not the geometry's shape.
    pub fn backward_data<T: Element, D: Dimension, E: Dimension>(
        &self,
        coarse: ArrayView<'_, T, D>,
        w: ArrayView<'_, T, E>,
        b: Option<ArrayView1<'_, T>>,
    ) -> Result<ArrayD<T>> {
        let g = self.geometry();
        let y = standard("the coarse side", coarse, &g.coarse_shape())?;
        let w = standard("the weight", w, &g.weight_shape())?;
        let b = bias(b, g.fine_channels)?;
        let (y, w, b) = (elements(&y), elements(&w), b.as_ref().map(elements));
        let mut x = zeros("the fine side", &g.fine_shape())?;
        let recipe = &self.exact_recipe(Pass::BackwardData, w);
        match recipe.algorithm {
            Algorithm::Im2col | Algorithm::Col2im => {
                columns::backward_data(g, recipe, y, w, b, elements_mut(&mut x));
            }
            Algorithm::Polyphase | Algorithm::Minimal => {
                let operands = Operands { source: y, weight: Weight::Plain(w), bias: b };
                if !polyphase::pass(
                    g,
                    Pass::BackwardData,
                    recipe.algorithm.filtering().unwrap_or(Filtering::Plain),
                    recipe.isa,
                    &operands,
                    elements_mut(&mut x),
                ) {
                    direct::backward_data(g, &Recipe::direct(g), y, w, b, elements_mut(&mut x));
                }
            }
            Algorithm::Depthwise => {
                let operands = depthwise::Operands { source: y, weight: w, bias: b };
                depthwise::pass(g, Pass::BackwardData, recipe.isa, &operands, elements_mut(&mut x));
            }
            Algorithm::Direct => direct::backward_data(g, recipe, y, w, b, elements_mut(&mut x)),
        }
        Ok(x)
    }

    /// `dw[c, f, k] = sum over (n, l) of coarse[n, c, l] fine[n, f, l s + k d - p]`.
    ///
    /// # Shapes
    /// Those of [`Geometry`](crate::Geometry): `fine_shape`, `coarse_shape`; the result has `weight_shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] when an array has not the geometry's shape.
    pub fn backward_weight<T: Element, D: Dimension, E: Dimension>(
        &self,
        fine: ArrayView<'_, T, D>,
        coarse: ArrayView<'_, T, E>,
    ) -> Result<ArrayD<T>> {
        let g = self.geometry();
        let x = standard("the fine side", fine, &g.fine_shape())?;
        let y = standard("the coarse side", coarse, &g.coarse_shape())?;
        let (x, y) = (elements(&x), elements(&y));
        let mut dw = zeros("the gradient of the weight", &g.weight_shape())?;
        let recipe = self.exact_recipe(Pass::BackwardWeight, y);
        match recipe.algorithm {
            Algorithm::Im2col | Algorithm::Col2im => {
                columns::backward_weight(g, &recipe, x, y, elements_mut(&mut dw))
            }
            Algorithm::Minimal => unreachable!("Plan::with_algorithm refuses it for this pass"),
            Algorithm::Polyphase => {
                let sides = Sides { fine: x, coarse: y };
                if !polyphase::weight_gradient(g, recipe.isa, sides, elements_mut(&mut dw)) {
                    direct::backward_weight(g, &Recipe::direct(g), x, y, elements_mut(&mut dw));
                }
            }
            Algorithm::Depthwise => {
                depthwise::backward_weight(g, recipe.isa, x, y, elements_mut(&mut dw));
                // A term that does not exist may have made a NaN of an infinity: then they are summed one by one.
                if !all_finite(recipe.isa, elements_mut(&mut dw)) {
                    direct::backward_weight(g, &Recipe::direct(g), x, y, elements_mut(&mut dw));
                }
            }
            Algorithm::Direct => direct::backward_weight(g, &recipe, x, y, elements_mut(&mut dw)),
        }
        Ok(dw)
    }

    /// `db[c] = sum over n and positions of dy[n, c, ...]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when `dy` has not the output's shape.
    pub fn backward_bias<T: Element, D: Dimension>(&self, dy: ArrayView<'_, T, D>) -> Result<Array1<T>> {
        let dy = expect_shape("dy", dy, &self.geometry().y_shape())?;
        let channel_axis = Axis(dy.ndim() - N - 1);
        Ok(dy.axis_iter(channel_axis).map(|channel| channel.sum()).collect())
    }

    /// The recipe of a pass whose columns or rows hold zeros for positions outside the fine grid, to be multiplied with
    /// `other`. The sums have no such terms, and `0 * inf` is not 0: where `other` isn't finite, those terms have to
    /// be left out rather than multiplied.
    fn exact_recipe<T: Element>(&self, pass: Pass, other: &[T]) -> Recipe<N> {
        let recipe = *self.recipe(pass);
        let multiplies_zeros = match recipe.algorithm {
            Algorithm::Im2col => !self.geometry().is_inside(),
            // The gradient of the weight is looked at when it is there.
            Algorithm::Depthwise => pass != Pass::BackwardWeight,
            _ => false,
        };
        let exact = !multiplies_zeros || all_finite(recipe.isa, other);
        if exact { recipe } else { Recipe::direct(self.geometry()) }
    }
}

pub(crate) fn expect_shape<'a, T, D: Dimension>(
    operand: &'static str,
    array: ArrayView<'a, T, D>,
    expected: &[usize],
) -> Result<ArrayView<'a, T, IxDyn>> {
    if array.shape() == expected {
        return Ok(array.into_dyn());
    }
    Err(Error::Shape { operand, given: array.shape().to_vec(), accepted: format!("{expected:?}") })
}

/// The array in row-major order: itself where it is so already, else a copy.
pub(crate) fn standard<'a, T: Element, D: Dimension>(
    operand: &'static str,
    array: ArrayView<'a, T, D>,
    expected: &[usize],
) -> Result<CowArray<'a, T, IxDyn>> {
    let array = expect_shape(operand, array, expected)?;
    if array.is_standard_layout() {
        return Ok(array.into());
    }
    check_memory::<T>(operand, expected)?;
    Ok(array.as_standard_layout().into_owned().into())
}

/// A result to be written.
pub(crate) fn zeros<T: Element>(quantity: &'static str, shape: &[usize]) -> Result<ArrayD<T>> {
    check_memory::<T>(quantity, shape)?;
    Ok(ArrayD::zeros(shape))
}

/// Whether an array of this shape can be had. An allocation that fails ends the process, so a large one is tried first;
/// one that is then not written to costs no more than asking the system.
fn check_memory<T>(quantity: &'static str, shape: &[usize]) -> Result<()> {
    const LARGE_BYTES: usize = 1 << 24;
    let len: usize = shape.iter().product();
    if len * size_of::<T>() < LARGE_BYTES {
        return Ok(());
    }
    let mut attempt = Vec::<T>::new();
    let reserved = attempt.try_reserve_exact(len);
    // Or the compiler may leave out an allocation that nobody uses.
    std::hint::black_box(&attempt);
    reserved.map_err(|_| Error::OutOfMemory { quantity, shape: shape.to_vec() })
}

pub(crate) fn bias<T: Element>(
    b: Option<ArrayView1<'_, T>>,
    channels: usize,
) -> Result<Option<CowArray<'_, T, IxDyn>>> {
    b.map(|b| standard("the bias", b, &[channels])).transpose()
}

pub(crate) fn elements<'a, T>(array: &'a CowArray<'_, T, IxDyn>) -> &'a [T] {
    array.as_slice().expect("made to be in row-major order")
}

pub(crate) fn elements_mut<T>(array: &mut ArrayD<T>) -> &mut [T] {
    array.as_slice_mut().expect("freshly made in row-major order")
}
