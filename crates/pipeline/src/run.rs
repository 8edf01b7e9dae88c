//! All stages in order over a run directory; what is done already is not done again.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_detector::write_engine;
use bonsai_exec::ExecutorInfo;
use bonsai_prune::Iteration;
use bonsai_tensorrt::EngineOutcome;
use bonsai_train::Trained;
use bonsai_yolov8::NmsConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::gamma_history::WatchedGammas;
use crate::picture_file::write_picture;
use crate::prune_folder::{PRUNED, fill_prune_folder};
use crate::report::{self, Measured};
use crate::stages::{
    Data, Setting, TrainWatch, build_tensorrt, draw_dataset, export_stage, open_dataset, start_checkpoint,
    train_stage,
};
use crate::{
    IterateSettings, Manifest, PipelineConfig, Progress, Quiet, Report, RunDir, Stage, StageState,
    confirm_parity, digest_json,
};

const BEST: &str = "best.safetensors";
const LAST: &str = "last.safetensors";
const BASELINE_ONNX: &str = "baseline.onnx";
const FINETUNED_ONNX: &str = "finetuned.onnx";
const BASELINE_ENGINE: &str = "baseline.cpu.safetensors";
const FINETUNED_ENGINE: &str = "finetuned.cpu.safetensors";
const TENSORRT_ENGINE: &str = "finetuned.engine";
const TENSORRT_OUTCOME: &str = "tensorrt.json";
const REPORT_MARKDOWN: &str = "report.md";
const REPORT_JSON: &str = "report.json";

/// Runs every stage that is out of date and returns the report.
///
/// # Errors
/// With the stage's name around what went wrong; what was completed stays.
pub fn run(config: &PipelineConfig, dir: &RunDir, progress: &mut dyn Progress) -> Result<Report> {
    check(config)?;
    let executor = config.executor_options()?;
    std::fs::create_dir_all(dir.root()).with_context(|| format!("cannot create {}", dir.root().display()))?;
    write_file(&dir.config(), toml::to_string(config)?.as_bytes())?;
    let loader = config.loader;
    let setting = Setting { imgsz: config.imgsz, seed: config.seed, executor, loader, rect: false };
    let info = executor.describe()?;
    // Threads and instructions are not among what a training is made from: they change its last bits at most.
    let where_run = (info.executor, &config.device);
    let shared = (&config.model, config.imgsz, config.seed, where_run, config.loader.augment);
    let mut runner = Runner { dir, progress, executor: info.clone() };

    let (data, dataset) = runner.dataset(config)?;
    let start = |progress: &mut dyn Progress| {
        start_checkpoint(&config.model, &data.class_names, config.seed, progress)
    };
    let start_digest = digest_json(&start(&mut *runner.progress)?.to_bytes()?)?;

    let baseline =
        runner.training(Stage::Baseline, (&config.baseline, shared, start_digest), &[&dataset], |watch| {
            train_stage(&start(&mut Quiet)?, &data, &config.baseline, None, &setting, watch)
        })?;
    let baseline_best = dir.stage(Stage::Baseline).join(BEST);

    let sparse = runner.training(
        Stage::Sparse,
        (&config.sparse, config.l1, shared),
        &[&dataset, &baseline],
        |watch| {
            let (start, l1) = (Checkpoint::load(&baseline_best)?, Some(&config.l1));
            train_stage(&start, &data, &config.sparse, l1, &setting, watch)
        },
    )?;
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

    let finetune =
        runner.training(Stage::Finetune, (&config.finetune, shared), &[&dataset, &prune], |watch| {
            train_stage(&Checkpoint::load(&pruned_file)?, &data, &config.finetune, None, &setting, watch)
        })?;
    let finetuned_best = dir.stage(Stage::Finetune).join(BEST);
    let finals = [&baseline, &finetune];

    let export = runner.stage(Stage::Export, &config.imgsz, &finals, |folder, _| {
        for (checkpoint, name) in [(&baseline_best, BASELINE_ONNX), (&finetuned_best, FINETUNED_ONNX)] {
            let (checkpoint, file) = (Checkpoint::load(checkpoint)?, folder.join(name));
            export_stage(&checkpoint, config.imgsz)?.save(&file)?;
            confirm_parity(&checkpoint, &file, &NmsConfig::PREDICT)?;
        }
        Ok(())
    })?;

    let engine_inputs = [&baseline, &finetune, &export];
    // Whether trtexec is there decides what this stage does, so it is part of what it is made from.
    let engine_key = (&config.engine, crate::doctor::trtexec_path(&config.engine));
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
        let report = report::measure(&Measured {
            config,
            data: &data,
            setting: &setting,
            checkpoints: [
                ("baseline", baseline_best.clone()),
                ("sparse", sparse_last.clone()),
                ("pruned", pruned_file.clone()),
                ("fine-tuned", finetuned_best.clone()),
            ],
            engines: [
                ("CPU engine, baseline", in_stage(Stage::Engine, BASELINE_ENGINE)),
                ("CPU engine, fine-tuned", in_stage(Stage::Engine, FINETUNED_ENGINE)),
            ],
            onnx: [
                ("ONNX, baseline", in_stage(Stage::Export, BASELINE_ONNX)),
                ("ONNX, fine-tuned", in_stage(Stage::Export, FINETUNED_ONNX)),
            ],
            tensorrt,
            seconds: manifests.iter().map(|m| (m.stage, m.seconds)).collect(),
        })?;
        write_file(&folder.join(REPORT_MARKDOWN), report::markdown(&report).as_bytes())?;
        save_json(&folder.join(REPORT_JSON), &report)
    })?;
    load_json(&dir.stage(Stage::Report).join(REPORT_JSON))
}

/// Refuses what would fail an hour later.
fn check(config: &PipelineConfig) -> Result<()> {
    anyhow::ensure!(
        config.imgsz >= 32 && config.imgsz.is_multiple_of(32),
        "imgsz is {}, must be a multiple of 32 (the largest stride)",
        config.imgsz
    );
    config.prune.check()?;
    let IterateSettings { steps, max_map_drop, .. } = config.iterate;
    Ok(Iteration { prune_ratio: config.prune.prune_ratio, steps, max_map_drop }.check()?)
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
        stage: Stage,
        config: impl Serialize,
        inputs: &[&Manifest],
        work: impl FnOnce(&mut dyn TrainWatch) -> Result<Trained>,
    ) -> Result<Manifest> {
        self.stage(stage, &config, inputs, |folder, mut progress| {
            let mut gammas = WatchedGammas::new(&mut progress);
            let trained = work(&mut gammas)?;
            if let Some(best) = &trained.best {
                best.save(&folder.join(BEST))?;
            }
            trained.last.save(&folder.join(LAST))?;
            gammas.history.save(&folder.join("gammas.json"))?;
            write_picture(&gammas.history.draw()?, &folder.join("gammas.png"))?;
            save_json(&folder.join("history.json"), &trained.history)
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
            let folder: PathBuf = self.dir.begin(stage)?;
            work(&folder, self.progress)?;
            let seconds = start.elapsed().as_secs_f64();
            let mut manifest = Manifest::of(stage, key, &folder, seconds)?;
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

fn load_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not valid", path.display()))
}
