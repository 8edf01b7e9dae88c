//! A pipeline that is killed at any moment and restarted writes the same files as an uninterrupted one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use bonsai_pipeline::{Manifest, RunDir, Stage};

use crate::program::answer;

/// Default number of rounds; `BONSAI_KILL_ROUNDS` overrides it.
const KILL_ROUNDS: usize = 3;

fn arguments(project: &Path) -> Vec<&str> {
    let mut arguments = vec!["pipeline", "--project", project.to_str().unwrap(), "--imgsz", "64"];
    arguments.extend(["--epochs", "2", "--batch", "8", "--seed", "5"]);
    arguments.extend(["--set", "sparse.epochs=2", "--set", "control.dense=false"]);
    // Trials of rankings and reconstruction take most of the time of so small a run.
    arguments.extend(["--set", "score.importance=taylor", "--set", "extras.reconstruct=0"]);
    for setting in ["shapes.train=24", "shapes.val=8", "shapes.test=8", "shapes.imgsz=64", "latency_runs=2"] {
        arguments.extend(["--set", setting]);
    }
    arguments
}

/// Digests of all files of the stages, except measured times and the places where builders were searched.
fn made(project: &Path) -> BTreeMap<String, String> {
    let dir = RunDir::new(project);
    let files = |stage: &Stage| {
        let manifest = Manifest::load(&dir.stage(*stage).join(Manifest::FILE)).unwrap();
        let name = stage.name();
        manifest.outputs.into_iter().map(move |(file, digest)| (format!("{name}/{file}"), digest))
    };
    let is_there = |stage: &&Stage| **stage != Stage::Report && dir.stage(**stage).is_dir();
    let stages = Stage::ALL.iter().filter(is_there);
    stages.flat_map(files).filter(|(file, _)| !file.ends_with("tensorrt.json")).collect()
}

#[cfg(unix)]
#[test]
fn a_killed_pipeline_resumes_to_the_same_files() {
    let rounds = std::env::var("BONSAI_KILL_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(KILL_ROUNDS);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let begun = Instant::now();
    answer(&arguments(&whole));
    let duration = begun.elapsed();
    let expected = made(&whole);
    assert!(expected.len() > 20, "{expected:?}");
    for round in 0..rounds {
        let project = folder.path().join(format!("round{round}"));
        // The golden ratio spreads the moments evenly over the whole run.
        let moment = (0.618_034 * (round + 1) as f64).fract();
        let mut kills = 0;
        loop {
            let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
            command.args(arguments(&project)).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            let to_be_killed = kills < 2;
            if to_be_killed {
                std::thread::sleep(duration.mul_f64(moment / f64::from(kills + 1)));
                child.kill().unwrap();
                kills += 1;
            }
            if child.wait().unwrap().success() {
                break;
            }
            assert!(to_be_killed, "round {round} fails without being killed");
        }
        assert_eq!(made(&project), expected, "round {round}");
        let left = fs::read_dir(&project).unwrap().map(|entry| entry.unwrap().file_name());
        let partial: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".partial")).collect();
        assert!(partial.is_empty(), "{partial:?}");
    }
}

#[cfg(unix)]
#[test]
fn two_runs_in_one_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
    command.args(arguments(&project)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = command.spawn().unwrap();
    while !project.join("dataset/manifest.json").exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended before it could be met");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let message = crate::program::refusal(&arguments(&project));
    assert!(message.contains("another run is at work") && message.contains("process"), "{message}");
    first.kill().unwrap();
    first.wait().unwrap();
}
