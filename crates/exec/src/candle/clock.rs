//! [`Clock`]: measures the time of each layer on request.

use std::time::{Duration, Instant};

use bonsai_graph::{Graph, NodeId};

/// Sums the time of each layer. It is off by default and then reads no clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Time of each layer; empty if the clock is off.
    forward: Vec<Duration>,
    backward: Vec<Duration>,
}

impl Clock {
    /// A clock at zero for the layers of `graph`.
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

    /// Forward times by layer, then backward times in reverse order; layers with zero time did not run and
    /// are left out.
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
