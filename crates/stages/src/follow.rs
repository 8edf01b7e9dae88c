//! [`follow`]: how the processes after the first one take part in its trainings.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Sample, Split};
use bonsai_exec::Device;
use bonsai_train::{EpochRecord, EpochTiming, StepRecord};

use crate::train::{TrainWatch, train_stage};
use crate::training_job::{JobObjective, TrainingJob, receive_job};
use crate::{Data, FeatureImitation, Objective, Ranks, RunContext, Teacher, executor_options};

/// Takes part in the trainings of the first process until it sends no more. `local_rank` is the number of this process among
/// those of its machine, and of its GPU; `stop` says whether to ask for the end of the training.
///
/// # Errors
/// If the first process is lost, or a training fails in this process.
pub fn follow(ranks: &Ranks, local_rank: usize, stop: &mut dyn FnMut() -> bool) -> Result<()> {
    while let Some((job, start, teacher)) = receive_job(ranks)? {
        train(job, (&start, teacher), ranks, local_rank, stop)?;
    }
    Ok(())
}

/// Trains with a job.
fn train(
    job: TrainingJob,
    (start, teacher): (&Checkpoint, Option<Checkpoint>),
    ranks: &Ranks,
    local_rank: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<()> {
    let train = Arc::new(Split {
        samples: job.samples.into_iter().map(Sample::from).collect(),
        class_names: job.class_names.clone(),
    });
    let one = Arc::new(Split {
        samples: train.samples.iter().take(1).cloned().collect(),
        class_names: train.class_names.clone(),
    });
    let data = Data {
        yaml: PathBuf::from("the dataset of the first process"),
        class_names: job.class_names,
        // Only the first process evaluates.
        val: Arc::clone(&one),
        test: one,
        train,
        test_name: "",
        flaws: Vec::new(),
    };
    let device = if job.on_gpu { Device::Cuda(local_rank) } else { Device::Cpu };
    let context = RunContext {
        imgsz: job.imgsz,
        seed: job.config.seed,
        executor: executor_options(job.executor, &device.to_string(), job.precision, job.threads)?,
        loader: job.loader,
        rect: false,
        ranks: None,
    };
    let context = context.in_world(Some(ranks.clone()));
    let teacher = match (&job.objective, teacher) {
        (JobObjective::Distillation { logits, features }, Some(checkpoint)) => Some(Teacher {
            checkpoint,
            logits: *logits,
            features: features.clone().map(|(matching, settings)| FeatureImitation { matching, settings }),
        }),
        _ => None,
    };
    let objective = match (&job.objective, &teacher) {
        (JobObjective::Sparsity(l1), _) => Objective::Sparsity(l1),
        (_, Some(teacher)) => Objective::Distillation(teacher),
        _ => Objective::Detection,
    };
    train_stage(start, &data, &job.config, objective, &context, &mut Unwatched(stop))?;
    Ok(())
}

/// Ignores the events of a training that another process watches, but for a request to stop.
struct Unwatched<'a>(&'a mut dyn FnMut() -> bool);

impl TrainWatch for Unwatched<'_> {
    fn note(&mut self, _: &str) {}

    fn step(&mut self, _: &StepRecord) -> ControlFlow<()> {
        if (self.0)() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, _: &EpochRecord, _: &EpochTiming, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}
