//! tract: the layer's ONNX model, optimised once for the shape of its input.

use std::hint::black_box;
use std::sync::Arc;

use lucid_peers::{Iteration, Job, Pass, Peer, Reason, Results, serve, version_of};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

struct Tract;

struct Prepared {
    model: Arc<TypedRunnableModel>,
    x: TValue,
}

impl Peer for Tract {
    fn name(&self) -> &'static str {
        "tract"
    }

    fn version(&self) -> String {
        version_of("tract-onnx")
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Forward]
    }

    fn prepare(&self, job: Job) -> Result<Box<dyn Iteration>, Reason> {
        let path = job.onnx.ok_or_else(|| Reason::Failed("there is no ONNX model of the layer".into()))?;
        set_default_executor(match job.threads {
            1 => Executor::SingleThread,
            threads => Executor::multithread(threads),
        });
        let model = onnx().model_for_path(path).and_then(|model| model.into_optimized()?.into_runnable());
        let x = Tensor::from_shape(&job.layer.x_shape(), &job.arrays.x).map_err(Reason::failed)?;
        Ok(Box::new(Prepared { model: model.map_err(Reason::failed)?, x: x.into_tvalue() }))
    }
}

impl Prepared {
    fn forward(&self) -> Result<TValue, Reason> {
        let mut outputs = self.model.run(tvec!(self.x.clone())).map_err(Reason::failed)?;
        outputs.pop().ok_or_else(|| Reason::Failed("the model has no output".into()))
    }
}

impl Iteration for Prepared {
    fn run(&mut self) -> Result<(), Reason> {
        black_box(self.forward()?);
        Ok(())
    }

    fn results(&mut self) -> Result<Results, Reason> {
        let y = self.forward()?;
        let y = y.to_plain_array_view::<f32>().map_err(Reason::failed)?;
        Ok(vec![("y", y.iter().copied().collect())])
    }
}

fn main() -> std::io::Result<()> {
    serve(&Tract)
}
