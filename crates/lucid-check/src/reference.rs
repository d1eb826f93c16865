//! The three functions of a convolution in float64, written straight from the one equation that links its two
//! grids. Per spatial axis,
//!
//! ```text
//! fine = coarse * stride + tap * dilation - pad_before
//! ```
//!
//! Every (coarse position, tap) for which `fine` lies on the fine grid is a link; `forward`,
//! `backward_data` and `backward_weight` sum the same products over the same links and differ only in what
//! they add them up to. Nothing here is fast, and nothing is shared with the code it judges.
//!
//! Signals are (batch, channels, spatial...), weights (coarse channels, fine channels / groups, taps...), for
//! any number of spatial axes.

use ndarray::{Array1, Array3, ArrayD, ArrayView3, ArrayViewD, Axis};

/// A convolution with both of its grids resolved; every list has one entry per spatial axis.
///
/// Padding after, output padding and `"same"` do not appear: they only decide how long the grids are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Distance on the fine grid between neighbours of the coarse one.
    pub stride: Vec<usize>,
    /// Distance on the fine grid between neighbouring taps.
    pub dilation: Vec<usize>,
    /// How far the coarse grid begins before the fine one.
    pub pad_before: Vec<usize>,
    /// Number of groups that the channels of both sides are split into.
    pub groups: usize,
    /// Lengths of the fine grid (input of a convolution, output of a transposed one).
    pub fine: Vec<usize>,
    /// Lengths of the coarse grid (output of a convolution, input of a transposed one).
    pub coarse: Vec<usize>,
}

/// One place where the two grids meet, as flat row-major positions.
struct Link {
    fine: usize,
    coarse: usize,
    tap: usize,
}

impl Problem {
    /// Number of spatial axes.
    pub fn rank(&self) -> usize {
        self.stride.len()
    }

    /// The most products that one element of [`forward`] sums: fine channels / groups * taps.
    pub fn forward_terms(&self, weight_shape: &[usize]) -> usize {
        weight_shape[1..].iter().product()
    }

    /// The most products that one element of [`backward_data`] sums: coarse channels / groups * taps.
    pub fn backward_data_terms(&self, weight_shape: &[usize]) -> usize {
        weight_shape[0] / self.groups * weight_shape[2..].iter().product::<usize>()
    }

    /// The most products that one element of [`backward_weight`] sums: batch * coarse positions.
    pub fn backward_weight_terms(&self, batch: usize) -> usize {
        batch * self.coarse.iter().product::<usize>()
    }

    fn links(&self, taps: &[usize]) -> Vec<Link> {
        let mut links = Vec::new();
        for (tap, tap_index) in indices(taps).enumerate() {
            for (coarse, coarse_index) in indices(&self.coarse).enumerate() {
                if let Some(fine) = self.fine_position(&coarse_index, &tap_index) {
                    links.push(Link { fine, coarse, tap });
                }
            }
        }
        links
    }

    /// The equation, axis by axis; `None` where it leads off the fine grid.
    fn fine_position(&self, coarse: &[usize], tap: &[usize]) -> Option<usize> {
        let mut flat = 0;
        for axis in 0..self.rank() {
            let padded = coarse[axis] * self.stride[axis] + tap[axis] * self.dilation[axis];
            let fine = padded.checked_sub(self.pad_before[axis]).filter(|&at| at < self.fine[axis])?;
            flat = flat * self.fine[axis] + fine;
        }
        Some(flat)
    }

    fn check_weight(&self, weight_shape: &[usize]) {
        let rank = self.rank();
        let lists = [&self.dilation, &self.pad_before, &self.fine, &self.coarse];
        assert!(lists.iter().all(|list| list.len() == rank), "one number per axis: {self:?}");
        assert_eq!(weight_shape.len(), rank + 2, "axes of the weight {weight_shape:?}");
        assert!(self.groups > 0 && weight_shape[0].is_multiple_of(self.groups), "groups of {weight_shape:?}");
    }
}

/// ```text
/// y[n, m, q] = sum over c', t of x[n, c, q * stride + t * dilation - pad_before] w[m, c', t]
/// ```
///
/// with c = (group of m) * (fine channels / groups) + c'; what lies off the fine grid counts as zero. This is
/// what a convolution computes, and the input gradient of a transposed one.
///
/// # Shapes
/// `x` (N, fine channels, fine...), `w` (coarse channels, fine channels / groups, taps...); the result is
/// (N, coarse channels, coarse...).
///
/// # Panics
/// When the shapes do not fit the problem.
pub fn forward(problem: &Problem, x: ArrayViewD<'_, f64>, w: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    problem.check_weight(w.shape());
    let (coarse_channels, group_fine) = (w.shape()[0], w.shape()[1]);
    let group_coarse = coarse_channels / problem.groups;
    let x3 = flat_signal("x", &x, group_fine * problem.groups, &problem.fine);
    let w3 = flat(&w, coarse_channels, group_fine);
    let batch = x3.len_of(Axis(0));
    let mut y = Array3::zeros((batch, coarse_channels, problem.coarse.iter().product()));
    for Link { fine, coarse, tap } in problem.links(&w.shape()[2..]) {
        for n in 0..batch {
            for m in 0..coarse_channels {
                for c in 0..group_fine {
                    let channel = m / group_coarse * group_fine + c;
                    y[[n, m, coarse]] += x3[[n, channel, fine]] * w3[[m, c, tap]];
                }
            }
        }
    }
    unflatten(y, &[&[batch, coarse_channels], problem.coarse.as_slice()].concat())
}

/// ```text
/// x[n, c, f] = sum over m, q, t with q * stride + t * dilation - pad_before = f of y[n, m, q] w[m, c', t]
/// ```
///
/// with m in the group of c: the transpose of [`forward`] in its signal. This is what a transposed convolution
/// computes, and the input gradient of a plain one.
///
/// # Shapes
/// `y` (N, coarse channels, coarse...), `w` (coarse channels, fine channels / groups, taps...); the result is
/// (N, fine channels, fine...).
///
/// # Panics
/// When the shapes do not fit the problem.
pub fn backward_data(problem: &Problem, y: ArrayViewD<'_, f64>, w: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    problem.check_weight(w.shape());
    let (coarse_channels, group_fine) = (w.shape()[0], w.shape()[1]);
    let group_coarse = coarse_channels / problem.groups;
    let fine_channels = group_fine * problem.groups;
    let y3 = flat_signal("y", &y, coarse_channels, &problem.coarse);
    let w3 = flat(&w, coarse_channels, group_fine);
    let batch = y3.len_of(Axis(0));
    let mut x = Array3::zeros((batch, fine_channels, problem.fine.iter().product()));
    for Link { fine, coarse, tap } in problem.links(&w.shape()[2..]) {
        for n in 0..batch {
            for m in 0..coarse_channels {
                for c in 0..group_fine {
                    let channel = m / group_coarse * group_fine + c;
                    x[[n, channel, fine]] += y3[[n, m, coarse]] * w3[[m, c, tap]];
                }
            }
        }
    }
    unflatten(x, &[&[batch, fine_channels], problem.fine.as_slice()].concat())
}

/// ```text
/// dw[m, c', t] = sum over n, q of x[n, c, q * stride + t * dilation - pad_before] dy[n, m, q]
/// ```
///
/// The gradient of the weight: for a convolution `x` is its input and `dy` the gradient that arrives, for a
/// transposed one `x` is the gradient that arrives (fine) and `dy` its input (coarse).
///
/// # Shapes
/// `x` (N, fine channels, fine...), `dy` (N, coarse channels, coarse...); the result is `weight_shape`,
/// (coarse channels, fine channels / groups, taps...).
///
/// # Panics
/// When the shapes do not fit the problem.
pub fn backward_weight(
    problem: &Problem,
    x: ArrayViewD<'_, f64>,
    dy: ArrayViewD<'_, f64>,
    weight_shape: &[usize],
) -> ArrayD<f64> {
    problem.check_weight(weight_shape);
    let (coarse_channels, group_fine) = (weight_shape[0], weight_shape[1]);
    let group_coarse = coarse_channels / problem.groups;
    let x3 = flat_signal("x", &x, group_fine * problem.groups, &problem.fine);
    let dy3 = flat_signal("dy", &dy, coarse_channels, &problem.coarse);
    let batch = x3.len_of(Axis(0));
    assert_eq!(batch, dy3.len_of(Axis(0)), "batch of x and of dy");
    let mut dw = Array3::zeros((coarse_channels, group_fine, weight_shape[2..].iter().product()));
    for Link { fine, coarse, tap } in problem.links(&weight_shape[2..]) {
        for n in 0..batch {
            for m in 0..coarse_channels {
                for c in 0..group_fine {
                    let channel = m / group_coarse * group_fine + c;
                    dw[[m, c, tap]] += x3[[n, channel, fine]] * dy3[[n, m, coarse]];
                }
            }
        }
    }
    unflatten(dw, weight_shape)
}

/// ```text
/// db[c] = sum over n and j of dy[n, c, j]
/// ```
///
/// # Shapes
/// `dy` (N, channels, spatial...); the result is (channels).
///
/// # Panics
/// When `dy` has fewer than two axes.
pub fn bias_gradient(dy: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    let channels = dy.len_of(Axis(1));
    Array1::from_shape_fn(channels, |c| dy.index_axis(Axis(1), c).sum()).into_dyn()
}

/// ```text
/// y[n, c, j] + b[c]
/// ```
///
/// # Shapes
/// `y` (N, channels, spatial...), `b` (channels); the result is that of `y`.
///
/// # Panics
/// When `b` has not one number per channel.
pub fn add_bias(mut y: ArrayD<f64>, b: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    assert_eq!(b.shape(), [y.len_of(Axis(1))], "one bias per channel of {:?}", y.shape());
    for (mut channel, &bias) in y.axis_iter_mut(Axis(1)).zip(&b) {
        channel += bias;
    }
    y
}

/// Every multi-index below `dims`, the last axis fastest; one empty index for no axes, none for an empty axis.
fn indices(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let dims = dims.to_vec();
    (0..dims.iter().product()).map(move |mut flat| {
        let mut index = vec![0; dims.len()];
        for (at, &dim) in index.iter_mut().zip(&dims).rev() {
            (*at, flat) = (flat % dim, flat / dim);
        }
        index
    })
}

fn flat_signal(name: &str, signal: &ArrayViewD<'_, f64>, channels: usize, grid: &[usize]) -> Array3<f64> {
    assert!(signal.ndim() == grid.len() + 2, "{name} {:?} has no batch and channel axis", signal.shape());
    let batch = signal.shape()[0];
    assert_eq!(signal.shape(), [&[batch, channels], grid].concat(), "shape of {name}");
    flat(signal, batch, channels)
}

/// The array with its spatial axes made one, row-major whatever the memory order of the view.
fn flat(array: &ArrayViewD<'_, f64>, first: usize, second: usize) -> Array3<f64> {
    let positions = array.shape()[2..].iter().product();
    let data: Vec<f64> = array.iter().copied().collect();
    let view = ArrayView3::from_shape((first, second, positions), &data);
    view.expect("the shape has as many elements as the array it was taken from").to_owned()
}

fn unflatten(array: Array3<f64>, shape: &[usize]) -> ArrayD<f64> {
    array.into_shape_with_order(shape).expect("the last axis is the product of the spatial ones")
}
