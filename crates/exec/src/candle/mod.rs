//! [`CandleExecutor`]: the portable executor, with candle tensors on any device and its own reverse walk.
//!
//! Every wire is a tensor `[c, n, h, w]`. With channels outermost, a concat is a copy of blocks, a slice is a
//! view, batch statistics are sums over contiguous rows, and a convolution is one matrix product
//! `[out, taps * in] x [taps * in, n * h * w]`. On the CPU, operations that take candle several passes run in
//! one pass ([`host`]); other devices use candle's operations. Backward walks the graph in reverse with
//! candle's forward operations only. It does not use candle's autograd, whose gradients of pooling and
//! upsampling are wrong and which allocates zeros and adds for every gradient.

mod adamw;
mod average;
mod backward;
mod batch_norm;
mod clip;
mod clock;
mod conv;
mod device;
mod flat;
mod forward;
mod gather;
mod gradients;
mod host;
mod max_pool;
mod moments;
mod need;
mod penalty;
mod roles;
mod sgd;
mod silu;
mod upsample;
mod wire;

use std::time::Duration;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId};
use candle_core::{Module, Tensor};

use crate::eval_only::CheckMemory;
use crate::need::{least, pass_of};
use crate::{
    Buffer, Device, ExecError, Executor, MemoryBudget, MemoryNeed, Mode, PenaltyMap, UpdateReport, UpdateRule,
};
use clock::Clock;
use device::open;
use flat::FlatBuffers;
use forward::Pass;

#[cfg(not(feature = "cuda"))]
use device::out_of_memory;
#[cfg(feature = "cuda")]
pub(crate) use device::{gpus, open_cuda, out_of_memory};

/// Runs a graph with candle.
#[derive(Debug)]
pub struct CandleExecutor {
    graph: Graph,
    buffers: FlatBuffers,
    taps: Vec<NodeId>,
    last: Option<Pass>,
    /// Images, height and width of the last forward pass.
    size: [usize; 3],
    input_gradient: Option<Tensor>,
    workers: Workers,
    clock: Clock,
    budget: Option<MemoryBudget>,
    /// The last pass that the memory check accepted.
    checked: Option<(Mode, [usize; 3])>,
}

impl CandleExecutor {
    /// Creates an executor for a network and its parameters on a device.
    ///
    /// # Errors
    /// [`ExecError::Weights`] if the parameters do not fit the graph, [`ExecError::Device`] if the device
    /// cannot be opened.
    pub fn new(graph: &Graph, weights: &Weights, device: Device) -> Result<Self, ExecError> {
        let buffers = FlatBuffers::new(graph, weights, &open(device)?)?;
        Ok(Self {
            graph: graph.clone(),
            buffers,
            taps: Vec::new(),
            last: None,
            size: [0; 3],
            input_gradient: None,
            workers: Workers::default(),
            clock: Clock::default(),
            budget: None,
            checked: None,
        })
    }

    /// Rejects passes that exceed this budget ([`ExecError::Memory`]) before allocating, because candle
    /// aborts the program when an allocation fails. On a GPU, which does not use memory of the machine, the
    /// budget is ignored.
    #[must_use]
    pub fn with_budget(mut self, budget: Option<MemoryBudget>) -> Self {
        self.budget = budget.filter(|_| self.buffers.device().is_cpu());
        self
    }

    /// See [`memory_need`](crate::memory_need).
    pub(crate) fn memory_need(graph: &Graph, mode: Mode, size: [usize; 3]) -> Result<MemoryNeed, ExecError> {
        need::need(graph, mode, size)
    }

    fn run_forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError> {
        let input = wire::upload(images, self.buffers.device(), "images")?;
        let pass = {
            let Self { graph, buffers, taps, clock, .. } = self;
            self.workers.run(|| forward::run(graph, buffers, mode, &input, taps, clock))?
        };
        if mode == Mode::Train {
            self.buffers.set_statistics(&pass.statistics)?;
        }
        let outputs = pass.outputs(&self.graph)?;
        self.last = Some(pass);
        outputs.iter().map(wire::download).collect()
    }

    /// Runs passes on `threads` threads of the host; 0 (the default) is rayon's global pool.
    ///
    /// candle always divides a matrix product into as many parts as the machine has cores, but all parts run
    /// on these threads.
    ///
    /// # Errors
    /// [`ExecError::Threads`] if the system cannot start the threads.
    pub fn with_threads(mut self, threads: usize) -> Result<Self, ExecError> {
        self.workers = Workers::new(threads)?;
        Ok(self)
    }
}

impl CheckMemory for CandleExecutor {
    fn check_memory(&mut self, mode: Mode, size: [usize; 3]) -> Result<(), ExecError> {
        let Some(budget) = self.budget.filter(|_| self.checked != Some((mode, size))) else { return Ok(()) };
        let what = pass_of(mode, size);
        budget.check(&what, least(&self.graph, size)?)?;
        budget.check(&what, need::need(&self.graph, mode, size)?)?;
        self.checked = Some((mode, size));
        Ok(())
    }
}

impl Executor for CandleExecutor {
    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError> {
        self.last = None;
        if let [n, _, h, w] = images.shape()[..] {
            self.size = [n, h, w];
            self.check_memory(mode, self.size)?;
        }
        self.run_forward(mode, images).map_err(|error| out_of_memory(error, mode, self.size))
    }

    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError> {
        let pass = match self.last.take() {
            Some(pass) if pass.mode == Mode::Train => pass,
            _ => return Err(ExecError::NoForward),
        };
        let want_input = self.taps.contains(&self.graph.input());
        let Self { graph, buffers, clock, .. } = self;
        let done =
            self.workers.run(|| backward::run(graph, buffers, &pass, output_gradients, want_input, clock));
        let (gradients, input) = done.map_err(|error| out_of_memory(error, Mode::Train, self.size))?;
        self.input_gradient = input;
        self.buffers.add_gradients(&gradients)
    }

    fn set_taps(&mut self, nodes: &[NodeId]) {
        self.taps = nodes.to_vec();
    }

    fn tap(&self, node: NodeId) -> Result<Array, ExecError> {
        let kept = self.last.as_ref().filter(|_| self.taps.contains(&node));
        let value = kept.and_then(|pass| pass.value(node));
        wire::download(value.ok_or_else(|| ExecError::not_kept(&self.graph, node))?)
    }

    fn input_gradient(&self) -> Result<Array, ExecError> {
        wire::download(self.input_gradient.as_ref().ok_or(ExecError::NoInputGradient)?)
    }

    fn read(&self, buffer: Buffer) -> Result<Weights, ExecError> {
        self.buffers.read(buffer)
    }

    fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError> {
        self.buffers.write(buffer, weights)
    }

    fn zero_gradients(&mut self) -> Result<(), ExecError> {
        self.buffers.zero_gradients();
        Ok(())
    }

    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError> {
        self.workers.run(|| self.buffers.update(rule))
    }

    fn freeze(&mut self, names: &[String]) -> Result<(), ExecError> {
        self.buffers.freeze(names)
    }

    fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        self.buffers.penalise(map)
    }

    /// On a GPU, work is queued, so the times cover only the queueing.
    fn set_timing(&mut self, on: bool) {
        self.clock = if on { Clock::on(&self.graph) } else { Clock::default() };
    }

    fn timings(&self) -> Vec<(String, Duration)> {
        self.clock.timings(&self.graph)
    }
}

/// The threads that a pass may use.
#[derive(Debug, Default)]
struct Workers {
    /// `None` means rayon's global pool.
    pool: Option<rayon::ThreadPool>,
}

impl Workers {
    fn new(threads: usize) -> Result<Self, ExecError> {
        if threads == 0 || threads == rayon::current_num_threads() {
            return Ok(Self::default());
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| ExecError::Threads { threads, reason: e.to_string() })?;
        Ok(Self { pool: Some(pool) })
    }

    /// Runs a whole pass on a thread of the pool. From any other thread, each of the hundreds of parallel
    /// loops of a pass would hand over its work and sleep until it is done; on small images that takes as
    /// long as the loops themselves.
    fn run<T: Send>(&self, pass: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(pass),
            None => rayon::scope(|_| pass()),
        }
    }
}

/// Evaluation inside a candle program, for images `[n, c, h, w]`. A single output is returned as
/// `[n, c, h, w]`; several outputs are flattened per image and joined in order as `[n, values]`.
impl Module for CandleExecutor {
    fn forward(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        let input = images.transpose(0, 1)?.contiguous()?;
        let run = || -> Result<Vec<Tensor>, ExecError> {
            forward::run(&self.graph, &self.buffers, Mode::Eval, &input, &[], &mut Clock::default())?
                .outputs(&self.graph)
        };
        let outputs = run().map_err(candle_core::Error::wrap)?;
        let outputs =
            outputs.iter().map(|o| o.transpose(0, 1)?.contiguous()).collect::<Result<Vec<_>, _>>()?;
        if let [only] = outputs.as_slice() {
            return Ok(only.clone());
        }
        let flat = outputs.iter().map(|o| o.flatten_from(1)).collect::<Result<Vec<_>, _>>()?;
        Tensor::cat(&flat, 1)
    }
}
