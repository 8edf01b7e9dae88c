//! [`measure`]: evaluates and times every file of a run and builds its [`Report`].

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::Detector;
use bonsai_exec::ExecutorOptions;
use bonsai_graph::Size;
use bonsai_metrics::{Change, RESAMPLES};
use bonsai_stages::{
    Artefact, Data, ImageTimes, Measurement, RunContext, engine_executor, load_json, measure_artefacts,
    measure_checkpoint,
};
use bonsai_tensorrt::{EngineOutcome, EnginePrecision};
use serde::Deserialize;

use crate::engine_folder::GpuEngine;
use crate::gamma_history::GammaHistory;
use crate::prune_folder::Pruning;
use crate::run_dir::{GAMMAS, HISTORY};
use crate::{Evaluation, Manifest, PipelineConfig, RunDir, Stage, path_of_text};
use bonsai_report::{
    BuiltFile, Confusion, Example, Exported, GammaCounts, Group, LayerWidth, NotRun, PrCurve, Reference,
    Report, Row, RunResult, SCHEMA, StageCost, Training, checks, examples, improving, other_classes,
    with_failures,
};

/// Name of the row with the baseline's engine for the CPU in `f32`.
const BASELINE_ENGINE: &str = "CPU engine, baseline";

/// Number of recalls at which the report has the precision, both ends included.
const RECALLS: usize = 101;

/// A file to measure.
pub(crate) struct ReportItem {
    pub(crate) name: String,
    pub(crate) network: &'static str,
    pub(crate) precision: EnginePrecision,
    pub(crate) group: Group,
    pub(crate) file: PathBuf,
    /// The checkpoint whose parameters and MACs are counted for the file.
    pub(crate) counted: PathBuf,
}

/// The inputs of [`measure`].
pub(crate) struct Measured<'a> {
    pub(crate) dir: &'a RunDir,
    pub(crate) config: &'a PipelineConfig,
    pub(crate) data: &'a Data,
    pub(crate) context: &'a RunContext,
    /// Files to measure; the baseline is the first.
    pub(crate) wanted: Vec<ReportItem>,
    /// The pruned network before fine-tuning.
    pub(crate) pruned: PathBuf,
    /// The ONNX files and how far their outputs are from their checkpoints.
    pub(crate) exported: Vec<Exported>,
    pub(crate) engines: Vec<GpuEngine>,
    pub(crate) manifests: &'a [&'a Manifest],
    /// Path of the report of the pruning, which has the layers before and after.
    pub(crate) pruning: PathBuf,
}

/// The part of the pruning's report that is shown.
#[derive(Deserialize)]
struct Layers {
    layers: Vec<LayerWidth>,
}

/// Measures every file; returns the report and its example pictures.
pub(crate) fn measure(what: &Measured<'_>) -> Result<(Report, Vec<Example>)> {
    let Measured { config, data, context, .. } = what;
    let imgsz = context.imgsz;
    let batch = config.baseline.batch;
    let files: Vec<(&Path, ExecutorOptions)> = what
        .wanted
        .iter()
        .map(|wanted| (wanted.file.as_path(), executor_of(wanted, context.executor)))
        .collect();
    let found = measure_artefacts(&files, &data.test, context, batch, config.latency_runs)?;
    let (baseline, reference) = references(&what.wanted, &found)?;
    let mut rows = Vec::with_capacity(found.len());
    let mut not_run = Vec::new();
    let mut tuned = None;
    let mut control = None;
    for (wanted, found) in what.wanted.iter().zip(&found) {
        match found {
            Measurement::Measured(artefact) => {
                rows.push(row(wanted, artefact, (baseline, reference), what)?);
                if wanted.name == "fine-tuned" {
                    tuned = Some(&artefact.evaluation);
                } else if wanted.name == "dense control" {
                    control = Some(&artefact.evaluation);
                }
            }
            Measurement::NotRun(because) => {
                not_run.push(NotRun { what: wanted.name.clone(), because: because.clone() });
            }
        }
    }
    let tuned = tuned.context("a report without a fine-tuned network")?;
    // A bootstrap needs at least two images; otherwise there is no interval.
    let change = baseline.outcomes.change_to(&tuned.outcomes, RESAMPLES, config.seed).ok();
    let control_change = control
        .and_then(|control| control.outcomes.change_to(&tuned.outcomes, RESAMPLES, config.seed).ok())
        .map(|change| change.map50_95);
    let trainings = trainings(what.dir, config)?;
    let reference = match control_change {
        Some(_) => Reference::DenseControl,
        None if improving(&trainings).is_some() => Reference::ImprovingBaseline,
        None => Reference::Baseline,
    };
    let headline = headline(&rows, control_change.or(change.as_ref().map(|c| c.map50_95)), reference);
    let made = made(&what.engines, &mut not_run);
    let cost = |manifest: &&Manifest| StageCost {
        stage: manifest.stage,
        interruptions: manifest.interruptions,
        seconds: manifest.seconds,
        peak_mib: manifest.peak_mib,
    };
    let pruning: Pruning<Layers> = load_json(&what.pruning)?;
    let pruned = Checkpoint::load(&what.pruned)?;
    let both = [("baseline", baseline), ("fine-tuned", tuned)];
    let mut checks = checks(&what.exported, &rows, &made, &not_run);
    let evaluation = what.wanted.iter().zip(&found).filter_map(|(wanted, found)| match found {
        Measurement::Measured(artefact) => Some((wanted.name.as_str(), &artefact.evaluation.classes)),
        Measurement::NotRun(_) => None,
    });
    checks.extend(other_classes(evaluation));
    checks.sort_by_key(|check| check.verdict);
    let report = Report {
        schema: SCHEMA,
        headline: with_failures(&headline, &checks),
        model: model_name(&config.model),
        data: data_name(config),
        imgsz,
        seed: config.seed,
        split: data.test_name.to_owned(),
        images: baseline.metrics.images,
        instances: baseline.metrics.instances,
        dataset: data.flaws.clone(),
        executor: context.executor.describe()?,
        classes: objects_by_class(data),
        checks,
        rows,
        change,
        control_change,
        made,
        not_run,
        stages: what.manifests.iter().map(cost).collect(),
        trainings,
        pruned_validation: measure_checkpoint(&pruned, &data.val, context, batch)?.map50_95,
        curves: both.map(|(network, evaluation)| curve(network, evaluation)).into(),
        confusions: both.map(|(network, evaluation)| confusion(network, evaluation)).into(),
        ranked_by: pruning.importance,
        pruned_stage: pruning.pruned,
        layers: pruning.report.layers,
        gammas: if config.has(Stage::Sparse) {
            gammas(&what.dir.stage(Stage::Sparse).join(GAMMAS))?
        } else {
            Vec::new()
        },
    };
    let confidence = baseline.metrics.confidence as f32;
    Ok((report, pictures(what, confidence)?))
}

/// The evaluation of the baseline, and the times that others are compared with: those of its engine.
fn references<'a>(
    wanted: &[ReportItem],
    found: &'a [Measurement],
) -> Result<(&'a Evaluation, &'a ImageTimes)> {
    let measured = |name: &str| {
        let found = wanted.iter().zip(found).find(|(wanted, _)| wanted.name == name);
        found.and_then(|(_, found)| match found {
            Measurement::Measured(artefact) => Some(artefact),
            Measurement::NotRun(_) => None,
        })
    };
    let baseline = measured("baseline").context("a report without a baseline")?;
    Ok((&baseline.evaluation, &measured(BASELINE_ENGINE).unwrap_or(baseline).times))
}

/// The headline from the rows of both networks; `change` is that from the reference.
fn headline(rows: &[Row], change: Option<Change>, reference: Reference) -> String {
    // The network that was fine-tuned, as the engine in its precision.
    let tuned = rows.iter().find(|row| row.name == "fine-tuned");
    let is_deployed = |row: &&Row| {
        let precision = tuned.map(|tuned| tuned.precision);
        row.is_cpu_engine() && row.network == "fine-tuned" && Some(row.precision) == precision
    };
    let engine = rows.iter().find(is_deployed).or(tuned);
    let baseline = rows.iter().find(|row| row.name == BASELINE_ENGINE).or(rows.first());
    match (baseline, engine, change) {
        (Some(before), Some(after), Some(change)) => RunResult {
            change,
            reference,
            precision: after.precision,
            latency_share: before.speed.times / after.speed.times,
            macs_share: after.macs as f64 / before.macs.max(1) as f64,
        }
        .headline(),
        _ => "Only one test image: accuracy cannot be compared".to_owned(),
    }
}

/// The executor for a file: engines for the CPU and 8-bit codes run on the CPU.
fn executor_of(wanted: &ReportItem, run: ExecutorOptions) -> ExecutorOptions {
    let on_cpu = wanted.precision == EnginePrecision::Int8 || wanted.group == Group::Export;
    if on_cpu { engine_executor(run) } else { run }
}

/// The engines that were built; the reasons why others were not are added to `not_run`.
fn made(engines: &[GpuEngine], not_run: &mut Vec<NotRun>) -> Vec<BuiltFile> {
    let mut made = Vec::new();
    for engine in engines {
        match &engine.outcome {
            EngineOutcome::Built(built) => made.push(BuiltFile {
                what: format!("{} ({})", engine.what, built.version),
                network: engine.network.map_or("", |network| network.title()).to_owned(),
                precision: built.precision,
                bytes: built.engine_bytes,
                latency_ms: built
                    .measurement
                    .latency
                    .or(built.measurement.gpu_compute)
                    .map(|latency| latency.median_ms),
            }),
            EngineOutcome::NotRun { because } => {
                not_run.push(NotRun { what: engine.what.clone(), because: because.clone() });
            }
        }
    }
    made
}

/// The classes of the dataset, each with its number of objects in the split that is measured.
fn objects_by_class(data: &Data) -> Vec<(String, usize)> {
    let count = |id: usize| {
        let labels = data.test.samples.iter().flat_map(|sample| &sample.labels);
        labels.filter(|label| label.class_id == id).count()
    };
    data.class_names.iter().enumerate().map(|(id, name)| (name.clone(), count(id))).collect()
}

fn row(
    wanted: &ReportItem,
    artefact: &Artefact,
    (baseline, reference): (&Evaluation, &ImageTimes),
    what: &Measured<'_>,
) -> Result<Row> {
    let imgsz = what.context.imgsz;
    let seed = what.config.seed;
    let cost = Checkpoint::load(&wanted.counted)?.model.graph().cost(Size::square(imgsz))?;
    let Artefact { evaluation, times, runner } = artefact;
    // The baseline is not compared with itself.
    let change = (wanted.name != "baseline")
        .then(|| baseline.outcomes.change_to(&evaluation.outcomes, RESAMPLES, seed).ok())
        .flatten();
    Ok(Row {
        name: wanted.name.clone(),
        network: wanted.network.to_owned(),
        precision: wanted.precision,
        runner: runner.clone(),
        group: wanted.group,
        file: what.dir.relative(&wanted.file),
        map50: evaluation.metrics.map50,
        map50_95: evaluation.metrics.map50_95,
        change: change.map(|change| change.map50_95),
        params: cost.params,
        macs: cost.macs,
        bytes: size(&wanted.file)?,
        latency: times.latency(),
        speed: times.speed_over(reference),
    })
}

fn curve(network: &str, evaluation: &Evaluation) -> PrCurve {
    let samples = evaluation.curves.mean.precision_over_recall.values();
    let last = samples.len() - 1;
    let precision = (0..RECALLS).map(|i| samples[(i * last + (RECALLS - 1) / 2) / (RECALLS - 1)]);
    PrCurve { network: network.to_owned(), precision: precision.collect() }
}

fn confusion(network: &str, evaluation: &Evaluation) -> Confusion {
    Confusion { network: network.to_owned(), counts: evaluation.confusion.counts().to_vec() }
}

/// The name of a scale, or a file with the folder that it lies in: the rest of its path means nothing
/// elsewhere.
fn model_name(model: &str) -> String {
    let model = path_of_text(model);
    let parts: Vec<_> = model.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

/// Name of the data: the folder of a dataset, or the style and seed of a drawn one.
fn data_name(config: &PipelineConfig) -> String {
    match &config.data {
        None => format!("{} (drawn, seed {})", config.shapes.style.name(), config.shapes.seed),
        Some(yaml) => {
            let folder = yaml.parent().and_then(Path::file_name).or_else(|| yaml.file_stem());
            folder.unwrap_or_default().to_string_lossy().into_owned()
        }
    }
}

fn trainings(dir: &RunDir, config: &PipelineConfig) -> Result<Vec<Training>> {
    let of = |stage: Stage| Ok(Training { stage, epochs: load_json(&dir.stage(stage).join(HISTORY))? });
    config.stages().into_iter().filter(|stage| stage.is_training()).map(of).collect()
}

fn gammas(path: &Path) -> Result<Vec<GammaCounts>> {
    let counts = |record: crate::GammaRecord| {
        let overall = record.statistics.overall;
        GammaCounts { epoch: record.epoch, counts: overall.histogram.counts, below_1e2: overall.below_1e2 }
    };
    Ok(GammaHistory::load(path, usize::MAX)?.epochs.into_iter().map(counts).collect())
}

/// Example images with the detections of baseline and fine-tuned network.
fn pictures(what: &Measured<'_>, confidence: f32) -> Result<Vec<Example>> {
    let file = |name: &str| what.wanted.iter().find(|wanted| wanted.name == name).map(|w| w.file.as_path());
    let (Some(before), Some(after)) = (file("baseline"), file("fine-tuned")) else { return Ok(Vec::new()) };
    let load = |path: &Path| Detector::load(path, what.context.executor);
    let mut before = load(before)?;
    let mut after = load(after)?;
    examples(&mut before, &mut after, &what.data.test, confidence, what.config.seed)
}

fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_its_end() {
        assert_eq!(model_name("yolov8n"), "yolov8n");
        assert_eq!(model_name("best.pt"), "best.pt");
        assert_eq!(model_name("models/old/fall/best.pt"), "fall/best.pt");
    }
}
