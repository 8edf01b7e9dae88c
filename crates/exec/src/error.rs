//! Why a network cannot be run.

use bonsai_checkpoint::CheckpointError;
use bonsai_graph::GraphError;
use bonsai_kernels::KernelError;

use crate::memory::Bytes;
use crate::{Device, ExecutorKind, MemoryBudget};

/// What went wrong, with the layer it went wrong at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The device cannot be opened.
    #[error("cannot use device `{device}`: is the program built with its feature, and is the driver there?")]
    Device {
        /// The device asked for.
        device: Device,
        /// candle's reason.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// This executor does not run on this device.
    #[error("executor `{kind}` does not run on device `{device}`; leave the executor out, or use `candle`")]
    Executor {
        /// The executor asked for.
        kind: ExecutorKind,
        /// The device asked for.
        device: Device,
    },
    /// There is not as much memory as a pass takes.
    #[error(
        "{what} takes {} of memory, and {} {}: use smaller batches (`--batch`) or smaller images (`--imgsz`)",
        Bytes(*needed), budget.limit, Bytes(budget.bytes)
    )]
    Memory {
        /// What takes it.
        what: String,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that there are, and what says so.
        budget: MemoryBudget,
    },
    /// The system starts no more threads.
    #[error("cannot start {threads} threads: {reason}; ask for fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// An input does not have the shape the graph needs.
    #[error("{what} has shape {got:?}, expected {expected}")]
    Shape {
        /// Which array.
        what: String,
        /// What it is.
        got: Vec<usize>,
        /// What it must be, in words.
        expected: String,
    },
    /// The number of output gradients is not the number of outputs.
    #[error("backward needs one gradient per output: expected {expected}, got {got}")]
    GradientCount {
        /// Number of outputs.
        expected: usize,
        /// Number given.
        got: usize,
    },
    /// Backward or a tap was asked for without a forward pass that kept the values.
    #[error("{what} needs a forward pass in training mode before it")]
    NoForward {
        /// What was asked for.
        what: &'static str,
    },
    /// A layer failed on the device.
    #[error("layer `{node}` failed")]
    Layer {
        /// Its name.
        node: String,
        /// candle's reason.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// A device operation outside a layer failed.
    #[error("device operation failed")]
    Candle(#[from] candle_core::Error),
    /// The CPU kernels refuse: a size that does not fit, an instruction set that is not there.
    #[error("the CPU engine cannot run this")]
    Kernel(#[source] Box<KernelError>),
    /// What is to be frozen is not there.
    #[error("`{name}` is no trained parameter of this network, so it cannot be frozen")]
    Frozen {
        /// Its name.
        name: String,
    },
    /// L1 is told about what is no scale or shift of a batch norm.
    #[error(
        "`{name}` is no weight or bias of a batch norm of this network, so L1 cannot be told about its channels"
    )]
    Penalised {
        /// Its name.
        name: String,
    },
    /// L1 is told about more or fewer channels than there are.
    #[error("`{name}` has {expected} channels, but L1 is told about {got}")]
    PenaltyLength {
        /// The parameter.
        name: String,
        /// Channels in the map.
        got: usize,
        /// Channels in the network.
        expected: usize,
    },
    /// Sizes do not fit the image.
    #[error("the network does not fit the image")]
    Graph(#[from] GraphError),
    /// Parameters do not fit the graph.
    #[error("the parameters do not fit the network")]
    Weights(#[from] CheckpointError),
}

impl From<KernelError> for ExecError {
    fn from(error: KernelError) -> Self {
        Self::Kernel(Box::new(error))
    }
}
