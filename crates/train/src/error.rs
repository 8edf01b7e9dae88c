//! [`TrainError`]: why a training stops early.

use bonsai_checkpoint::CheckpointError;
use bonsai_collective::CollectiveError;
use bonsai_exec::ExecError;
use bonsai_yolov8::{HeadError, LossItems};

use crate::Optimizer;

/// An error of a closure that the caller supplies.
pub(crate) type ServiceError = Box<dyn std::error::Error + Send + Sync>;

/// The cause of an error, and the epoch and batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A number of the configuration is outside its range.
    #[error("{field} is {got}, must be {expected}")]
    Config {
        /// Name of the setting.
        field: &'static str,
        /// Its value.
        got: String,
        /// The accepted range, in words.
        expected: String,
    },
    /// The loss or the gradient is not finite.
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
        /// The loss against the teacher for this batch, if there is a teacher.
        distill: Option<f32>,
        /// The gradient's norm before clipping; `None` if the loss was not finite, so no gradient was
        /// computed.
        gradient_norm: Option<f32>,
        /// Image names: of this batch if the loss was not finite, of all accumulated batches if the gradient
        /// was not.
        images: Vec<String>,
        /// The last complete epoch, whose checkpoint is good; 0 means the checkpoint that training started
        /// from.
        good_epoch: usize,
    },
    /// A parameter or running statistic is not finite, although all losses and gradients were.
    #[error(
        "`{name}` is not finite after batch {batch} of epoch {epoch}, although losses and gradients were; this state \
         was not saved; {}; try a smaller lr0, and look for images with values outside 0 to 1",
        last_good(*good_epoch)
    )]
    Poisoned {
        /// Name of the parameter in the checkpoint.
        name: String,
        /// Epoch from 1.
        epoch: usize,
        /// Number of batches done in the epoch.
        batch: usize,
        /// The last complete epoch before, whose checkpoint is good; 0 means the checkpoint that training
        /// started from.
        good_epoch: usize,
    },
    /// The ranks of a data-parallel training cannot continue together.
    #[error("the processes of the training stopped in epoch {epoch}, after batch {batch}; {}", last_good(*good_epoch))]
    Ranks {
        /// Epoch from 1.
        epoch: usize,
        /// Number of batches done in the epoch.
        batch: usize,
        /// The last complete epoch, whose checkpoint is good; 0 means the checkpoint that training started from.
        good_epoch: usize,
        /// What failed.
        #[source]
        source: CollectiveError,
    },
    /// The layers to freeze do not fit the network.
    #[error("cannot freeze: {what}; its modules are {}", modules.join(", "))]
    Freeze {
        /// What does not fit.
        what: String,
        /// The modules that have parameters.
        modules: Vec<String>,
    },
    /// The checkpoint already has at least as many epochs as configured.
    #[error("the checkpoint has {done} of {epochs} epochs, so there is nothing to train; raise epochs")]
    Finished {
        /// Epochs done.
        done: usize,
        /// Number of epochs in the configuration.
        epochs: usize,
    },
    /// Patience already ended the training of the checkpoint.
    #[error(
        "epoch {best} is the best of the checkpoint's {done} epochs, and patience is {patience}: nothing to train; \
         raise patience, or set it to 0"
    )]
    OutOfPatience {
        /// Epochs done.
        done: usize,
        /// The best epoch, from 1.
        best: usize,
        /// Number of epochs to wait for a better one.
        patience: usize,
    },
    /// The checkpoint's optimiser state belongs to another optimiser.
    #[error(
        "the checkpoint was trained with {trained} and cannot be resumed with {asked}: resume with {trained}, \
         or start a new training from its weights"
    )]
    Optimizer {
        /// The optimiser of the checkpoint.
        trained: Optimizer,
        /// The optimiser in the configuration.
        asked: Optimizer,
    },
    /// The checkpoint was saved within an epoch whose number of batches has changed.
    #[error(
        "the checkpoint was saved after {done} of {of} batches of an epoch, which now has {batches}: the dataset or the \
         batch size changed; resume with the original ones, or start a new training from its weights"
    )]
    Position {
        /// Number of batches done.
        done: usize,
        /// Number of batches that the epoch had.
        of: usize,
        /// Number of batches that an epoch has now.
        batches: usize,
    },
    /// The executor failed.
    #[error("the network failed in epoch {epoch}, batch {batch}")]
    Exec {
        /// Epoch from 1; 0 before the first.
        epoch: usize,
        /// Batch of the epoch, from 1; 0 between epochs.
        batch: usize,
        /// Error of the executor.
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
        /// Error of the loss.
        #[source]
        source: Box<HeadError>,
    },
    /// The batch source failed.
    #[error("batch {batch} of epoch {epoch} cannot be made")]
    Batch {
        /// Epoch from 1.
        epoch: usize,
        /// Batch of the epoch, from 1.
        batch: usize,
        /// Error of the batch source.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A closure of the caller failed: calibration before an epoch, or evaluation or saving after it.
    #[error("the {service} of epoch {epoch} failed")]
    Service {
        /// Name of the closure's task.
        service: &'static str,
        /// Epoch from 1.
        epoch: usize,
        /// Error of the closure.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The checkpoint cannot be built from the trained weights.
    #[error("the trained weights do not fit the network")]
    Checkpoint(#[from] CheckpointError),
}

impl TrainError {
    /// Wraps an executor error at a batch of an epoch, both from 1; 0 means outside of epochs or batches.
    pub(crate) fn exec(epoch: usize, batch: usize, source: ExecError) -> Self {
        Self::Exec { epoch, batch, source: Box::new(source) }
    }
}

/// Text for the loss against the teacher, after the other losses.
fn taught(distill: Option<f32>) -> String {
    distill.map_or_else(String::new, |loss| format!(", loss against the teacher {loss}"))
}

fn norm(norm: Option<f32>) -> String {
    norm.map_or_else(|| "not computed".to_owned(), |norm| norm.to_string())
}

/// Maximum number of image names in a message.
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
        0 => "no epoch was complete, so the last good checkpoint is the one that training started from"
            .to_owned(),
        epoch => format!("the last good checkpoint is that of epoch {epoch}"),
    }
}
