//! From files and `key=value` to a configuration: unknown keys are answered with the nearest name.

use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A configuration that files and flags are read over: its defaults, serialised, are the keys that exist.
pub trait Settings: Serialize + DeserializeOwned {
    /// Keys that have no value by default and so are absent from a serialised configuration.
    const OPTIONAL: &'static [&'static str];
}

/// Reads a TOML file over `base`.
///
/// # Errors
/// If the file cannot be read, is no TOML, or names a key that does not exist.
pub fn load_settings<T: Settings>(base: &T, path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table = text.parse().with_context(|| format!("{} is not valid TOML", path.display()))?;
    let mut resolved = to_table(base)?;
    merge(&mut resolved, table, "", T::OPTIONAL).with_context(|| format!("in {}", path.display()))?;
    from_table(resolved)
}

/// Lays a table over `base`.
///
/// # Errors
/// As [`load_settings`].
pub fn overlay<T: Settings>(base: &T, table: Table) -> Result<T> {
    let mut resolved = to_table(base)?;
    merge(&mut resolved, table, "", T::OPTIONAL)?;
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
        // What is no TOML value is a string without quotes.
        let parsed = format!("v = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
        let mut value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
        for key in path.trim().split('.').rev() {
            value = Value::Table(Table::from_iter([(key.to_owned(), value)]));
        }
        if let Value::Table(table) = value {
            merge(&mut resolved, table, "", T::OPTIONAL).with_context(|| format!("in --set {setting}"))?;
        }
    }
    from_table(resolved)
}

fn merge(base: &mut Table, over: Table, prefix: &str, optional: &[&str]) -> Result<()> {
    for (key, value) in over {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value, &path, optional)?,
            (Some(Value::Float(old)), Value::Integer(new)) => *old = new as f64,
            (Some(old), value) => {
                if !same_type(old, &value) {
                    bail!("`{path}` is a {}, not a {}", old.type_str(), value.type_str());
                }
                *old = value;
            }
            (None, value) if optional.contains(&path.as_str()) => {
                base.insert(key, value);
            }
            (None, _) => {
                let known: Vec<&String> = base.keys().collect();
                let nearest = known.iter().min_by_key(|k| edit_distance(k, &key));
                let hint = nearest.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
                bail!("there is no setting `{path}`{hint}");
            }
        }
    }
    Ok(())
}

/// Values that can be a string or a structure (an enum) are left to the typed reading.
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

/// Levenshtein distance, for the nearest name.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PipelineConfig;

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
            "l1.schedule.gamma=0.05",
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
        assert!(format!("{:#}", set(&["executor=onnx"]).unwrap_err()).contains("candle"));
    }

    #[test]
    fn unknown_keys_are_answered_with_the_nearest() {
        let text = |e: anyhow::Error| format!("{e:#}");
        let error = text(set(&["finetune.epoch=3"]).unwrap_err());
        assert!(error.contains("`finetune.epoch`") && error.contains("`epochs`"), "{error}");
        let error = text(set(&["imgsz=large"]).unwrap_err());
        assert!(error.contains("`imgsz` is a integer"), "{error}");
        assert!(text(set(&["imgsz"]).unwrap_err()).contains("key=value"));
    }

    #[test]
    fn a_resolved_configuration_reads_back() {
        let config = PipelineConfig::drawn();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<PipelineConfig>(&text).unwrap(), config);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
