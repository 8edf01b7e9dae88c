//! [`RunContext`]: the settings that all stages of a run share.

use anyhow::Result;
use bonsai_exec::ExecutorOptions;

use crate::{LoadingConfig, Ranks, ensure_usage};

/// The settings that all stages of a run share.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// The executor that runs the network.
    pub executor: ExecutorOptions,
    /// How batches are made.
    pub loader: LoadingConfig,
    /// Whether epochs are evaluated on the smallest canvas for each batch, as in Ultralytics, instead of on
    /// squares.
    pub rect: bool,
    /// The processes that share the trainings of the run; `None` if it has one process.
    pub ranks: Option<Ranks>,
}

impl RunContext {
    /// The same settings in one of several processes.
    #[must_use]
    pub fn in_world(self, ranks: Option<Ranks>) -> Self {
        Self { ranks, ..self }
    }

    /// The settings of a training, in which a process uses its share of the machine: of the memory, and of the cores if no number
    /// of threads is set.
    pub(crate) fn shared(&self) -> Self {
        let mut shared = self.clone();
        if let Some(ranks) = &self.ranks {
            if shared.executor.threads == 0 {
                shared.executor.threads = ranks.threads();
            }
            if let Some(budget) = &mut shared.executor.budget {
                budget.bytes /= ranks.on_this_machine() as u64;
            }
        }
        shared
    }

    /// Number of processes.
    fn world(&self) -> usize {
        self.ranks.as_ref().map_or(1, Ranks::world)
    }

    /// Images per forward pass in each process, of a batch of all.
    ///
    /// # Errors
    /// If the batch cannot be divided equally.
    pub fn batch_of_rank(&self, batch: usize) -> Result<usize> {
        let world = self.world();
        ensure_usage!(
            batch.is_multiple_of(world),
            "batch is {batch}, and {world} processes share it: give a multiple of {world}"
        );
        Ok(batch / world)
    }

    /// Images per forward pass of an evaluation in one process, which has memory for its part of the training batch `batch`.
    pub fn evaluation_batch(&self, batch: usize) -> usize {
        batch.div_ceil(self.world())
    }

    /// Checks that all processes can share a training with this batch.
    ///
    /// # Errors
    /// If the batch or the way in which batches are made cannot be divided.
    pub fn check_shared(&self, batch: usize) -> Result<()> {
        ensure_usage!(
            self.world() == 1 || !self.loader.rect,
            "rect is true, but images of similar shape cannot be divided among processes: leave rect out, or train in one process"
        );
        self.batch_of_rank(batch).map(drop)
    }
}
