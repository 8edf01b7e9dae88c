//! [`is_current`]: whether a run directory holds the results of given settings.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use crate::stage_settings::StageSettings;
use crate::{PipelineConfig, RunDir, Stage};

/// Whether every stage up to `until` is complete, made by this version from these settings and from the
/// stages before it as they are now.
///
/// The stage of the dataset counts as it is: changed labels are found only by a run. `config.toml` of the
/// directory decides nothing, because a run writes it before its first stage, and may fail after that.
///
/// # Errors
/// If the settings name a device or an executor that is not available, or a file with a model that cannot be
/// read.
pub fn is_current(config: &PipelineConfig, dir: &RunDir, until: Stage) -> Result<bool> {
    let executor = config.executor_options()?.describe()?;
    let mut done: BTreeMap<Stage, String> = BTreeMap::new();
    for stage in config.stages().into_iter().filter(|stage| *stage <= until) {
        let Some(manifest) = dir.completed(stage) else { return Ok(false) };
        let content = manifest.config.get("content").and_then(Value::as_str).map(str::to_owned);
        let stage_settings = StageSettings { config, executor: &executor, content }.of(stage)?;
        let inputs = config.inputs(stage).into_iter();
        let inputs = inputs.filter_map(|input| Some((input, done.get(&input)?.clone()))).collect();
        if !manifest.is_of(&stage_settings, &inputs) {
            return Ok(false);
        }
        done.insert(stage, manifest.digest()?);
    }
    Ok(true)
}
