//! [`Inference`]: runs one network forward only.

use std::time::Duration;

use bonsai_checkpoint::Array;
use bonsai_graph::Graph;

use crate::ExecError;

/// Runs one graph forward with parameters that do not change.
pub trait Inference {
    /// The network.
    fn graph(&self) -> &Graph;

    /// Runs the network on `images` `[n, c, h, w]` with running statistics and returns the raw outputs
    /// `[n, c, h, w]` in the order of the graph. The next run reuses their memory.
    ///
    /// # Errors
    /// [`ExecError::Shape`] if the channels differ, [`ExecError::Graph`] if the size does not fit.
    fn infer(&mut self, images: &Array) -> Result<&[Array], ExecError>;

    /// Checks that a pass over `[n, h, w]` (images, height and width in pixels) fits into the memory budget
    /// of the options, without allocating. Callers whose images take memory too can call it before they load
    /// them.
    ///
    /// # Errors
    /// [`ExecError::Memory`] if it does not fit; [`ExecError::Graph`] if the graph cannot run on the size.
    fn check_memory(&mut self, size: [usize; 3]) -> Result<(), ExecError>;

    /// As [`Executor::set_timing`](crate::Executor::set_timing).
    fn set_timing(&mut self, on: bool) {
        let _ = on;
    }

    /// As [`Executor::timings`](crate::Executor::timings).
    fn timings(&self) -> Vec<(String, Duration)> {
        Vec::new()
    }
}
