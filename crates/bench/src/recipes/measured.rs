//! [`measure_runs`]: metrics of the runs of a bench on validation and test images. They are saved, so that
//! each network is evaluated once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::Detector;
use bonsai_graph::Size;
use bonsai_metrics::ImageOutcomes;
use bonsai_stages::{
    Data, EvalOptions, Progress, Stage, digest_file, evaluate, load_json, open_dataset, save_json,
    validation_loader,
};
use serde::{Deserialize, Serialize};

use super::{BenchRun, RecipeBench};
use bonsai_pipeline::Manifest;

/// Accuracy and cost of the final network of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// SHA-256 of the checkpoint.
    checkpoint: String,
    /// Digest of the dataset.
    data: String,
    /// mAP50 and mAP50-95 on the validation split.
    pub val: [f64; 2],
    /// mAP50 and mAP50-95 on the test split, or on the validation split if the dataset has no other.
    pub test: [f64; 2],
    /// Name of the split that `test` was measured on.
    pub test_split: String,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Number of parameters.
    pub params: u64,
    /// Epochs of all trainings, the baseline's included.
    pub epochs: usize,
    /// Processor seconds of all stages, the baseline's included; `None` if they are not known for a stage.
    pub cpu_seconds: Option<f64>,
    /// Results on each validation image.
    pub(super) val_outcomes: ImageOutcomes,
    /// Results on each test image.
    pub(super) test_outcomes: ImageOutcomes,
}

/// Metrics of every run that has been trained, in the order of the runs; `None` for the others.
///
/// # Errors
/// If a network or a dataset cannot be read, or a file cannot be written.
pub fn measure_runs(bench: &RecipeBench, progress: &mut dyn Progress) -> Result<Vec<Option<Figures>>> {
    let mut datasets: BTreeMap<PathBuf, (Data, String)> = BTreeMap::new();
    let mut all = Vec::with_capacity(bench.runs.len());
    for run in &bench.runs {
        if !run.is_done() {
            all.push(None);
            continue;
        }
        let yaml = run.config.data.clone().context("a run of a bench without a dataset")?;
        if !datasets.contains_key(&yaml) {
            let data = open_dataset(&yaml, progress)?;
            let digest = data.digest()?;
            datasets.insert(yaml.clone(), (data, digest));
        }
        all.push(Some(figures(run, &datasets[&yaml], progress)?));
    }
    Ok(all)
}

/// The saved metrics, if they belong to this checkpoint and these images; otherwise evaluates the network.
fn figures(run: &BenchRun, (data, digest): &(Data, String), progress: &mut dyn Progress) -> Result<Figures> {
    let weights = run.dir().best(run.until);
    let kept = run.beside("figures", "json");
    let checkpoint = digest_file(&weights)?;
    if kept.is_file() {
        // A file of another version is unreadable here, so the network is evaluated again.
        if let Ok(figures) = load_json::<Figures>(&kept)
            && (&figures.checkpoint, &figures.data) == (&checkpoint, digest)
        {
            return Ok(figures);
        }
    }
    progress.note(&format!("evaluates {}/{}", run.dataset, run.name()));
    let network = Checkpoint::load(&weights)?;
    let cost = network.model.graph().cost(Size::square(run.config.imgsz))?;
    let context = run.config.run_context()?;
    let mut detector = Detector::from_checkpoint(network, context.executor)?;
    let mut on = |split| -> Result<_> {
        let batch = run.config.baseline.batch;
        let loader = validation_loader(split, context.imgsz, batch, &context.loader)?;
        let evaluation = evaluate(&mut detector, &loader, &EvalOptions::default(), &mut |_, _, _| {})?;
        Ok(([evaluation.metrics.map50, evaluation.metrics.map50_95], evaluation.outcomes))
    };
    let (val, val_outcomes) = on(&data.val)?;
    let (test, test_outcomes) = on(&data.test)?;
    let (epochs, cpu_seconds) = spent(run)?;
    let figures = Figures {
        checkpoint,
        data: digest.clone(),
        val,
        test,
        test_split: data.test_name.to_owned(),
        macs: cost.macs,
        params: cost.params,
        epochs,
        cpu_seconds,
        val_outcomes,
        test_outcomes,
    };
    let folder = kept.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    save_json(&kept, &figures)?;
    Ok(figures)
}

/// Epochs of the trainings that lead to the final network of a run, and processor seconds of its stages.
fn spent(run: &BenchRun) -> Result<(usize, Option<f64>)> {
    let mut epochs = 0;
    let mut seconds = Some(0.0);
    // The control counts only if the run ends with it or uses it as teacher.
    let is_on_road = |stage: &Stage| {
        *stage != Stage::Control
            || run.until == Stage::Control
            || run.config.teacher_stage() == Some(Stage::Control)
    };
    let stages = run.config.stages().into_iter().filter(|stage| *stage <= run.until);
    for stage in stages.filter(is_on_road) {
        let folder = run.dir().stage(stage);
        let manifest = Manifest::load(&folder.join(Manifest::FILE))?;
        seconds = seconds.zip(manifest.cpu_seconds).map(|(sum, more)| sum + more);
        if stage.is_training() {
            let history: Vec<bonsai_train::EpochRecord> = load_json(&run.dir().history(stage))?;
            epochs += history.len();
        }
    }
    debug_assert!(run.until != Stage::Report, "a bench ends with a training");
    Ok((epochs, seconds))
}
