//! Test: the parser accepts every command that a document contains.

use std::path::Path;

use clap::error::ErrorKind;

use crate::command_tree::parse_words;

/// Documents outside `docs`. The change log is excluded, because it may name removed commands.
const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKS.md"];
/// The programs with which commands begin.
const PROGRAMS: [&str; 2] = ["cargo xtask", "bonsai"];

/// Commands of a document, without the program: lines after `$`, marked as complete, and text in backticks.
fn commands(text: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut block = false;
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        if line.starts_with("```") {
            block = !block;
        } else if block {
            let line = line.trim_start().strip_prefix("$ ").unwrap_or_default();
            found.extend(of_program(line).map(|words| (true, words)));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(of_program).map(|w| (false, w)));
        }
    }
    found
}

/// The text after the program's name, without a comment.
fn of_program(line: &str) -> Option<String> {
    let rest = PROGRAMS.iter().find_map(|program| line.strip_prefix(program)?.strip_prefix(' '))?;
    Some(rest.split(" #").next().unwrap_or(rest).trim().to_owned())
}

#[test]
fn documents_name_only_commands_that_are_parsed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut bad = Vec::new();
    let mut count = 0;
    let pages = std::fs::read_dir(root.join("docs")).unwrap().map(|page| {
        let name = page.unwrap().file_name().into_string().unwrap();
        format!("docs/{name}")
    });
    for document in DOCUMENTS.map(str::to_owned).into_iter().chain(pages) {
        let text = std::fs::read_to_string(root.join(&document)).unwrap();
        for (whole, line) in commands(&text).into_iter().filter(|(_, line)| !line.contains("...")) {
            count += 1;
            let words = line.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
            let Err(error) = parse_words(words) else { continue };
            // A sentence may name a command without its required arguments.
            let short = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            if whole || !short {
                bad.push(format!("{document}: `{line}`: {error}"));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(count > 30, "only {count} commands were found: has the format of the documents changed?");
}

#[test]
fn commands_are_found_in_blocks_and_sentences() {
    let text = "Say `bonsai val`.\n```console\n$ cargo xtask prune --weights W \\\n    --dry-run   # so\nbonsai x\n```\n";
    assert_eq!(
        commands(text),
        [(false, "val".to_owned()), (true, "prune --weights W      --dry-run".to_owned())]
    );
}
