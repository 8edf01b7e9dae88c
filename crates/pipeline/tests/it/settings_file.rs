//! Tests that `examples/bonsai.toml` lists every setting with its default.

use std::path::Path;

use bonsai_pipeline::{PipelineConfig, Settings, load_settings};
use toml::{Table, Value};

fn text() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bonsai.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// Paths and values of all settings in a table.
fn leaves(table: &Table, prefix: &str, found: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => leaves(inner, &path, found),
            value => found.push((path, value.clone())),
        }
    }
}

#[test]
fn every_setting_is_there_with_its_default() {
    let (path, text) = text();
    let mut written = Vec::new();
    leaves(&text.parse().unwrap(), "", &mut written);
    let mut known = Vec::new();
    leaves(&Table::try_from(PipelineConfig::default()).unwrap(), "", &mut known);
    for (path, value) in &known {
        let found = written.iter().find(|(other, _)| other == path);
        assert_eq!(found.map(|(_, value)| value), Some(value), "{path}");
    }
    assert_eq!(written.len(), known.len());
    // The file is a valid configuration that changes nothing.
    assert_eq!(load_settings(&PipelineConfig::default(), &path).unwrap(), PipelineConfig::default());
}

#[test]
fn settings_without_a_default_are_there_as_comments() {
    let (_, text) = text();
    let default = Table::try_from(PipelineConfig::default()).unwrap();
    for path in PipelineConfig::OPTIONAL {
        let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
        let table = section
            .split('.')
            .filter(|s| !s.is_empty())
            .try_fold(&default, |table, name| table.get(name).and_then(Value::as_table));
        if table.is_some_and(|table| table.contains_key(key)) {
            continue; // The key has a value after all.
        }
        let heading = format!("[{section}]");
        let within = if section.is_empty() { text.as_str() } else { text.split(&heading).nth(1).unwrap() };
        let within = within.split("\n[").next().unwrap();
        assert!(within.contains(&format!("\n# {key} = ")), "{path} is not listed");
    }
}

#[test]
fn every_setting_has_a_comment_unless_its_section_repeats_another() {
    let (_, text) = text();
    let repeated =
        |section: &str| ["sparse", "finetune", "sparse.gains", "finetune.gains"].contains(&section);
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.split(']').next().unwrap().clone_into(&mut section);
        } else if line.contains(" = ") && !line.starts_with('#') && !repeated(&section) {
            assert!(line.contains('#'), "[{section}] {line}");
        }
    }
}
