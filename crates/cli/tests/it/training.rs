//! `train`: its folder, its arguments, and interrupted, killed and resumed trainings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;

use crate::program::{answer, misuse, refusal, xtask};

/// Default number of rounds; `BONSAI_KILL_ROUNDS` overrides it.
const KILL_ROUNDS: usize = 3;
const EPOCHS: usize = 4;

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A drawn dataset: a few images of 64 px.
pub(crate) fn drawn(folder: &Path) -> PathBuf {
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (10, 3, 0, 64);
    draw_dataset(&shapes, &folder.join("shapes")).unwrap()
}

/// Arguments of a training of a second or two, with three batches per epoch and an optimiser step every two
/// batches.
fn arguments<'a>(yaml: &'a Path, project: &'a Path) -> Vec<&'a str> {
    let mut arguments = vec!["train", "--data", text(yaml), "--project", text(project), "--epochs", "4"];
    arguments.extend(["--imgsz", "64", "--batch", "4", "--nbs", "8", "--close-mosaic", "2", "--seed", "3"]);
    arguments.extend(["--warmup-min-batches", "0", "--patience", "0"]);
    arguments
}

pub(crate) fn weights(run: &Path) -> [Vec<u8>; 2] {
    ["best", "last"].map(|name| fs::read(run.join(format!("weights/{name}.safetensors"))).unwrap())
}

#[test]
fn a_run_has_the_files_that_people_look_for() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let runs = folder.path().join("runs");
    let said = answer(&arguments(&yaml, &runs));
    assert!(said.contains("mAP50-95") && said.contains("all"), "{said}");
    let run = runs.join("train");
    for file in [
        "args.toml",
        "results.csv",
        "metrics.json",
        "weights/best.safetensors",
        "weights/last.safetensors",
        "labels.png",
        "results.png",
        "confusion_matrix.png",
        "confusion_matrix_normalized.png",
        "P_curve.png",
        "R_curve.png",
        "F1_curve.png",
        "PR_curve.png",
        "train_batch0.jpg",
        "train_batch3.jpg",
        "val_batch0_labels.jpg",
        "val_batch0_pred.jpg",
    ] {
        let path = run.join(file);
        assert!(fs::metadata(&path).is_ok_and(|m| m.len() > 0), "{file}");
        if file.ends_with("png") || file.ends_with("jpg") {
            let picture = image::open(&path).unwrap();
            assert!(picture.width() > 400 && picture.height() > 200, "{file}");
        }
    }
    let rows = fs::read_to_string(run.join("results.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + EPOCHS);
    assert!(rows.starts_with("epoch,time,train/box_loss,train/cls_loss,train/dfl_loss,metrics/precision(B)"));
    assert!(
        rows.lines().skip(1).all(|row| row.split(',').all(|v| v.parse::<f64>().is_ok_and(f64::is_finite)))
    );
    // `args.toml` has all arguments, and `train --config` reads it back.
    let config = run.join("args.toml");
    let again = folder.path().join("again");
    answer(&["train", "--config", text(&config), "--project", text(&again), "--plots", "false"]);
    assert_eq!(weights(&again.join("train")), weights(&run));
    assert!(!again.join("train/results.png").exists());
}

#[test]
fn errors_for_mistyped_keys_suggest_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("args.toml");
    fs::write(&file, "epochs = 3\nwarmup_epoch = 1.0\n").unwrap();
    let said = misuse(&["train", "--config", text(&file)]);
    assert!(said.contains("`warmup_epoch`") && said.contains("`warmup_epochs`"), "{said}");
    let flag = xtask(&["train", "--warmup-epoch", "1"]);
    let said = String::from_utf8(flag.stderr).unwrap();
    assert_eq!(flag.status.code(), Some(2));
    assert!(said.contains("--warmup-epochs"), "{said}");
    let yaml = drawn(folder.path());
    for (key, value, parts) in [
        ("imgsz", "100", ["imgsz is 100", "multiple of 32"]),
        ("mosaic", "1.5", ["`mosaic` is 1.5", "between 0 and 1"]),
        ("fraction", "0", ["fraction is 0", "above 0"]),
        ("momentum", "1", ["momentum is 1", "below 1"]),
        ("optimizer", "RAdam", ["RAdam", "AdamW"]),
        ("freeze", "model.99", ["model.99", "model.22"]),
    ] {
        let runs = folder.path().join("refused");
        let mut all = arguments(&yaml, &runs);
        let flag = format!("--{key}");
        if let Some(at) = all.iter().position(|given| *given == flag) {
            all.drain(at..at + 2);
        }
        all.extend([flag.as_str(), value]);
        let output = xtask(&all);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "--{key} {value}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "--{key} {value}: {said}");
    }
}

pub(crate) fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

pub(crate) fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_mins(2), "nothing happened for two minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let whole = folder.path().join("whole");
    let parts = folder.path().join("parts");
    answer(&arguments(&yaml, &whole));
    let last = parts.join("train/weights/last.safetensors");
    let mut child = start(&arguments(&yaml, &parts));
    wait_for(|| last.exists());
    // Uses the shell's built-in `kill`, because a minimal system has no such program.
    let signal = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(signal.success());
    let code = child.wait().unwrap().code();
    // The training may already have been in its last batch.
    assert!(matches!(code, Some(130 | 0)), "{code:?}");
    let run = parts.join("train");
    let said = misuse(&["train", "--resume", text(&run), "--epochs", "9"]);
    assert!(said.contains("--epochs"), "{said}");
    // --resume without a value takes the latest run of the project.
    answer(&["train", "--project", text(&parts), "--resume", "--workers", "0"]);
    assert_eq!(weights(&run), weights(&whole.join("train")));
    let rows = |run: &Path| -> Vec<Vec<String>> {
        let text = fs::read_to_string(run.join("results.csv")).unwrap();
        let row = |line: &str| {
            line.split(',').enumerate().filter(|(i, _)| *i != 1).map(|(_, v)| v.to_owned()).collect()
        };
        text.lines().map(row).collect()
    };
    assert_eq!(rows(&run), rows(&whole.join("train")), "all columns but the time");
    let said = refusal(&["train", "--resume", text(folder.path())]);
    assert!(said.contains("cannot be resumed"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_killed_training_resumes_to_the_same_bits() {
    let rounds = std::env::var("BONSAI_KILL_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(KILL_ROUNDS);
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let whole = folder.path().join("whole");
    let begun = Instant::now();
    answer(&arguments(&yaml, &whole));
    let duration = begun.elapsed();
    let expected = weights(&whole.join("train"));
    for round in 0..rounds {
        let project = folder.path().join(format!("round{round}"));
        let run = project.join("train");
        let mut kills = 0;
        // The golden ratio spreads the moments over the run; variations of the machine's speed do the rest.
        let moment = (0.618_034 * (round + 1) as f64).fract();
        loop {
            let mut begin = arguments(&yaml, &project);
            begin.push("--exist-ok");
            let resume = ["train", "--resume", text(&run)];
            let resumable = run.join("weights/last.safetensors").exists();
            let mut child = start(if resumable { &resume } else { &begin });
            if kills < 3 {
                std::thread::sleep(duration.mul_f64(moment / f64::from(kills + 1)));
                child.kill().unwrap();
                kills += 1;
            }
            if child.wait().unwrap().success() {
                break;
            }
        }
        assert!(weights(&run) == expected, "round {round}: other weights than without interruption");
        let left: Vec<_> =
            fs::read_dir(run.join("weights")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.len() >= 2, "{left:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_that_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let runs = folder.path().join("runs");
    let mut child = start(&arguments(&yaml, &runs));
    let last = runs.join("train/weights/last.safetensors");
    wait_for(|| last.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let saved = fs::read(&last).unwrap();
    // A limit on file sizes (2,000 blocks of 512 bytes or 1 KiB) simulates a full disk: writing fails in the
    // middle.
    let script = "ulimit -f 2000; trap '' XFSZ; exec \"$@\"";
    let run = runs.join("train");
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_bonsai"), "train", "--resume", text(&run)]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("safetensors") && said.contains("continues from it"), "{said}");
    assert_eq!(fs::read(&last).unwrap(), saved, "the checkpoint from before is whole");
    let partial: Vec<_> = fs::read_dir(run.join("weights"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".partial") && name.contains("bonsai"))
        .collect();
    // The kill may have left one temporary file; the failed write has removed its own.
    assert!(partial.len() <= 1, "{partial:?}");
    answer(&["train", "--resume", text(&run)]);
}
