//! The page that compares the arguments of Ultralytics with those of Bonsai agrees with the help of the
//! commands.

use std::collections::BTreeSet;
use std::process::Command;

use crate::tree::{assert_none, root};

/// The parts of the page, with the command and the smallest number of arguments of each.
const PARTS: [(&str, &str, usize); 4] = [
    ("## Training", "train", 50),
    ("## Validation", "val", 20),
    ("## Prediction", "predict", 25),
    ("## Export", "export", 15),
];

/// A row of the page.
struct Row {
    argument: String,
    bonsai: String,
    note: String,
}

fn rows(page: &str, title: &str) -> Vec<Row> {
    let part = page.split("\n## ").find(|part| part.starts_with(&title[3..])).expect("the part exists");
    let cells = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        Some(Row { argument: cells.next()?, bonsai: cells.next()?, note: cells.next()? })
    };
    part.lines().filter(|line| line.starts_with("| `")).filter_map(cells).collect()
}

/// The options that a command has according to its help.
fn options(command: &str) -> BTreeSet<String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_xtask")).args([command, "--help"]).output().expect("it runs");
    let help = String::from_utf8(output.stdout).expect("the help is text");
    let words = help.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | '`' | '.'));
    words.filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect()
}

#[test]
fn the_table_of_arguments_agrees_with_the_help() {
    let page = std::fs::read_to_string(root().join("docs/arguments.md")).expect("the page exists");
    let mut found = Vec::new();
    for (title, command, least) in PARTS {
        let rows = rows(&page, title);
        let options = options(command);
        assert!(rows.len() >= least, "{title} has {} rows, which are fewer than {least}", rows.len());
        for Row { argument, bonsai, note } in rows {
            let name = argument.trim_matches('`').replace('_', "-");
            let wrong = match bonsai.as_str() {
                "same" => (!options.contains(&name)).then(|| format!("has no option --{name}")),
                "missing" if options.contains(&name) => Some(format!("has an option --{name}")),
                "missing" => note.is_empty().then(|| format!("does not say why it lacks {name}")),
                option => {
                    let option = option.trim_matches('`').trim_start_matches("--");
                    (!options.contains(option)).then(|| format!("has no option --{option}"))
                }
            };
            found.extend(
                wrong.map(|wrong| format!("docs/arguments.md, {title}, {argument}: {command} {wrong}")),
            );
        }
    }
    assert_none("the page and the help disagree:", &found);
}
