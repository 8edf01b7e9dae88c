//! [`RecipeBench`]: the runs of a bench of recipes, with their order and settings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, Result};
use bonsai_checkpoint::{remove_leftovers, write_file};
use bonsai_prune::CostTarget;
use bonsai_stages::{Stage, ensure_usage};

use super::{BenchDataset, Recipe};
use bonsai_pipeline::neighbours::mark_neighbours;
use bonsai_pipeline::{PipelineConfig, RunDir, check, is_current};

/// One run of the bench.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRun {
    /// Name of its dataset.
    pub dataset: String,
    /// Name of its recipe; `None` for a dense control.
    pub recipe: Option<String>,
    /// Fraction of the MACs that pruning leaves; 1 for a dense control.
    pub macs: f64,
    /// Seed of its randomness.
    pub seed: u64,
    /// Number of epochs after the baseline.
    pub epochs: usize,
    /// All settings.
    pub config: PipelineConfig,
    /// The last stage of the run.
    pub until: Stage,
    /// Runs of one phase share no stage that still has to be made. They may run at the same time, after the
    /// runs of earlier phases.
    pub phase: usize,
    root: PathBuf,
}

impl BenchRun {
    /// `taylor-m0.25-s1` or `dense-e100-s1`.
    pub fn name(&self) -> String {
        match &self.recipe {
            Some(recipe) => format!("{recipe}-m{}-s{}", self.macs, self.seed),
            None => format!("dense-e{}-s{}", self.epochs, self.seed),
        }
    }

    /// Its run directory.
    pub fn dir(&self) -> RunDir {
        RunDir::new(self.root.join(self.name()))
    }

    /// A file beside its run directory.
    pub(super) fn beside(&self, folder: &str, extension: &str) -> PathBuf {
        self.root.join(folder).join(format!("{}.{extension}", self.name()))
    }

    /// File with all settings, as `pipeline --config` takes them.
    pub fn config_file(&self) -> PathBuf {
        self.beside("configs", "toml")
    }

    /// File for its output.
    pub fn log_file(&self) -> PathBuf {
        self.beside("logs", "txt")
    }

    /// Whether it has been trained to its end with these settings. Changed labels are not checked here; the
    /// run itself finds them.
    pub fn is_done(&self) -> bool {
        // If this cannot be told, the run itself says why.
        is_current(&self.config, &self.dir(), self.until).unwrap_or(false)
    }
}

/// All runs of a bench.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeBench {
    /// The runs, in the order in which they are best made.
    pub runs: Vec<BenchRun>,
}

impl RecipeBench {
    /// Plans every recipe on every dataset, for every seed and every fraction of the MACs, each with its
    /// dense control.
    ///
    /// # Errors
    /// If something is named twice or a setting is not valid.
    pub fn plan(
        root: &Path,
        base: &PipelineConfig,
        recipes: &[Recipe],
        datasets: &[BenchDataset],
        seeds: &[u64],
        macs: &[f64],
    ) -> Result<Self> {
        let root = absolute(root).context("the current folder is gone")?;
        let mut runs: Vec<BenchRun> = Vec::new();
        for dataset in datasets {
            let folder = root.join(&dataset.name);
            let base = dataset.settings(base, &folder);
            for &seed in seeds {
                for recipe in recipes {
                    let config = recipe.over(&base)?;
                    check_shared(recipe, &base, &config)?;
                    let config = config.with_seed(seed);
                    let epochs = config.further_epochs();
                    let dense = dense_control(&base, seed, epochs);
                    let run = |recipe: Option<&Recipe>, config, macs, until, phase| BenchRun {
                        dataset: dataset.name.clone(),
                        recipe: recipe.map(|recipe| recipe.name.clone()),
                        macs,
                        seed,
                        epochs,
                        config,
                        until,
                        phase,
                        root: folder.clone(),
                    };
                    // The first run of a seed trains the baseline that all runs of that seed share.
                    let is_first = !runs.iter().any(|run| (&run.dataset, run.seed) == (&dataset.name, seed));
                    let control = run(None, dense, 1.0, Stage::Control, usize::from(!is_first));
                    if !runs.iter().any(|run| run.name() == control.name() && run.dataset == control.dataset)
                    {
                        runs.push(control);
                    }
                    for (index, &macs) in macs.iter().enumerate() {
                        let mut config = config.clone();
                        config.prune.target = Some(CostTarget::Macs(macs));
                        check(&config).with_context(|| format!("recipe {}", recipe.name))?;
                        runs.push(run(
                            Some(recipe),
                            config,
                            macs,
                            Stage::Finetune,
                            1 + usize::from(index > 0),
                        ));
                    }
                }
            }
        }
        for (recipe, other) in
            recipes.iter().enumerate().flat_map(|(i, a)| recipes[..i].iter().map(move |b| (a, b)))
        {
            ensure_usage!(
                recipe.over(base)? != other.over(base)?,
                "the recipes {} and {} have the same settings: leave one of them out",
                other.name,
                recipe.name
            );
        }
        let mut names = BTreeSet::new();
        for run in &runs {
            let name = format!("{}/{}", run.dataset, run.name());
            ensure_usage!(names.insert(name.clone()), "run {name} is asked for twice; name each value once");
        }
        runs.sort_by_key(|run| run.phase);
        Ok(Self { runs })
    }

    /// Writes the settings of every run, and marks the folders so that the runs in them share stages.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self) -> Result<()> {
        for run in &self.runs {
            for file in [run.config_file(), run.log_file()] {
                let folder = file.parent().unwrap_or(&run.root);
                fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
                remove_leftovers(folder);
            }
            mark_neighbours(&run.root)?;
            write_file(run.config_file(), toml::to_string(&run.config)?.as_bytes())?;
        }
        Ok(())
    }
}

/// Refuses a recipe that changes a setting of its dense control: the difference between the two would not be
/// due to the recipe.
fn check_shared(recipe: &Recipe, base: &PipelineConfig, config: &PipelineConfig) -> Result<()> {
    let shared = [
        ("data", base.data == config.data),
        ("seed", base.seed == config.seed),
        ("device", base.device == config.device),
        ("executor", base.executor == config.executor),
        ("compute_precision", base.compute_precision == config.compute_precision),
        ("model", base.model == config.model),
        ("imgsz", base.imgsz == config.imgsz),
        ("loader", base.loader == config.loader),
        ("baseline", base.baseline == config.baseline),
        ("prune.target", base.prune.target == config.prune.target),
    ];
    for (setting, is_same) in shared {
        ensure_usage!(
            is_same,
            "the recipe {} changes {setting}, which must be the same for every recipe of a bench: leave it out of the \
             file, or set it for all recipes with --set",
            recipe.name
        );
    }
    Ok(())
}

/// Settings of the dense control: the baseline trained on with the settings of fine-tuning, without pruning.
fn dense_control(base: &PipelineConfig, seed: u64, epochs: usize) -> PipelineConfig {
    let mut config = PipelineConfig { seed, ..base.clone() };
    config.control.dense = true;
    (config.sparse.epochs, config.finetune.epochs) = (0, epochs);
    config
}

#[cfg(test)]
mod tests {
    use bonsai_pipeline::load_settings;
    use bonsai_prune::Importance;

    use super::*;

    fn plan(root: &Path, recipes: &[&str], macs: &[f64]) -> Result<RecipeBench> {
        let recipes: Vec<Recipe> = recipes.iter().map(|name| Recipe::open(name).unwrap()).collect();
        let yaml = root.join("data.yaml");
        fs::write(&yaml, "").unwrap();
        let dataset = BenchDataset::parse(&format!("cells={}", yaml.display())).unwrap();
        RecipeBench::plan(
            &root.join("bench"),
            &PipelineConfig::default(),
            &recipes,
            &[dataset],
            &[0, 1],
            macs,
        )
    }

    #[test]
    fn recipes_of_equal_length_share_a_dense_control() {
        let folder = tempfile::tempdir().unwrap();
        let bench = plan(folder.path(), &["default", "random"], &[0.5, 0.25]).unwrap();
        let names: Vec<(String, usize)> = bench.runs.iter().map(|run| (run.name(), run.phase)).collect();
        let epochs = PipelineConfig::default().further_epochs();
        let phase =
            |phase| names.iter().filter(|run| run.1 == phase).map(|run| run.0.clone()).collect::<Vec<_>>();
        assert_eq!(phase(0), [format!("dense-e{epochs}-s0"), format!("dense-e{epochs}-s1")]);
        assert_eq!(phase(1), ["default-m0.5-s0", "random-m0.5-s0", "default-m0.5-s1", "random-m0.5-s1"]);
        assert_eq!(phase(2).len(), 4);
        assert!(bench.runs.iter().all(|run| run.config.further_epochs() == epochs));
        let dense = &bench.runs[0];
        assert_eq!((dense.until, dense.config.has(Stage::Control)), (Stage::Control, true));
        bench.save().unwrap();
        let read = load_settings(&PipelineConfig::default(), &bench.runs[3].config_file()).unwrap();
        assert_eq!(read, bench.runs[3].config);
        assert!(!bench.runs[3].is_done());
        let drawn = bench.runs.iter().filter_map(|run| match run.config.score.importance {
            Importance::Random { seed } => Some(seed),
            _ => None,
        });
        assert_eq!(drawn.collect::<Vec<_>>(), [0, 1, 0, 1], "each seed draws channels of its own");
    }

    #[test]
    fn wrong_plans_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = |result: Result<RecipeBench>| format!("{:#}", result.unwrap_err());
        assert!(text(plan(folder.path(), &["taylor", "taylor"], &[0.5])).contains("same settings"));
        assert!(text(plan(folder.path(), &["taylor"], &[0.5, 0.5])).contains("asked for twice"));
        assert!(text(plan(folder.path(), &["taylor"], &[1.5])).contains("1.5"));
        for (dataset, part) in
            [("crowds", "crowd"), ("a/b=x", "cannot name"), ("a=nowhere.yaml", "no such file")]
        {
            let error = BenchDataset::parse(dataset).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(BenchDataset::parse("clutter").is_ok());
    }
}
