//! `pipeline sweep`: runs one after another, a list of commands, and a script for Slurm; at a size that takes
//! seconds.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bonsai_pipeline::{Manifest, RunDir, Stage};
use serde_json::Value;

use crate::program::{answer, xtask};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A sweep as small as possible: two epochs of a few images.
fn words<'a>(project: &'a str, ratios: &'a str, seeds: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["pipeline", "sweep", "--ratios", ratios, "--seeds", seeds, "--project", project];
    words.extend(["--imgsz", "64", "--epochs", "2", "--batch", "8"]);
    words.extend(["--set", "sparse.epochs=2", "--set", "control.dense=false"]);
    // Trials of rankings and reconstruction take most of the time of so small a run.
    words.extend(["--set", "score.importance=taylor", "--set", "extras.reconstruct=0"]);
    for setting in ["shapes.train=24", "shapes.val=8", "shapes.test=8", "shapes.imgsz=64", "latency_runs=2"] {
        words.extend(["--set", setting]);
    }
    words.extend(more);
    words
}

fn manifest(folder: &Path, run: &str, stage: Stage) -> Manifest {
    Manifest::load(&RunDir::new(folder.join(run)).stage(stage).join(Manifest::FILE)).unwrap()
}

/// Baseline and sparsity training of the second run are those of the first, including their recorded times.
fn assert_shared(folder: &Path, first: &str, second: &str) {
    for stage in [Stage::Dataset, Stage::Baseline, Stage::Sparse] {
        assert_eq!(manifest(folder, first, stage), manifest(folder, second, stage), "{stage}");
    }
    assert_ne!(manifest(folder, first, Stage::Prune).outputs, manifest(folder, second, Stage::Prune).outputs);
}

fn results(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap()
}

#[test]
fn runs_share_stages_and_keep_their_place_when_they_fail() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = folder.path().join("sweep");
    // A file in place of the run's folder makes the run fail.
    fs::create_dir(&sweep).unwrap();
    fs::write(sweep.join("r0.50-s0"), "").unwrap();
    let line = words(text(&sweep), "0.3,0.5", "0", &[]);
    let output = xtask(&line);
    let said = String::from_utf8(output.stdout).unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{talk}");
    assert!(said.contains("1 of 2 runs are done") && said.contains("| r0.50-s0 | not done"), "{said}");
    assert!(talk.contains("1 of 2 runs failed"), "{talk}");
    assert!(said.contains("- `r0.50-s0`: failed: ") && said.contains("r0.50-s0: "), "{said}");

    // The second call runs only the missing run.
    fs::remove_file(sweep.join("r0.50-s0")).unwrap();
    let before = manifest(&sweep, "r0.30-s0", Stage::Report);
    let said = answer(&line);
    assert!(said.contains("2 of 2 runs are done"), "{said}");
    assert_eq!(manifest(&sweep, "r0.30-s0", Stage::Report), before);
    assert_shared(&sweep, "r0.30-s0", "r0.50-s0");
    let found = results(&sweep);
    let macs = |row: usize| found["rows"][row]["outcome"]["done"]["network"]["macs"].as_u64().unwrap();
    assert!(macs(1) < macs(0), "{found}");
    assert_eq!(image::open(sweep.join("sweep.png")).unwrap().width(), 1240);
    assert_eq!(fs::read_to_string(sweep.join("sweep.md")).unwrap().trim_end(), said.trim_end());
    assert_eq!(answer(&["pipeline", "sweep", "--gather", text(&sweep)]), said);
    assert_eq!(xtask(&["pipeline", "sweep", "--gather", text(folder.path())]).status.code(), Some(2));
}

fn bash(words: &[&str], path: &Path) -> Output {
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    Command::new("bash").args(words).env("PATH", path).output().unwrap()
}

#[cfg(unix)]
#[test]
fn the_list_of_commands_is_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = folder.path().join("a sweep");
    let list = answer(&words(text(&sweep), "0.3,0.5", "0,1", &["--commands"]));
    let lines: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 4, "{list}");
    let marks: Vec<usize> =
        list.lines().enumerate().filter_map(|(at, line)| line.starts_with("# phase").then_some(at)).collect();
    assert_eq!(marks, [0, 3], "{list}");
    assert!(lines[0].contains("r0.30-s0") && lines[3].contains("r0.50-s1"), "{list}");
    // One command of each phase, run by a shell.
    for line in [lines[0], lines[2]] {
        let output = bash(&["-c", line], folder.path());
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_shared(&sweep, "r0.30-s0", "r0.50-s0");
    let said = answer(&["pipeline", "sweep", "--gather", text(&sweep)]);
    assert!(said.contains("2 of 4 runs are done") && said.contains("`r0.30-s1`: not begun"), "{said}");
}

/// Runs the tasks of an array in turn, as Slurm would start them.
const SBATCH: &str = r#"#!/usr/bin/env bash
set -euo pipefail
for word in "$@"; do case "$word" in --array=*) range=${word#*=};; esac; done
echo "$*" >> "$(dirname "$0")/submitted"
for ((task = ${range%-*}; task <= ${range#*-}; task++)); do
    SLURM_ARRAY_TASK_ID=$task bash "${@: -1}" > "$(dirname "$0")/task$task.log" 2>&1
done
echo "10${range%-*};cluster"
"#;

#[cfg(unix)]
#[test]
fn the_script_for_slurm_runs_under_a_stand_in() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (sweep, script) = (at("sweep"), at("sweep.sh"));
    answer(&words(text(&sweep), "0.3,0.6", "0", &["--slurm", text(&script)]));
    assert!(bash(&["-n", text(&script)], folder.path()).status.success());
    fs::write(at("sbatch"), SBATCH).unwrap();
    fs::set_permissions(at("sbatch"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = bash(&[text(&script)], folder.path());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("runs 0-0: job 100\n") && said.contains("runs 1-1: job 101\n"), "{said}");
    let submitted = fs::read_to_string(at("submitted")).unwrap();
    assert!(submitted.lines().nth(1).unwrap().contains("--dependency=afterany:100 "), "{submitted}");
    assert_shared(&sweep, "r0.30-s0", "r0.60-s0");
    assert!(answer(&["pipeline", "sweep", "--gather", text(&sweep)]).contains("2 of 2 runs are done"));
}
