//! [`class_names`]: the class names that `data.yaml` gives.

use std::path::Path;

use serde_yaml_ng::Value;

use crate::source_path::seen_from;
use crate::text::{read_text, shown};

/// Most classes: each class is an output channel of the head, and no layer may have more channels than this.
const MAX_CLASSES: usize = 65_536;

/// Reads `nc`, which people also write as `'3'` or `3.0`; `None` if it is empty.
pub(crate) fn number_of_classes(nc: &Value) -> Result<Option<usize>, String> {
    let number = match nc {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    match number {
        Some(number) if number.fract() == 0.0 && number >= 0.0 => Ok(Some(number as usize)),
        _ => {
            let text = serde_yaml_ng::to_string(nc).unwrap_or_default();
            Err(format!(
                "`nc` is `{}`; it must be the number of classes",
                shown(text.trim().trim_matches('\''))
            ))
        }
    }
}

/// The class names by class index: from a list, a map, a file with one name per line (in one of `folders`),
/// or generated from `nc` alone.
pub(crate) fn class_names(
    names: Option<Value>,
    nc: Option<usize>,
    folders: [&Path; 2],
) -> Result<Vec<String>, String> {
    let names = match names {
        None | Some(Value::Null) => {
            let nc = nc.ok_or("has neither `names` nor `nc`; add `names: [first, second, ...]`")?;
            if nc > MAX_CLASSES {
                return Err(format!(
                    "`nc` is {nc}; at most {MAX_CLASSES} classes are possible, so correct `nc` or list `names`"
                ));
            }
            (0..nc).map(|class| format!("class_{class}")).collect()
        }
        Some(Value::Sequence(items)) => items.iter().map(name).collect::<Result<Vec<_>, _>>()?,
        Some(Value::Mapping(map)) => {
            let mut indexed = map
                .iter()
                .map(|(key, value)| Ok((class_index(key)?, name(value)?)))
                .collect::<Result<Vec<_>, String>>()?;
            indexed.sort();
            if let Some((expected, (found, _))) =
                indexed.iter().enumerate().find(|(position, (index, _))| position != index)
            {
                return Err(format!(
                    "`names` must number its classes without gaps or repeats, but has {found} in place of \
                     {expected}; number them 0 to {}",
                    indexed.len() - 1
                ));
            }
            indexed.into_iter().map(|(_, name)| name).collect()
        }
        Some(Value::String(file)) => from_file(&file, folders)?,
        Some(_) => {
            return Err(
                "`names` must be a list, a map from class index to name, or a file of names".to_owned()
            );
        }
    };
    if names.is_empty() {
        return Err("has no classes; `names` must hold at least one".to_owned());
    }
    if names.len() > MAX_CLASSES {
        return Err(format!(
            "`names` has {} entries; at most {MAX_CLASSES} classes are possible",
            names.len()
        ));
    }
    match nc {
        Some(nc) if nc != names.len() => Err(format!(
            "`nc` is {nc} but `names` has {} entries; correct one of them or leave `nc` out",
            names.len()
        )),
        _ => Ok(names),
    }
}

fn class_index(key: &Value) -> Result<usize, String> {
    let index = match key {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    index
        .and_then(|index| usize::try_from(index).ok())
        .ok_or_else(|| format!("`names` has the key {key:?}; keys must be class indices 0, 1, 2, ..."))
}

/// Class names need not be quoted: YAML reads `no` as text, but `1` and `true` as other scalars.
fn name(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(format!("`names` has the entry {value:?}; every entry must be a name")),
    }
}

/// Reads a file with one name per line.
fn from_file(file: &str, folders: [&Path; 2]) -> Result<Vec<String>, String> {
    let paths = folders.map(|folder| seen_from(folder, Path::new(file)));
    let Some(path) = paths.iter().find(|path| path.is_file()) else {
        return Err(format!(
            "`names` is `{}`, neither a list nor a file that exists; write `names: [first, second, ...]`",
            shown(file)
        ));
    };
    let text = read_text(path, "read the names of classes").map_err(|error| error.to_string())?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
