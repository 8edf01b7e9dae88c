//! House rule for imports: no file of a folder imports another that imports it back, directly or through
//! others.
//!
//! A folder with an import cycle can only be understood as a whole. An `error` file may import the types of
//! its variants, although their functions return the error.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{Text, assert_none, sources};

/// The imports within a folder: for every file, the files that it imports.
type Edges<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// A path of modules below the root of a crate.
type ModulePath = Vec<String>;

/// For each module, the names that it re-exports and the child modules that define them.
type Exports = BTreeMap<ModulePath, BTreeMap<String, String>>;

#[test]
fn no_two_files_of_a_folder_import_each_other() {
    let sources = sources();
    let mut crates: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
    for source in &sources {
        if let Some((package, _)) = source.path.split_once("/src/") {
            crates.entry(package).or_default().push(source);
        }
    }
    let mut found = Vec::new();
    let mut count = 0;
    for (package, files) in &crates {
        let imports = imports(files);
        count += imports.len();
        let mut folders: BTreeMap<ModulePath, Edges<'_>> = BTreeMap::new();
        for (from, to) in &imports {
            let depth = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            let (Some(own), Some(other)) = (from.get(depth), to.get(depth)) else { continue };
            if own != "error" {
                folders.entry(from[..depth].to_vec()).or_default().entry(own).or_default().insert(other);
            }
        }
        for (folder, edges) in &folders {
            let folder = std::iter::once(*package).chain(folder.iter().map(String::as_str));
            let folder = folder.collect::<Vec<_>>().join("/");
            found.extend(
                circles(edges)
                    .into_iter()
                    .map(|circle| format!("{folder}: {}", [&circle[..], &circle[..1]].concat().join(" -> "))),
            );
        }
    }
    assert!(count > 1000, "only {count} imports were found: is the form of the sources another one?");
    assert_none("move what both need to a file of its own:", &found);
}

/// Every import of a crate: the importing and the imported module.
fn imports(files: &[&Text]) -> BTreeSet<(ModulePath, ModulePath)> {
    let modules: BTreeMap<ModulePath, String> =
        files.iter().map(|file| (module_of(&file.path), code_of(&file.content))).collect();
    let folders: BTreeSet<ModulePath> =
        modules.keys().flat_map(|path| (1..=path.len()).map(|n| path[..n].to_vec())).collect();
    let exports: Exports = modules.iter().map(|(path, code)| (path.clone(), exports_of(code))).collect();
    let mut found = BTreeSet::new();
    for (from, code) in modules.iter().filter(|(path, _)| !path.is_empty()) {
        for words in paths_in(code) {
            let Some(mut to) = absolute(from, &words) else { continue };
            // Follows the path while it names modules, and resolves a re-export at its end.
            let mut known = ModulePath::new();
            while !to.is_empty() {
                let next = to.remove(0);
                let child = [&known[..], std::slice::from_ref(&next)].concat();
                if folders.contains(&child) {
                    known = child;
                } else {
                    let origin = exports.get(&known).and_then(|names| names.get(&next));
                    known.extend(origin.cloned());
                    break;
                }
            }
            found.insert((from.clone(), known));
        }
    }
    found
}

/// `crates/a/src/b/c.rs` is the module `b::c`; `lib.rs`, `main.rs` and `mod.rs` are their folder.
fn module_of(path: &str) -> ModulePath {
    let below = path.split_once("/src/").map_or(path, |(_, below)| below).trim_end_matches(".rs");
    let mut parts: ModulePath = below.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// The code without comments and without the unit tests at its end.
fn code_of(content: &str) -> String {
    let code = content.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The words of every path that begins with `crate` or `super`; a list in braces gives one path for each
/// entry.
fn paths_in(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|letter| {
                !letter.is_alphanumeric() && letter != ':' && letter != '_' && letter != '$'
            }) {
                found.extend(expanded(&code[at..]));
            }
        }
    }
    found
}

/// The paths at the beginning of `text`.
fn expanded(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != ':' && letter != '_');
    let (head, rest) = text.split_at(end.unwrap_or(text.len()));
    let words: Vec<String> = head.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if !head.ends_with("::") || !rest.starts_with('{') {
        return vec![words];
    }
    entries(rest)
        .into_iter()
        .flat_map(|entry| expanded(entry.trim_start()))
        .map(|tail| [&words[..], &tail[..]].concat())
        .collect()
}

/// The entries of the braces with which `text` begins.
fn entries(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut start = 1;
    let mut found = Vec::new();
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => {
                found.push(&text[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 1 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|entry| !entry.trim().is_empty());
    found
}

/// The path from the root of the crate; `None` if it leaves the crate.
fn absolute(from: &ModulePath, words: &[String]) -> Option<ModulePath> {
    let ups = words.iter().take_while(|word| *word == "super").count();
    let base = if words[0] == "crate" { Vec::new() } else { from[..from.len().checked_sub(ups)?].to_vec() };
    Some([&base[..], &words[ups.max(1)..]].concat())
}

/// Names that a module re-exports from its children.
fn exports_of(code: &str) -> BTreeMap<String, String> {
    let uses = code.match_indices("use ").map(|(at, word)| &code[at + word.len()..]);
    let uses = uses.filter(|text| !text.starts_with("crate::") && !text.starts_with("super::"));
    uses.flat_map(expanded)
        .filter(|words| words.len() > 1)
        .map(|words| (words[words.len() - 1].clone(), words[0].clone()))
        .collect()
}

/// A cycle for every import that is part of one; each cycle once.
fn circles<'a>(edges: &Edges<'a>) -> BTreeSet<Vec<&'a str>> {
    let mut found = BTreeSet::new();
    for (&from, next) in edges {
        for &to in next {
            if let Some(mut circle) = way(edges, to, from) {
                let least = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(at, _)| at);
                circle.rotate_left(least);
                found.insert(circle);
            }
        }
    }
    found
}

/// A shortest path along the imports, including both ends.
fn way<'a>(edges: &Edges<'a>, from: &'a str, to: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::from([from]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = *way.last()?;
            if last == to {
                return Some(way);
            }
            for &next in edges.get(last).into_iter().flatten().filter(|next| seen.insert(**next)) {
                longer.push([&way[..], &[next]].concat());
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn a_circle_is_found_through_lists_and_re_exports() {
    let file = |path: &str, content: &str| Text { path: path.to_owned(), content: content.to_owned() };
    let files = [
        file("crates/x/src/lib.rs", "mod a;\nmod b;\npub use a::{One, Two as Three};\n"),
        file("crates/x/src/a.rs", "use crate::b::{c::Four, Five};\n"),
        file("crates/x/src/b/mod.rs", "// use crate::a::One;\nmod c;\n"),
        file(
            "crates/x/src/b/c.rs",
            "use crate::One;\nuse super::Five;\n#[cfg(test)]\nmod tests { use crate::a; }\n",
        ),
    ];
    let found = imports(&files.iter().collect::<Vec<_>>());
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<ModulePath>();
    let expected = [("a", "b"), ("a", "b::c"), ("b::c", "a"), ("b::c", "b")];
    assert_eq!(found, expected.map(|(from, to)| (path(from), path(to))).into());
    let edges = Edges::from([("a", BTreeSet::from(["b"])), ("b", BTreeSet::from(["a", "c"]))]);
    assert_eq!(circles(&edges), BTreeSet::from([vec!["a", "b"]]));
}
