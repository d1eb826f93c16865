//! Running a plan: checks the arrays against the geometry, then hands their elements to an algorithm.

use std::borrow::Cow;

use lucid_kernels::{Blank, Element, all_finite, sum};
use ndarray::{Array1, ArrayD, ArrayView, ArrayView1, Dimension, IxDyn};

use crate::error::{Error, Result};
use crate::fused::{Fused, PlaneSizes};
use crate::geometry::{Geometry, Shapes, Side};
use crate::options::{Kind, Options};
use crate::plan::{Algorithm, Pass, Plan, Recipe};
use crate::polyphase::{self, Examined, Form, PanelShape, Panels, Sides};
use crate::workspace::{Key, Workspace};
use crate::{columns, depthwise, direct};

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
        self.pass(Pass::Forward, fine, w, b)
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
        self.pass(Pass::BackwardData, coarse, w, b)
    }

    fn pass<T: Element, D: Dimension, E: Dimension>(
        &self,
        pass: Pass,
        source: ArrayView<'_, T, D>,
        w: ArrayView<'_, T, E>,
        b: Option<ArrayView1<'_, T>>,
    ) -> Result<ArrayD<T>> {
        let g = self.geometry();
        let source = standard(pass.source().name(), source, g.sizes(pass.source()))?;
        let weight = standard("the weight", w, g.weight_sizes())?;
        let bias = bias(b, g.channels_of(pass.result()))?;
        let operands = Operands { source: &source, weight: &weight, panels: None, bias: bias.as_deref() };
        let (recipe, operands) = (self.recipe(pass), (&operands, &Fused::default()));
        written(g, pass, recipe, pass.result().name(), |result| {
            run_pass(g, pass, recipe, operands, result, &mut Workspace::new());
            Ok(())
        })
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
        let x = standard(Side::Fine.name(), fine, g.sizes(Side::Fine))?;
        let y = standard(Side::Coarse.name(), coarse, g.sizes(Side::Coarse))?;
        let pass = Pass::BackwardWeight;
        let recipe = self.recipe(pass);
        written(g, pass, recipe, "the gradient of the weight", |dw| {
            run_weight_gradient(g, recipe, &x, &y, dw);
            Ok(())
        })
    }

    /// `db[c] = sum over n and positions of dy[n, c, ...]`: the same bits however `dy` lies in memory.
    ///
    /// # Errors
    /// [`Error::Shape`] when `dy` has not the output's shape.
    pub fn backward_bias<T: Element, D: Dimension>(&self, dy: ArrayView<'_, T, D>) -> Result<Array1<T>> {
        let g = self.geometry();
        let side = g.output_pass().result();
        let dy = standard("dy", dy, g.sizes(side))?;
        let (channels, isa) = (g.channels_of(side), self.recipe(Pass::BackwardWeight).isa);
        let len = g.len_of(side);
        let of_channel = |c: usize| {
            let rows = (0..g.batch()).map(|n| &dy[(n * channels + c) * len..][..len]);
            rows.fold(T::zero(), |total, row| total + sum(isa, row))
        };
        Ok((0..channels).map(of_channel).collect())
    }
}

/// What a pass onto a grid reads.
pub(crate) struct Operands<'a, T> {
    pub(crate) source: &'a [T],
    pub(crate) weight: &'a [T],
    /// The weight as the polyphase form reads it, where it was packed beforehand.
    pub(crate) panels: Option<&'a Panels<T>>,
    pub(crate) bias: Option<&'a [T]>,
}

/// The sums of a pass onto one grid.
type Sums<T, const N: usize> = fn(&Geometry<N>, &Recipe<N>, &Operands<'_, T>, &mut [T]);

/// `result = after(bias + the pass of before(source) and weight + skips)`, onto either grid; skips are in row-major order.
pub(crate) fn run_pass<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    recipe: &Recipe<N>,
    (operands, fused): (&Operands<'_, T>, &Fused<'_, T>),
    result: Blank<'_, T>,
    workspace: &mut Workspace<T, N>,
) {
    let recipe = exact_recipe(g, pass, recipe, operands.weight);
    let isa = recipe.isa;
    if recipe.algorithm == Algorithm::Depthwise && fused.is_nothing() {
        let key = Key { geometry: *g, pass, isa, panels: None, is_prepared: false };
        let form = workspace.filters.get(key, || depthwise::Form::new(g, pass));
        return depthwise::pass(g, form, isa, operands, result, &workspace.filter_scratch);
    }
    let shape = operands.panels.map(|panels| panels.shape).or(recipe.panels);
    let key = Key { geometry: *g, pass, isa, panels: shape, is_prepared: operands.panels.is_some() };
    let sizes = |side| PlaneSizes { channels: g.channels_of(side), len: g.len_of(side) };
    let result = if let (Some(_), Some(PanelShape { filtering, is_trimmed, tiling })) =
        (recipe.algorithm.filtering(), shape)
    {
        let examined = Examined::of(g, pass, filtering, key.is_prepared);
        if examined == Examined::Results && !fused.is_nothing() {
            // What is applied to results would hide what they tell of the weights.
            let mut activated = std::mem::take(&mut workspace.activated);
            let source = fused.source(operands.source, sizes(pass.source()), &mut activated);
            let unfused = (&Operands { source, ..*operands }, &Fused::default());
            let (result, ()) =
                result.written_by(|result| run_pass(g, pass, &recipe, unfused, result, workspace));
            workspace.activated = activated;
            return fused.finish(isa, result, sizes(pass.result()));
        }
        let make = || {
            let form = Form::with_phases(g, pass, filtering, is_trimmed);
            polyphase::Schedule::new(g, form, isa, tiling, key.is_prepared)
        };
        let schedule = workspace.schedules.get(key, make);
        let (result, are_finite) = result.written_by(|result| {
            polyphase::pass(g, (schedule, examined), (operands, fused), result, &workspace.scratch)
        });
        let is_exact = match examined {
            Examined::Results => all_finite(isa, result) || all_finite(isa, operands.weight),
            Examined::Weights | Examined::Nothing => are_finite,
        };
        if is_exact {
            return;
        }
        result
    } else {
        result.elements()
    };
    // The others take what is fused one after the other.
    let source = fused.source(operands.source, sizes(pass.source()), &mut workspace.activated);
    let sums = Operands { source, ..*operands };
    let [columns, direct]: [Sums<T, N>; 2] = match pass.result() {
        Side::Coarse => [columns::forward, direct::forward],
        Side::Fine => [columns::backward_data, direct::backward_data],
    };
    match recipe.algorithm {
        Algorithm::Im2col | Algorithm::Col2im => columns(g, &recipe, &sums, result),
        Algorithm::Polyphase | Algorithm::Minimal => direct(g, &Recipe::direct(g), &sums, result),
        Algorithm::Depthwise => {
            let form = workspace.filters.get(key, || depthwise::Form::new(g, pass));
            depthwise::pass(g, form, isa, &sums, result.into(), &workspace.filter_scratch);
        }
        Algorithm::Direct => direct(g, &recipe, &sums, result),
    }
    fused.finish(isa, result, sizes(pass.result()));
}

/// `dw = ` the gradient of the weight, of both grids.
fn run_weight_gradient<T: Element, const N: usize>(
    g: &Geometry<N>,
    recipe: &Recipe<N>,
    fine: &[T],
    coarse: &[T],
    dw: Blank<'_, T>,
) {
    let (x, y) = (fine, coarse);
    let recipe = exact_recipe(g, Pass::BackwardWeight, recipe, y);
    match recipe.algorithm {
        Algorithm::Im2col | Algorithm::Col2im => columns::backward_weight(g, &recipe, x, y, dw.elements()),
        Algorithm::Polyphase | Algorithm::Minimal => {
            let filtering = recipe.algorithm.filtering().expect("both are polyphase forms");
            let (sides, how) = (Sides { fine, coarse }, (recipe.isa, filtering));
            let (dw, are_finite) = dw.written_by(|dw| polyphase::weight_gradient(g, how, sides, dw));
            if !are_finite {
                direct::backward_weight(g, &Recipe::direct(g), x, y, dw);
            }
        }
        Algorithm::Depthwise => {
            let dw = dw.elements();
            depthwise::backward_weight(g, recipe.isa, x, y, dw);
            // A term that does not exist may have made a NaN of an infinity: then they are summed one by one.
            if !all_finite(recipe.isa, dw) {
                direct::backward_weight(g, &Recipe::direct(g), x, y, dw);
            }
        }
        Algorithm::Direct => direct::backward_weight(g, &recipe, x, y, dw.elements()),
    }
}

/// The recipe of a pass whose columns or rows hold zeros for positions outside the fine grid, to be multiplied with
/// `other`. The sums have no such terms, and `0 * inf` is not 0: where `other` isn't finite, those terms have to
/// be left out rather than multiplied.
fn exact_recipe<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    recipe: &Recipe<N>,
    other: &[T],
) -> Recipe<N> {
    let multiplies_zeros = match recipe.algorithm {
        Algorithm::Im2col => !g.is_inside(),
        // The gradient of the weight is looked at when it is there.
        Algorithm::Depthwise => pass != Pass::BackwardWeight,
        _ => false,
    };
    let exact = !multiplies_zeros || all_finite(recipe.isa, other);
    if exact { *recipe } else { Recipe::direct(g) }
}

pub(crate) fn expect_shape<'a, T, D: Dimension>(
    operand: &'static str,
    array: ArrayView<'a, T, D>,
    expected: &[usize],
) -> Result<ArrayView<'a, T, IxDyn>> {
    if array.shape() == expected {
        return Ok(array.into_dyn());
    }
    Err(wrong_shape(operand, array.shape(), expected))
}

pub(crate) fn wrong_shape(operand: &'static str, given: &[usize], expected: &[usize]) -> Error {
    Error::Shape { operand, given: given.to_vec(), accepted: format!("{expected:?}") }
}

/// The elements of an array in row-major order: where they are if they are so already, else copied.
pub(crate) fn standard<'a, T: Element, D: Dimension>(
    operand: &'static str,
    array: ArrayView<'a, T, D>,
    expected: impl Iterator<Item = usize> + Clone,
) -> Result<Cow<'a, [T]>> {
    if !array.shape().iter().copied().eq(expected.clone()) {
        return Err(wrong_shape(operand, array.shape(), &expected.collect::<Vec<_>>()));
    }
    if let Some(elements) = array.to_slice() {
        return Ok(elements.into());
    }
    check_memory::<T>(operand, array.shape())?;
    Ok(array.iter().copied().collect())
}

/// A result that `run` writes: filled with zeros first, unless it is one that a pass writes once.
pub(crate) fn written<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    recipe: &Recipe<N>,
    quantity: &'static str,
    run: impl FnOnce(Blank<'_, T>) -> Result<()>,
) -> Result<ArrayD<T>> {
    let shape = match pass {
        Pass::BackwardWeight => g.weight_shape(),
        Pass::Forward | Pass::BackwardData => g.sizes(pass.result()).collect(),
    };
    let is_written_once = match recipe.algorithm {
        Algorithm::Depthwise => pass != Pass::BackwardWeight && depthwise::reads_in_place(g, pass),
        algorithm => algorithm.filtering().is_some(),
    };
    if is_written_once {
        check_memory::<T>(quantity, &shape)?;
        let elements = Blank::vec(shape.iter().product(), run)?;
        return Ok(ArrayD::from_shape_vec(shape, elements).expect("as many elements as the shape has"));
    }
    let mut result = zeros(quantity, &shape)?;
    run(elements_mut(&mut result).into())?;
    Ok(result)
}

/// A result to be added to, or written.
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
) -> Result<Option<Cow<'_, [T]>>> {
    b.map(|b| standard("the bias", b, std::iter::once(channels))).transpose()
}

pub(crate) fn elements_mut<T>(array: &mut ArrayD<T>) -> &mut [T] {
    array.as_slice_mut().expect("freshly made in row-major order")
}

/// Compiles the passes of every element type and rank with this crate: where the optimisation level lets crates share what
/// is generic, as it does in tests, those that depend on this one link them instead of compiling them again.
#[doc(hidden)]
pub fn compiled_once() {
    fn of<T: Element, const N: usize>() {
        std::hint::black_box([run_pass::<T, N> as *const (), run_weight_gradient::<T, N> as *const ()]);
    }
    fn of_ranks<T: Element>() {
        of::<T, 1>();
        of::<T, 2>();
        of::<T, 3>();
    }
    of_ranks::<f32>();
    of_ranks::<f64>();
}
