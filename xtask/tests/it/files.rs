//! House rules for files: length, names, headers, no unfinished code, no printing, no foreign files.

use std::fs;

use crate::tree::{Text, assert_none, paths, root, sources, texts};

/// Maximum number of lines; a longer file has more than one concept.
const MAX_LINES: usize = 350;

/// File names that do not describe the content.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "misc", "types", "util", "utils"];

/// Code that needs `unsafe`: the kernels, and calls of CUDA's driver (feature `cuda`) and of MPI (feature `mpi`). The workspace's
/// lints forbid it in all other code.
const UNSAFE_CODE: &[&str] = &[
    "crates/kernels/",
    "crates/collective/src/mpi.rs",
    "crates/exec/src/candle/device.rs",
    "crates/exec/src/cuda/launcher.rs",
];

#[test]
fn every_source_file_begins_with_a_header() {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|file| file.path.contains("/src/") && !file.is_generated())
        .filter(|file| !file.content.starts_with("//! "))
        // A crate's README is its header.
        .filter(|file| !file.content.starts_with("#![doc = include_str!(\"../README.md\")]"))
        .map(|file| file.path)
        .collect();
    assert_none(
        "these files lack a `//!` header, which names the main type and describes idea and invariant:",
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
    assert_none(&format!("these files have more than {MAX_LINES} lines; split them by concept:"), &found);
}

#[test]
fn file_names_describe_the_content() {
    let found: Vec<String> = paths()
        .into_iter()
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let stem = name.split('.').next().unwrap_or(name);
            EMPTY_NAMES.contains(&stem) || path.split('/').any(|part| EMPTY_NAMES.contains(&part))
        })
        .collect();
    assert_none("these names do not describe the content; name the file after its main concept:", &found);
}

#[test]
fn nothing_is_unfinished_or_skipped() {
    // Each mark is split in two, so that the test does not find this file.
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("db", "g!("),
    ];
    let found = occurrences(&sources(), |_, line| marks.iter().any(|mark| line.contains(mark)));
    assert_none("this code is unfinished or skipped; finish it, or remove it and write an issue:", &found);
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
        // Unit tests are at the end of a file, and may print why they skip a check.
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
fn only_listed_code_lifts_the_lint_against_unsafe() {
    let lint = concat!("unsafe", "_code");
    let found = occurrences(&sources(), |path, line| {
        line.contains(lint) && !UNSAFE_CODE.iter().any(|allowed| path.starts_with(allowed))
    });
    assert_none("only listed code may lift the lint against unsafe:", &found);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let homes = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/t", "mp/")];
    let files = texts(&[".rs", ".toml", ".md", ".sh", ".py", ".ci/run"]);
    let found = occurrences(&files, |_, line| homes.iter().any(|home| names_absolute(line, home)));
    assert_none(
        "these lines name a folder of one machine; take it from an argument, or make a temporary one:",
        &found,
    );
}

#[test]
fn no_large_or_foreign_file_is_committed() {
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
            found.push(format!(
                "{path}: weights, models and photographs must be generated or fetched, not committed"
            ));
        }
    }
    if fixtures > LIMIT {
        found.push(format!("fixtures/: {fixtures} bytes in all"));
    }
    assert_none(&format!("each file, and all fixtures together, must stay below {LIMIT} bytes:"), &found);
}

/// Whether a file belongs to the command line or to a script, which may print.
fn is_command_line(file: &Text) -> bool {
    file.path.starts_with("crates/cli/")
        || file.path.starts_with("xtask/")
        || file.path.starts_with("scripts/")
}

/// Whether `line` contains a path that begins with `folder`.
fn names_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-$}/".contains(letter))
    })
}

/// `path:line: text` for every line for which `wanted` is true.
fn occurrences(files: &[Text], wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
    files
        .iter()
        .flat_map(|file| file.lines().map(move |(number, line)| (file, number, line)))
        .filter(|(file, _, line)| wanted(&file.path, line))
        .map(|(file, number, line)| format!("{}:{number}: {}", file.path, line.trim()))
        .collect()
}
