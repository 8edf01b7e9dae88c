//! rten: ONNX in pure Rust.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::available_parallelism;

use bonsai_checkpoint::Array;
use rten::{Model, NodeId, RunOptions, ThreadPool, ValueView};

use super::runtime::{RuntimeError, Session};
use super::signature::OnnxSignature;

/// A file that rten has opened.
pub(crate) struct RtenSession {
    model: Model,
    input: NodeId,
    output: NodeId,
    pool: Arc<ThreadPool>,
}

impl RtenSession {
    /// `threads` 0 is one per core, as our own executor counts.
    pub(crate) fn open(
        bytes: Vec<u8>,
        signature: &OnnxSignature,
        threads: usize,
    ) -> Result<Self, RuntimeError> {
        let model = guarded(|| Ok(Model::load(bytes)?))?;
        let (input, output) = (model.node_id(&signature.input)?, model.node_id(&signature.output)?);
        let threads = if threads == 0 { available_parallelism().map_or(1, usize::from) } else { threads };
        Ok(Self { model, input, output, pool: Arc::new(ThreadPool::with_num_threads(threads)) })
    }
}

impl Session for RtenSession {
    fn run(&mut self, dims: [usize; 4], images: &[f32]) -> Result<Array, RuntimeError> {
        let Self { model, input, output, pool } = self;
        guarded(|| {
            let images = ValueView::from_shape(dims, images)?;
            let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
            let [found] = model.run_n(vec![(*input, images.into())], [*output], Some(options))?;
            let (shape, data) = found.into_shape_vec::<f32, 3>()?;
            Ok(Array::new(&shape, data))
        })
    }
}

/// rten promises memory safety for files of any origin, but not that no arithmetic in it panics.
fn guarded<T>(work: impl FnOnce() -> Result<T, RuntimeError>) -> Result<T, RuntimeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it panicked on this file".into()))
}
