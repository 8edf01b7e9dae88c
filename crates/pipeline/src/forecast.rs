//! [`forecast`]: what a run would do and cost, without writing anything.
//!
//! A stage that ran here before costs what it cost then, scaled by epochs and by the area of the images. Any
//! other stage is estimated from MACs: the network runs on one image, and the cost is counted in such runs.
//! The estimate is rough; it distinguishes minutes from hours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use bonsai_stages::{Data, look_at_dataset};
use serde::Serialize;
use serde_json::Value;

use crate::check::{check, check_inputs, check_network};
use crate::cost_model::CostModel;
use crate::decision::{Decision, decide};
use crate::estimate::{Basis, Estimate};
use crate::road::check_stages;
use crate::run::class_names;
use crate::stage_settings::StageSettings;
use crate::work::yaml_of;
use crate::{Control, Manifest, PipelineConfig, Progress, RunDir, Stage};

/// What a run would do with a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The stage is complete and up to date.
    Cached,
    /// The run begins after the stage and uses its files as they are.
    Taken,
    /// The stage would run.
    Run,
    /// The run ends before the stage.
    Skipped,
}

/// The forecast of a stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageForecast {
    /// Which stage.
    pub stage: Stage,
    /// What a run would do with it.
    pub fate: Fate,
    /// Why it would run; empty otherwise.
    pub because: Vec<String>,
    /// Its estimated cost, if it would run.
    pub estimate: Option<Estimate>,
}

/// The forecast of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Every stage in order.
    pub stages: Vec<StageForecast>,
    /// Seconds of all stages that would run.
    pub seconds: f64,
    /// Peak memory of the stages, in MiB.
    pub memory_mib: f64,
    /// Bytes of the files of all stages that would run.
    pub disk_bytes: u64,
}

/// Forecasts what [`run_stages`](crate::run_stages) would do. If a stage would run, the stages that read it
/// count as running too, although their inputs may turn out to be unchanged.
///
/// # Errors
/// If a run would refuse the configuration, the dataset or the directory.
pub fn forecast(
    config: &PipelineConfig,
    dir: &RunDir,
    control: &Control,
    progress: &mut dyn Progress,
) -> Result<Forecast> {
    check(config)?;
    control.check()?;
    check_stages(config, control)?;
    let options = config.executor_options()?;
    check_inputs(config, dir, control)?;
    check_network(config, &class_names(config)?, control)?;
    let info = options.describe()?;
    let data = data(config, dir, control, progress)?;
    let content = data.as_ref().filter(|_| config.data.is_some()).map(Data::digest).transpose()?;
    let all_settings = StageSettings { config, executor: &info, content };
    let mut model = None;
    let mut done: BTreeMap<Stage, Option<String>> = BTreeMap::new();
    let mut stages = Vec::new();
    for stage in config.stages() {
        if stage > control.last() {
            stages.push(StageForecast { stage, fate: Fate::Skipped, because: Vec::new(), estimate: None });
            continue;
        }
        let inputs = config.inputs(stage).into_iter().map(|i| (i, done.get(&i).cloned().flatten())).collect();
        let stage_settings = all_settings.of(stage)?;
        let (fate, because, estimate, digest) = match decide(dir, control, stage, &stage_settings, &inputs)? {
            Decision::Cached(manifest) => (Fate::Cached, Vec::new(), None, Some(manifest.digest()?)),
            Decision::Taken(manifest) => (Fate::Taken, Vec::new(), None, Some(manifest.digest()?)),
            Decision::Run(because, last) => {
                let estimate = if let Some(last) = last {
                    as_last_time(&last, &stage_settings, &dir.stage(stage))
                } else {
                    if model.is_none() {
                        model = Some(CostModel::new(config, options, data.as_ref())?);
                    }
                    model.as_ref().map(|model| model.of(stage))
                };
                (Fate::Run, because, estimate, None)
            }
        };
        done.insert(stage, digest);
        stages.push(StageForecast { stage, fate, because, estimate });
    }
    let estimates: Vec<Estimate> = stages.iter().filter_map(|stage| stage.estimate).collect();
    Ok(Forecast {
        // `Iterator::sum` of nothing is a negative zero.
        seconds: estimates.iter().map(|e| e.seconds).fold(0.0, |sum, seconds| sum + seconds),
        memory_mib: estimates.iter().map(|e| e.memory_mib).fold(0.0, f64::max),
        disk_bytes: estimates.iter().map(|e| e.disk_bytes).sum(),
        stages,
    })
}

/// The dataset; `None` if it still has to be drawn.
fn data(
    config: &PipelineConfig,
    dir: &RunDir,
    control: &Control,
    progress: &mut dyn Progress,
) -> Result<Option<Data>> {
    let yaml = yaml_of(config, dir)?;
    if config.data.is_some() || (control.takes(Stage::Dataset) && yaml.is_file()) {
        return look_at_dataset(&yaml, progress).map(Some);
    }
    Ok(None)
}

/// Estimates a stage from the manifest and the files of its last run.
fn as_last_time(last: &Manifest, stage_settings: &Value, folder: &Path) -> Option<Estimate> {
    let number = |config: &Value, path: &[&str]| {
        path.iter().try_fold(config, |value, key| value.get(key)).and_then(Value::as_f64)
    };
    let times = |path: &[&str], power: i32| match (number(&last.config, path), number(stage_settings, path)) {
        (Some(old), Some(new)) if old > 0.0 => (new / old).powi(power),
        _ => 1.0,
    };
    let area = times(&["imgsz"], 2);
    let work = area * times(&[last.stage.name(), "epochs"], 1);
    let sizes = last.outputs.keys().filter_map(|name| fs::metadata(folder.join(name)).ok());
    Some(Estimate {
        seconds: last.seconds * work,
        // Larger images and batches need more memory; the part that does not depend on them is smaller.
        memory_mib: last.peak_mib? * area.max(1.0) * times(&[last.stage.name(), "batch"], 1).max(1.0),
        disk_bytes: sizes.map(|metadata| metadata.len()).sum(),
        basis: Basis::LastTime,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_exec::ExecutorOptions;
    use serde_json::json;

    #[test]
    fn an_earlier_run_is_scaled_by_epochs_and_area() {
        let config = |epochs: usize, imgsz: usize| json!({"sparse": {"epochs": epochs}, "imgsz": imgsz});
        let last = Manifest {
            stage: Stage::Sparse,
            version: String::new(),
            config: config(10, 64),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::from([("gone".to_owned(), String::new())]),
            seed: 0,
            began: String::new(),
            seconds: 6.0,
            interruptions: 0,
            cpu_seconds: None,
            peak_mib: Some(100.0),
            executor: ExecutorOptions::default().describe().unwrap(),
        };
        let of = |epochs, imgsz| as_last_time(&last, &config(epochs, imgsz), Path::new("nowhere")).unwrap();
        assert_eq!((of(10, 64).seconds, of(20, 64).seconds, of(5, 128).seconds), (6.0, 12.0, 12.0));
        assert_eq!(
            (of(10, 64).memory_mib, of(10, 128).memory_mib, of(10, 32).memory_mib),
            (100.0, 400.0, 100.0)
        );
        assert_eq!(of(10, 64).disk_bytes, 0);
    }
}
