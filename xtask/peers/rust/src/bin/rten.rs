//! rten: the layer's ONNX model, with its weights packed once as the model is loaded.

use std::hint::black_box;
use std::sync::Arc;

use lucid_peers::{Iteration, Job, Pass, Peer, Reason, Results, serve, version_of};
use rten::{Model, ModelOptions, RunOptions, ThreadPool, Value, ValueView};
use rten_tensor::Tensor;
use rten_tensor::prelude::AsView;

struct Rten;

struct Prepared {
    model: Model,
    options: RunOptions,
    x: Vec<f32>,
    x_shape: Vec<usize>,
}

impl Peer for Rten {
    fn name(&self) -> &'static str {
        "rten"
    }

    fn version(&self) -> String {
        version_of("rten")
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Forward]
    }

    fn prepare(&self, job: Job) -> Result<Box<dyn Iteration>, Reason> {
        if job.layer.kernel.len() > 2 {
            return Err(Reason::Unsupported("its convolutions have one or two spatial axes".into()));
        }
        let path = job.onnx.ok_or_else(|| Reason::Failed("there is no ONNX model of the layer".into()))?;
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load_file(path).map_err(Reason::failed)?;
        let pool = Arc::new(ThreadPool::with_num_threads(job.threads));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        Ok(Box::new(Prepared { model, options, x: job.arrays.x, x_shape: job.layer.x_shape() }))
    }
}

impl Prepared {
    fn forward(&self) -> Result<Value, Reason> {
        let x = ValueView::from_shape(&self.x_shape, &self.x).map_err(Reason::failed)?;
        self.model.run_one(x.into(), Some(self.options.clone())).map_err(Reason::failed)
    }
}

impl Iteration for Prepared {
    fn run(&mut self) -> Result<(), Reason> {
        black_box(self.forward()?);
        Ok(())
    }

    fn results(&mut self) -> Result<Results, Reason> {
        let y = Tensor::<f32>::try_from(self.forward()?).map_err(Reason::failed)?;
        Ok(vec![("y", y.to_vec())])
    }
}

fn main() -> std::io::Result<()> {
    serve(&Rten)
}
