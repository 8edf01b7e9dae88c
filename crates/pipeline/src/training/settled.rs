//! [`settle`]: the numbers that stand for settings which a training chooses itself, so that it resumes with the same.

use bonsai_stages::Data;

use super::TrainRunConfig;
use crate::Progress;

/// The arguments of a new training with every choice made.
pub(super) fn settle(args: &TrainRunConfig, data: &Data, progress: &mut dyn Progress) -> TrainRunConfig {
    let mut settled = args.clone();
    let images = data.train.samples.len();
    if let Some((named, line)) = settled.train.with_named_optimizer(images, data.class_names.len()) {
        progress.note(&line);
        settled.train = named;
    }
    settled
}
