//! Measures every file of a run and gathers what its stages left behind.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::Detector;
use bonsai_metrics::RESAMPLES;
use bonsai_tensorrt::EngineOutcome;
use serde::Deserialize;

use super::examples::examples;
use super::headline::Outcome;
use super::{Example, GammaCounts, Group, LayerWidth, NotRun, Report, Row, SCHEMA, StageCost, Training};
use crate::gamma_history::GammaHistory;
use crate::run::load_json;
use crate::stage_training::{GAMMAS, HISTORY};
use crate::stages::{Artefact, Data, Setting, measure_artefacts};
use crate::{Manifest, PipelineConfig, RunDir, Stage};

/// Where the things to be measured are.
pub(crate) struct Measured<'a> {
    pub(crate) dir: &'a RunDir,
    pub(crate) config: &'a PipelineConfig,
    pub(crate) data: &'a Data,
    pub(crate) setting: &'a Setting,
    /// Name, kind, file, and the checkpoint that its parameters and MACs are counted on. The baseline is the first.
    pub(crate) rows: Vec<(&'static str, Group, PathBuf, PathBuf)>,
    pub(crate) tensorrt: EngineOutcome,
    pub(crate) manifests: &'a [&'a Manifest],
    /// Layers before and after: the pruner's report.
    pub(crate) pruning: PathBuf,
}

/// The part of the pruner's report that is shown.
#[derive(Deserialize)]
struct Pruning {
    layers: Vec<LayerWidth>,
}

/// Measures every file; the report and its example pictures.
pub(crate) fn measure(what: &Measured<'_>) -> Result<(Report, Vec<Example>)> {
    let Measured { config, data, setting, .. } = what;
    let (imgsz, batch) = (setting.imgsz, config.baseline.batch);
    let paths: Vec<&Path> = what.rows.iter().map(|row| row.2.as_path()).collect();
    let artefacts = measure_artefacts(&paths, &data.test, setting, batch, config.latency_runs)?;
    let baseline = artefacts.first().context("a report without a baseline")?;
    let mut rows = Vec::with_capacity(artefacts.len());
    let mut change = None;
    for ((name, group, path, counted), artefact) in what.rows.iter().zip(&artefacts) {
        let cost = Checkpoint::load(counted)?.model.graph().cost(imgsz, imgsz)?;
        // Without two images there is nothing to draw from, and no interval.
        let against = baseline.outcomes.change_to(&artefact.outcomes, RESAMPLES, config.seed).ok();
        let Artefact { metrics, latency_ms, .. } = artefact;
        rows.push(Row {
            name: (*name).to_owned(),
            group: *group,
            map50: metrics.map50,
            map50_95: metrics.map50_95,
            change: against.as_ref().map(|change| change.map50_95).filter(|_| !rows.is_empty()),
            params: cost.params,
            macs: cost.macs,
            bytes: size(path)?,
            latency_ms: *latency_ms,
        });
        if *name == "fine-tuned" {
            change = against;
        }
    }
    let headline = match (rows.first(), rows.iter().find(|row| row.name == "fine-tuned"), &change) {
        (Some(before), Some(after), Some(change)) => Outcome {
            change: change.map50_95,
            latency_share: after.latency_ms / before.latency_ms,
            macs_share: after.macs as f64 / before.macs.max(1) as f64,
        }
        .headline(),
        _ => "Measured on one image: no statement about accuracy".to_owned(),
    };
    let (mut exports, mut not_run) = (Vec::new(), Vec::new());
    match &what.tensorrt {
        EngineOutcome::Built(built) => {
            let (kind, version) = (built.backend.engine_kind(), built.version);
            exports.push((format!("{kind} engine ({version}, {})", built.precision), built.engine_bytes));
        }
        EngineOutcome::NotRun { because } => {
            not_run.push(NotRun { what: "TensorRT engine".to_owned(), because: because.clone() });
        }
    }
    let classes = data.class_names.iter().enumerate().map(|(id, name)| {
        let objects = baseline.metrics.per_class.iter().find(|c| c.class_id == id).map_or(0, |c| c.instances);
        (name.clone(), objects)
    });
    let cost = |manifest: &&Manifest| StageCost {
        stage: manifest.stage,
        seconds: manifest.seconds,
        peak_mib: manifest.peak_mib,
    };
    let report = Report {
        schema: SCHEMA,
        headline,
        model: config.model.clone(),
        data: data_name(config),
        imgsz,
        seed: config.seed,
        split: data.test_name.to_owned(),
        images: baseline.metrics.images,
        instances: baseline.metrics.instances,
        executor: setting.executor.describe()?,
        classes: classes.collect(),
        rows,
        change,
        exports,
        not_run,
        stages: what.manifests.iter().map(cost).collect(),
        trainings: trainings(what.dir)?,
        layers: load_json::<Pruning>(&what.pruning)?.layers,
        gammas: gammas(&what.dir.stage(Stage::Sparse).join(GAMMAS))?,
    };
    let confidence = baseline.metrics.confidence as f32;
    Ok((report, pictures(what, confidence)?))
}

/// What the data is called: its folder, or that it was drawn.
fn data_name(config: &PipelineConfig) -> String {
    match &config.data {
        None => format!("shapes (drawn, seed {})", config.shapes.seed),
        Some(yaml) => {
            let folder = yaml.parent().and_then(Path::file_name).or_else(|| yaml.file_stem());
            folder.unwrap_or_default().to_string_lossy().into_owned()
        }
    }
}

fn trainings(dir: &RunDir) -> Result<Vec<Training>> {
    let of = |stage: Stage| Ok(Training { stage, epochs: load_json(&dir.stage(stage).join(HISTORY))? });
    [Stage::Baseline, Stage::Sparse, Stage::Finetune].map(of).into_iter().collect()
}

fn gammas(path: &Path) -> Result<Vec<GammaCounts>> {
    let counts = |record: crate::GammaRecord| {
        let overall = record.statistics.overall;
        GammaCounts { epoch: record.epoch, counts: overall.histogram.counts, below_1e2: overall.below_1e2 }
    };
    Ok(GammaHistory::load(path, usize::MAX)?.epochs.into_iter().map(counts).collect())
}

/// Images as baseline and fine-tuned network see them.
fn pictures(what: &Measured<'_>, confidence: f32) -> Result<Vec<Example>> {
    let file = |name: &str| what.rows.iter().find(|row| row.0 == name).map(|row| row.2.as_path());
    let (Some(before), Some(after)) = (file("baseline"), file("fine-tuned")) else { return Ok(Vec::new()) };
    let load = |path: &Path| Detector::load(path, what.setting.executor);
    let (mut before, mut after) = (load(before)?, load(after)?);
    examples(&mut before, &mut after, &what.data.test, confidence, what.config.seed)
}

fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}
