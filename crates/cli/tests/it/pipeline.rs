//! `pipeline` on the command line: partial and resumed runs, forecasts, and folders that cannot be written.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;
use serde_json::Value;

use crate::program::{answer, misuse, refusal, xtask};

fn arguments(project: &Path) -> Vec<String> {
    let mut words = vec!["pipeline", "--project", project.to_str().unwrap(), "--imgsz", "64"];
    words.extend(["--epochs", "1", "--batch", "8"]);
    words.extend(["--set", "sparse.epochs=1", "--set", "control.dense=false"]);
    // Trials of rankings and reconstruction take most of the time of so small a run.
    words.extend(["--set", "score.importance=taylor", "--set", "extras.reconstruct=0"]);
    for setting in ["shapes.train=16", "shapes.val=8", "shapes.test=8", "shapes.imgsz=64", "latency_runs=2"] {
        words.extend(["--set", setting]);
    }
    words.into_iter().map(str::to_owned).collect()
}

fn run(project: &Path, more: &[&str]) -> Output {
    let words = arguments(project);
    let words: Vec<&str> = words.iter().map(String::as_str).chain(more.iter().copied()).collect();
    xtask(&words)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The stages that ran, with their reasons.
fn ran(output: &Output) -> Vec<(String, String)> {
    let split =
        |line: &str| line.split_once(": running, because ").map(|(a, b)| (a.to_owned(), b.to_owned()));
    said(output).lines().filter_map(split).collect()
}

/// Sets the modification time of every file to 1970.
fn age(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        }
    }
}

#[test]
fn a_run_in_parts_and_one_with_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");

    let plan = run(&project, &["--dry-run", "--json", "--until", "export"]);
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan["stages"].as_array().unwrap().len(), 8);
    assert_eq!((&plan["stages"][0]["stage"], &plan["stages"][0]["fate"]), (&"dataset".into(), &"run".into()));
    assert_eq!(
        (&plan["stages"][7]["fate"], &plan["stages"][7]["estimate"]),
        (&"skipped".into(), &Value::Null)
    );
    assert_eq!(plan["stages"][1]["estimate"]["basis"], "estimated from MACs");
    assert!(plan["seconds"].as_f64().unwrap() > 0.0 && !project.exists());

    let first = run(&project, &["--until", "prune", "--force", "baseline"]);
    assert!(first.status.success(), "{}", said(&first));
    let text = String::from_utf8_lossy(&first.stdout);
    assert!(text.contains("stopped after stage prune") && !project.join("finetune").exists(), "{text}");
    let goes_on = text.lines().last().unwrap().trim();
    assert!(
        goes_on.starts_with("bonsai pipeline --project")
            && !goes_on.contains("--until")
            && !goes_on.contains("--force"),
        "{goes_on}"
    );
    let words: Vec<&str> = goes_on.split(' ').skip(1).collect();
    answer(&words);

    let begun = Instant::now();
    let again = run(&project, &[]);
    let taken = begun.elapsed();
    assert!(again.status.success() && ran(&again).is_empty(), "{}", said(&again));
    assert!(taken < Duration::from_secs(2), "a run with nothing to do took {taken:?}");

    // Old modification times cause no work either, because timestamps are ignored.
    age(&project);
    assert!(ran(&run(&project, &[])).is_empty());

    let smaller = run(&project, &["--set", "prune.target.macs=0.4"]);
    let (stages, reasons): (Vec<_>, Vec<_>) = ran(&smaller).into_iter().unzip();
    assert_eq!(stages, ["prune", "finetune", "export", "engine", "report"]);
    assert_eq!(reasons[..2], ["prune.target.macs 0.5 -> 0.4", "input prune changed"]);

    let told =
        answer(&arguments(&project).iter().map(String::as_str).chain(["--dry-run"]).collect::<Vec<_>>());
    assert!(told.contains("prune.target.macs 0.4 -> 0.5 (as last time)"), "{told}");
    assert!(told.contains("sparse    cached") && told.contains("prune runs before it"), "{told}");
}

#[test]
fn invalid_stage_options_are_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");
    let words = arguments(&project);
    let with = |more: &[&'static str]| {
        words.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>()
    };
    assert!(misuse(&with(&["--from", "export", "--until", "prune"])).contains("no stage would be left"));
    assert!(misuse(&with(&["--from", "export", "--force", "prune"])).contains("--force prune"));
    assert!(!project.exists());
    let message = refusal(&with(&["--from", "prune"]));
    assert!(message.contains("stage `dataset`") && message.contains("it has not run here"), "{message}");
    let unknown = run(&project, &["--from", "pruning"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("dataset, baseline, control, sparse, prune"), "{}", said(&unknown));
}

/// A limit on file sizes simulates a full disk: writing fails in the middle of a file.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_no_finished_stage() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");
    assert!(run(&project, &["--until", "baseline"]).status.success());
    let baseline = fs::read(project.join("baseline/manifest.json")).unwrap();
    let full = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 2000; exec "$@""#, "sh", env!("CARGO_BIN_EXE_bonsai")])
        .args(arguments(&project))
        .args(["--until", "sparse"])
        .output()
        .unwrap();
    let message = said(&full);
    assert_eq!(full.status.code(), Some(1), "{message}");
    for part in ["stage `sparse`", "safetensors", "keeps the finished stages", "`bonsai pipeline --project"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
    assert_eq!(fs::read(project.join("baseline/manifest.json")).unwrap(), baseline);
    let on = run(&project, &["--until", "sparse"]);
    assert!(on.status.success(), "{}", said(&on));
    assert_eq!(ran(&on).into_iter().map(|stage| stage.0).collect::<Vec<_>>(), ["sparse"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let output = run(&file.join("run"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("cannot create") && said(&output).contains("file/run"),
        "{}",
        said(&output)
    );

    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        println!("not checked: this user may write into folders that are closed to writing");
        return;
    }
    let output = run(&closed.join("run"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("cannot create"), "{}", said(&output));
}

/// A stand-in for trtexec builds both networks in both precisions, and the report lists them.
#[cfg(unix)]
#[test]
fn an_available_builder_builds_every_engine() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("run");
    let trtexec = folder.path().join("trtexec");
    fs::write(&trtexec, crate::engine::TRTEXEC.replace("--fp16 ", "--fp16 --int8 ")).unwrap();
    fs::set_permissions(&trtexec, fs::Permissions::from_mode(0o755)).unwrap();
    let setting = format!("engine.trtexec={}", trtexec.display());
    let output = run(&project, &["--set", &setting]);
    assert!(output.status.success(), "{}", said(&output));
    let end = String::from_utf8_lossy(&output.stdout);
    // The end of a run fits a terminal of 80 columns, and names the page and the file to deploy.
    assert!(end.lines().all(|line| line.chars().count() < 80 || line.contains(": ")), "{end}");
    for file in ["report/report.html", "cpu.safetensors"] {
        assert!(end.contains(&*project.to_string_lossy()) && end.contains(file), "{end}");
    }
    let text = fs::read_to_string(project.join("report/report.md")).unwrap();
    for (stem, title) in [("baseline", "baseline"), ("finetuned", "fine-tuned")] {
        for precision in ["fp16", "int8"] {
            let engine = project.join(format!("engine/{stem}.{precision}.engine"));
            assert_eq!(fs::metadata(&engine).unwrap().len(), 204, "{}", engine.display());
            assert!(
                text.contains(&format!("| TensorRT engine (10.16.0), {precision} | {title} |")),
                "{text}"
            );
        }
    }
    assert!(
        text.contains("| pruned, int8, TensorRT engine (10.16.0) | not measured | not measured |"),
        "{text}"
    );
    assert!(!text.contains("not run: TensorRT engine"), "{text}");

    // Without the builder, the engine stage runs again and records the reason instead.
    let without = run(&project, &[]);
    let (stages, reasons): (Vec<_>, Vec<_>) = ran(&without).into_iter().unzip();
    assert_eq!(stages, ["engine", "report"]);
    assert!(reasons[0].contains("builders") && reasons[0].contains("engine.trtexec"), "{reasons:?}");
}

/// A dataset of the user gets the defaults for such datasets, even if only the settings file names it.
#[test]
fn data_may_be_named_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (2, 1, 1, 64);
    let yaml = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    let file = folder.path().join("own.toml");
    fs::write(&file, format!("data = {:?}\n", yaml.to_str().unwrap())).unwrap();
    let imgsz = |name: &str, more: &[&str]| {
        let project = folder.path().join(name);
        let given = ["pipeline", "--project", project.to_str().unwrap(), "--until", "dataset"];
        answer(&[&given, more].concat());
        let saved: toml::Table = fs::read_to_string(project.join("config.toml")).unwrap().parse().unwrap();
        saved["imgsz"].as_integer()
    };
    assert_eq!(imgsz("file", &["--config", file.to_str().unwrap()]), Some(640));
    assert_eq!(imgsz("drawn", &["--set", "shapes.train=2", "--set", "shapes.val=1"]), Some(128));
}
