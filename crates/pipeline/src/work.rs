//! [`Work`]: runs one stage of a run, from the files of earlier stages to its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_prune::{Importance, PrunePlan};
use bonsai_stages::{
    Data, FeatureImitation, Objective, RunContext, Teacher, draw_dataset, for_dataset, load_json,
    measure_checkpoint, open_dataset, save_json, start_checkpoint, train_stage, trained_checkpoint,
};
use bonsai_tensorrt::EnginePrecision;
use bonsai_train::TrainConfig;
use serde::Serialize;

use crate::engine_folder::{OUTCOMES, build_engines, write_cpu_engines};
use crate::export_folder::{Network, fill_export_folder};
use crate::measure_run::{Measured, ReportItem, measure};
use crate::prune_folder::{self, PRUNED, fill_prune_folder};
use crate::run_dir::{BEST, LAST};
use crate::sparse_outcome::SparseOutcome;
use crate::stage_training::{keep_given, train_in};
use crate::training::pictures;
use crate::{Manifest, Parity, PipelineConfig, Progress, RunDir, Stage, path_of_text};
use bonsai_report::{Exported, Group};

const SOURCE: &str = "source.json";
const SHAPES: &str = "shapes";
const REPORT_MARKDOWN: &str = "report.md";
pub(crate) const REPORT_JSON: &str = "report.json";

/// The content of a dataset that was not drawn. The manifest has its path: a dataset that was moved has the
/// same content.
#[derive(Debug, Serialize)]
struct Source {
    content: String,
}

/// The dataset of a run: the one in the configuration, or else the one that stage `dataset` made.
///
/// # Errors
/// If the dataset is missing or not valid.
pub(crate) fn data_of(config: &PipelineConfig, dir: &RunDir, progress: &mut dyn Progress) -> Result<Data> {
    open_dataset(&yaml_of(config, dir)?, progress)
}

pub(crate) fn yaml_of(config: &PipelineConfig, dir: &RunDir) -> Result<PathBuf> {
    if let Some(yaml) = &config.data {
        return Ok(yaml.clone());
    }
    let folder = dir.stage(Stage::Dataset);
    if folder.join(SOURCE).is_file() {
        let manifest = Manifest::load(&folder.join(Manifest::FILE))?;
        let yaml = manifest.config.get("data").and_then(serde_json::Value::as_str);
        return Ok(path_of_text(yaml.context("the manifest of stage `dataset` names no dataset")?));
    }
    Ok(folder.join(SHAPES).join("data.yaml"))
}

/// The inputs of a stage.
pub(crate) struct Work<'a> {
    pub(crate) config: &'a PipelineConfig,
    pub(crate) dir: &'a RunDir,
    pub(crate) context: &'a RunContext,
    /// `None` only in stage `dataset`, if the dataset is drawn.
    pub(crate) data: Option<&'a Data>,
    /// Manifests of the earlier stages.
    pub(crate) done: &'a BTreeMap<Stage, Manifest>,
}

impl Work<'_> {
    /// Writes the files of a stage to `folder`.
    ///
    /// # Errors
    /// The error of the stage, or if a file cannot be read or written.
    pub(crate) fn fill(&self, stage: Stage, folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        match stage {
            Stage::Dataset => self.dataset(folder),
            Stage::Baseline if self.config.baseline.epochs == 0 => {
                let Self { config, .. } = self;
                let given =
                    trained_checkpoint(&config.model, &self.data()?.class_names, config.seed, progress)?;
                let batch = config.finetune.batch;
                let metrics = measure_checkpoint(&given, &self.data()?.val, self.context, batch)?;
                keep_given(folder, &given, &metrics)
            }
            Stage::Baseline => {
                let names = &self.data()?.class_names;
                let model = &self.config.model;
                let seed = self.config.seed;
                let start = start_checkpoint(model, names, seed, progress)?;
                self.training(stage, folder, &self.config.baseline, Objective::Detection, progress, || {
                    Ok(start)
                })
            }
            Stage::Control => {
                let start = self.start(Stage::Baseline, BEST, progress)?;
                let config =
                    TrainConfig { epochs: self.config.further_epochs(), ..self.config.float_finetune() };
                self.training(stage, folder, &config, Objective::Detection, progress, || Ok(start))
            }
            Stage::Sparse => {
                let start = self.start(Stage::Baseline, BEST, progress)?;
                let objective = Objective::Sparsity(&self.config.l1);
                self.training(stage, folder, &self.config.sparse, objective, progress, || Ok(start))
            }
            Stage::Prune => {
                let networks = self.pruned(progress)?;
                fill_prune_folder(folder, &networks, self.config, self.data()?, self.context, progress)
            }
            Stage::Finetune => {
                let start = self.start(Stage::Prune, PRUNED, progress)?;
                let teacher = self.teacher(progress)?;
                let objective = teacher.as_ref().map_or(Objective::Detection, Objective::Distillation);
                self.training(stage, folder, &self.finetune()?, objective, progress, || Ok(start))
            }
            Stage::Export => self.export(folder, progress),
            Stage::Engine => self.engine(folder, progress),
            Stage::Report => self.report(folder),
        }
    }

    /// The networks to prune. After sparsity training these are its last weights, because the best ones are
    /// the least sparse. If that training ended early or damaged the network, the baseline is pruned; with
    /// importance best, both networks are tried.
    fn pruned(&self, progress: &mut dyn Progress) -> Result<Vec<(Stage, Checkpoint)>> {
        let mut stages = self.config.pruned_stages();
        if self.config.checks_sparsity()
            && let Some(reason) = SparseOutcome::new(self.config, self.dir)?.left_out()
        {
            progress
                .note(&format!("warning: {reason}: the baseline is pruned in place of the sparse network"));
            stages = vec![Stage::Baseline];
        } else if self.config.score.importance != Importance::Best {
            stages.truncate(1);
        }
        let file = |stage| if stage == Stage::Sparse { LAST } else { BEST };
        stages.into_iter().map(|stage| Ok((stage, self.start(stage, file(stage), progress)?))).collect()
    }

    /// Settings of fine-tuning, with the epochs that sparsity training did not use.
    fn finetune(&self) -> Result<TrainConfig> {
        let mut config = self.config.finetune.clone();
        if self.config.checks_sparsity() {
            config.epochs += SparseOutcome::new(self.config, self.dir)?.epochs_left();
        }
        Ok(config)
    }

    /// The teacher of fine-tuning, if there is one; its outputs are in the order of the dataset's classes.
    fn teacher(&self, progress: &mut dyn Progress) -> Result<Option<Teacher>> {
        let distill = &self.config.distill;
        match (self.config.teacher_stage(), &distill.teacher) {
            (Some(stage), _) => {
                let checkpoint = self.start(stage, BEST, progress)?;
                let logits = distill.imitate.logits().then_some(distill.gains);
                let features = if distill.imitate.features() {
                    let plan = PrunePlan::load(self.file(Stage::Prune, prune_folder::PLAN))?;
                    Some(FeatureImitation::of_pruned(&checkpoint, &plan, distill.features)?)
                } else {
                    None
                };
                Ok(Some(Teacher { checkpoint, logits, features }))
            }
            (None, Some(file)) if distill.is_on() => {
                let names = &self.data()?.class_names;
                Teacher::open(&path_of_text(file), names, distill.gains, progress).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn data(&self) -> Result<&Data> {
        self.data.context("the dataset was not read")
    }

    /// A file of a completed stage.
    fn file(&self, stage: Stage, name: &str) -> PathBuf {
        self.dir.stage(stage).join(name)
    }

    /// The network of an earlier stage, adapted to the classes of the dataset: a stage that `--from` took
    /// over may have been made with others.
    fn start(&self, stage: Stage, name: &str, progress: &mut dyn Progress) -> Result<Checkpoint> {
        let file = self.file(stage, name);
        let made = Checkpoint { train: None, ..Checkpoint::load(&file)? };
        for_dataset(made, &self.data()?.class_names, self.config.seed, &file.display().to_string(), progress)
    }

    fn dataset(&self, folder: &Path) -> Result<()> {
        match &self.config.data {
            Some(_) => save_json(&folder.join(SOURCE), &Source { content: self.data()?.digest()? }),
            None => draw_dataset(&self.config.shapes, &folder.join(SHAPES)).map(drop),
        }
    }

    /// Writes best and last weights, history and gamma statistics.
    fn training(
        &self,
        stage: Stage,
        folder: &Path,
        config: &TrainConfig,
        objective: Objective<'_>,
        progress: &mut dyn Progress,
        start: impl FnOnce() -> Result<Checkpoint>,
    ) -> Result<()> {
        let data = self.data()?;
        train_in(folder, stage, config, progress, start, |start, watch| {
            train_stage(start, data, config, objective, self.context, watch)
        })?;
        pictures::labels(&data.train, &folder.join("labels.png"))
    }

    fn checkpoint(&self, network: Network) -> Result<Checkpoint> {
        let checkpoint = Checkpoint::load(self.file(network.stage(), BEST))?;
        Ok(Checkpoint { train: None, ..checkpoint })
    }

    fn export(&self, folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        for network in Network::ALL {
            let checkpoint = self.checkpoint(network)?;
            let settings = &self.config.export;
            let data = self.data()?;
            fill_export_folder(folder, (network, &checkpoint), settings, data, self.context, progress)?;
        }
        Ok(())
    }

    fn engine(&self, folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        let export = &self.config.export;
        for network in Network::ALL {
            let checkpoint = self.checkpoint(network)?;
            write_cpu_engines(folder, (network, &checkpoint), export, self.data()?, self.context)?;
        }
        let made = build_engines(folder, &self.dir.stage(Stage::Export), self.config, progress)?;
        save_json(&folder.join(OUTCOMES), &made)
    }

    fn report(&self, folder: &Path) -> Result<()> {
        let manifests: Vec<&Manifest> = self.done.values().collect();
        let (report, examples) = measure(&Measured {
            dir: self.dir,
            config: self.config,
            data: self.data()?,
            context: self.context,
            wanted: self.wanted(),
            pruned: self.file(Stage::Prune, PRUNED),
            exported: self.exported()?,
            engines: load_json(&self.file(Stage::Engine, OUTCOMES))?,
            manifests: &manifests,
            pruning: self.file(Stage::Prune, prune_folder::REPORT),
        })?;
        write_file(folder.join(REPORT_MARKDOWN), bonsai_report::markdown(&report).as_bytes())?;
        write_file(folder.join(RunDir::PAGE), bonsai_report::page(&report, &examples).as_bytes())?;
        save_json(&folder.join(REPORT_JSON), &report)
    }

    /// The files that the report measures: checkpoints in the order of their stages, then engines and ONNX
    /// files.
    fn wanted(&self) -> Vec<ReportItem> {
        let checkpoint = |name: &'static str, stage, file: &str| {
            let file = self.file(stage, file);
            let group = Group::Checkpoint;
            let counted = file.clone();
            // Only fine-tuning trains with codes.
            let precision = match stage {
                Stage::Finetune if self.config.finetune.qat => EnginePrecision::Int8,
                _ => EnginePrecision::Fp32,
            };
            ReportItem { name: name.to_owned(), network: name, precision, group, file, counted }
        };
        let checkpoints = [
            ("baseline", Stage::Baseline, BEST),
            ("dense control", Stage::Control, BEST),
            ("sparse", Stage::Sparse, LAST),
            ("pruned", Stage::Prune, PRUNED),
            ("fine-tuned", Stage::Finetune, BEST),
        ];
        let there = checkpoints.into_iter().filter(|(_, stage, _)| self.config.has(*stage));
        let mut wanted: Vec<ReportItem> =
            there.map(|(name, stage, file)| checkpoint(name, stage, file)).collect();
        let export = |what: &str, network: Network, precision, file| ReportItem {
            name: format!("{what}, {}", network.title()),
            network: network.title(),
            precision,
            group: Group::Export,
            file,
            // Every export has its batch norm folded, as this file has.
            counted: self.file(Stage::Engine, &network.cpu_engine()),
        };
        for network in Network::ALL {
            let file = self.file(Stage::Engine, &network.cpu_engine());
            wanted.push(export("CPU engine", network, EnginePrecision::Fp32, file));
        }
        if self.config.export.int8 {
            for network in Network::ALL {
                let file = self.file(Stage::Engine, &network.int8_cpu_engine());
                wanted.push(export("CPU engine int8", network, EnginePrecision::Int8, file));
            }
        }
        for (network, precision) in self.onnx() {
            let file = self.file(Stage::Export, &network.onnx(precision));
            wanted.push(export(&format!("ONNX {precision}"), network, precision, file));
        }
        wanted
    }

    fn onnx(&self) -> Vec<(Network, EnginePrecision)> {
        let precisions = self.config.export.precisions();
        precisions.into_iter().flat_map(|p| Network::ALL.map(|network| (network, p))).collect()
    }

    fn exported(&self) -> Result<Vec<Exported>> {
        let of = |(network, precision): (Network, EnginePrecision)| {
            let parity = load_json(&Parity::path(&self.file(Stage::Export, &network.onnx(precision))))?;
            Ok(Exported { precision, parity })
        };
        self.onnx().into_iter().map(of).collect()
    }
}
