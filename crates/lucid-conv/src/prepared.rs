//! Weights packed once for many inputs.
//!
//! A kernel reads the weight in an order of its own. Packing takes about as long as using the result for some tens of
//! positions, and a network that no longer learns can do it once.

use lucid_kernels::{Blank, Element, Isa, all_finite};
use ndarray::{ArrayD, ArrayView, ArrayView1, ArrayViewD, ArrayViewMut, Dimension};

use crate::error::{Error, Result};
use crate::fused::Fused;
use crate::geometry::Geometry;
use crate::options::Kind;
use crate::plan::{Algorithm, Plan, Recipe};
use crate::polyphase::{self, Filtering, PanelShape, Panels};
use crate::run::{Operands, bias, elements_mut, run_pass, standard, written, wrong_shape, zeros};
use crate::workspace::Workspace;

/// A weight in the order in which [`Plan::convolve_prepared`] reads it: see [`Plan::prepare`].
///
/// It serves inputs of any batch and length, and any padding: only kind, groups, channels, kernel, stride and dilation have to
/// stay what they were. The weight is kept as it was given, too, for inputs that are not finite: it takes twice the memory, or
/// with minimal filtering up to four times.
#[derive(Clone, Debug)]
pub struct PreparedWeight<T, const N: usize> {
    key: Key<N>,
    isa: Isa,
    /// As it was given: for algorithms that read it so, and for inputs that are not finite.
    plain: Vec<T>,
    /// Of the algorithm that it was prepared for, if that is a polyphase form.
    shape: Option<PanelShape>,
    /// From which phase of each axis on it was packed.
    phases: [usize; N],
    /// Where they are finite.
    panels: Option<Panels<T>>,
}

/// What a prepared weight depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key<const N: usize> {
    kind: Kind,
    groups: usize,
    coarse_channels: usize,
    fine_channels: usize,
    taps: [usize; N],
    stride: [usize; N],
    dilation: [usize; N],
}

impl<const N: usize> Key<N> {
    fn of(g: &Geometry<N>) -> Self {
        Key {
            kind: g.kind(),
            groups: g.groups,
            coarse_channels: g.coarse_channels,
            fine_channels: g.fine_channels,
            taps: g.taps(),
            stride: g.axes.map(|axis| axis.stride),
            dilation: g.axes.map(|axis| axis.dilation),
        }
    }

    /// Its parts under the names of the modules' parameters.
    fn parts(&self) -> Vec<(&'static str, String)> {
        let (input, output) = match self.kind {
            Kind::Conv => (self.fine_channels, self.coarse_channels),
            Kind::ConvTranspose => (self.coarse_channels, self.fine_channels),
        };
        let numbers = [("groups", self.groups), ("in_channels", input), ("out_channels", output)];
        let axes = [("kernel_size", self.taps), ("stride", self.stride), ("dilation", self.dilation)];
        let kind = ("kind", self.kind.to_string());
        let numbers = numbers.map(|(name, number)| (name, number.to_string()));
        let axes = axes.map(|(name, numbers)| (name, format!("{numbers:?}")));
        [kind].into_iter().chain(numbers).chain(axes).collect()
    }

    /// What a weight of this key is refused for where another is asked for: the parts that differ.
    fn refused(&self, asked: &Self) -> Error {
        let parts = self.parts().into_iter().zip(asked.parts()).filter(|(own, asked)| own != asked);
        let written = |(name, value): (&str, String)| format!("{name} = {value}");
        let (given, accepted): (Vec<_>, Vec<_>) =
            parts.map(|(own, asked)| (written(own), written(asked))).unzip();
        Error::Prepared { given: given.join(", "), accepted: accepted.join(", ") }
    }
}

/// The phases that a form begins with, which are all that it has of the padding.
fn first_phases<const N: usize>(g: &Geometry<N>) -> [usize; N] {
    g.axes.map(|axis| axis.pad_before % axis.stride)
}

impl<T: Element, const N: usize> PreparedWeight<T, N> {
    /// Whether it was prepared for the options, the channels and the algorithm of a plan, and is in the order that is best
    /// for it, as it may not be where the padding is another, or has come to another with [`Padding::Same`](crate::Padding), or where
    /// one of both is for a batch of small images: then [`convolve_prepared`](Plan::convolve_prepared) gives the bits of [`convolve`](Plan::convolve).
    pub fn suits(&self, plan: &Plan<N>) -> bool {
        let g = plan.geometry();
        let recipe = plan.recipe(g.output_pass());
        let serves = match (self.shape, recipe.panels) {
            (Some(own), Some(best)) => own.serves(&best) && self.phases == first_phases(g),
            (own, best) => own == best,
        };
        self.key == Key::of(g) && self.isa == recipe.isa && serves
    }
}

impl<const N: usize> Plan<N> {
    /// Packs a weight for [`convolve_prepared`](Self::convolve_prepared).
    ///
    /// # Errors
    /// [`Error::Shape`] when the weight has not the geometry's shape.
    pub fn prepare<T: Element, D: Dimension>(&self, w: ArrayView<'_, T, D>) -> Result<PreparedWeight<T, N>> {
        let g = self.geometry();
        let pass = g.output_pass();
        let recipe = self.recipe(pass);
        let plain = standard("w", w, g.weight_sizes())?;
        let shape = recipe.panels;
        let panels = shape.map(|shape| polyphase::prepare(g, pass, shape, recipe.isa, &plain));
        let panels = panels.filter(|panels| all_finite(recipe.isa, &panels.values));
        Ok(PreparedWeight {
            key: Key::of(g),
            isa: recipe.isa,
            plain: plain.into_owned(),
            shape,
            phases: first_phases(g),
            panels,
        })
    }

    /// As [`convolve`](Self::convolve), with a weight that was prepared.
    ///
    /// A packed weight is read by the algorithm and the instructions that it was packed for, whatever the plan's; but one
    /// that was packed for [`Algorithm::Minimal`] is read as it was given where the plan does without, as one of
    /// [`Accuracy::Strict`](crate::Accuracy::Strict) does, and so is any where the padding before differs by other than whole
    /// strides: see [`PreparedWeight::suits`].
    ///
    /// ```
    /// use lucid_conv::{Options, Plan, Shapes};
    /// use ndarray::Array3;
    ///
    /// let options = Options::<1>::conv_transpose().stride(2);
    /// let plan = |x: &Array3<f32>, w: &Array3<f32>| -> lucid_conv::Result<Plan<1>> {
    ///     Ok(Plan::new(options.resolve(Shapes { x: x.shape(), w: w.shape() })?))
    /// };
    /// let (x, w) = (Array3::ones((1, 3, 70)), Array3::ones((3, 2, 4)));
    /// let prepared = plan(&x, &w)?.prepare(w.view())?;
    /// let longer = Array3::ones((1, 3, 90));
    /// for x in [x, longer] {
    ///     let plan = plan(&x, &w)?;
    ///     let y = plan.convolve_prepared(x.view(), &prepared, None)?;
    ///     assert_eq!(y, plan.convolve(x.view(), w.view(), None)?);
    /// }
    /// # Ok::<(), lucid_conv::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when `x` or `b` has not the geometry's shape; [`Error::Prepared`] when the weight was prepared
    /// for another kind, other groups, channels, taps, strides or dilations.
    pub fn convolve_prepared<T: Element, D: Dimension>(
        &self,
        x: ArrayView<'_, T, D>,
        w: &PreparedWeight<T, N>,
        b: Option<ArrayView1<'_, T>>,
    ) -> Result<ArrayD<T>> {
        self.convolve_fused(x, w, b, &Fused::default())
    }

    /// As [`convolve_prepared`](Self::convolve_prepared), into an array that the caller owns: nothing of what is in it is
    /// read, and all of it is written. With arrays in row-major order, and a workspace that has served the plan before, it
    /// takes no memory: see [`Workspace`].
    ///
    /// # Errors
    /// Those of [`convolve_prepared`](Self::convolve_prepared), and [`Error::Shape`] when `y` has not the geometry's shape;
    /// `y` is untouched then.
    pub fn convolve_prepared_into<T: Element, D: Dimension, E: Dimension>(
        &self,
        x: ArrayView<'_, T, D>,
        w: &PreparedWeight<T, N>,
        b: Option<ArrayView1<'_, T>>,
        y: ArrayViewMut<'_, T, E>,
        workspace: &mut Workspace<T, N>,
    ) -> Result<()> {
        self.convolve_fused_into(x, w, b, &Fused::default(), y, workspace)
    }

    /// `y = after(conv(before(x)) + skips)`, as [`convolve_prepared`](Self::convolve_prepared) and to the same bits as its
    /// parts one after the other: what surrounds the convolution is done in its own passes over memory, where the
    /// algorithm is a polyphase form. The others do it before and after.
    ///
    /// ```
    /// use lucid_conv::{Fused, Options, Plan, Shapes};
    /// use ndarray::array;
    ///
    /// let (x, w) = (array![[[1.0, -2.0, 3.0]]], array![[[10.0]]]);
    /// let plan = Plan::new(Options::<1>::conv().resolve(Shapes { x: x.shape(), w: w.shape() })?);
    /// let relu = |_channel: usize, run: &mut [f64]| run.iter_mut().for_each(|x| *x = x.max(0.0));
    /// let fused = Fused { before: Some(&relu), skips: &[x.view().into_dyn()], after: None };
    /// let y = plan.convolve_fused(x.view(), &plan.prepare(w.view())?, None, &fused)?;
    /// assert_eq!(y, array![[[11.0, -2.0, 33.0]]].into_dyn());
    /// # Ok::<(), lucid_conv::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`convolve_prepared`](Self::convolve_prepared), and [`Error::Shape`] when a skip has not the output's shape.
    pub fn convolve_fused<T: Element, D: Dimension>(
        &self,
        x: ArrayView<'_, T, D>,
        w: &PreparedWeight<T, N>,
        b: Option<ArrayView1<'_, T>>,
        fused: &Fused<'_, T>,
    ) -> Result<ArrayD<T>> {
        let (g, pass) = (self.geometry(), self.geometry().output_pass());
        written(g, pass, self.recipe(pass), "y", |y| {
            self.convolve_fused_blank(x, w, b, fused, y, &mut Workspace::new())
        })
    }

    /// As [`convolve_fused`](Self::convolve_fused), into an array that the caller owns, as
    /// [`convolve_prepared_into`](Self::convolve_prepared_into) does.
    ///
    /// # Errors
    /// Those of both of them; `y` is untouched then.
    pub fn convolve_fused_into<T: Element, D: Dimension, E: Dimension>(
        &self,
        x: ArrayView<'_, T, D>,
        w: &PreparedWeight<T, N>,
        b: Option<ArrayView1<'_, T>>,
        fused: &Fused<'_, T>,
        mut y: ArrayViewMut<'_, T, E>,
        workspace: &mut Workspace<T, N>,
    ) -> Result<()> {
        let g = self.geometry();
        let pass = g.output_pass();
        if !y.shape().iter().copied().eq(g.sizes(pass.result())) {
            return Err(wrong_shape("y", y.shape(), &g.y_shape()));
        }
        if let Some(y) = y.as_slice_mut() {
            return self.convolve_fused_blank(x, w, b, fused, y.into(), workspace);
        }
        let mut result = zeros("y", &g.y_shape())?;
        self.convolve_fused_blank(x, w, b, fused, elements_mut(&mut result).into(), workspace)?;
        y.into_dyn().assign(&result);
        Ok(())
    }

    /// As [`convolve_fused_into`](Self::convolve_fused_into), into the elements of `y`.
    fn convolve_fused_blank<T: Element, D: Dimension>(
        &self,
        x: ArrayView<'_, T, D>,
        w: &PreparedWeight<T, N>,
        b: Option<ArrayView1<'_, T>>,
        fused: &Fused<'_, T>,
        y: Blank<'_, T>,
        workspace: &mut Workspace<T, N>,
    ) -> Result<()> {
        let g = self.geometry();
        let pass = g.output_pass();
        let asked = Key::of(g);
        if w.key != asked {
            return Err(w.key.refused(&asked));
        }
        if let Some(skips) = row_major(fused.skips, g.sizes(pass.result()))? {
            let skips: Vec<_> = skips.iter().map(|skip| skip.view()).collect();
            let fused = Fused { before: fused.before, skips: &skips, after: fused.after };
            return self.convolve_fused_blank(x, w, b, &fused, y, workspace);
        }
        let x = standard("x", x, g.sizes(pass.source()))?;
        let b = bias(b, g.channels_of(pass.result()))?;
        let mut recipe = *self.recipe(pass);
        let panels = w.panels.as_ref().filter(|panels| {
            w.phases == first_phases(g)
                && (panels.shape.filtering == Filtering::Plain || recipe.algorithm == Algorithm::Minimal)
        });
        let operands = Operands { source: &x, weight: &w.plain, panels, bias: b.as_deref() };
        if let Some(panels) = panels {
            recipe = Recipe { algorithm: Algorithm::of(panels.shape.filtering), isa: w.isa, ..recipe };
        }
        run_pass(g, pass, &recipe, (&operands, fused), y, workspace);
        Ok(())
    }
}

/// Copies of arrays in row-major order, if one of them is not.
fn row_major<T: Element>(
    skips: &[ArrayViewD<'_, T>],
    expected: impl Iterator<Item = usize> + Clone,
) -> Result<Option<Vec<ArrayD<T>>>> {
    for skip in skips {
        if !skip.shape().iter().copied().eq(expected.clone()) {
            return Err(wrong_shape("a skip", skip.shape(), &expected.collect::<Vec<_>>()));
        }
    }
    if skips.iter().all(ArrayViewD::is_standard_layout) {
        return Ok(None);
    }
    let copy = |skip: &ArrayViewD<'_, T>| {
        let elements = standard("a skip", skip.view(), expected.clone())?.into_owned();
        Ok(ArrayD::from_shape_vec(skip.raw_dim(), elements).expect("as many elements as the skip has"))
    };
    skips.iter().map(copy).collect::<Result<_>>().map(Some)
}
