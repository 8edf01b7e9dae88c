//! [`train`]: the loop over epochs that trains, evaluates, keeps the best weights and stops.

use std::time::Instant;

use bonsai_checkpoint::Checkpoint;
use bonsai_collective::Collective;
use bonsai_exec::Executor;
use bonsai_yolov8::ClassWeights;

use crate::config::refuse;
use crate::error::ServiceError;
use crate::pass::Run;
use crate::{
    BatchSource, ChooseCodes, Distill, EpochRecord, EpochTiming, Evaluation, Observer, Optimizer,
    PenaltyPlan, TrainConfig, TrainError,
};

/// The closures and objects that a training needs.
pub struct Services<'a> {
    /// The network on its device; the checkpoint's parameters replace its own.
    pub executor: &'a mut dyn Executor,
    /// Training batches.
    pub batches: &'a mut dyn BatchSource,
    /// Evaluates averaged weights on the validation split.
    pub evaluate: &'a mut dyn FnMut(&Checkpoint) -> Result<Evaluation, ServiceError>,
    /// L1 on batch norm.
    pub penalty: PenaltyPlan<'a>,
    /// Adds the loss against a teacher to the loss of every batch; `None` without a teacher.
    pub distill: Option<&'a mut Distill<'a>>,
    /// Chooses the 8-bit codes to which the training rounds; used only with [`TrainConfig::qat`], which then
    /// needs it.
    pub codes: Option<&'a mut ChooseCodes<'a>>,
    /// The processes that train together, each on its part of every batch: the first evaluates for all, and each passes the
    /// records of its own batches to its observer. `None` trains alone.
    pub ranks: Option<&'a mut dyn Collective>,
    /// Weights of the classes in the loss; used only with [`TrainConfig::cls_pw`] above 0, which then needs them.
    pub class_weights: Option<&'a ClassWeights>,
    /// Receives a record of every batch and epoch.
    pub observer: &'a mut dyn Observer,
}

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// All epochs are done.
    Finished,
    /// The best epoch is [`TrainConfig::patience`] epochs ago.
    Patience,
    /// [`PenaltyPlan::ByLoss`] returned `None`.
    Penalty,
    /// The observer ended the training; it can be resumed from [`Trained::last`].
    Interrupted,
}

/// The result of a training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The averaged weights with the best fitness; on a tie the later ones. `None` if no epoch of this call
    /// was as good as an earlier epoch, whose weights the caller has.
    pub best: Option<Checkpoint>,
    /// The averaged weights at the end, with the state that is needed to resume.
    pub last: Checkpoint,
    /// Records of every epoch that this call completed.
    pub history: Vec<EpochRecord>,
    /// Why the training ended.
    pub stopped: Stopped,
}

/// Trains `start`, or resumes it if it has a [`TrainState`](bonsai_checkpoint::TrainState).
///
/// A resumed training gives the same bits as one that never stopped, given the same batches and executor,
/// even if it stopped within an epoch. The caller must keep the best weights of earlier epochs;
/// [`TrainProgress::best_fitness`](bonsai_checkpoint::TrainProgress::best_fitness) decides whether new ones are better.
///
/// # Errors
/// [`TrainError`] with the epoch and the batch.
pub fn train(
    start: &Checkpoint,
    config: &TrainConfig,
    services: Services<'_>,
) -> Result<Trained, TrainError> {
    config.check()?;
    if config.optimizer == Optimizer::Auto {
        refuse(
            "optimizer",
            &config.optimizer,
            "named, because its choice depends on the dataset".to_owned(),
        )?;
    }
    let Services { executor, batches, evaluate, penalty, distill, codes, ranks, class_weights, observer } =
        services;
    // Shortens the lifetime of the trait object to that of the reference.
    let distill = distill.map(|distill| distill as &mut Distill<'_>);
    let ranks = ranks.map(|ranks| ranks as &mut dyn Collective);
    let mut run = Run::start(start, config, executor, (distill, ranks), batches.batches())?;
    run.class_weights = class_weights.filter(|_| config.cls_pw > 0.0);
    if config.cls_pw > 0.0 && class_weights.is_none() {
        refuse("cls_pw", &config.cls_pw, "0, because the caller counts no classes".to_owned())?;
    }
    let mut codes = codes.filter(|_| config.qat);
    if config.qat && codes.is_none() {
        refuse("qat", &"true", "false, because the caller chooses no codes".to_owned())?;
    }
    run.quantization = start.quantization.clone().filter(|_| config.qat);
    let mut best = None;
    let mut history = Vec::new();
    loop {
        let epoch = run.progress.epoch;
        let begin = Instant::now();
        let mut timing = EpochTiming::default();
        // A training that was killed after its last epoch has nothing left to train.
        let Some(strength) = penalty.next(&run.progress) else {
            let last = run.checkpoint(start)?;
            return Ok(Trained { best, last, history, stopped: Stopped::Penalty });
        };
        if let Some(choose) = &mut codes {
            run.round(start, &mut **choose)?;
        }
        let Some(mut record) = run.epoch(batches, strength, observer, &mut timing.waiting)? else {
            let last = run.checkpoint(start)?;
            return Ok(Trained { best, last, history, stopped: Stopped::Interrupted });
        };
        if matches!(penalty, PenaltyPlan::ByLoss(_)) {
            run.progress.losses.push(record.box_loss + record.cls_loss + record.dfl_loss);
        }
        run.agree()?;
        let is_last = penalty.next(&run.progress).is_none();
        let mut last = run.checkpoint(start)?;
        let mut stopped = (run.progress.epoch == config.epochs).then_some(Stopped::Finished);
        if is_last {
            stopped.get_or_insert(Stopped::Penalty);
        }
        if config.evaluates_after(run.progress.epoch) || is_last {
            let deployed = last.deployed();
            let service = |source| TrainError::Service { service: "evaluation", epoch: epoch + 1, source };
            let clock = Instant::now();
            let evaluation = run.evaluate(|| evaluate(&deployed).map_err(service))?;
            timing.evaluating = clock.elapsed().as_secs_f64();
            record.evaluation = Some(evaluation);
            let fitness = evaluation.fitness();
            if fitness.is_finite() && run.progress.best_fitness.is_none_or(|best| fitness >= best) {
                run.progress.best_fitness = Some(fitness);
                run.progress.best_epoch = Some(epoch + 1);
                best = Some(deployed);
            }
            if let Some(train) = &mut last.train {
                train.progress = run.progress.clone();
            }
            if config.out_of_patience(&run.progress).is_some() {
                stopped.get_or_insert(Stopped::Patience);
            }
        }
        if run.stopping {
            stopped.get_or_insert(Stopped::Interrupted);
        }
        let service = |source| TrainError::Service { service: "observer", epoch: epoch + 1, source };
        timing.seconds = begin.elapsed().as_secs_f64();
        observer.on_epoch(&record, &timing, &last).map_err(service)?;
        history.push(record);
        if let Some(stopped) = stopped {
            return Ok(Trained { best, last, history, stopped });
        }
    }
}
