//! The numbers of a test and the ways they can lie in memory.

use lucid_check::Precision;
use lucid_conv::Element;
use ndarray::{ArrayD, Axis, Slice};

use super::Setup;

/// The element types that are judged.
pub(crate) trait Scalar: Element + Precision {
    /// The nearest number of this type.
    fn of(value: f64) -> Self;
}

impl Scalar for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
}

impl Scalar for f64 {
    fn of(value: f64) -> Self {
        value
    }
}

/// What a module is given: input, weight, bias and the gradient that arrives at its output.
#[derive(Clone, Debug)]
pub(crate) struct Arrays {
    pub(crate) x: ArrayD<f64>,
    pub(crate) w: ArrayD<f64>,
    pub(crate) b: Option<ArrayD<f64>>,
    pub(crate) dy: ArrayD<f64>,
}

impl Arrays {
    pub(crate) fn random<const N: usize>(setup: &Setup<N>) -> Self {
        Arrays {
            x: random(1, &setup.x_shape()),
            w: random(2, &setup.w_shape()),
            b: Some(random(3, &[setup.channels.output])),
            dy: random(4, &setup.y_shape()),
        }
    }

    /// The elements of `x`, `w` or `dy`: operand 0, 1 or 2.
    pub(crate) fn operand_mut(&mut self, operand: usize) -> &mut [f64] {
        let array = [&mut self.x, &mut self.w, &mut self.dy].into_iter().nth(operand).expect("one of three");
        array.as_slice_mut().expect("made in row-major order")
    }
}

/// Numbers in -1 to 1, none of them zero: the same ones for the same `stream` and shape (splitmix64).
pub(crate) fn random(stream: u64, shape: &[usize]) -> ArrayD<f64> {
    let mut state = stream << 32;
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let magnitude = ((bits >> 40) + 1) as f64 / (1_u64 << 24) as f64;
        if bits & 1 == 0 { magnitude } else { -magnitude }
    })
}

/// How the elements of an array lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    RowMajor,
    /// The axes in reverse order.
    Permuted,
    /// Every other element of a larger array, with NaN in between.
    Sliced,
    /// Every axis backwards.
    Reversed,
}

impl Layout {
    pub(crate) const ALL: [Layout; 4] =
        [Layout::RowMajor, Layout::Permuted, Layout::Sliced, Layout::Reversed];

    /// The same elements at the same indices as `T`, laid out so.
    pub(crate) fn lay<T: Scalar>(self, array: &ArrayD<f64>) -> ArrayD<T> {
        let array = array.mapv(T::of);
        let mut laid = match self {
            Layout::RowMajor => return array,
            Layout::Permuted => {
                array.clone().reversed_axes().as_standard_layout().into_owned().reversed_axes()
            }
            Layout::Reversed => {
                let mut reversed = array.clone();
                (0..array.ndim()).for_each(|axis| reversed.invert_axis(Axis(axis)));
                reversed
            }
            Layout::Sliced => {
                let larger: Vec<usize> = array.shape().iter().map(|size| 2 * size + 1).collect();
                let mut sliced = ArrayD::from_elem(larger, T::nan());
                for axis in 0..array.ndim() {
                    sliced.slice_axis_inplace(Axis(axis), Slice::new(1, None, 2));
                }
                sliced
            }
        };
        laid.assign(&array);
        laid
    }
}
