//! What every test of this crate goes through: a [`Setup`] names a convolution, [`check`] judges it.
//!
//! The reference is told both grids and the padding by the formulas of the specification, written out in
//! `grid.rs` without the crate's own resolution, so an error there cannot hide. Every algorithm that computes a
//! pass, both element types and all gradients face the reference's elementwise bounds.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this module")]

mod grid;
mod strategy;
mod values;

use lucid_check::{Expected, Precision, Problem};
use lucid_conv::{Algorithm, Axes, Channels, Element, Isa, Kind, Options, Pass, Plan, Shapes, convolve};
use ndarray::{ArrayD, ArrayViewD, Axis, Ix1};

pub(crate) use grid::Grid;
pub(crate) use strategy::{config, setups};
pub(crate) use values::{Arrays, Layout, Scalar, random};

/// One convolution: what the caller asks for and the sizes of its arrays.
#[derive(Clone, Debug)]
pub(crate) struct Setup<const N: usize> {
    pub(crate) options: Options<N>,
    pub(crate) channels: Channels,
    /// Spatial size of the input.
    pub(crate) length: [usize; N],
    pub(crate) taps: [usize; N],
    /// `None` for an input without a batch axis.
    pub(crate) batch: Option<usize>,
    pub(crate) layout: Layout,
}

/// Which of the results of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tensor {
    Y,
    Dx,
    Dw,
    Db,
}

impl<const N: usize> Setup<N> {
    /// `input` channels to `output` channels, one item, row-major arrays.
    pub(crate) fn new(
        options: Options<N>,
        [input, output]: [usize; 2],
        length: [usize; N],
        taps: [usize; N],
    ) -> Self {
        let channels = Channels { input, output };
        Setup { options, channels, length, taps, batch: Some(1), layout: Layout::RowMajor }
    }

    pub(crate) fn batch(self, batch: Option<usize>) -> Self {
        Setup { batch, ..self }
    }

    pub(crate) fn layout(self, layout: Layout) -> Self {
        Setup { layout, ..self }
    }

    pub(crate) fn grids(&self) -> [Grid; N] {
        std::array::from_fn(|axis| Grid::of(self, axis))
    }

    pub(crate) fn problem(&self) -> Problem {
        let grids = self.grids();
        Problem {
            stride: self.options.stride.to_vec(),
            dilation: self.options.dilation.to_vec(),
            pad_before: grids.iter().map(|grid| grid.pad_before).collect(),
            groups: self.options.groups,
            fine: grids.iter().map(|grid| grid.fine).collect(),
            coarse: grids.iter().map(|grid| grid.coarse).collect(),
        }
    }

    pub(crate) fn x_shape(&self) -> Vec<usize> {
        self.batch.into_iter().chain([self.channels.input]).chain(self.length).collect()
    }

    pub(crate) fn y_shape(&self) -> Vec<usize> {
        let length = self.grids().map(|grid| match self.options.kind {
            Kind::Conv => grid.coarse,
            Kind::ConvTranspose => grid.fine,
        });
        self.batch.into_iter().chain([self.channels.output]).chain(length).collect()
    }

    pub(crate) fn w_shape(&self) -> Vec<usize> {
        let Channels { input, output } = self.channels;
        let [coarse, fine] = match self.options.kind {
            Kind::Conv => [output, input],
            Kind::ConvTranspose => [input, output],
        };
        [coarse, fine / self.options.groups].into_iter().chain(self.taps).collect()
    }

    /// The planner's own plan, once its shapes are those of the specification.
    pub(crate) fn plan(&self) -> Plan<N> {
        let shapes = Shapes { x: &self.x_shape(), w: &self.w_shape() };
        let geometry = self.options.resolve(shapes).unwrap_or_else(|error| panic!("{self:?}: {error}"));
        assert_eq!(geometry.x_shape(), self.x_shape(), "x of {self:?}");
        assert_eq!(geometry.y_shape(), self.y_shape(), "y of {self:?}");
        assert_eq!(geometry.weight_shape(), self.w_shape(), "w of {self:?}");
        let taps = Axes(self.taps);
        assert_eq!(self.options.weight_shape(self.channels, taps), Ok(self.w_shape()), "w of {self:?}");
        Plan::new(geometry)
    }
}

/// Every algorithm, element type and pass of `setup` against the reference, on random numbers.
pub(crate) fn check<const N: usize>(setup: &Setup<N>) {
    check_arrays(setup, &Arrays::random(setup));
}

/// As [`check`], on the numbers given.
pub(crate) fn check_arrays<const N: usize>(setup: &Setup<N>, arrays: &Arrays) {
    let expected = expected(setup, arrays);
    check_element::<f32, N>(setup, arrays, &expected);
    check_element::<f64, N>(setup, arrays, &expected);
}

fn check_element<T: Scalar, const N: usize>(setup: &Setup<N>, arrays: &Arrays, expected: &[Expected; 4]) {
    let plan = setup.plan();
    for_each_outcome::<T, N>(setup, arrays, |tensor, label, got| {
        if let Err(error) = compare(&expected[tensor as usize], &plan, label, got) {
            panic!("{setup:?}\n{error}");
        }
    });
}

/// What one product of minimal filtering may err, in products of the definition. Its root mean square error was up to 2.6
/// times theirs in `accuracy.rs` and before; the largest of few errors may be twice that.
const GROWTH: f64 = 5.0;

/// Whether what came out by the way that `label` tells is within what its algorithm is allowed.
pub(crate) fn compare<T: Scalar, const N: usize>(
    expected: &Expected,
    plan: &Plan<N>,
    label: &str,
    got: ArrayViewD<'_, T>,
) -> Result<(), lucid_check::Error> {
    let planned = label.ends_with("convolve") || label.ends_with("gradients");
    let minimal = Pass::ALL.iter().any(|&pass| plan.recipe(pass).algorithm == Algorithm::Minimal);
    if label.ends_with("minimal") || (planned && minimal) {
        // A sum that overflows or has infinities has no error; the exact comparison judges those.
        let finite = expected.value.iter().all(|value| value.is_finite());
        if finite { expected.compare_mixed(label, got, GROWTH) } else { expected.compare(label, got) }
    } else {
        expected.compare(label, got)
    }
}

/// Runs every pass with every algorithm that computes it, and the planner's own choice through the functions of the
/// modules; hands over each result and a label that says where it comes from.
pub(crate) fn for_each_outcome<T: Scalar, const N: usize>(
    setup: &Setup<N>,
    arrays: &Arrays,
    mut judge: impl FnMut(Tensor, &str, ArrayViewD<'_, T>),
) {
    let plan = setup.plan();
    let [x, w, dy] = [&arrays.x, &arrays.w, &arrays.dy].map(|array| setup.layout.lay::<T>(array));
    let b = arrays
        .b
        .as_ref()
        .map(|b| setup.layout.lay::<T>(b).into_dimensionality::<Ix1>().expect("b has one axis"));
    let b = b.as_ref().map(|b| b.view());
    let label = |tensor: Tensor, how: &str| format!("{tensor:?} in {} by {how}", std::any::type_name::<T>());

    for (pass, algorithm, plan) in every_plan(&plan) {
        let (tensor, result) = match (setup.options.kind, pass) {
            (Kind::Conv, Pass::Forward) => (Tensor::Y, plan.forward(x.view(), w.view(), b)),
            (Kind::Conv, Pass::BackwardData) => (Tensor::Dx, plan.backward_data(dy.view(), w.view(), None)),
            (Kind::Conv, Pass::BackwardWeight) => (Tensor::Dw, plan.backward_weight(x.view(), dy.view())),
            (Kind::ConvTranspose, Pass::Forward) => (Tensor::Dx, plan.forward(dy.view(), w.view(), None)),
            (Kind::ConvTranspose, Pass::BackwardData) => {
                (Tensor::Y, plan.backward_data(x.view(), w.view(), b))
            }
            (Kind::ConvTranspose, Pass::BackwardWeight) => {
                (Tensor::Dw, plan.backward_weight(dy.view(), x.view()))
            }
        };
        let result = result.unwrap_or_else(|error| panic!("{setup:?}: {error}"));
        judge(tensor, &label(tensor, &algorithm.to_string()), result.view());
    }

    let y =
        convolve(&setup.options, x.view(), w.view(), b).unwrap_or_else(|error| panic!("{setup:?}: {error}"));
    judge(Tensor::Y, &label(Tensor::Y, "convolve"), y.view());
    let all =
        plan.gradients(x.view(), w.view(), dy.view()).unwrap_or_else(|error| panic!("{setup:?}: {error}"));
    for (tensor, result) in [(Tensor::Dx, all.dx), (Tensor::Dw, all.dw), (Tensor::Db, all.db.into_dyn())] {
        judge(tensor, &label(tensor, "gradients"), result.view());
    }
}

/// Every pass with every algorithm that computes it, on every instruction set that the machine has.
pub(crate) fn every_plan<const N: usize>(plan: &Plan<N>) -> Vec<(Pass, Algorithm, Plan<N>)> {
    let pairs = Pass::ALL.into_iter().flat_map(|pass| Algorithm::ALL.map(|algorithm| (pass, algorithm)));
    let mut plans = Vec::new();
    for (pass, algorithm) in pairs.filter(|(pass, algorithm)| algorithm.computes(*pass)) {
        match plan.with_algorithm(pass, algorithm) {
            Ok(forced) if algorithm.has_kernels() => {
                let isas = Isa::available().into_iter();
                plans.extend(
                    isas.map(|isa| (pass, algorithm, forced.with_isa(isa).expect("it is available"))),
                );
            }
            Ok(forced) => plans.push((pass, algorithm, forced)),
            // Only for more phases or taps than are worth a table each, and for channels that mix: see `plan.rs`.
            Err(error) => {
                assert!(algorithm.has_kernels(), "{error}");
            }
        }
    }
    for pass in Pass::ALL {
        assert!(plans.iter().filter(|(other, ..)| *other == pass).count() >= 2, "algorithms for {pass}");
    }
    plans
}

/// What the reference expects for each [`Tensor`], in the shapes of the module.
pub(crate) fn expected<const N: usize>(setup: &Setup<N>, arrays: &Arrays) -> [Expected; 4] {
    let problem = setup.problem();
    let (x, w, dy) = (batched(setup, &arrays.x), arrays.w.view(), batched(setup, &arrays.dy));
    let db = Expected::bias_gradient(dy.view());
    let [y, dx, dw] = match setup.options.kind {
        Kind::Conv => [
            Expected::forward(&problem, x.view(), w.view()),
            Expected::backward_data(&problem, dy.view(), w.view()),
            Expected::backward_weight(&problem, x, dy, w.shape()),
        ],
        Kind::ConvTranspose => [
            Expected::backward_data(&problem, x.view(), w.view()),
            Expected::forward(&problem, dy.view(), w.view()),
            Expected::backward_weight(&problem, dy, x, w.shape()),
        ],
    };
    let y = match &arrays.b {
        Some(b) => y.with_bias(b.view()),
        None => y,
    };
    [y.reshaped(&setup.y_shape()), dx.reshaped(&setup.x_shape()), dw, db]
}

fn batched<'a, const N: usize>(setup: &Setup<N>, array: &'a ArrayD<f64>) -> ArrayViewD<'a, f64> {
    if setup.batch.is_some() { array.view() } else { array.view().insert_axis(Axis(0)) }
}

/// Sums of `terms` products in float64: the relative error that rounding can add up to.
pub(crate) fn relative_error(terms: usize) -> f64 {
    f64::gamma_n(terms + 3)
}

/// The numbers of a signal that a test writes out, as `(1, channels, length)`.
pub(crate) fn signal<T: Element>(channels: &[&[T]]) -> ArrayD<T> {
    let all: Vec<T> = channels.iter().flat_map(|channel| channel.iter().copied()).collect();
    ArrayD::from_shape_vec(vec![1, channels.len(), channels[0].len()], all).expect("channels of one length")
}
