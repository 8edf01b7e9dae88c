//! [`Sweep`]: the runs of a sweep, with their order and settings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, Result, ensure};
use bonsai_checkpoint::{remove_leftovers, write_file};
use bonsai_pipeline::{PipelineConfig, RunDir, neighbours, path_of_text, path_text};
use bonsai_stages::{load_json, save_json};
use serde::{Deserialize, Serialize};

/// The values that a sweep varies; every combination is a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Axes {
    /// Fractions of channel sets to remove.
    pub ratios: Vec<f64>,
    /// Seeds of the randomness.
    pub seeds: Vec<u64>,
    /// Names of [presets](bonsai_pipeline::PipelinePreset); an empty list leaves the settings as they are.
    pub presets: Vec<String>,
}

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepRun {
    /// Its folder in the sweep.
    pub name: String,
    /// Fraction of channel sets to remove.
    pub prune_ratio: f64,
    /// Seed of its randomness.
    pub seed: u64,
    /// Preset, if the sweep varies it.
    pub preset: Option<String>,
    /// Runs of one phase share no stage that still has to be made. They may run at the same time, after the
    /// runs of earlier phases.
    pub phase: usize,
}

/// The runs in a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    root: PathBuf,
    runs: Vec<SweepRun>,
}

impl Sweep {
    /// File in the folder that lists the runs.
    pub const FILE: &'static str = neighbours::SWEEP;

    /// Plans every combination over `base`, in the order in which the runs are best made, with their
    /// settings.
    ///
    /// Paths in the settings become absolute, so that the user may start a run from any folder.
    ///
    /// # Errors
    /// If a list is empty, a value is named twice, or a setting is not valid.
    pub fn plan(root: &Path, base: &PipelineConfig, axes: &Axes) -> Result<(Self, Vec<PipelineConfig>)> {
        ensure!(!axes.ratios.is_empty(), "a sweep needs at least one ratio");
        ensure!(!axes.seeds.is_empty(), "a sweep needs at least one seed");
        let presets: Vec<Option<&String>> =
            if axes.presets.is_empty() { vec![None] } else { axes.presets.iter().map(Some).collect() };
        let mut base = base.clone();
        base.data = base.data.as_deref().map(absolute).transpose().context("the current folder is gone")?;
        let model = path_of_text(&base.model);
        if model.exists() {
            base.model = path_text(&absolute(&model)?);
        }
        if let Some(teacher) = &mut base.distill.teacher {
            *teacher = path_text(&absolute(path_of_text(teacher))?);
        }
        let mut planned = Vec::new();
        let mut names = BTreeSet::new();
        for (r, &prune_ratio) in axes.ratios.iter().enumerate() {
            for (p, preset) in presets.iter().enumerate() {
                for &seed in &axes.seeds {
                    let name = run_name(prune_ratio, seed, preset.map(String::as_str));
                    ensure!(
                        names.insert(name.clone()),
                        "run {name} is asked for twice; name each value once"
                    );
                    let mut config = base.clone().with_seed(seed);
                    if let Some(preset) = preset {
                        config = config.with_preset(preset.parse()?);
                    }
                    (config.prune.prune_ratio, config.prune.target) = (prune_ratio, None);
                    config.prune.check().with_context(|| format!("run {name}"))?;
                    // The first run of a seed makes its baseline; the first run with a preset makes its
                    // sparsity training.
                    let phase = 1 + usize::from(p > 0) + usize::from(r > 0);
                    let preset = preset.cloned();
                    planned.push((SweepRun { name, prune_ratio, seed, preset, phase }, config));
                }
            }
        }
        planned.sort_by_key(|(run, _)| run.phase);
        let (runs, configs) = planned.into_iter().unzip();
        Ok((Self { root: root.to_owned(), runs }, configs))
    }

    /// Writes the list of runs and the configuration of each.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, configs: &[PipelineConfig]) -> Result<()> {
        let folder = self.root.join("configs");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for folder in [&self.root, &folder] {
            remove_leftovers(folder);
        }
        for (run, config) in self.runs.iter().zip(configs) {
            write_file(self.config_file(run), toml::to_string(config)?.as_bytes())?;
        }
        save_json(&self.root.join(Self::FILE), &self.runs)
    }

    /// Reads the list of runs.
    ///
    /// # Errors
    /// If the folder is not that of a sweep.
    pub fn open(root: &Path) -> Result<Self> {
        let file = root.join(Self::FILE);
        ensure!(file.is_file(), "{} is not a sweep: it has no file {}", root.display(), Self::FILE);
        Ok(Self { root: root.to_owned(), runs: load_json(&file)? })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[SweepRun] {
        &self.runs
    }

    /// The directory of a run.
    pub fn dir(&self, run: &SweepRun) -> RunDir {
        RunDir::new(self.root.join(&run.name))
    }

    /// All settings of a run, as `pipeline --config` takes them.
    pub fn config_file(&self, run: &SweepRun) -> PathBuf {
        self.root.join("configs").join(format!("{}.toml", run.name))
    }
}

/// `r0.30-s0`, with more digits if two are not enough.
fn run_name(ratio: f64, seed: u64, preset: Option<&str>) -> String {
    let two = format!("{ratio:.2}");
    let ratio = if two.parse() == Ok(ratio) { two } else { ratio.to_string() };
    let preset = preset.map_or_else(String::new, |preset| format!("-{preset}"));
    format!("r{ratio}-s{seed}{preset}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(ratios: &[f64], seeds: &[u64], presets: &[&str]) -> Result<(Sweep, Vec<PipelineConfig>)> {
        let presets = presets.iter().map(|&preset| preset.to_owned()).collect();
        let axes = Axes { ratios: ratios.to_vec(), seeds: seeds.to_vec(), presets };
        Sweep::plan(Path::new("sweep"), &PipelineConfig::drawn(), &axes)
    }

    #[test]
    fn runs_come_after_those_whose_stages_they_share() {
        let (sweep, configs) = plan(&[0.3, 0.625], &[0, 7], &["default", "original"]).unwrap();
        let order: Vec<(&str, usize)> =
            sweep.runs().iter().map(|run| (run.name.as_str(), run.phase)).collect();
        assert_eq!(
            order,
            [
                ("r0.30-s0-default", 1),
                ("r0.30-s7-default", 1),
                ("r0.30-s0-original", 2),
                ("r0.30-s7-original", 2),
                ("r0.625-s0-default", 2),
                ("r0.625-s7-default", 2),
                ("r0.625-s0-original", 3),
                ("r0.625-s7-original", 3),
            ]
        );
        assert_eq!((configs[5].seed, configs[5].prune.prune_ratio), (7, 0.625));
        assert_ne!(configs[2].l1, configs[0].l1);
        let (one, _) = plan(&[0.5], &[0, 1], &[]).unwrap();
        assert!(one.runs().iter().all(|run| run.phase == 1) && one.runs()[1].name == "r0.50-s1");
    }

    #[test]
    fn plans_with_wrong_values_are_refused() {
        let text = |result: Result<(Sweep, Vec<PipelineConfig>)>| format!("{:#}", result.unwrap_err());
        assert!(text(plan(&[], &[0], &[])).contains("at least one ratio"));
        assert!(text(plan(&[0.3, 0.3], &[0], &[])).contains("r0.30-s0 is asked for twice"));
        assert!(text(plan(&[1.5], &[0], &[])).contains("1.5"));
        assert!(text(plan(&[0.3], &[0], &["seeds"])).contains("original"));
    }

    #[test]
    fn a_plan_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let axes = Axes { ratios: vec![0.3], seeds: vec![0], presets: Vec::new() };
        let (sweep, configs) = Sweep::plan(folder.path(), &PipelineConfig::drawn(), &axes).unwrap();
        assert!(Sweep::open(folder.path()).unwrap_err().to_string().contains("is not a sweep"));
        sweep.save(&configs).unwrap();
        assert_eq!(Sweep::open(folder.path()).unwrap(), sweep);
        let file = sweep.config_file(&sweep.runs()[0]);
        let read = bonsai_pipeline::load_settings(&PipelineConfig::default(), &file).unwrap();
        assert_eq!(read, configs[0]);
    }
}
