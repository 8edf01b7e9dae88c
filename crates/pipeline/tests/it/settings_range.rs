//! Tests that every number of a configuration has a range: a value that is NaN, negative, infinite or far too
//! large is refused with its name, before any work.

use anyhow::Result;
use bonsai_pipeline::training::TrainRunConfig;
use bonsai_pipeline::{PipelineConfig, Settings, check, is_misuse, resolve};
use toml::{Table, Value};

/// Numbers that no setting accepts. A fraction of -0.5 is as wrong as a count.
const WRONG: [&str; 6] = ["nan", "-1", "inf", "-inf", "1e300", "-0.5"];
/// The largest integer of TOML; only settings without an upper limit accept it.
const LARGEST: &str = "9223372036854775807";
const UNLIMITED: [&str; 6] = ["seed", "threads", "patience", "cache_bytes", "cache_mib", "close_mosaic"];
/// Settings that accept only the seed of the run, whatever its size. Sparsity training does not run by default.
const ONE_SEED: [&str; 2] = ["baseline.seed", "finetune.seed"];
/// Settings that have no number by default.
const OTHERS: [&str; 16] = [
    "l1.gamma",
    "l1.beta",
    "l1.gamma.travel",
    "l1.gamma.loss",
    "l1.beta.travel",
    "l1.beta.of_gamma",
    "l1.gamma_decay.linear.last",
    "l1.gamma_decay.cosine.last",
    "l1.gamma_decay.growing.first",
    "prune.target.macs",
    "prune.target.params",
    "prune.target.latency",
    "prune.target.latency_ms",
    "prune.max_ratio_per_layer",
    "engine.workspace_mib",
    "engine.optimization_level",
];

/// Paths of all numbers in a table.
fn numbers(table: &Table, prefix: &str, found: &mut Vec<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => numbers(inner, &path, found),
            Value::Integer(_) | Value::Float(_) => found.push(path),
            _ => {}
        }
    }
}

/// Sets every number of `base`, and `others`, to wrong values, and expects an error.
fn refuses_all<T: Settings>(base: &T, others: &[&str], check: impl Fn(&T) -> Result<()>) {
    let mut keys = Vec::new();
    numbers(&Table::try_from(base).unwrap(), "", &mut keys);
    assert!(keys.len() > 25, "{keys:?}");
    keys.extend(others.iter().map(|key| (*key).to_owned()));
    for key in keys {
        let set = |value: &str| {
            let config = resolve(base, &[format!("{key}={value}")])?;
            check(&config).inspect_err(|error| assert!(is_misuse(error), "{key}={value}: {error:#}"))
        };
        let name = key.rsplit('.').next().unwrap();
        // A single training chooses a batch of -1 by the memory.
        let chosen = (key == "batch").then_some("-1");
        if let Some(value) = chosen {
            set(value).unwrap();
        }
        for value in WRONG.into_iter().filter(|value| Some(*value) != chosen) {
            let Err(error) = set(value) else { panic!("{key}={value} is taken") };
            let text = format!("{error:#}");
            let section = key.split('.').next().unwrap();
            assert!(text.contains(name) || text.contains(section), "{key}={value}: {text}");
        }
        let taken = set(LARGEST).is_ok();
        let unlimited = UNLIMITED.contains(&name) && !ONE_SEED.contains(&key.as_str());
        assert_eq!(taken, unlimited, "{key}={LARGEST}");
    }
}

#[test]
fn no_number_of_a_run_is_without_a_range() {
    refuses_all(&PipelineConfig::default(), &OTHERS, check);
}

#[test]
fn no_number_of_a_training_is_without_a_range() {
    let others: Vec<&str> = OTHERS.into_iter().filter(|key| key.starts_with("l1.")).collect();
    let sparse =
        TrainRunConfig { l1: Some(bonsai_pipeline::L1Config::default()), ..TrainRunConfig::default() };
    refuses_all(&sparse, &others, TrainRunConfig::check);
}

#[test]
fn settings_that_do_not_fit_together_are_refused() {
    for (settings, part) in [
        (&["sparse.optimizer=AdamW"][..], "l1.gamma"),
        (&["engine.precision=int8", "export.int8=false"], "export.int8"),
        (&["baseline.gains={bbox = 0, cls = 0, dfl = 0}"], "nothing to learn"),
        (&["extras.gradient_batches=0"], "gradient_batches is 0"),
        (&["extras.dense_importance=best"], "dense_importance is best"),
        (&["seed=4", "baseline.seed=3"], "baseline.seed is 3, but a run has one seed, 4"),
        (&["iterate.epochs=0"], "`iterate`"),
        (&["finetune.lr0=nan"], "`finetune`"),
    ] {
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        let config = resolve(&PipelineConfig::default(), &settings).unwrap();
        let error = check(&config).unwrap_err();
        let text = format!("{error:#}");
        assert!(is_misuse(&error) && text.contains(part), "{settings:?}: {text}");
    }
    check(&PipelineConfig::default()).unwrap();
    check(&PipelineConfig::drawn()).unwrap();
}
