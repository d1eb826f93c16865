//! burn on its `flex` backend, with gradients through its autodiff.
//!
//! Its tape starts from a scalar, so that training also sums `y * dy`, a pass over y which the others don't make.

use std::hint::black_box;

use burn::tensor::module::{conv_transpose1d, conv_transpose2d, conv_transpose3d, conv1d, conv2d, conv3d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData};
use lucid_peers::{Iteration, Job, Layer, Pass, Peer, Reason, Results, serve, version_of};

struct Burn;

/// `D` is the number of axes of x, `N` of spatial ones.
struct Prepared<const D: usize, const N: usize> {
    layer: Layer,
    pass: Pass,
    function: fn(&Call<D>, &Layer) -> Tensor<D>,
    inputs: Call<D>,
    dy: Option<Tensor<D>>,
}

/// The operands of a convolution.
#[derive(Clone)]
struct Call<const D: usize> {
    x: Tensor<D>,
    w: Tensor<D>,
    b: Option<Tensor<1>>,
}

impl Peer for Burn {
    fn name(&self) -> &'static str {
        "burn"
    }

    fn version(&self) -> String {
        version_of("burn")
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Forward, Pass::Train]
    }

    fn prepare(&self, job: Job) -> Result<Box<dyn Iteration>, Reason> {
        match job.layer.op.as_str() {
            "conv1d" => prepare::<3, 1>(job, |c, l| conv1d(c.x.clone(), c.w.clone(), c.b.clone(), plain(l))),
            "conv2d" => prepare::<4, 2>(job, |c, l| conv2d(c.x.clone(), c.w.clone(), c.b.clone(), plain(l))),
            "conv3d" => prepare::<5, 3>(job, |c, l| conv3d(c.x.clone(), c.w.clone(), c.b.clone(), plain(l))),
            "conv_transpose1d" => prepare::<3, 1>(job, |c, l| {
                conv_transpose1d(c.x.clone(), c.w.clone(), c.b.clone(), transposed(l))
            }),
            "conv_transpose2d" => prepare::<4, 2>(job, |c, l| {
                conv_transpose2d(c.x.clone(), c.w.clone(), c.b.clone(), transposed(l))
            }),
            "conv_transpose3d" => prepare::<5, 3>(job, |c, l| {
                conv_transpose3d(c.x.clone(), c.w.clone(), c.b.clone(), transposed(l))
            }),
            op => Err(Reason::Unsupported(format!("there is no {op}"))),
        }
    }
}

fn prepare<const D: usize, const N: usize>(
    job: Job,
    function: fn(&Call<D>, &Layer) -> Tensor<D>,
) -> Result<Box<dyn Iteration>, Reason> {
    let Job { layer, arrays, pass, .. } = job;
    let device = match pass {
        Pass::Forward => Device::flex(),
        Pass::Train => Device::flex().autodiff(),
    };
    let leaf = |tensor: Tensor<D>| if pass == Pass::Train { tensor.require_grad() } else { tensor };
    let tensor = |array, shape: Vec<usize>| Tensor::<D>::from_data(TensorData::new(array, shape), &device);
    let b = arrays.b.map(|b| {
        let b = Tensor::<1>::from_data(TensorData::new(b, [layer.out_channels]), &device);
        if pass == Pass::Train { b.require_grad() } else { b }
    });
    let inputs =
        Call { x: leaf(tensor(arrays.x, layer.x_shape())), w: leaf(tensor(arrays.w, layer.w_shape())), b };
    let dy = arrays.dy.filter(|_| pass == Pass::Train).map(|dy| tensor(dy, layer.y_shape()));
    Ok(Box::new(Prepared::<D, N> { layer, pass, function, inputs, dy }))
}

fn plain<const N: usize>(layer: &Layer) -> ConvOptions<N> {
    let Layer { stride, padding, dilation, groups, .. } = layer;
    ConvOptions::new(axes(stride), axes(padding), axes(dilation), *groups)
}

fn transposed<const N: usize>(layer: &Layer) -> ConvTransposeOptions<N> {
    let Layer { stride, padding, output_padding, dilation, groups, .. } = layer;
    ConvTransposeOptions::new(axes(stride), axes(padding), axes(output_padding), axes(dilation), *groups)
}

fn axes<const N: usize>(list: &[usize]) -> [usize; N] {
    // A list of another length is a mistake of the parent, which the loop answers.
    list.try_into().expect("one number per spatial axis")
}

impl<const D: usize, const N: usize> Prepared<D, N> {
    /// The output, and the gradients when training.
    fn compute(&self) -> Result<(Tensor<D>, Option<(Tensor<D>, Tensor<D>, Option<Tensor<1>>)>), Reason> {
        let y = (self.function)(&self.inputs, &self.layer);
        if self.pass == Pass::Forward {
            return Ok((y, None));
        }
        let dy = self.dy.clone().ok_or_else(|| Reason::Failed("there is no file of dy".into()))?;
        let gradients = (y.clone() * dy).sum().backward();
        let lost = || Reason::Failed("a gradient is missing".into());
        let Call { x, w, b } = &self.inputs;
        let dx = x.grad(&gradients).ok_or_else(lost)?;
        let dw = w.grad(&gradients).ok_or_else(lost)?;
        let db = b.as_ref().map(|b| b.grad(&gradients).ok_or_else(lost)).transpose()?;
        Ok((y, Some((dx, dw, db))))
    }
}

impl<const D: usize, const N: usize> Iteration for Prepared<D, N> {
    fn run(&mut self) -> Result<(), Reason> {
        black_box(self.compute()?);
        Ok(())
    }

    fn results(&mut self) -> Result<Results, Reason> {
        let (y, gradients) = self.compute()?;
        let mut results = vec![("y", numbers(y)?)];
        if let Some((dx, dw, db)) = gradients {
            results.extend([("dx", numbers(dx)?), ("dw", numbers(dw)?)]);
            if let Some(db) = db {
                results.push(("db", numbers(db)?));
            }
        }
        Ok(results)
    }
}

fn numbers<const R: usize>(tensor: Tensor<R>) -> Result<Vec<f32>, Reason> {
    tensor.into_data().try_into_vec::<f32>().map_err(|error| Reason::Failed(format!("{error:?}")))
}

fn main() -> std::io::Result<()> {
    serve(&Burn)
}
