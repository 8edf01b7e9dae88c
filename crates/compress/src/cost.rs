//! [`Cost`] of a network as a CPU engine, and [`Scale`], which measures several in turns.

use anyhow::{Context as _, Result};
use bonsai_checkpoint::{Checkpoint, ScratchFolder};
use bonsai_detector::{Detector, write_engine};
use bonsai_graph::Size;
use bonsai_stages::{RunContext, time_images, timed_engine};
use bonsai_tensorrt::EnginePrecision;
use serde::Serialize;

/// The cost of a CPU engine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Median milliseconds for one image, decode included.
    pub latency_ms: f64,
    /// Multiply-accumulates as a fraction of those of the given network.
    pub macs: f64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Measures costs relative to the given network.
pub(crate) struct Scale<'a> {
    pub(crate) context: &'a RunContext,
    /// Multiply-accumulates of the given network.
    pub(crate) macs: u64,
    /// Rounds in which each network is timed at least.
    pub(crate) rounds: usize,
}

impl<'a> Scale<'a> {
    /// The scale of costs relative to `given`.
    ///
    /// # Errors
    /// If the network has no valid shape at the run's image size.
    pub(crate) fn of(given: &Checkpoint, context: &'a RunContext, rounds: usize) -> Result<Self> {
        let macs = given.model.graph().cost(Size::square(context.imgsz))?.macs;
        Ok(Self { context, macs, rounds })
    }

    /// Costs of networks as engines in their precision; the networks take turns when they are timed.
    ///
    /// # Errors
    /// If a network cannot run, or an engine cannot be written to a temporary folder.
    pub(crate) fn measure(&self, networks: &[(&Checkpoint, EnginePrecision)]) -> Result<Vec<Cost>> {
        let context = self.context;
        let scratch = ScratchFolder::within(&std::env::temp_dir())?;
        let file = scratch.path().join("engine.safetensors");
        let mut detectors = Vec::with_capacity(networks.len());
        let mut costs = Vec::with_capacity(networks.len());
        for (network, precision) in networks {
            let engine = timed_engine(network, *precision, context)?;
            write_engine(&engine, &file)?;
            let bytes = std::fs::metadata(&file).context("cannot read the size of an engine")?.len();
            let macs = network.model.graph().cost(Size::square(context.imgsz))?.macs;
            costs.push(Cost { latency_ms: 0.0, macs: macs as f64 / self.macs as f64, bytes });
            detectors.push(Detector::from_checkpoint(engine, context.executor)?);
        }
        let mut turns: Vec<&mut Detector> = detectors.iter_mut().collect();
        let times = time_images(&mut turns, context.imgsz, self.rounds)?;
        for (cost, times) in costs.iter_mut().zip(times) {
            cost.latency_ms = times.latency().p50_ms;
        }
        Ok(costs)
    }
}
