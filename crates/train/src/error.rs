//! Why a training stops early.

use bonsai_checkpoint::CheckpointError;
use bonsai_exec::ExecError;
use bonsai_yolov8::{HeadError, LossItems};

use crate::Optimizer;

/// What went wrong, and where in the training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A number of the configuration is outside its range.
    #[error("{field} is {got}, must be {expected}")]
    Config {
        /// Which knob.
        field: &'static str,
        /// Its value.
        got: String,
        /// The accepted range, in words.
        expected: String,
    },
    /// The loss or the gradient is no longer a number.
    #[error(
        "training diverged in epoch {epoch}, batch {batch}, optimiser step {step}: box loss {}, class loss {}, \
         distribution loss {}{}, gradient norm {}, {}; {}; try a smaller lr0 or a longer warm-up, and look at these images",
        loss.bbox, loss.cls, loss.dfl, taught(*distill), norm(*gradient_norm), listed(images), last_good(*good_epoch)
    )]
    Diverged {
        /// Epoch from 1.
        epoch: usize,
        /// Batch of the epoch, from 1.
        batch: usize,
        /// Optimiser step that this batch belongs to, from 1.
        step: u64,
        /// The parts of this batch's loss.
        loss: LossItems,
        /// What a teacher added to the loss of this batch, where there is one.
        distill: Option<f32>,
        /// The gradient's norm before clipping; `None` where the loss was no number, and there was no gradient.
        gradient_norm: Option<f32>,
        /// The images: of this batch for a loss, of all whose gradients were added up for a gradient.
        images: Vec<String>,
        /// The last complete epoch, whose checkpoint is good; 0 is what training started from.
        good_epoch: usize,
    },
    /// A parameter or running statistic is no longer a number, though all losses and gradients were.
    #[error(
        "`{name}` is no longer a finite number after batch {batch} of epoch {epoch}, though losses and gradients were; \
         nothing of it was saved; {}; try a smaller lr0, and look for images with values outside 0 to 1",
        last_good(*good_epoch)
    )]
    Poisoned {
        /// Its name in the checkpoint.
        name: String,
        /// Epoch from 1.
        epoch: usize,
        /// Batches done in it.
        batch: usize,
        /// The last complete epoch before, whose checkpoint is good; 0 is what training started from.
        good_epoch: usize,
    },
    /// What is to be frozen does not fit the network.
    #[error("cannot freeze: {what}; its modules are {}", modules.join(", "))]
    Freeze {
        /// What is wrong.
        what: String,
        /// The modules that have parameters.
        modules: Vec<String>,
    },
    /// The checkpoint was trained for at least as long as asked for.
    #[error("the checkpoint has {done} of {epochs} epochs: nothing to train; raise epochs")]
    Finished {
        /// Epochs done.
        done: usize,
        /// Epochs asked for.
        epochs: usize,
    },
    /// Patience has ended the training of the checkpoint.
    #[error(
        "the best of the checkpoint's {done} epochs is epoch {best}, and patience is {patience}: nothing to train; \
         raise patience, or set it to 0"
    )]
    OutOfPatience {
        /// Epochs done.
        done: usize,
        /// The best of them, from 1.
        best: usize,
        /// Epochs to wait for a better one.
        patience: usize,
    },
    /// The checkpoint's state is another optimiser's.
    #[error(
        "the checkpoint was trained with {trained} and cannot go on with {asked}: resume with {trained}, \
         or start anew from its weights"
    )]
    Optimizer {
        /// Which one the state is of.
        trained: Optimizer,
        /// Which one is asked for.
        asked: Optimizer,
    },
    /// The checkpoint stands inside an epoch that is no longer the same.
    #[error(
        "the checkpoint stands after {done} of {of} batches of an epoch, which now has {batches}: the dataset or the \
         batch size changed; resume with those it was trained with, or start anew from its weights"
    )]
    Position {
        /// Batches done.
        done: usize,
        /// Batches that the epoch had.
        of: usize,
        /// Batches that an epoch has now.
        batches: usize,
    },
    /// The network failed.
    #[error("the network failed in epoch {epoch}, batch {batch}")]
    Exec {
        /// Epoch from 1; 0 before the first.
        epoch: usize,
        /// Batch of the epoch, from 1; 0 between epochs.
        batch: usize,
        /// Why.
        #[source]
        source: Box<ExecError>,
    },
    /// The loss cannot be computed.
    #[error("the loss cannot be computed in epoch {epoch}, batch {batch}")]
    Loss {
        /// Epoch from 1.
        epoch: usize,
        /// Batch of the epoch, from 1.
        batch: usize,
        /// Why.
        #[source]
        source: Box<HeadError>,
    },
    /// There is no next batch to train on.
    #[error("batch {batch} of epoch {epoch} cannot be made")]
    Batch {
        /// Epoch from 1.
        epoch: usize,
        /// Batch of the epoch, from 1.
        batch: usize,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Evaluation or saving, which the caller supplies, failed.
    #[error("the {service} after epoch {epoch} failed")]
    Service {
        /// Which service.
        service: &'static str,
        /// Epoch from 1.
        epoch: usize,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A checkpoint cannot be put together.
    #[error("the trained weights do not fit the network")]
    Checkpoint(#[from] CheckpointError),
}

impl TrainError {
    /// The network failed at a batch of an epoch, both from 1, or at none where they are 0.
    pub(crate) fn exec(epoch: usize, batch: usize, source: ExecError) -> Self {
        Self::Exec { epoch, batch, source: Box::new(source) }
    }
}

/// The part of a teacher, after the others.
fn taught(distill: Option<f32>) -> String {
    distill.map_or_else(String::new, |loss| format!(", loss against the teacher {loss}"))
}

fn norm(norm: Option<f32>) -> String {
    norm.map_or_else(|| "not computed".to_owned(), |norm| norm.to_string())
}

/// How many names a message lists.
const LISTED: usize = 4;

fn listed(names: &[String]) -> String {
    let (first, rest) = names.split_at(names.len().min(LISTED));
    match (first, rest.len()) {
        ([], _) => "images without names".to_owned(),
        (first, 0) => format!("{} images: {}", first.len(), first.join(", ")),
        (first, more) => format!("{} images: {} and {more} more", names.len(), first.join(", ")),
    }
}

fn last_good(epoch: usize) -> String {
    match epoch {
        0 => "no epoch was complete, so what training started from is the last that is good".to_owned(),
        epoch => format!("the checkpoint of epoch {epoch} is the last that is good"),
    }
}
