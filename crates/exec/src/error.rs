//! [`ExecError`]: reasons why a network cannot be run.

use bonsai_checkpoint::CheckpointError;
use bonsai_graph::{Graph, GraphError, NodeId};
use bonsai_kernels::KernelError;

use crate::budget::Bytes;
use crate::{ComputePrecision, Device, ExecutorKind, MemoryBudget};

/// The reason of a failure; layer errors name the layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The device cannot be opened.
    #[cfg(feature = "candle")]
    #[error("cannot use device `{device}`: it needs a program with its feature, and its driver")]
    Device {
        /// The requested device.
        device: Device,
        /// The reason that candle gives.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// NVIDIA's driver reports an error.
    #[cfg(feature = "cuda")]
    #[error("NVIDIA's driver reports an error; use device cpu, or repair the driver")]
    GpuDriver {
        /// The error of the driver.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// The machine has no GPU with this number.
    #[error(
        "no device `cuda:{index}`: NVIDIA's driver counts GPUs from 0 and finds {count}; use another one"
    )]
    NoGpu {
        /// The requested number.
        index: usize,
        /// Number of GPUs.
        count: usize,
    },
    /// This executor does not run on this device.
    #[error("executor `{kind}` does not run on device `{device}`; omit the executor or use `candle`")]
    Executor {
        /// The requested executor.
        kind: ExecutorKind,
        /// The requested device.
        device: Device,
    },
    /// The options select candle, and the program was built without it.
    #[error(
        "executor candle is not part of this program; build it with feature candle of bonsai-exec, or use cpu"
    )]
    NoCandle,
    /// The options select the CUDA executor, and the program was built without it.
    #[error(
        "executor cuda is not part of this program; build it with feature cuda of bonsai-exec, or use device cpu"
    )]
    NoCuda,
    /// The executor does not multiply in this precision.
    #[error(
        "executor `{kind}` does not multiply in {precision}, only in f32; omit the precision, or use executor cuda"
    )]
    Precision {
        /// The requested precision.
        precision: ComputePrecision,
        /// The executor.
        kind: ExecutorKind,
    },
    /// The GPU has no tensor cores for TF32, in which both faster precisions multiply.
    #[cfg(feature = "cuda")]
    #[error(
        "device `{device}` has compute capability {major}.{minor}, and {precision} needs 8.0: use compute precision f32"
    )]
    NoTensorCores {
        /// The device.
        device: Device,
        /// The requested precision.
        precision: ComputePrecision,
        /// Its compute capability.
        major: i32,
        /// The digit after the point.
        minor: i32,
    },
    /// A layer that the integer engine does not run.
    #[error("`{layer}` cannot run in 8-bit codes: {reason}")]
    Codes {
        /// The layer.
        layer: String,
        /// The reason, and what to do.
        reason: &'static str,
    },
    /// The executor has no steps of this optimiser.
    #[error(
        "executor `{kind}` does not train with {method}, only with SGD and AdamW; choose one of them, or another executor"
    )]
    Method {
        /// The executor.
        kind: ExecutorKind,
        /// Name of the optimiser.
        method: &'static str,
    },
    /// The executor does not round training passes.
    #[error("this executor does not train with 8-bit codes; omit the executor and the device, or use cpu")]
    NoRounding,
    /// A network in 8-bit codes and an executor that computes in `f32`.
    #[error(
        "executor `{kind}` does not run networks in 8-bit codes; omit the executor and the device, or use cpu"
    )]
    CodesExecutor {
        /// The requested executor.
        kind: ExecutorKind,
    },
    /// A pass needs more memory than the budget has.
    #[error(
        "{what} needs {} of memory, but {} {}: use smaller batches (`--batch`) or smaller images (`--imgsz`)",
        Bytes(*needed), budget.limit, Bytes(budget.bytes)
    )]
    Memory {
        /// The pass that needs the memory.
        what: String,
        /// Number of bytes that it needs.
        needed: u64,
        /// The available memory and what limits it.
        budget: MemoryBudget,
    },
    /// The GPU has too little free memory for a pass.
    #[cfg(feature = "candle")]
    #[error(
        "{what} needs more memory than the GPU has free: use smaller batches (`--batch`) or smaller images (`--imgsz`)"
    )]
    GpuMemory {
        /// The pass that needs the memory.
        what: String,
        /// The error of the driver.
        #[source]
        source: Box<ExecError>,
    },
    /// The system cannot start the requested threads.
    #[error("cannot start {threads} threads: {reason}; use fewer threads")]
    Threads {
        /// The requested number of threads.
        threads: usize,
        /// The reason that the system gives.
        reason: String,
    },
    /// An array does not have the shape that the graph needs.
    #[error("{what} has shape {got:?}, expected {expected}")]
    Shape {
        /// The array.
        what: String,
        /// Its shape.
        got: Vec<usize>,
        /// The expected shape, in words.
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
    /// Backward was requested without a training forward pass that kept the values.
    #[error("backward needs a forward pass in training mode first")]
    NoForward,
    /// A detection head, or what belongs to it, does not fit the network or the batch.
    #[error("{what}: found {found}, expected {expected}")]
    Head {
        /// What does not fit.
        what: &'static str,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The value of a layer was requested, and the last forward pass did not keep it.
    #[error(
        "no value of layer `{node}` is kept: set a tap on it and run a forward pass; backward discards values"
    )]
    NotKept {
        /// Name of the layer.
        node: String,
    },
    /// The gradient at the input was requested, and no backward pass kept it.
    #[error(
        "no gradient at the input is kept: set a tap on the input layer, then run a forward pass in training mode and backward"
    )]
    NoInputGradient,
    /// A layer failed on the device.
    #[cfg(feature = "candle")]
    #[error("layer `{node}` failed")]
    Layer {
        /// Name of the layer.
        node: String,
        /// The reason that candle gives.
        #[source]
        source: Box<candle_core::Error>,
    },
    /// A device operation outside a layer failed.
    #[cfg(feature = "candle")]
    #[error("device operation failed")]
    Candle(#[from] candle_core::Error),
    /// The kernels reject the network: a size does not fit, or the instruction set is not available.
    #[error("the kernels cannot run this network")]
    Kernel(#[source] Box<KernelError>),
    /// A name to freeze is not a trained parameter.
    #[error("cannot freeze `{name}`: it is not a trained parameter of this network")]
    Frozen {
        /// The name.
        name: String,
    },
    /// A name in the penalty map is not a scale or shift of a batch norm.
    #[error(
        "the L1 penalty map contains `{name}`, which is not a weight or bias of a batch norm of this network"
    )]
    Penalised {
        /// The name.
        name: String,
    },
    /// The penalty map has another number of channels than the network.
    #[error("the L1 penalty map has {got} channels for `{name}`, which has {expected} channels")]
    PenaltyLength {
        /// The parameter.
        name: String,
        /// Channels in the map.
        got: usize,
        /// Channels in the network.
        expected: usize,
    },
    /// The size of the images does not fit the graph.
    #[error("the network cannot run on images of this size")]
    Graph(#[from] GraphError),
    /// The parameters do not fit the graph.
    #[error("the parameters do not fit the network")]
    Weights(#[from] CheckpointError),
}

impl ExecError {
    /// The error for a value of `node` that is not there.
    pub(crate) fn not_kept(graph: &Graph, node: NodeId) -> Self {
        // A position of another graph may be too large for this one.
        let name = graph.nodes().get(node.index()).map(|node| node.name().to_owned());
        Self::NotKept { node: name.unwrap_or_else(|| format!("#{}", node.index())) }
    }
}

impl From<KernelError> for ExecError {
    fn from(error: KernelError) -> Self {
        Self::Kernel(Box::new(error))
    }
}
