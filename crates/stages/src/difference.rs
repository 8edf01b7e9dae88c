//! [`differences`]: how two configurations differ, setting by setting, as text.

use std::collections::BTreeMap;

use serde_json::Value;

/// Maximum number of settings that are named; further settings are only counted.
const NAMED: usize = 4;
/// Longest value that is shown in full, in characters.
const LONGEST: usize = 60;

/// `prune.prune_ratio 0.5 -> 0.4` for every setting that differs; empty for equal ones.
pub fn differences(old: &Value, new: &Value) -> Vec<String> {
    let old = flat(old);
    let new = flat(new);
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    // A missing value and a null value are the same.
    let get = |of: &BTreeMap<String, &Value>, name: &String| {
        of.get(name).copied().filter(|v| !v.is_null()).cloned()
    };
    let differs = |name: &&String| get(&old, name) != get(&new, name);
    let mut said: Vec<String> = names
        .into_iter()
        .filter(differs)
        .map(|name| format!("{name} {} -> {}", word(get(&old, name)), word(get(&new, name))))
        .collect();
    if said.len() > NAMED {
        let more = said.len() - NAMED;
        said.truncate(NAMED);
        said.push(format!("and {more} more settings"));
    }
    said
}

/// All values that are not objects, by their path with dots.
fn flat(value: &Value) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    let mut rest = vec![(String::new(), value)];
    while let Some((path, value)) = rest.pop() {
        match value {
            Value::Object(entries) if !entries.is_empty() => {
                let name = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                rest.extend(entries.iter().map(|(key, value)| (name(key), value)));
            }
            // The root itself has no name.
            _ if path.is_empty() => {}
            _ => {
                found.insert(path, value);
            }
        }
    }
    found
}

fn word(value: Option<Value>) -> String {
    let text = match value {
        None => return "nothing".to_owned(),
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start}...")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changed_settings_are_named_with_both_values() {
        let old = json!({"prune": {"prune_ratio": 0.5, "round_to": 8}, "imgsz": 64, "target": null});
        let new = json!({"prune": {"prune_ratio": 0.4, "round_to": 8}, "imgsz": 64, "target": {"macs": 0.3}});
        assert_eq!(differences(&old, &new), ["prune.prune_ratio 0.5 -> 0.4", "target.macs nothing -> 0.3"]);
        assert!(differences(&old, &old).is_empty());
    }

    #[test]
    fn long_lists_and_values_are_cut_short() {
        let object = |value: usize| (0..10).map(|i| (format!("s{i}"), json!(value))).collect::<Value>();
        let said = differences(&object(1), &object(2));
        assert_eq!((said.len(), said[0].as_str(), said[4].as_str()), (5, "s0 1 -> 2", "and 6 more settings"));
        let said = differences(&json!({"a": "x".repeat(100)}), &json!({}));
        assert!(said[0].len() < 90 && said[0].ends_with("... -> nothing"), "{said:?}");
    }
}
