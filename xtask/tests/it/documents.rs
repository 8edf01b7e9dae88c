//! House rule for documents: they name only files that exist, and ARCHITECTURE.md names every crate.
//!
//! A path in backticks that points into the tree, and the target of every relative link, must exist. Files
//! that a run writes are not in the tree, so they are not checked.

use std::collections::BTreeSet;

use crate::tree::{FOLDERS, Text, assert_none, paths, root, texts};

/// Documents outside `docs`. The change log is excluded, because it may name removed files.
const DOCUMENTS: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"];

#[test]
fn documents_name_only_files_that_exist() {
    let paths = paths();
    let known: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for document in documents() {
        for (number, line) in document.lines() {
            for name in in_backticks(line).filter(|name| !is_there(name, &known)) {
                found.push(format!("{}:{number}: `{name}`", document.path));
            }
            let folder = root().join(&document.path).parent().expect("a document is in a folder").to_owned();
            for target in link_targets(line).filter(|target| !folder.join(target).exists()) {
                found.push(format!("{}:{number}: link to {target}", document.path));
            }
        }
    }
    assert_none("these files do not exist:", &found);
}

#[test]
fn the_architecture_names_every_crate() {
    let architecture =
        documents().into_iter().find(|document| document.path == "ARCHITECTURE.md").expect("it is listed");
    let found: Vec<String> = paths()
        .iter()
        .filter_map(|path| path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml"))
        .filter(|name| {
            let forms = [format!("`{name}`"), format!("`bonsai-{name}`"), format!("`crates/{name}`")];
            !forms.iter().any(|form| architecture.content.contains(form))
        })
        .map(str::to_owned)
        .collect();
    assert_none("ARCHITECTURE.md does not name these crates:", &found);
}

/// All documents; fails if one is missing.
fn documents() -> Vec<Text> {
    let is_document = |path: &str| DOCUMENTS.contains(&path) || path.starts_with("docs/");
    let documents: Vec<Text> = texts(&[".md"]).into_iter().filter(|text| is_document(&text.path)).collect();
    let missing: Vec<String> = DOCUMENTS
        .iter()
        .filter(|name| !documents.iter().any(|document| document.path == **name))
        .map(|name| (*name).to_owned())
        .collect();
    assert_none("these documents are missing:", &missing);
    documents
}

/// Whether `name` is a path that exists, a pattern, or no path of this tree.
///
/// Rust files may be named by their full path or by its last parts.
fn is_there(name: &str, known: &BTreeSet<&str>) -> bool {
    let name = name.trim_end_matches('/');
    if name.contains(['*', '{', '<', ' ']) || name.chars().any(|letter| letter.is_ascii_uppercase()) {
        return true;
    }
    let into_tree = FOLDERS.iter().any(|folder| name.starts_with(&format!("{folder}/")));
    if into_tree {
        return root().join(name).exists();
    }
    !has_ending(name, "rs") || known.iter().any(|path| *path == name || path.ends_with(&format!("/{name}")))
}

fn has_ending(name: &str, ending: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, last)| last == ending)
}

fn in_backticks(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Targets of `[text](target)` that are neither web addresses nor anchors of the same page.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains("://"))
}
