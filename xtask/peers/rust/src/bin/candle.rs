//! candle-core on its CPU device, forward only. The bias is added after, which is what candle-nn's modules do.

use std::hint::black_box;

use candle_core::{Device, Tensor};
use lucid_peers::{Iteration, Job, Pass, Peer, Reason, Results, serve, version_of};

struct Candle;

struct Prepared {
    job: Job,
    x: Tensor,
    w: Tensor,
    /// Of shape `[1, out_channels, 1...]`.
    b: Option<Tensor>,
}

impl Peer for Candle {
    fn name(&self) -> &'static str {
        "candle"
    }

    fn version(&self) -> String {
        version_of("candle-core")
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Forward]
    }

    fn prepare(&self, job: Job) -> Result<Box<dyn Iteration>, Reason> {
        let layer = &job.layer;
        let tensor = |array: &[f32], shape: Vec<usize>| Tensor::from_slice(array, shape, &Device::Cpu);
        let x = tensor(&job.arrays.x, layer.x_shape()).map_err(Reason::failed)?;
        let w = tensor(&job.arrays.w, layer.w_shape()).map_err(Reason::failed)?;
        let mut bias_shape = vec![1; layer.kernel.len() + 2];
        bias_shape[1] = layer.out_channels;
        let b = job.arrays.b.as_ref().map(|b| tensor(b, bias_shape)).transpose().map_err(Reason::failed)?;
        let mut prepared = Prepared { job, x, w, b };
        prepared.run()?;
        Ok(Box::new(prepared))
    }
}

impl Prepared {
    fn forward(&self) -> Result<Tensor, Reason> {
        let layer = &self.job.layer;
        let same = |name: &str, list: &[usize]| match list {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(*first),
            _ => Err(Reason::Unsupported(format!("{name} {list:?} is not the same on all axes"))),
        };
        let stride = same("stride", &layer.stride)?;
        let padding = same("padding", &layer.padding)?;
        let output_padding = same("output_padding", &layer.output_padding)?;
        let dilation = same("dilation", &layer.dilation)?;
        let (x, w, groups) = (&self.x, &self.w, layer.groups);
        let y = match layer.op.as_str() {
            "conv1d" => x.conv1d(w, padding, stride, dilation, groups),
            "conv2d" => x.conv2d(w, padding, stride, dilation, groups),
            "conv_transpose1d" => x.conv_transpose1d(w, padding, output_padding, stride, dilation, groups),
            "conv_transpose2d" if groups == 1 => {
                x.conv_transpose2d(w, padding, output_padding, stride, dilation)
            }
            op => return Err(Reason::Unsupported(format!("there is no {op} with {groups} group(s)"))),
        };
        let y = y.map_err(Reason::failed)?;
        match &self.b {
            Some(b) => y.broadcast_add(b).map_err(Reason::failed),
            None => Ok(y),
        }
    }
}

impl Iteration for Prepared {
    fn run(&mut self) -> Result<(), Reason> {
        black_box(self.forward()?);
        Ok(())
    }

    fn results(&mut self) -> Result<Results, Reason> {
        let y = self.forward()?.flatten_all().and_then(|y| y.to_vec1()).map_err(Reason::failed)?;
        Ok(vec![("y", y)])
    }
}

fn main() -> std::io::Result<()> {
    serve(&Candle)
}
