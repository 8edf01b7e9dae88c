//! [`CostModel`]: a rough estimate of what stages cost, for a directory in which nothing has run yet.
//!
//! The model runs the network on one image a few times. Training on an image counts as three such runs: one
//! forward, two backward. Memory is what the layers hold for a batch. Disk space is what the parameters take
//! in the files of a stage.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::Detector;
use bonsai_exec::ExecutorOptions;
use bonsai_graph::Size;
use bonsai_prune::{Candidate, CostTarget, Importance};
use bonsai_stages::{Data, start_checkpoint, trial_steps};
use bonsai_train::TrainConfig;

use crate::estimate::{Basis, Estimate};
use crate::{PipelineConfig, Quiet, Stage, median_latency_ms};

/// Number of runs of the network that training on one image counts as.
const TRAINED: f64 = 3.0;
/// Number of runs that reconstruction counts as, for each image: it takes the outputs of some layers at a time.
/// Measured on a YOLOv8s, with the time of the fits.
const REFITTED: f64 = 6.0;
/// Number of timed runs.
const RUNS: usize = 3;
/// Seconds to draw one image.
const DRAWN: f64 = 0.002;
/// Seconds for everything else: opening files, suppression, writing.
const BASE: f64 = 1.0;
/// Bytes of a drawn image per pixel.
const DENSITY: f64 = 2.1;
/// Resident memory of the program itself, in MiB.
const PROGRAM: f64 = 60.0;
const MIB: f64 = 1_048_576.0;

/// The measured and counted quantities.
#[derive(Debug)]
pub(crate) struct CostModel<'a> {
    config: &'a PipelineConfig,
    /// Seconds of one run on one image.
    run: f64,
    params: f64,
    /// Bytes that the layers hold for one image.
    layers: f64,
    /// Number of images of the splits train, val and test.
    images: [f64; 3],
}

impl<'a> CostModel<'a> {
    /// Times the network that the configuration names.
    ///
    /// # Errors
    /// If the network does not exist or cannot run.
    pub(crate) fn new(
        config: &'a PipelineConfig,
        executor: ExecutorOptions,
        data: Option<&Data>,
    ) -> Result<Self> {
        let names = data.map_or_else(|| config.shapes.class_names(), |data| data.class_names.clone());
        let checkpoint = start_checkpoint(&config.model, &names, config.seed, &mut Quiet)?;
        let graph = checkpoint.model.graph();
        let cost = graph.cost(Size::square(config.imgsz))?;
        let values: usize = graph.shapes(Size::square(config.imgsz))?.iter().map(|shape| shape.len()).sum();
        let shapes = &config.shapes;
        let images = match data {
            Some(data) => [&data.train, &data.val, &data.test].map(|split| split.samples.len()),
            None => [shapes.train, shapes.val, shapes.test],
        };
        let run = seconds_of(checkpoint, executor, config.imgsz)?;
        let params = cost.params as f64;
        let layers = 4.0 * values as f64;
        Ok(Self { config, run, params, layers, images: images.map(|n| n as f64) })
    }

    /// Estimates the cost of a stage.
    pub(crate) fn of(&self, stage: Stage) -> Estimate {
        let (c, [_, val, test]) = (self.config, self.images);
        let left = self.left();
        let calibrated = 128.0f64.min(self.images[0]);
        let (seconds, memory, disk) = match stage {
            Stage::Dataset if c.data.is_some() => (0.1, 0.0, 1_000.0),
            Stage::Dataset => {
                let drawn: f64 = self.images.iter().sum();
                (DRAWN * drawn, 0.0, DENSITY * drawn * (c.shapes.imgsz * c.shapes.imgsz) as f64)
            }
            Stage::Baseline => self.training(&c.baseline, 1.0),
            Stage::Control => {
                self.training(&TrainConfig { epochs: c.further_epochs(), ..c.finetune.clone() }, 1.0)
            }
            Stage::Sparse => self.training(&c.sparse, 1.0),
            Stage::Prune if c.iterate.steps > 1 => {
                let step = TrainConfig { epochs: c.iterate.epochs, ..c.finetune.clone() };
                let (seconds, memory, _) = self.training(&step, f64::midpoint(1.0, left));
                let steps = c.iterate.steps as f64;
                (steps * (seconds + 2.0 * val * self.run), memory, 4.0 * self.params * left)
            }
            Stage::Prune if c.score.importance == Importance::Best => {
                // Every candidate trains every network for some steps.
                let steps = trial_steps(&c.extras, &c.finetune, self.images[0] as usize);
                let images = (steps * c.finetune.nbs * Candidate::DEFAULT.len()) as f64;
                let runs = TRAINED * images * c.pruned_stages().len() as f64;
                let (_, memory, _) = self.training(&c.finetune, left);
                let refits = self.refit() * (Candidate::DEFAULT.len() * c.pruned_stages().len()) as f64;
                (BASE + refits + left * self.run * runs, memory, 4.0 * self.params * left)
            }
            Stage::Prune => (BASE + self.refit(), 8.0 * self.params, 4.0 * self.params * left),
            Stage::Finetune => {
                let (seconds, memory, disk) = self.training(&c.finetune, left);
                if c.distill.is_on() {
                    // The teacher runs once on every image; it holds its weights and the values of one batch.
                    let runs = c.finetune.epochs as f64 * self.images[0];
                    let held = 4.0 * self.params + c.finetune.batch as f64 * self.layers;
                    (seconds + runs * self.run, memory + held, disk)
                } else {
                    (seconds, memory, disk)
                }
            }
            Stage::Export => {
                // Three files for each network, with 4, 2 and 1 bytes for a parameter.
                let runs = (calibrated + 20.0) * self.run * (1.0 + left);
                (6.0 * BASE + runs, 12.0 * self.params + 8.0 * self.layers, 7.0 * self.params * (1.0 + left))
            }
            Stage::Engine => (BASE, 8.0 * self.params, 4.0 * self.params * (1.0 + left)),
            Stage::Report => {
                // The rows are checkpoints, engines and ONNX files before and after pruning; other runtimes
                // take longer.
                let rows = 4.0 + 2.0 * 3.0 * (1.0 + left);
                let timed = 1.0 + c.latency_runs as f64;
                (
                    5.0 * BASE + rows * (test + timed) * self.run,
                    30.0 * self.params + 8.0 * self.layers,
                    300_000.0,
                )
            }
        };
        Estimate { seconds, memory_mib: PROGRAM + memory / MIB, disk_bytes: disk as u64, basis: Basis::Macs }
    }

    /// Seconds, bytes of memory and bytes on disk for training a network that has the fraction `left` of the
    /// MACs.
    fn training(&self, config: &TrainConfig, left: f64) -> (f64, f64, f64) {
        let [train, val, _] = self.images;
        let evaluation = (config.epochs as f64 / config.val_period.max(1) as f64).ceil();
        let runs = config.epochs as f64 * train * TRAINED + evaluation * val;
        // Weights, gradients, momentum and average; activations and gradients of every layer.
        let memory = left * (16.0 * self.params + 2.0 * config.batch as f64 * self.layers)
            + self.pictures().min(self.config.loader.cache_bytes as f64);
        // Best weights; then average, weights and momentum to resume from.
        (BASE + left * self.run * runs, memory, left * 16.0 * self.params)
    }

    /// Seconds for one reconstruction of a pruned network.
    fn refit(&self) -> f64 {
        let extras = &self.config.extras;
        let images = self.images[0].min((extras.reconstruct * extras.batch) as f64);
        REFITTED * images * self.run
    }

    /// Bytes of all decoded training images at the network's image size.
    fn pictures(&self) -> f64 {
        3.0 * (self.config.imgsz * self.config.imgsz) as f64 * self.images[0]
    }

    /// Fraction of the MACs that pruning is to leave.
    fn left(&self) -> f64 {
        match self.config.prune.target {
            Some(CostTarget::Params(share) | CostTarget::Macs(share) | CostTarget::Latency(share)) => share,
            Some(CostTarget::LatencyMs(ms)) => (ms / (1e3 * self.run)).min(1.0),
            None => 1.0 - self.config.prune.prune_ratio,
        }
    }
}

fn seconds_of(checkpoint: Checkpoint, executor: ExecutorOptions, imgsz: usize) -> Result<f64> {
    let mut detector = Detector::from_checkpoint(checkpoint, executor)?;
    Ok(median_latency_ms(&mut [&mut detector], imgsz, RUNS)?[0] / 1e3)
}
