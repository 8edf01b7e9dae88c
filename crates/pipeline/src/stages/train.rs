//! Baseline, sparsity training and fine-tuning: one trainer, different rules.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Loader, LoaderConfig};
use bonsai_detector::Detector;
use bonsai_exec::{ExecutorOptions, build_executor};
use bonsai_sparsity::{PlannedUpdate, Travel};
use bonsai_train::{
    EpochRecord, EpochTiming, Evaluation, Observer, Penalty, Services, StepRecord, TrainConfig, Trained,
    train,
};

use super::{Data, validation_loader};
use crate::batches::LoaderBatches;
use crate::{L1Config, LoaderSettings, Progress, evaluate};

/// What all trainings of a run share.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Where all randomness starts from.
    pub seed: u64,
    /// What runs the network.
    pub executor: ExecutorOptions,
    /// How batches are made.
    pub loader: LoaderSettings,
}

/// Trains `start` on `data`; with `l1`, towards small gammas and betas.
///
/// # Errors
/// If the network, the loader or the evaluation fails, or the training diverges.
pub fn train_stage(
    start: &Checkpoint,
    data: &Data,
    config: &TrainConfig,
    l1: Option<&L1Config>,
    setting: &Setting,
    progress: &mut dyn Progress,
) -> Result<Trained> {
    let config = TrainConfig { seed: setting.seed, ..config.clone() };
    let mut start = Checkpoint { train: None, ..start.clone() };
    start.metadata.insert("imgsz".to_owned(), setting.imgsz.to_string());
    let loader_config = LoaderConfig {
        rect: None,
        imgsz: setting.imgsz,
        batch: config.batch,
        seed: setting.seed,
        shuffle: true,
        augment: Some(setting.loader.augment),
        mosaic_epochs: Some(config.epochs.saturating_sub(setting.loader.close_mosaic) as u64),
        workers: setting.loader.workers,
        cache_bytes: setting.loader.cache_bytes,
    };
    let loader = Loader::new(Arc::clone(&data.train), loader_config)?;
    let validation = validation_loader(&data.val, setting.imgsz, config.batch, &setting.loader)?;
    if let Some(l1) = l1 {
        warn_about_travel(l1, &config, loader.batches(), progress);
    }
    let mut executor = build_executor(start.model.graph(), &start.weights, &setting.executor)?;
    let mut judge = |checkpoint: &Checkpoint| {
        let mut detector = Detector::from_checkpoint(checkpoint.clone(), setting.executor)?;
        let metrics = evaluate(&mut detector, &validation).map_err(anyhow::Error::into_boxed_dyn_error)?;
        Ok(Evaluation {
            map50: metrics.map50,
            map50_95: metrics.map50_95,
            precision: metrics.precision,
            recall: metrics.recall,
            losses: None,
        })
    };
    let penalty = |epoch: usize| {
        l1.map_or_else(Penalty::default, |l1| {
            let strength = l1.schedule.at(epoch, config.epochs);
            Penalty {
                gamma: f64::from(strength.gamma),
                beta: f64::from(strength.beta),
                placement: l1.placement,
            }
        })
    };
    let mut batches = LoaderBatches(loader.clone());
    let services = Services {
        executor: &mut *executor,
        batches: &mut batches,
        evaluate: &mut judge,
        penalty: &penalty,
        observer: &mut Watch(progress),
    };
    let trained = train(&start, &config, services)?;
    for warning in loader.warnings() {
        progress.note(&format!("warning: {warning}"));
    }
    Ok(trained)
}

/// Says before training how far L1 alone can move a gamma, which starts near 1.
fn warn_about_travel(l1: &L1Config, config: &TrainConfig, batches: usize, progress: &mut dyn Progress) {
    let schedule = bonsai_train::Schedule::new(config, batches);
    let updates = (0..config.epochs).flat_map(|epoch| {
        let lambda = f64::from(l1.schedule.at(epoch, config.epochs).gamma);
        let schedule = &schedule;
        (0..batches).map(move |batch| {
            let step = schedule.step((epoch * batches + batch) as u64, epoch);
            // Accumulated batches each add their L1 to one step, so a batch counts for itself.
            PlannedUpdate { lr: step.weight_lr, lambda, momentum: step.momentum }
        })
    });
    let travel = Travel::of(updates);
    progress.note(&travel.warning().map_or_else(|| travel.to_string(), |w| format!("warning: {w}")));
}

/// Passes what the trainer tells on to the run's progress.
struct Watch<'a>(&'a mut dyn Progress);

impl Observer for Watch<'_> {
    fn on_step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        self.0.step(step);
        ControlFlow::Continue(())
    }

    fn on_epoch(
        &mut self,
        record: &EpochRecord,
        _: &EpochTiming,
        _: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.epoch(record);
        Ok(())
    }
}
