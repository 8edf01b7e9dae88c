//! How long each layer takes, where somebody asks.

use std::time::{Duration, Instant};

use bonsai_graph::{Graph, NodeId};

/// Adds up the time of each layer; off by default, and then it reads no clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// By layer; empty when off.
    forward: Vec<Duration>,
    backward: Vec<Duration>,
}

impl Clock {
    /// At zero, for the layers of `graph`.
    pub(super) fn on(graph: &Graph) -> Self {
        let zeros = vec![Duration::ZERO; graph.nodes().len()];
        Self { forward: zeros.clone(), backward: zeros }
    }

    pub(super) fn forward<T>(&mut self, id: NodeId, work: impl FnOnce() -> T) -> T {
        timed(self.forward.get_mut(id.index()), work)
    }

    pub(super) fn backward<T>(&mut self, id: NodeId, work: impl FnOnce() -> T) -> T {
        timed(self.backward.get_mut(id.index()), work)
    }

    /// Forward by layer, then backward in reverse; what took no time at all did not run.
    pub(super) fn timings(&self, graph: &Graph) -> Vec<(String, Duration)> {
        let forward =
            graph.nodes().iter().zip(&self.forward).map(|(node, time)| (node.name().to_owned(), *time));
        let backward = graph.nodes().iter().zip(&self.backward).rev();
        let backward = backward.map(|(node, time)| (format!("{} backward", node.name()), *time));
        forward.chain(backward).filter(|(_, time)| !time.is_zero()).collect()
    }
}

fn timed<T>(sum: Option<&mut Duration>, work: impl FnOnce() -> T) -> T {
    let Some(sum) = sum else { return work() };
    let start = Instant::now();
    let result = work();
    *sum += start.elapsed();
    result
}
