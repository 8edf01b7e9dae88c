//! [`run`] and [`run_stages`]: all stages in order over a run directory, without repeating completed ones.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use bonsai_checkpoint::{remove_leftovers, write_file};
use bonsai_data::Dataset;
use bonsai_exec::ExecutorInfo;
use bonsai_stages::{Data, RunContext, check_training, load_json, peak_rss_mb, reset_peak};
use bonsai_yolov8::{Scale, build};

use crate::attempts::{Attempts, Clock};
use crate::check::{check, check_inputs, check_network};
use crate::cost_model::CostModel;
use crate::decision::{Decision, decide};
use crate::manifest::outputs_in;
use crate::road::check_stages;
use crate::run_lock::RunLock;
use crate::stage_settings::StageSettings;
use crate::work::{REPORT_JSON, Work, data_of};
use crate::{
    Control, Manifest, PipelineConfig, Progress, Report, RunDir, Stage, StageState, open_model, utc,
};

/// How a run ended without failing.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one value per run: a box would save nothing")]
pub enum Ended {
    /// The run completed, with this report.
    Complete(Report),
    /// The run stopped after the stage that `--until` names.
    Until(Stage),
}

/// Runs every stage that is out of date and returns the report.
///
/// # Errors
/// The error of a stage, with its name; completed stages stay.
pub fn run(config: &PipelineConfig, dir: &RunDir, progress: &mut dyn Progress) -> Result<Report> {
    match run_stages(config, dir, &Control::default(), progress)? {
        Ended::Complete(report) => Ok(report),
        Ended::Until(stage) => bail!("the run ended after stage `{stage}` without being told to"),
    }
}

/// As [`run`], from one stage to another, with some stages forced.
///
/// # Errors
/// As [`run`], and if a stage before the first one is not complete.
pub fn run_stages(
    config: &PipelineConfig,
    dir: &RunDir,
    control: &Control,
    progress: &mut dyn Progress,
) -> Result<Ended> {
    check(config)?;
    control.check()?;
    check_stages(config, control)?;
    let context = config.run_context()?.in_world(control.ranks.clone());
    check_inputs(config, dir, control)?;
    check_network(config, &class_names(config)?, control)?;
    check_first_training(config, dir, control, &context)?;
    std::fs::create_dir_all(dir.root()).with_context(|| format!("cannot create {}", dir.root().display()))?;
    let _lock = RunLock::take(dir.root(), "--project")?;
    remove_leftovers(dir.root());
    write_file(dir.config(), toml::to_string(config)?.as_bytes())?;
    let info = context.executor.describe()?;
    let mut runner = Runner {
        config,
        dir,
        control,
        context,
        executor: info,
        done: BTreeMap::new(),
        data: None,
        planned: false,
    };
    for stage in config.stages() {
        runner.stage(stage, progress).with_context(|| format!("stage `{stage}`"))?;
        if stage == control.last() && stage != Stage::Report {
            return Ok(Ended::Until(stage));
        }
    }
    Ok(Ended::Complete(load_json(&dir.stage(Stage::Report).join(REPORT_JSON))?))
}

/// Names of the classes of the dataset; reads no images.
///
/// # Errors
/// If `data.yaml` cannot be read.
pub(crate) fn class_names(config: &PipelineConfig) -> Result<Vec<String>> {
    let Some(yaml) = &config.data else {
        return Ok(config.shapes.class_names());
    };
    let dataset = Dataset::open(yaml).with_context(|| format!("stage `{}`", Stage::Dataset))?;
    Ok(dataset.class_names().to_vec())
}

/// Refuses a run whose first training does not fit into memory. The dataset is not known yet, so this check
/// assumes one class and few images; the training checks again.
///
/// # Errors
/// If the model cannot be read or a training does not fit.
fn check_first_training(
    config: &PipelineConfig,
    dir: &RunDir,
    control: &Control,
    context: &RunContext,
) -> Result<()> {
    for training in [&config.baseline, &config.sparse, &config.finetune] {
        context.check_shared(training.batch)?;
    }
    let stage = Stage::Baseline;
    // A baseline without epochs is not trained, and the pruned network may be much smaller.
    let is_given = config.baseline.epochs == 0;
    if is_given || control.takes(stage) || control.last() < stage || dir.completed(stage).is_some() {
        return Ok(());
    }
    let model = match Scale::from_model_name(&config.model) {
        Some(scale) => build(scale, &["object".to_owned()])?,
        None => open_model(&config.model)?,
    };
    check_training(model.graph(), &config.baseline, context, [config.baseline.batch, 1])
        .with_context(|| format!("stage `{stage}`"))
}

struct Runner<'a> {
    config: &'a PipelineConfig,
    dir: &'a RunDir,
    control: &'a Control,
    context: RunContext,
    executor: ExecutorInfo,
    done: BTreeMap<Stage, Manifest>,
    /// Read when it is first needed: a run with nothing to do reads no images.
    data: Option<Data>,
    /// Whether the observer knows what the stages are expected to cost.
    planned: bool,
}

impl Runner<'_> {
    /// Runs a stage, unless it is complete and made from the same configuration and inputs.
    fn stage(&mut self, stage: Stage, progress: &mut dyn Progress) -> Result<()> {
        let taken = self.control.takes(stage);
        if stage == Stage::Dataset && self.config.data.is_some() && !taken {
            // Only reading the dataset shows whether it has changed.
            self.data = Some(data_of(self.config, self.dir, progress)?);
        }
        let content = self.data.as_ref().filter(|_| stage == Stage::Dataset).map(Data::digest).transpose()?;
        let all_settings = StageSettings { config: self.config, executor: &self.executor, content };
        let config = all_settings.of(stage)?;
        let inputs = self
            .config
            .inputs(stage)
            .into_iter()
            .map(|input| {
                let manifest =
                    self.done.get(&input).with_context(|| format!("stage `{input}` was not done"))?;
                Ok((input, Some(manifest.digest()?)))
            })
            .collect::<Result<BTreeMap<_, _>>>()?;
        if !taken && !self.control.forces(stage) && inputs.values().all(Option::is_some) {
            let known: BTreeMap<Stage, String> =
                inputs.iter().filter_map(|(input, digest)| Some((*input, digest.clone()?))).collect();
            crate::neighbours::adopt(self.dir, stage, |manifest| manifest.is_of(&config, &known))?;
        }
        let manifest = match decide(self.dir, self.control, stage, &config, &inputs)? {
            Decision::Cached(manifest) => {
                progress.stage(stage, &StageState::Skipped);
                manifest
            }
            Decision::Taken(manifest) => {
                progress.stage(stage, &StageState::Skipped);
                progress.note("used as it is, whatever it was made from");
                manifest
            }
            Decision::Run(reasons, _) => {
                progress.stage(stage, &StageState::Started(reasons.join("; ")));
                let inputs =
                    inputs.into_iter().filter_map(|(stage, digest)| Some((stage, digest?))).collect();
                self.work(stage, config, inputs, progress)?
            }
        };
        self.done.insert(stage, manifest);
        Ok(())
    }

    /// Tells the observer what the stages from this one on are expected to cost, if one of them trains.
    fn plan(&self, first: Stage, progress: &mut dyn Progress) {
        let mut stages = self.config.stages();
        stages.retain(|stage| (first..=self.control.last()).contains(stage));
        if !stages.iter().any(|stage| stage.is_training()) {
            return;
        }
        // A progress bar is no reason to end a run, and the stages report what is wrong with the network.
        let Ok(model) = CostModel::new(self.config, self.context.executor, self.data.as_ref()) else {
            return;
        };
        let costs: Vec<_> = stages.into_iter().map(|stage| (stage, model.of(stage).seconds)).collect();
        progress.plan(&costs);
    }

    fn work(
        &mut self,
        stage: Stage,
        config: serde_json::Value,
        inputs: BTreeMap<Stage, String>,
        progress: &mut dyn Progress,
    ) -> Result<Manifest> {
        if self.data.is_none() && stage != Stage::Dataset {
            self.data = Some(data_of(self.config, self.dir, progress)?);
        }
        if stage != Stage::Dataset && !self.planned {
            self.planned = true;
            self.plan(stage, progress);
        }
        let clock = Clock::start();
        let began = utc::now();
        reset_peak();
        let folder = if stage.is_training() {
            // If a forced stage is interrupted, only a run that forces it again resumes it.
            let forced = if self.control.forces(stage) { "forced " } else { "" };
            self.dir.go_on(stage, &format!("{forced}{}", Manifest::key(stage, &config, &inputs)?))?
        } else {
            self.dir.begin(stage)?
        };
        let work = Work {
            config: self.config,
            dir: self.dir,
            context: &self.context,
            data: self.data.as_ref(),
            done: &self.done,
        };
        // The files of an attempt with another key are removed by now.
        let earlier = Attempts::in_folder(&folder)?;
        work.fill(stage, &folder, progress)?;
        Attempts::forget(&folder)?;
        let seconds = clock.seconds(earlier);
        let manifest = Manifest {
            stage,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config,
            inputs,
            outputs: outputs_in(&folder)?,
            seed: self.config.seed,
            began,
            seconds,
            interruptions: earlier.count,
            cpu_seconds: clock.cpu_seconds(earlier),
            peak_mib: peak_rss_mb(),
            executor: self.executor.clone(),
        };
        self.dir.finish(stage, &manifest)?;
        progress.stage(stage, &StageState::Finished(seconds));
        Ok(manifest)
    }
}
