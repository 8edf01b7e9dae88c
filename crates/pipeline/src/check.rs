//! [`check`]: checks the settings before the first stage starts, so that a wrong one does not fail hours
//! later.
//!
//! Each crate checks the ranges of its own settings; this module checks those that only the pipeline knows.

use std::ops::RangeInclusive;

use anyhow::{Error, Result};
use bonsai_exec::ExecutorKind;
use bonsai_graph::Size;
use bonsai_prune::{
    Candidates, CostTarget, Coupling, Importance, Iteration, Preset, PrunePolicy, Scope, ScoreConfig, choose,
    score,
};
use bonsai_stages::{
    COUNTS, PlannedL1, Teacher, check_optimizer, check_range, ensure_usage, is_within, start_checkpoint,
    trained_checkpoint,
};
use bonsai_tensorrt::EnginePrecision;
use bonsai_train::{Optimizer, TrainConfig};

use crate::doctor::engine_builders;
use crate::{Control, IterateConfig, L1Config, PipelineConfig, Quiet, RunDir, Stage, path_of_text};

/// Smallest and largest side of the images in pixels, in multiples of the largest stride.
const SIDES: RangeInclusive<usize> = 32..=16_384;
const STRIDE: usize = 32;

/// Checks all settings of a run.
///
/// # Errors
/// If a setting is out of range, with its name, its value and the range.
pub fn check(config: &PipelineConfig) -> Result<()> {
    check_imgsz(config.imgsz)?;
    check_range("latency_runs", &config.latency_runs, COUNTS)?;
    section("shapes", config.shapes.check())?;
    section("loader", config.loader.check())?;
    for (name, training) in trainings(config) {
        section(name, training.check())?;
        ensure_usage!(
            training.seed == TrainConfig::default().seed || training.seed == config.seed,
            "{name}.seed is {}, but a run has one seed, {}: set `seed`, or leave {name}.seed out",
            training.seed,
            config.seed
        );
    }
    let executor = config.executor_options()?.chosen()?;
    for (name, training) in trainings(config) {
        section(name, check_optimizer(training.optimizer, executor))?;
    }
    // Control, fine-tuning and the trials of rankings have different lengths, and the report compares them.
    ensure_usage!(
        config.finetune.optimizer != Optimizer::Auto,
        "finetune.optimizer is auto, whose choice depends on the length of a training, but the trainings that a run \
         compares have different lengths: set finetune.optimizer to SGD or AdamW"
    );
    for (name, training) in trainings(config).filter(|(name, _)| *name != "finetune") {
        ensure_usage!(
            !training.qat,
            "{name}.qat is true, but a network in 8-bit codes cannot be pruned: set finetune.qat instead"
        );
    }
    if config.finetune.qat {
        ensure_usage!(
            executor == ExecutorKind::Cpu,
            "finetune.qat is true, but executor {executor} does not round to 8-bit codes: leave finetune.qat out, or \
             train with executor cpu"
        );
    }
    ensure_usage!(
        !config.finetune.qat || config.export.int8,
        "finetune.qat is true, but export.int8 is false, so no file would compute in the codes of the training: set \
         export.int8=true"
    );
    // The range of any other count, except that 0 epochs leave these trainings out.
    for (name, training) in [("baseline", &config.baseline), ("sparse", &config.sparse)] {
        section(name, TrainConfig { epochs: training.epochs.max(1), ..training.clone() }.check())?;
    }
    section("l1", PlannedL1::check(&config.l1, &config.sparse))?;
    ensure_usage!(
        config.has(Stage::Sparse) || config.l1 == L1Config::default(),
        "l1 is set, but sparse.epochs is 0, so there is no sparsity training: set sparse.epochs too, or leave l1 out"
    );
    ensure_usage!(
        config.iterate.steps == 1 || !(config.distill.is_on() || config.control.dense),
        "iterate.steps is {}: pruning in steps supports neither distillation nor a dense control: leave distill and \
         control.dense out, or set iterate.steps to 1",
        config.iterate.steps
    );
    section("prune", config.prune.check())?;
    let plain = ScoreConfig { importance: Importance::Best, ..ScoreConfig::default() };
    let is_plain =
        config.score == plain && (config.prune.scope, config.prune.preset) == (Scope::Global, Preset::Group);
    ensure_usage!(
        config.score.importance != Importance::Best || is_plain,
        "score.importance is best, the default, which tests several rankings: leave score.reduction, score.normalisation, \
         score.per, prune.scope and prune.preset out, or name one ranking, such as score.importance=taylor"
    );
    section("extras", config.extras.check())?;
    let IterateConfig { steps, max_map_drop, epochs } = config.iterate;
    let iteration = Iteration { prune_ratio: config.prune.prune_ratio, steps, max_map_drop };
    section("iterate", iteration.check())?;
    section("iterate", TrainConfig { epochs, ..config.finetune.clone() }.check())?;
    section("distill", config.distill.check())?;
    section("export", config.export.check())?;
    section("engine", config.engine.check())?;
    ensure_usage!(
        config.engine.precision != Some(EnginePrecision::Int8) || config.export.int8,
        "engine.precision is int8, but export.int8 is false, so there is no int8 ONNX file to build from: set export.int8=true"
    );
    Ok(())
}

/// Checks the image size.
///
/// # Errors
/// With the size and the range.
pub fn check_imgsz(imgsz: usize) -> Result<()> {
    ensure_usage!(
        SIDES.contains(&imgsz) && imgsz.is_multiple_of(STRIDE),
        "imgsz is {imgsz}, must be a multiple of {STRIDE} (the largest stride) from {} to {}",
        SIDES.start(),
        SIDES.end()
    );
    Ok(())
}

/// Refuses settings that the network of a run cannot meet: unknown layers to freeze or to protect, and a
/// target that the minimum widths do not allow. The check uses fresh weights, because only the choice of
/// channels depends on the weights.
///
/// # Errors
/// If the network cannot be loaded, or with the setting that does not fit it.
pub(crate) fn check_network(
    config: &PipelineConfig,
    class_names: &[String],
    control: &Control,
) -> Result<()> {
    // Stages that the run takes over may have been made from another network.
    if control.takes(Stage::Baseline) {
        return Ok(());
    }
    let open = if config.baseline.epochs == 0 { trained_checkpoint } else { start_checkpoint };
    let start = open(&config.model, class_names, config.seed, &mut Quiet)?;
    let graph = start.model.graph();
    for (name, training) in trainings(config) {
        section(name, training.freeze.parameters(graph))?;
    }
    if control.last() < Stage::Prune {
        return Ok(());
    }
    if let Some(file) = config.distill.teacher.as_deref().filter(|_| config.has_teacher_before(control)) {
        let file = path_of_text(file);
        ensure_usage!(file.is_file(), "distill.teacher is {}: there is no such file", file.display());
        Teacher::open(&file, class_names, config.distill.gains, &mut Quiet)?.check_student(&start)?;
    }
    let policy = PrunePolicy {
        // Skip a latency target and the error for an emptied group: both depend on the weights.
        target: config.prune.target.filter(|target| !CostTarget::is_measured(*target)),
        clamp: true,
        ..config.prune.clone()
    };
    let coupling = Coupling::from_graph(graph);
    let any = ScoreConfig { importance: Importance::Random { seed: 0 }, ..config.score };
    let scores = section("score", score(&coupling, &start.weights, &any))?;
    let candidates = Candidates { coupling: &coupling, scores: &scores, weights: &start.weights };
    section("prune", choose(&candidates, &policy, Size::square(config.imgsz)))?;
    Ok(())
}

/// Refuses a dataset, model or teacher that lies in the folder of a stage that the run may repeat: the run
/// would delete its own input.
///
/// # Errors
/// With the file and the stage.
pub(crate) fn check_inputs(config: &PipelineConfig, dir: &RunDir, control: &Control) -> Result<()> {
    let model = path_of_text(&config.model);
    let teacher = config.distill.teacher.as_deref().map(path_of_text);
    let inputs =
        [config.data.as_deref(), Some(model.as_path()).filter(|model| model.is_file()), teacher.as_deref()];
    for input in inputs.into_iter().flatten() {
        for stage in Stage::ALL.into_iter().filter(|stage| !control.takes(*stage)) {
            ensure_usage!(
                [dir.stage(stage), dir.partial(stage)].iter().all(|folder| !is_within(input, folder)),
                "{} is part of stage `{stage}` of this run and would be deleted if that stage runs again: name another \
                 folder with --project, or copy the file elsewhere first",
                input.display()
            );
        }
    }
    let has_builder = || engine_builders(&config.engine).iter().any(Option::is_some);
    ensure_usage!(
        dir.root().to_str().is_some() || control.last() < Stage::Engine || !has_builder(),
        "{} is not valid UTF-8, and builders of engines do not accept such paths: name another folder with --project",
        dir.root().display()
    );
    Ok(())
}

fn trainings(config: &PipelineConfig) -> impl Iterator<Item = (&'static str, &TrainConfig)> {
    let all = [("baseline", &config.baseline), ("sparse", &config.sparse), ("finetune", &config.finetune)];
    all.into_iter().filter(|(name, training)| *name == "finetune" || training.epochs > 0)
}

/// Adds the section of the configuration to an error.
fn section<T, E: Into<Error>>(name: &str, checked: Result<T, E>) -> Result<T> {
    checked.map_err(|error| {
        let error: Error = error.into();
        error.context(format!("in the settings `{name}`"))
    })
}
