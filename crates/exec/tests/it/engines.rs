//! [`Engine`]: all executors, so that each test can run on every one of them.

use bonsai_checkpoint::Weights;
use bonsai_exec::{CandleExecutor, CpuExecutor, CpuOptions, Device, Executor, Isa};
use bonsai_graph::Graph;

/// An executor and its options.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Engine {
    Candle,
    Cpu(CpuOptions),
}

impl Engine {
    /// Candle, and the CPU engine on every instruction set of this machine without Winograd.
    pub(crate) fn all() -> Vec<Self> {
        let cpu = |isa| Self::Cpu(CpuOptions { threads: 2, winograd: false, isa: Some(isa) });
        [Self::Candle].into_iter().chain(Isa::available().into_iter().map(cpu)).collect()
    }

    /// Creates an executor for the network.
    pub(crate) fn start(self, graph: &Graph, weights: &Weights) -> Box<dyn Executor> {
        match self {
            Self::Candle => Box::new(CandleExecutor::new(graph, weights, Device::Cpu).unwrap()),
            Self::Cpu(options) => Box::new(CpuExecutor::new(graph, weights, options).unwrap()),
        }
    }
}
