//! `--json`, `--quiet`, `--color`, and output without a terminal.

use std::path::Path;
use std::process::{Command, Output};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use serde_json::Value;

use crate::program::{answer, xtask};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn training(folder: &Path, name: &str, more: &[&str]) -> Output {
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (4, 2, 0, 64);
    let data = draw_dataset(&shapes, &folder.join("shapes")).unwrap();
    let runs = folder.join("runs");
    let words = ["train", "--data", text(&data), "--project", text(&runs), "--name", name, "--epochs", "2"];
    xtask(&[words.as_slice(), &["--imgsz", "64", "--batch", "4", "--plots", "false"], more].concat())
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_long_command_prints_one_event_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let output = training(folder.path(), "json", &["--json"]);
    let lines: Vec<Value> =
        utf8(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["schema"] == 1), "{lines:?}");
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!((events[0], *events.last().unwrap()), ("start", "end"), "{events:?}");
    let epochs: Vec<&Value> = lines.iter().filter(|line| line["event"] == "epoch").collect();
    assert_eq!(epochs.iter().map(|e| e["record"]["epoch"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
    let end = lines.last().unwrap();
    assert_eq!(end["code"], 0);
    assert!(end["result"]["metrics"]["map50"].is_number(), "{end}");

    let output = xtask(&["train", "--data", "gone.yaml", "--json"]);
    let lines: Vec<Value> =
        utf8(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let error = &lines[lines.len() - 2];
    let end = &lines[lines.len() - 1];
    assert_eq!((&error["event"], &end["code"]), (&"error".into(), &2.into()), "{lines:?}");
    assert!(error.to_string().contains("gone.yaml") && output.status.code() == Some(2));
}

#[test]
fn quiet_keeps_results_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    let output = training(folder.path(), "quiet", &["-q"]);
    assert_eq!(utf8(&output.stderr), "");
    assert!(utf8(&output.stdout).contains("mAP50-95"));
    let folder = tempfile::tempdir().unwrap();
    let output = training(folder.path(), "verbose", &["-v"]);
    assert!(utf8(&output.stderr).contains("scanned"), "{}", utf8(&output.stderr));
    let output = xtask(&["-q", "-v", "summary", "gone.pt"]);
    assert_eq!(output.status.code(), Some(2), "quiet and verbose exclude each other");
    let output = xtask(&["-q", "summary", "gone.pt"]);
    assert!(utf8(&output.stderr).starts_with("error: "));
}

#[test]
fn without_a_terminal_there_are_whole_lines_and_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let output = training(folder.path(), "plain", &[]);
    let talk = utf8(&output.stderr);
    assert!(!talk.contains(['\r', '\x1b']), "{talk:?}");
    for epoch in ["1/2", "2/2"] {
        let lines = talk.lines().filter(|line| line.trim_start().starts_with(epoch));
        assert_eq!(lines.count(), 1, "{talk}");
    }
}

#[test]
fn colours_follow_option_and_environment() {
    let said = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
        command.args(words).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        utf8(&output.stderr).contains("\x1b[")
    };
    let wrong = ["summary", "gone.pt"];
    assert!(!said(&wrong, &[]));
    assert!(said(&["summary", "gone.pt", "--color", "always"], &[("NO_COLOR", "1")]));
    assert!(said(&wrong, &[("CLICOLOR_FORCE", "1")]));
    assert!(!said(&wrong, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(said(&["summary", "--no-such", "--color=always"], &[]));
    assert!(!said(&["summary", "--no-such", "--color=never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn quick_commands_print_one_document() {
    for words in [&["doctor", "--json"][..], &["--json", "summary", "yolov8n"]] {
        let found: Value = serde_json::from_str(&answer(words)).unwrap();
        assert!(found.is_object(), "{found}");
    }
}
