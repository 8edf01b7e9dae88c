//! [`Settings`], [`load_settings`] and [`resolve`]: a configuration from files and `key=value`. For an
//! unknown key, the error names the nearest key.

use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A configuration that files and options override. The keys of its serialised defaults are the keys that
/// exist.
pub trait Settings: Serialize + DeserializeOwned {
    /// Keys that have no value by default, so that a serialised configuration lacks them.
    const OPTIONAL: &'static [&'static str];

    /// Keys whose new value replaces the old one and is never merged with it: numbers or tables, as an enum
    /// is written.
    const WHOLE: &'static [&'static str] = &[];

    /// Pairs of keys of which the first replaces the second: setting the first removes an earlier value of
    /// the second.
    const INSTEAD: &'static [(&'static str, &'static str)] = &[];
}

/// Reads a TOML file over `base`.
///
/// # Errors
/// If the file cannot be read, is not TOML, or names a key that does not exist.
pub fn load_settings<T: Settings>(base: &T, path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table = text.parse().with_context(|| format!("{} is not valid TOML", path.display()))?;
    let mut resolved = to_table(base)?;
    merge::<T>(&mut resolved, table, "").with_context(|| format!("in {}", path.display()))?;
    from_table(resolved)
}

/// Lays a table over `base`.
///
/// # Errors
/// As [`load_settings`].
pub fn overlay<T: Settings>(base: &T, table: Table) -> Result<T> {
    let mut resolved = to_table(base)?;
    merge::<T>(&mut resolved, table, "")?;
    from_table(resolved)
}

/// Applies `section.key=value` settings, in order.
///
/// # Errors
/// If a key does not exist or a value does not fit it.
pub fn resolve<T: Settings>(base: &T, settings: &[String]) -> Result<T> {
    let mut resolved = to_table(base)?;
    for setting in settings {
        let (path, value) =
            setting.split_once('=').with_context(|| format!("`{setting}` is not of the form key=value"))?;
        // A value that is not TOML is a string without quotes.
        let parsed = format!("v = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
        let mut value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
        for key in path.trim().split('.').rev() {
            value = Value::Table(Table::from_iter([(key.to_owned(), value)]));
        }
        if let Value::Table(table) = value {
            merge::<T>(&mut resolved, table, "").with_context(|| format!("in --set {setting}"))?;
            // Keys that a preset or an optional section adds exist for the settings that follow. An
            // incomplete configuration is an error only after the last setting.
            if let Ok(so_far) = from_table::<T>(resolved.clone()) {
                resolved = to_table(&so_far)?;
            }
        }
    }
    from_table(resolved)
}

/// Lays `over` over `base`. A new `preset` resets the keys beside it, so `base` loses those that `over` does
/// not give.
fn merge<T: Settings>(base: &mut Table, over: Table, prefix: &str) -> Result<()> {
    if over.contains_key("preset") && base.contains_key("preset") {
        base.retain(|key, _| over.contains_key(key));
    }
    let within = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    for key in over.keys() {
        for (_, other) in T::INSTEAD.iter().filter(|(first, _)| *first == within(key)) {
            base.retain(|key, _| within(key) != *other);
        }
    }
    for (key, value) in over {
        let path = within(&key);
        match (base.get_mut(&key), value) {
            (Some(old), value) if T::WHOLE.contains(&path.as_str()) => *old = value,
            (Some(Value::Table(inner)), Value::Table(value)) => merge::<T>(inner, value, &path)?,
            (Some(Value::Float(old)), Value::Integer(new)) => *old = new as f64,
            (Some(old), value) => {
                if !same_type(old, &value) {
                    bail!("`{path}` has type {}; expected {}", value.type_str(), old.type_str());
                }
                *old = value;
            }
            (None, value) if T::OPTIONAL.contains(&path.as_str()) => {
                base.insert(key, value);
            }
            (None, _) => {
                // Keys without a value are not in `base`.
                let folder = path.strip_suffix(key.as_str()).unwrap_or_default();
                let unset = T::OPTIONAL.iter().filter_map(|path| path.strip_prefix(folder));
                let unset = unset.filter(|key| !key.contains('.')).map(str::to_owned);
                let hint = match nearest(&key, base.keys().cloned().chain(unset)) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None => format!(
                        "; expected one of {}",
                        base.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
                    ),
                };
                bail!("there is no setting `{path}`{hint}");
            }
        }
    }
    Ok(())
}

/// Maximum number of changed letters that count as a slip; in a short name, a third of its letters.
const SLIP: usize = 2;

/// Number of letters that are enough to identify a name by its beginning.
const BEGINNING: usize = 3;

/// The name that differs by a slip; of several, the closest, then the first in the alphabet. If there is
/// none, the only name with this beginning.
pub fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let letters = name.chars().count();
    let most = SLIP.min(letters / 3);
    let names: Vec<String> = names.filter(|other| other != name).collect();
    let slips =
        names.iter().map(|other| (strsim::levenshtein(name, other), other)).filter(|(d, _)| *d <= most);
    let mut begun = names.iter().filter(|other| letters >= BEGINNING && other.starts_with(name));
    let begun = begun.next().filter(|_| begun.next().is_none());
    slips.min().map(|(_, other)| other).or(begun).cloned()
}

/// Whether the types fit. If a value can be a string or a structure (an enum), deserialisation checks it.
fn same_type(old: &Value, new: &Value) -> bool {
    let list_or_count = |v: &Value| matches!(v, Value::Integer(_) | Value::Array(_));
    old.same_type(new)
        || (list_or_count(old) && list_or_count(new))
        || matches!((old, new), (Value::String(_), Value::Table(_)) | (Value::Table(_), Value::String(_)))
}

fn to_table(config: &impl Serialize) -> Result<Table> {
    Ok(Table::try_from(config)?)
}

fn from_table<T: DeserializeOwned>(table: Table) -> Result<T> {
    Ok(table.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::TrainRunConfig;
    use crate::{L1Config, L1Preset, PipelineConfig};
    use bonsai_exec::{L1Method, L1Placement};
    use bonsai_prune::CostTarget;
    use bonsai_sparsity::{Decay, Strength};

    fn set(settings: &[&str]) -> Result<PipelineConfig> {
        resolve(&PipelineConfig::drawn(), &settings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn settings_reach_their_field() {
        let config = set(&[
            "finetune.epochs=3",
            "prune.prune_ratio=0.3",
            "baseline.lr0=1",
            "model=yolov8s",
            "data=some/data.yaml",
            "prune.protect=[\"model.22.*\"]",
            "l1.gamma=0.05",
            "executor=candle",
            "threads=3",
        ])
        .unwrap();
        assert_eq!(config.finetune.epochs, 3);
        assert_eq!((config.prune.prune_ratio, config.baseline.lr0), (0.3, 1.0));
        assert_eq!((config.model.as_str(), config.prune.protect.len()), ("yolov8s", 1));
        assert_eq!(config.data.as_deref(), Some(Path::new("some/data.yaml")));
        assert_eq!(config.sparse, PipelineConfig::drawn().sparse);
        assert_eq!((config.executor, config.threads), (Some(bonsai_exec::ExecutorKind::Candle), 3));
        assert_eq!(config.l1, L1Config { gamma: Strength::Lambda(0.05), ..L1Config::default() });
        assert!(format!("{:#}", set(&["executor=onnx"]).unwrap_err()).contains("candle"));
    }

    #[test]
    fn unknown_keys_are_answered_with_the_nearest() {
        let text = |e: anyhow::Error| format!("{e:#}");
        let error = text(set(&["finetune.epoch=3"]).unwrap_err());
        assert!(error.contains("`finetune.epoch`") && error.contains("`epochs`"), "{error}");
        let error = text(set(&["imgsz=large"]).unwrap_err());
        assert!(error.contains("expected integer"), "{error}");
        assert!(text(set(&["imgsz"]).unwrap_err()).contains("key=value"));
    }

    #[test]
    fn strengths_and_presets_of_l1() {
        let default = L1Config::default();
        let seed = L1Config::from_preset(L1Preset::Original);
        for (settings, expected) in [
            (vec!["l1.gamma=0"], L1Config { gamma: Strength::Lambda(0.0), ..default }),
            (vec!["l1.gamma.travel=2"], L1Config { gamma: Strength::Travel(2.0), ..default }),
            (vec!["l1.gamma.loss=0.2"], L1Config { gamma: Strength::Loss(0.2), ..default }),
            (vec!["l1.beta={of_gamma = 0.5}"], L1Config { beta: Strength::OfGamma(0.5), ..default }),
            (vec!["l1.preset=seed"], seed),
            (vec!["l1.preset=seed", "l1.preset=default"], default),
            (
                vec!["l1.gamma=0.5", "l1.preset=seed", "l1.beta=1"],
                L1Config { beta: Strength::Lambda(1.0), ..seed },
            ),
            (vec!["l1={preset = 'seed', gamma = 0.5}"], L1Config { gamma: Strength::Lambda(0.5), ..seed }),
            (vec!["l1.gamma_decay=constant"], L1Config { gamma_decay: Decay::Constant, ..default }),
            (
                vec!["l1.gamma_decay.cosine.last=0.2"],
                L1Config { gamma_decay: Decay::Cosine { last: 0.2 }, ..default },
            ),
            (
                vec!["l1.method=group_lasso", "l1.exclude_unprunable=false"],
                L1Config { method: L1Method::GroupLasso, exclude_unprunable: false, ..default },
            ),
            (
                vec!["l1.placement=before_clip", "l1.per=step"],
                L1Config { placement: L1Placement::BeforeClip, ..default },
            ),
        ] {
            assert_eq!(set(&settings).unwrap().l1, expected, "{settings:?}");
            // If L1 is off by default, the first setting switches it on.
            let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(
                resolve(&TrainRunConfig::default(), &settings).unwrap().l1,
                Some(expected),
                "{settings:?}"
            );
            let on = TrainRunConfig { l1: Some(default), ..TrainRunConfig::default() };
            assert_eq!(resolve(&on, &settings).unwrap().l1, Some(expected), "{settings:?}");
        }
        for (setting, parts) in [
            ("l1.gamma=-0.1", ["`gamma` is -0.1", "0 or more"]),
            ("l1.gamma=strong", ["a number, `{ travel = DISTANCE }`", "l1.gamma"]),
            ("l1.gamma.of_gamma=1", ["L1 on gamma", "give a number"]),
            ("l1.beta.travel=0.5", ["L1 on beta", "of_gamma"]),
            ("l1.preset=seeds", ["`default`", "`original`"]),
            ("l1.method=lasso", ["`proximal`", "`group_lasso`"]),
            ("l1.gama=1", ["`l1.gama`", "did you mean `gamma`?"]),
            ("l1.gamma_decay.linear.first=1", ["`first`", "`last`"]),
        ] {
            let text = format!("{:#}", set(&[setting]).unwrap_err());
            assert!(parts.iter().all(|part| text.contains(part)), "{setting}: {text}");
        }
    }

    #[test]
    fn a_ratio_takes_the_place_of_a_target() {
        let pruned = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
            resolve(&PipelineConfig::default(), &settings).unwrap().prune
        };
        let standard = PipelineConfig::default().prune;
        assert_eq!(standard.target, Some(CostTarget::Macs(0.5)));
        assert_eq!(pruned(&["prune.min_channels=16"]).target, standard.target);
        let ratio = pruned(&["prune.prune_ratio=0.3"]);
        assert_eq!((ratio.prune_ratio, ratio.target), (0.3, None));
        let both = pruned(&["prune.prune_ratio=0.3", "prune.target.params=0.4"]);
        assert_eq!(both.target, Some(CostTarget::Params(0.4)));
        assert_eq!(
            pruned(&["prune={prune_ratio = 0.3, target = {macs = 0.4}}"]).target,
            Some(CostTarget::Macs(0.4))
        );
    }

    #[test]
    fn nearest_finds_slips_and_no_other_words() {
        let models = || ["yolov8n", "yolov8s", "k1"].into_iter().map(str::to_owned);
        assert_eq!(nearest("yolo8s", models()).as_deref(), Some("yolov8s"));
        assert_eq!(
            [nearest("resnet50", models()), nearest("0", models()), nearest("k", models())],
            [const { None }; 3]
        );
        let text = format!("{:#}", set(&["export.onnx=true"]).unwrap_err());
        assert!(text.contains("expected one of calibration_images, fp16"), "{text}");
    }

    #[test]
    fn a_resolved_configuration_reads_back() {
        let config = PipelineConfig::drawn();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<PipelineConfig>(&text).unwrap(), config);
    }
}
