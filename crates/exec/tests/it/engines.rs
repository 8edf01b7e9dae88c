//! [`Engine`]: all executors, so that each test can run on every one of them.

use bonsai_checkpoint::Weights;
#[cfg(feature = "candle")]
use bonsai_exec::{CandleExecutor, Device};
#[cfg(feature = "cuda")]
use bonsai_exec::{ComputePrecision, CudaExecutor};
use bonsai_exec::{CpuExecutor, CpuOptions, Executor, ExecutorKind, Isa};
use bonsai_graph::Graph;

/// The executors that a program with these features can choose.
#[cfg(feature = "candle")]
pub(crate) const KINDS: &[ExecutorKind] = &[ExecutorKind::Cpu, ExecutorKind::Candle];
#[cfg(not(feature = "candle"))]
pub(crate) const KINDS: &[ExecutorKind] = &[ExecutorKind::Cpu];

/// Whether the tests run on a GPU.
#[cfg(feature = "cuda")]
pub(crate) fn on_gpu() -> bool {
    device() != Device::Cpu
}

/// The device of the candle executor: the one that the environment variable `BONSAI_TEST_DEVICE` names, or the CPU.
#[cfg(feature = "candle")]
pub(crate) fn device() -> Device {
    std::env::var("BONSAI_TEST_DEVICE").map_or(Device::Cpu, |name| name.parse().unwrap())
}

/// An executor and its options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Engine {
    #[cfg(feature = "candle")]
    Candle,
    Cpu(CpuOptions),
    #[cfg(feature = "cuda")]
    Cuda(ComputePrecision),
}

impl Engine {
    /// Candle, the CPU engine on every instruction set of this machine without Winograd, and the CUDA engine if the
    /// tests run on a GPU.
    pub(crate) fn all() -> Vec<Self> {
        let cpu = |isa| Self::Cpu(CpuOptions { threads: 2, winograd: false, isa: Some(isa) });
        let cpus = Isa::available().into_iter().map(cpu);
        #[cfg(feature = "candle")]
        let all = [Self::Candle].into_iter().chain(cpus);
        #[cfg(feature = "cuda")]
        let all = all.chain(on_gpu().then_some(Self::Cuda(ComputePrecision::F32)));
        #[cfg(feature = "candle")]
        let all = all.collect();
        #[cfg(not(feature = "candle"))]
        let all = cpus.collect();
        all
    }

    /// The engine with which tests compare all others, and these: candle, or in a program without it the CPU
    /// engine on the portable instruction set.
    pub(crate) fn first_and_others() -> (Self, Vec<Self>) {
        let mut others = Self::all();
        (others.remove(0), others)
    }

    /// Creates an executor for the network.
    pub(crate) fn start(self, graph: &Graph, weights: &Weights) -> Box<dyn Executor> {
        match self {
            #[cfg(feature = "candle")]
            Self::Candle => Box::new(CandleExecutor::new(graph, weights, device()).unwrap()),
            Self::Cpu(options) => Box::new(CpuExecutor::new(graph, weights, options).unwrap()),
            #[cfg(feature = "cuda")]
            Self::Cuda(precision) => {
                Box::new(CudaExecutor::new(graph, weights, device(), precision).unwrap())
            }
        }
    }
}
