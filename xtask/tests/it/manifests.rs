//! House rule for manifests: crates inherit versions, metadata and lints from the workspace.

use std::collections::BTreeSet;

use crate::tree::{assert_none, texts};

#[test]
fn versions_and_lints_are_written_once_in_the_root_manifest() {
    let mut found = Vec::new();
    let manifests = texts(&["/Cargo.toml"]).into_iter();
    // A separate workspace under scripts/ is not a member, so it inherits nothing.
    for manifest in manifests.filter(|file| !file.path.starts_with("scripts/")) {
        let mut section = "";
        let mut lints = false;
        let mut inherited = BTreeSet::new();
        for (number, line) in manifest.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && !line.contains("workspace = true") {
                found.push(format!("{}:{number}: {line}", manifest.path));
            } else if section == "[lints]" && line == "workspace = true" {
                lints = true;
            } else if section == "[package]"
                && let Some(key) = line.strip_suffix(".workspace = true")
            {
                inherited.insert(key);
            }
        }
        if !lints {
            found.push(format!("{}: no `workspace = true` under [lints]", manifest.path));
        }
        for key in ["version", "edition", "rust-version", "license"] {
            if !inherited.contains(key) {
                found.push(format!("{}: no `{key}.workspace = true`", manifest.path));
            }
        }
    }
    assert_none("crates must inherit versions, metadata and lints from the workspace:", &found);
}
