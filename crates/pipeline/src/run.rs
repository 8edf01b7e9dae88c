//! All stages in order over a run directory; what is done already is not done again.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_detector::write_engine;
use bonsai_exec::ExecutorInfo;
use bonsai_onnx::ExportOptions;
use bonsai_prune::Iteration;
use bonsai_tensorrt::EngineOutcome;
use bonsai_train::TrainConfig;
use bonsai_yolov8::NmsConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::peak_memory::{peak_rss_mb, reset_peak};
use crate::prune_folder::{self, PRUNED, fill_prune_folder};
use crate::report::{self, Group, Measured};
use crate::run_lock::RunLock;
use crate::stage_training::{BEST, LAST, train_in};
use crate::stages::{
    Data, Setting, build_tensorrt, draw_dataset, export_stage, open_dataset, start_checkpoint, train_stage,
};
use crate::{
    IterateSettings, L1Config, Manifest, PipelineConfig, Progress, Report, RunDir, Stage, StageState,
    confirm_parity, digest_json,
};

const BASELINE_ONNX: &str = "baseline.onnx";
const FINETUNED_ONNX: &str = "finetuned.onnx";
const BASELINE_ENGINE: &str = "baseline.cpu.safetensors";
const FINETUNED_ENGINE: &str = "finetuned.cpu.safetensors";
const TENSORRT_ENGINE: &str = "finetuned.engine";
const TENSORRT_OUTCOME: &str = "tensorrt.json";
const REPORT_MARKDOWN: &str = "report.md";
const REPORT_PAGE: &str = "report.html";
const REPORT_JSON: &str = "report.json";

/// Runs every stage that is out of date and returns the report.
///
/// # Errors
/// With the stage's name around what went wrong; what was completed stays.
pub fn run(config: &PipelineConfig, dir: &RunDir, progress: &mut dyn Progress) -> Result<Report> {
    check(config)?;
    let executor = config.executor_options()?;
    std::fs::create_dir_all(dir.root()).with_context(|| format!("cannot create {}", dir.root().display()))?;
    let _lock = RunLock::take(dir.root())?;
    write_file(&dir.config(), toml::to_string(config)?.as_bytes())?;
    let loader = config.loader;
    let setting = Setting { imgsz: config.imgsz, seed: config.seed, executor, loader, rect: false };
    let info = executor.describe()?;
    // Threads and instructions are not among what a training is made from: they change its last bits at most.
    let where_run = (info.executor, &config.device);
    let shared = (&config.model, config.imgsz, config.seed, where_run, config.loader.augment);
    let mut runner = Runner { dir, progress, executor: info.clone() };

    let (data, dataset) = runner.dataset(config)?;
    let start = start_checkpoint(&config.model, &data.class_names, config.seed, &mut *runner.progress)?;
    let start_digest = digest_json(&start.to_bytes()?)?;

    let stage = Training { stage: Stage::Baseline, config: &config.baseline, l1: None, inputs: &[&dataset] };
    let baseline = runner.training(&stage, (shared, start_digest), &data, &setting, || Ok(start))?;
    let baseline_best = dir.stage(Stage::Baseline).join(BEST);

    let inputs = &[&dataset, &baseline];
    let stage = Training { stage: Stage::Sparse, config: &config.sparse, l1: Some(&config.l1), inputs };
    let sparse =
        runner.training(&stage, shared, &data, &setting, || Ok(Checkpoint::load(&baseline_best)?))?;
    // The last weights are the sparsest; the best ones are the least sparse.
    let sparse_last = dir.stage(Stage::Sparse).join(LAST);

    // Fine-tuning belongs to pruning where it happens between steps.
    let recovery = (config.iterate.steps > 1).then_some((&config.iterate, &config.finetune, shared));
    let prune_key = (config.prune_settings(), recovery, config.imgsz);
    let prune = runner.stage(Stage::Prune, &prune_key, &[&dataset, &sparse], |folder, progress| {
        let model = Checkpoint { train: None, ..Checkpoint::load(&sparse_last)? };
        fill_prune_folder(folder, &model, config, &data, &setting, progress)
    })?;
    let pruned_file = dir.stage(Stage::Prune).join(PRUNED);

    let inputs = &[&dataset, &prune];
    let stage = Training { stage: Stage::Finetune, config: &config.finetune, l1: None, inputs };
    let finetune =
        runner.training(&stage, shared, &data, &setting, || Ok(Checkpoint::load(&pruned_file)?))?;
    let finetuned_best = dir.stage(Stage::Finetune).join(BEST);
    let finals = [&baseline, &finetune];

    let export = runner.stage(Stage::Export, &config.imgsz, &finals, |folder, _| {
        let options = ExportOptions::new((config.imgsz, config.imgsz));
        for (checkpoint, name) in [(&baseline_best, BASELINE_ONNX), (&finetuned_best, FINETUNED_ONNX)] {
            let (checkpoint, file) = (Checkpoint::load(checkpoint)?, folder.join(name));
            export_stage(&checkpoint, &options)?.save(&file)?;
            confirm_parity(&checkpoint, &file, &NmsConfig::PREDICT)?;
        }
        Ok(())
    })?;

    let engine_inputs = [&baseline, &finetune, &export];
    // Which builders are there decides what this stage does, so it is part of what it is made from.
    let engine_key = (&config.engine, crate::doctor::engine_builders(&config.engine));
    let engine = runner.stage(Stage::Engine, &engine_key, &engine_inputs, |folder, progress| {
        write_engine(&Checkpoint::load(&baseline_best)?, &folder.join(BASELINE_ENGINE))?;
        write_engine(&Checkpoint::load(&finetuned_best)?, &folder.join(FINETUNED_ENGINE))?;
        let onnx = dir.stage(Stage::Export).join(FINETUNED_ONNX);
        let outcome = build_tensorrt(&config.engine, &onnx, &folder.join(TENSORRT_ENGINE), progress)?;
        save_json(&folder.join(TENSORRT_OUTCOME), &outcome)
    })?;

    let manifests = [&dataset, &baseline, &sparse, &prune, &finetune, &export, &engine];
    // Latencies are of this machine, so all of it is among what the report is made from.
    runner.stage(Stage::Report, &(config.latency_runs, &info), &manifests, |folder, _| {
        let in_stage = |stage: Stage, name: &str| dir.stage(stage).join(name);
        let tensorrt: EngineOutcome = load_json(&in_stage(Stage::Engine, TENSORRT_OUTCOME))?;
        let engine = |name: &str| in_stage(Stage::Engine, name);
        let onnx = |name: &str| in_stage(Stage::Export, name);
        let checkpoint = |name, file: &PathBuf| (name, Group::Checkpoint, file.clone(), file.clone());
        let export = |name, file: PathBuf, of: &PathBuf| (name, Group::Export, file, of.clone());
        let (report, examples) = report::measure(&Measured {
            dir,
            config,
            data: &data,
            setting: &setting,
            rows: vec![
                checkpoint("baseline", &baseline_best),
                checkpoint("sparse", &sparse_last),
                checkpoint("pruned", &pruned_file),
                checkpoint("fine-tuned", &finetuned_best),
                export("CPU engine, baseline", engine(BASELINE_ENGINE), &engine(BASELINE_ENGINE)),
                export("CPU engine, fine-tuned", engine(FINETUNED_ENGINE), &engine(FINETUNED_ENGINE)),
                export("ONNX in rten, baseline", onnx(BASELINE_ONNX), &engine(BASELINE_ENGINE)),
                export("ONNX in rten, fine-tuned", onnx(FINETUNED_ONNX), &engine(FINETUNED_ENGINE)),
            ],
            tensorrt,
            manifests: &manifests,
            pruning: in_stage(Stage::Prune, prune_folder::REPORT),
        })?;
        write_file(&folder.join(REPORT_MARKDOWN), report::markdown(&report).as_bytes())?;
        write_file(&folder.join(REPORT_PAGE), report::page(&report, &examples).as_bytes())?;
        save_json(&folder.join(REPORT_JSON), &report)
    })?;
    load_json(&dir.stage(Stage::Report).join(REPORT_JSON))
}

/// Refuses what would fail an hour later.
///
/// # Errors
/// If a setting is out of range.
pub fn check(config: &PipelineConfig) -> Result<()> {
    anyhow::ensure!(
        config.imgsz >= 32 && config.imgsz.is_multiple_of(32),
        "imgsz is {}, must be a multiple of 32 (the largest stride)",
        config.imgsz
    );
    config.prune.check()?;
    let IterateSettings { steps, max_map_drop, .. } = config.iterate;
    Ok(Iteration { prune_ratio: config.prune.prune_ratio, steps, max_map_drop }.check()?)
}

/// A training stage.
struct Training<'a> {
    stage: Stage,
    config: &'a TrainConfig,
    l1: Option<&'a L1Config>,
    inputs: &'a [&'a Manifest],
}

struct Runner<'a> {
    dir: &'a RunDir,
    progress: &'a mut dyn Progress,
    executor: ExecutorInfo,
}

impl Runner<'_> {
    /// Finds or draws the dataset and reads it.
    fn dataset(&mut self, config: &PipelineConfig) -> Result<(Data, Manifest)> {
        if let Some(yaml) = &config.data {
            let data = open_dataset(yaml, self.progress).context("stage `dataset`")?;
            let digest = data.digest()?;
            let manifest = self.stage(Stage::Dataset, &digest, &[], |folder, _| {
                save_json(&folder.join("source.json"), &(yaml, &digest))
            })?;
            return Ok((data, manifest));
        }
        let manifest = self.stage(Stage::Dataset, &config.shapes, &[], |folder, _| {
            draw_dataset(&config.shapes, &folder.join("shapes")).map(drop)
        })?;
        let yaml = self.dir.stage(Stage::Dataset).join("shapes").join("data.yaml");
        let data = open_dataset(&yaml, self.progress).context("stage `dataset`")?;
        Ok((data, manifest))
    }

    /// A training stage: best and last weights, history and gamma statistics.
    fn training(
        &mut self,
        what: &Training<'_>,
        shared: impl Serialize,
        data: &Data,
        setting: &Setting,
        start: impl FnOnce() -> Result<Checkpoint>,
    ) -> Result<Manifest> {
        let Training { stage, config, l1, inputs } = *what;
        self.stage(stage, &(config, l1, shared), inputs, |folder, progress| {
            train_in(folder, stage, config, progress, start, |start, watch| {
                train_stage(start, data, config, l1, setting, watch)
            })
        })
    }

    /// Runs one stage unless it is done from the same configuration and inputs.
    fn stage(
        &mut self,
        stage: Stage,
        config: &impl Serialize,
        inputs: &[&Manifest],
        work: impl FnOnce(&Path, &mut dyn Progress) -> Result<()>,
    ) -> Result<Manifest> {
        let run = || -> Result<Manifest> {
            let key = Manifest::key(stage, config, inputs)?;
            crate::sweep::adopt(self.dir, stage, |manifest| manifest.key == key)?;
            let reason = match self.dir.completed(stage) {
                Some(manifest) if manifest.key == key => {
                    self.progress.stage(stage, &StageState::Skipped);
                    return Ok(manifest);
                }
                Some(_) => "its configuration or an earlier stage changed",
                None => "it was not complete",
            };
            self.progress.stage(stage, &StageState::Started(reason.to_owned()));
            let start = Instant::now();
            reset_peak();
            let folder: PathBuf =
                if stage.is_training() { self.dir.go_on(stage, &key)? } else { self.dir.begin(stage)? };
            work(&folder, self.progress)?;
            let seconds = start.elapsed().as_secs_f64();
            let mut manifest = Manifest::of(stage, key, &folder, seconds)?;
            manifest.peak_mib = peak_rss_mb();
            manifest.executor = stage.runs_network().then(|| self.executor.clone());
            self.dir.finish(stage, &manifest)?;
            self.progress.stage(stage, &StageState::Finished(seconds));
            Ok(manifest)
        };
        run().with_context(|| format!("stage `{stage}`"))
    }
}

pub(crate) fn save_json(path: &Path, value: &impl Serialize) -> Result<()> {
    Ok(write_file(path, &serde_json::to_vec_pretty(value)?)?)
}

pub(crate) fn load_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not valid", path.display()))
}
