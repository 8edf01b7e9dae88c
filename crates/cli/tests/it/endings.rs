//! How commands end: exit codes, closed pipes and errors with hints; also `test`, completions and manual
//! pages.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use bonsai_testkit::imported;

use crate::program::{answer, misuse, xtask};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bonsai");

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_threshold_that_is_not_met_has_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (1, 2, 0, 64);
    let data = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    // The dataset gets the network's three classes.
    let yaml = "train: images/train\nval: images/val\nnames: [leaf, twig, root]\n";
    fs::write(&data, yaml).unwrap();
    for entry in fs::read_dir(folder.path().join("shapes/labels/val")).unwrap() {
        let path = entry.unwrap().path();
        let labels = fs::read_to_string(&path).unwrap();
        let first: Vec<String> = labels.lines().map(|line| format!("0{}", &line[1..])).collect();
        fs::write(&path, first.join("\n")).unwrap();
    }
    let weights = folder.path().join("w.pt");
    fs::write(&weights, imported("old")).unwrap();
    let val = |more: &[&str]| {
        let words = ["val", "--weights", text(&weights), "--data", text(&data), "--imgsz", "64"];
        xtask(&[words.as_slice(), more].concat())
    };
    let output = val(&["--min-map50", "0", "--min-map50-95", "0"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let table = output.stdout;
    let output = val(&["--min-map50-95", "0.9"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("threshold not met: mAP50-95 is ") && said.contains("below the 0.9 of --min-map50-95"),
        "{said}"
    );
    assert_eq!(output.stdout, table, "the result is the same");
    assert_eq!(val(&["--min-map50", "1", "--quiet", "--json"]).status.code(), Some(3));
    assert_eq!(val(&["--min-map50", "50"]).status.code(), Some(2));
}

#[test]
fn a_pipeline_that_loses_too_much_has_its_own_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");
    let mut words = vec!["pipeline", "--project", text(&project), "--imgsz", "64", "--epochs", "2"];
    words.extend(["--set", "score.importance=taylor", "--set", "extras.reconstruct=0"]);
    for setting in ["shapes.train=24", "shapes.val=8", "shapes.test=8", "shapes.imgsz=64", "latency_runs=2"] {
        words.extend(["--set", setting]);
    }
    answer(&[words.as_slice(), &["--max-drop", "1"]].concat());
    // Changes the baseline in the finished report; nothing is measured again.
    let file = project.join("report/report.json");
    let mut report: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let change = &report["change"]["map50_95"];
    let lost = change["before"].as_f64().unwrap() - change["after"].as_f64().unwrap();
    let output = xtask(&[words.as_slice(), &["--max-drop", "0"]].concat());
    assert_eq!(output.status.code(), Some(if lost > 0.0 { 3 } else { 0 }), "{lost}");
    report["change"]["map50_95"]["before"] = 0.9.into();
    report["change"]["map50_95"]["after"] = 0.5.into();
    let report = serde_json::to_vec_pretty(&report).unwrap();
    fs::write(&file, &report).unwrap();
    let digest = bonsai_pipeline::digest_file(&file).unwrap();
    let manifest = project.join("report/manifest.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    record["outputs"]["report.json"] = digest.into();
    fs::write(&manifest, record.to_string()).unwrap();
    let output = xtask(&[words.as_slice(), &["--max-drop", "0.1"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("threshold not met: mAP50-95 changed by -0.4000; --max-drop allows a loss of 0.1"),
        "{said}"
    );
}

#[test]
fn errors_have_parts_and_hints() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test) = (1, 1, 0);
    let data = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    let slip = data.with_extension("yml");
    let said = misuse(&["train", "--data", text(&slip), "--project", text(&folder.path().join("runs"))]);
    assert!(said.starts_with("error: ") && said.contains("\n  cause: "), "{said}");
    let hint = format!("hint: `{}` does not exist; did you mean `{}`?\n", slip.display(), data.display());
    assert!(said.ends_with(&hint), "{said}");
    for (words, part) in [
        (&["train", "--model", "yolov8q"][..], "hint: did you mean `yolov8"),
        (&["train", "--set", "epoch=1"], "did you mean `epochs`?"),
        (&["pipeline", "--imgsz", "65"], "multiple of 32"),
        (&["pipeline", "--set", "prune.prune_ratio=2"], "2"),
        (&["val", "--weights", "w", "--split", "tset"], "a similar value exists: 'test'"),
        (&["prune", "--weights", "w", "--preset", "originals"], "original"),
        (&["train", "imgsz=320"], "tip: write `--imgsz 320`"),
        (&["pipeline", "sweep", "--ratios", "0.5,0.5"], "r0.50-s0 is asked for twice"),
        (&["trian"], "'train'"),
        (&["export", "--weights", "w", "-o", "x", "--conf", "0.5"], "--nms onnx"),
    ] {
        let said = misuse(words);
        assert!(said.contains(part), "{words:?}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_quietly() {
    for words in [&["summary", "yolov8n"][..], &["--help"], &["completions", "bash"], &["man"]] {
        let mut command = Command::new(PROGRAM);
        let mut child = command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(0) && said.is_empty(), "{words:?}: {said}");
    }
    // With a closed standard error, the command still ends with its own exit code.
    let mut command = Command::new(PROGRAM);
    let mut child = command.args(["summary", "gone.pt"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn tests_need_a_checkout() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("test").current_dir(folder.path()).env_remove("CARGO_MANIFEST_DIR");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: `test` needs a checkout of Bonsai") && said.contains("hint: "), "{said}");
}

#[test]
fn help_shows_the_name_by_which_the_program_was_started() {
    let usage = |by_cargo: bool| {
        let mut command = Command::new(PROGRAM);
        command.args(["train", "--help"]).env_remove("CARGO_MANIFEST_DIR");
        if by_cargo {
            command.env("CARGO_MANIFEST_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask"));
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(usage(false).contains("Usage: bonsai train") && usage(false).contains("$ bonsai train --data"));
    assert!(usage(true).contains("Usage: cargo xtask train"), "{}", usage(true));
    assert!(usage(false).contains("130, 143  stopped"));
}

#[test]
fn shells_and_man_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = answer(&["completions", shell]);
        for word in ["bonsai", "sparsify", "prune-ratio", "sweep"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        assert!(!script.contains("batch-size"), "{shell} would complete a refused option");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("bonsai.bash");
    fs::write(&script, answer(&["completions", "bash"])).unwrap();
    #[cfg(unix)]
    assert!(Command::new("bash").args(["-n", text(&script)]).status().unwrap().success());
    let pages = folder.path().join("man1");
    answer(&["man", "--out", text(&pages)]);
    for page in ["bonsai.1", "bonsai-train.1", "bonsai-bench-step.1", "bonsai-pipeline-sweep.1"] {
        let page = fs::read_to_string(pages.join(page)).unwrap();
        assert!(page.contains(".TH bonsai") && page.contains(".SH"), "{page}");
    }
    assert!(answer(&["man"]).contains(".TH bonsai 1"));
}
