//! What each stage of a run does with the files that earlier ones left: from paths to values and back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_detector::write_engine;
use bonsai_onnx::ExportOptions;
use bonsai_tensorrt::EngineOutcome;
use bonsai_train::TrainConfig;
use bonsai_yolov8::NmsConfig;
use serde::{Deserialize, Serialize};

use crate::prune_folder::{self, PRUNED, fill_prune_folder};
use crate::report::{self, Group, Measured};
use crate::run::{load_json, save_json};
use crate::stage_training::{BEST, LAST, train_in};
use crate::stages::{
    Data, Setting, build_tensorrt, draw_dataset, export_stage, open_dataset, start_checkpoint, train_stage,
};
use crate::{L1Config, Manifest, PipelineConfig, Progress, RunDir, Stage, confirm_parity};

const SOURCE: &str = "source.json";
const SHAPES: &str = "shapes";
const BASELINE_ONNX: &str = "baseline.onnx";
const FINETUNED_ONNX: &str = "finetuned.onnx";
const BASELINE_ENGINE: &str = "baseline.cpu.safetensors";
const FINETUNED_ENGINE: &str = "finetuned.cpu.safetensors";
const TENSORRT_ENGINE: &str = "finetuned.engine";
const TENSORRT_OUTCOME: &str = "tensorrt.json";
const REPORT_MARKDOWN: &str = "report.md";
const REPORT_PAGE: &str = "report.html";
pub(crate) const REPORT_JSON: &str = "report.json";

/// Where a dataset that was not drawn is.
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    yaml: PathBuf,
    content: String,
}

/// The dataset of a run: the one in the configuration, or else the one that stage `dataset` left.
///
/// # Errors
/// If it is not there or not valid.
pub(crate) fn data_of(config: &PipelineConfig, dir: &RunDir, progress: &mut dyn Progress) -> Result<Data> {
    open_dataset(&yaml_of(config, dir)?, progress)
}

pub(crate) fn yaml_of(config: &PipelineConfig, dir: &RunDir) -> Result<PathBuf> {
    if let Some(yaml) = &config.data {
        return Ok(yaml.clone());
    }
    let folder = dir.stage(Stage::Dataset);
    let source = folder.join(SOURCE);
    if source.is_file() {
        return Ok(load_json::<Source>(&source)?.yaml);
    }
    Ok(folder.join(SHAPES).join("data.yaml"))
}

/// What a stage has to work with.
pub(crate) struct Work<'a> {
    pub(crate) config: &'a PipelineConfig,
    pub(crate) dir: &'a RunDir,
    pub(crate) setting: &'a Setting,
    /// Read before any stage but `dataset` of a drawn one.
    pub(crate) data: Option<&'a Data>,
    /// Manifests of the stages before.
    pub(crate) done: &'a BTreeMap<Stage, Manifest>,
}

impl Work<'_> {
    /// Makes the files of a stage in `folder`.
    ///
    /// # Errors
    /// What the stage says, or if a file cannot be read or written.
    pub(crate) fn fill(&self, stage: Stage, folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        match stage {
            Stage::Dataset => self.dataset(folder),
            Stage::Baseline => {
                let names = &self.data()?.class_names;
                let (model, seed) = (&self.config.model, self.config.seed);
                let start = start_checkpoint(model, names, seed, progress)?;
                self.training(stage, folder, &self.config.baseline, None, progress, || Ok(start))
            }
            Stage::Sparse => {
                let start = || Ok(Checkpoint::load(&self.file(Stage::Baseline, BEST))?);
                self.training(stage, folder, &self.config.sparse, Some(&self.config.l1), progress, start)
            }
            Stage::Prune => {
                // The last weights are the sparsest; the best ones are the least sparse.
                let sparse = Checkpoint::load(&self.file(Stage::Sparse, LAST))?;
                let model = Checkpoint { train: None, ..sparse };
                fill_prune_folder(folder, &model, self.config, self.data()?, self.setting, progress)
            }
            Stage::Finetune => {
                let start = || Ok(Checkpoint::load(&self.file(Stage::Prune, PRUNED))?);
                self.training(stage, folder, &self.config.finetune, None, progress, start)
            }
            Stage::Export => self.export(folder),
            Stage::Engine => self.engine(folder, progress),
            Stage::Report => self.report(folder),
        }
    }

    fn data(&self) -> Result<&Data> {
        self.data.context("the dataset was not read")
    }

    /// A file of a completed stage.
    fn file(&self, stage: Stage, name: &str) -> PathBuf {
        self.dir.stage(stage).join(name)
    }

    fn dataset(&self, folder: &Path) -> Result<()> {
        match &self.config.data {
            Some(yaml) => {
                let source = Source { yaml: yaml.clone(), content: self.data()?.digest()? };
                save_json(&folder.join(SOURCE), &source)
            }
            None => draw_dataset(&self.config.shapes, &folder.join(SHAPES)).map(drop),
        }
    }

    /// Best and last weights, history and gamma statistics.
    fn training(
        &self,
        stage: Stage,
        folder: &Path,
        config: &TrainConfig,
        l1: Option<&L1Config>,
        progress: &mut dyn Progress,
        start: impl FnOnce() -> Result<Checkpoint>,
    ) -> Result<()> {
        let data = self.data()?;
        train_in(folder, stage, config, progress, start, |start, watch| {
            train_stage(start, data, config, l1, self.setting, watch)
        })
    }

    fn export(&self, folder: &Path) -> Result<()> {
        let options = ExportOptions::new((self.config.imgsz, self.config.imgsz));
        for (stage, name) in [(Stage::Baseline, BASELINE_ONNX), (Stage::Finetune, FINETUNED_ONNX)] {
            let (checkpoint, file) = (Checkpoint::load(&self.file(stage, BEST))?, folder.join(name));
            export_stage(&checkpoint, &options)?.save(&file)?;
            confirm_parity(&checkpoint, &file, &NmsConfig::PREDICT)?;
        }
        Ok(())
    }

    fn engine(&self, folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        for (stage, name) in [(Stage::Baseline, BASELINE_ENGINE), (Stage::Finetune, FINETUNED_ENGINE)] {
            write_engine(&Checkpoint::load(&self.file(stage, BEST))?, &folder.join(name))?;
        }
        let onnx = self.file(Stage::Export, FINETUNED_ONNX);
        let outcome = build_tensorrt(&self.config.engine, &onnx, &folder.join(TENSORRT_ENGINE), progress)?;
        save_json(&folder.join(TENSORRT_OUTCOME), &outcome)
    }

    fn report(&self, folder: &Path) -> Result<()> {
        let tensorrt: EngineOutcome = load_json(&self.file(Stage::Engine, TENSORRT_OUTCOME))?;
        let engine = |name: &str| self.file(Stage::Engine, name);
        let onnx = |name: &str| self.file(Stage::Export, name);
        let checkpoint = |name, stage, file: &str| {
            let file = self.file(stage, file);
            (name, Group::Checkpoint, file.clone(), file)
        };
        let export = |name, file: PathBuf, of: PathBuf| (name, Group::Export, file, of);
        let manifests: Vec<&Manifest> = self.done.values().collect();
        let (report, examples) = report::measure(&Measured {
            dir: self.dir,
            config: self.config,
            data: self.data()?,
            setting: self.setting,
            rows: vec![
                checkpoint("baseline", Stage::Baseline, BEST),
                checkpoint("sparse", Stage::Sparse, LAST),
                checkpoint("pruned", Stage::Prune, PRUNED),
                checkpoint("fine-tuned", Stage::Finetune, BEST),
                export("CPU engine, baseline", engine(BASELINE_ENGINE), engine(BASELINE_ENGINE)),
                export("CPU engine, fine-tuned", engine(FINETUNED_ENGINE), engine(FINETUNED_ENGINE)),
                export("ONNX in rten, baseline", onnx(BASELINE_ONNX), engine(BASELINE_ENGINE)),
                export("ONNX in rten, fine-tuned", onnx(FINETUNED_ONNX), engine(FINETUNED_ENGINE)),
            ],
            tensorrt,
            manifests: &manifests,
            pruning: self.file(Stage::Prune, prune_folder::REPORT),
        })?;
        write_file(&folder.join(REPORT_MARKDOWN), report::markdown(&report).as_bytes())?;
        write_file(&folder.join(REPORT_PAGE), report::page(&report, &examples).as_bytes())?;
        save_json(&folder.join(REPORT_JSON), &report)
    }
}
