//! House rule for paths that are not Unicode: every path becomes text through `path_text`.

use crate::tree::{assert_none, sources};

/// Words that mark a value in `json!` as a path, which would panic if it is not Unicode.
const PATHS: [&str; 9] = ["path", "file", "folder", "out", "dir", "root", "yaml", "display", "data"];

/// For a path that is not Unicode, serde fails after all work is done, and `json!` panics.
#[test]
fn paths_become_text_by_path_text() {
    let mut found = Vec::new();
    let own = ["crates/pipeline/src/", "crates/cli/src/"];
    for source in sources().iter().filter(|source| own.iter().any(|own| source.path.starts_with(own))) {
        // Unit tests are at the end of a module.
        let code = source.content.split("#[cfg(test)]").next().unwrap_or_default();
        for (index, _) in code.match_indices("json!(") {
            let line = 1 + code[..index].matches('\n').count();
            for value in values(&code[index + "json!(".len()..]) {
                let is_path = value.split(|c: char| !c.is_alphanumeric()).any(|word| PATHS.contains(&word));
                if is_path && !value.contains("path_text") {
                    found.push(format!("{}:{line}: `{value}` in json!", source.path));
                }
            }
        }
        for (number, line) in code.lines().enumerate() {
            let is_field = line.starts_with("    ") && line.trim_end().ends_with("PathBuf>,")
                || line.trim_end().ends_with(": PathBuf,");
            let before: Vec<&str> = code.lines().take(number).collect();
            let is_serialised = || {
                let head = before.iter().rposition(|line| line.contains("struct ") && line.ends_with('{'));
                head.is_some_and(|head| {
                    let attributes = before[..head]
                        .iter()
                        .rev()
                        .take_while(|line| line.starts_with('#') || line.starts_with("///"));
                    attributes.clone().any(|line| line.contains("derive") && line.contains("Serialize"))
                })
            };
            let is_marked = before.last().is_some_and(|line| line.contains("path_text"));
            if is_field && !is_marked && is_serialised() {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    assert_none(
        "write a path to JSON and TOML as `path_text(path)`, in a struct with `#[serde(with = \"crate::path_text\")]`:",
        &found,
    );
}

/// The values of an object in `json!`; `text` begins after its bracket.
fn values(text: &str) -> Vec<&str> {
    let mut depth = 1;
    let end = text.find(|letter| {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    let inside = &text[..end.unwrap_or(text.len())];
    inside
        .split(',')
        .filter_map(|entry| Some(entry.split_once("\":")?.1.trim_matches([' ', '\n', '}', '{'])))
        .collect()
}
