//! Rules of the house for files: small, named for what they hold, finished, silent, and the project's own.

use std::fs;

use crate::tree::{Text, assert_none, paths, root, sources, texts};

/// A longer file holds more than one concept.
const MAX_LINES: usize = 450;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "misc", "types", "util", "utils"];

/// Crates whose job needs `unsafe`; every other crate is forbidden it by the workspace's lints.
const UNSAFE_CRATES: &[&str] = &["crates/kernels/"];

#[test]
fn every_source_file_begins_with_what_it_is() {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|file| file.path.contains("/src/") && !file.is_generated())
        .filter(|file| !file.content.starts_with("//! "))
        .map(|file| file.path)
        .collect();
    assert_none(
        "a source file starts with a `//!` header: its idea, its invariant, what it does not do:",
        &found,
    );
}

#[test]
fn files_are_short_enough_for_one_concept() {
    let found: Vec<String> = sources()
        .iter()
        .filter(|file| !file.is_generated())
        .map(|file| (file.content.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&format!("more than {MAX_LINES} lines; split by concept:"), &found);
}

#[test]
fn files_are_named_for_a_noun() {
    let found: Vec<String> = paths()
        .into_iter()
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let stem = name.split('.').next().unwrap_or(name);
            EMPTY_NAMES.contains(&stem) || path.split('/').any(|part| EMPTY_NAMES.contains(&part))
        })
        .collect();
    assert_none("name the file for what it holds:", &found);
}

#[test]
fn nothing_is_unfinished_or_skipped() {
    // Written in two halves, so that this file does not find itself.
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("db", "g!("),
    ];
    let found = occurrences(&sources(), |_, line| marks.iter().any(|mark| line.contains(mark)));
    assert_none("finish it, or write an issue and leave it out:", &found);
}

#[test]
fn libraries_do_not_print() {
    let macros = [concat!("print", "ln!("), concat!("print", "!(")];
    let mut found = Vec::new();
    for file in sources() {
        if !file.path.contains("/src/") || file.path.starts_with("crates/testkit/") || is_command_line(&file)
        {
            continue;
        }
        // Unit tests stand at the end of a file and may print why they skip something.
        let code = file.lines().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        found.extend(
            code.filter(|(_, line)| !line.trim_start().starts_with("//"))
                .filter(|(_, line)| macros.iter().any(|name| line.contains(name)))
                .map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())),
        );
    }
    assert_none("a library reports through `tracing` or an observer; only the command line prints:", &found);
}

#[test]
fn the_lint_against_unsafe_is_lifted_by_kernels_alone() {
    let lint = concat!("unsafe", "_code");
    let found = occurrences(&sources(), |path, line| {
        line.contains(lint) && !UNSAFE_CRATES.iter().any(|allowed| path.starts_with(allowed))
    });
    assert_none("only the kernels may lift the lint against unsafe:", &found);
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/t", "mp/")];
    let files = texts(&[".rs", ".toml", ".md", ".sh", ".py", ".ci/run"]);
    let found = occurrences(&files, |_, line| homes.iter().any(|home| names_absolute(line, home)));
    assert_none("take the folder from an argument, or make a temporary one:", &found);
}

#[test]
fn nothing_large_or_borrowed_is_kept_in_the_tree() {
    const LIMIT: u64 = 1 << 20;
    let borrowed = [".pt", ".pth", ".onnx", ".engine", ".jpg", ".jpeg"];
    let mut found = Vec::new();
    let mut fixtures = 0;
    for path in paths() {
        let bytes = fs::metadata(root().join(&path)).map_or(0, |metadata| metadata.len());
        if path.starts_with("fixtures/") {
            fixtures += bytes;
        }
        if bytes > LIMIT {
            found.push(format!("{path}: {bytes} bytes"));
        }
        if borrowed.iter().any(|ending| path.ends_with(ending)) {
            found.push(format!("{path}: weights, models and photographs are made or fetched, not kept"));
        }
    }
    if fixtures > LIMIT {
        found.push(format!("fixtures/: {fixtures} bytes in all"));
    }
    assert_none(&format!("files and all fixtures together stay under {LIMIT} bytes:"), &found);
}

/// The command line, and programs that are checks and say what they checked.
fn is_command_line(file: &Text) -> bool {
    file.path.starts_with("crates/cli/")
        || file.path.starts_with("xtask/")
        || file.path.starts_with("scripts/")
}

/// Whether `folder` begins a path in `line`, rather than continue one.
fn names_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-$}/".contains(letter))
    })
}

/// `path:line: text` for every line that `wanted` takes.
fn occurrences(files: &[Text], wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
    files
        .iter()
        .flat_map(|file| file.lines().map(move |(number, line)| (file, number, line)))
        .filter(|(file, _, line)| wanted(&file.path, line))
        .map(|(file, number, line)| format!("{}:{number}: {}", file.path, line.trim()))
        .collect()
}
