//! Test of one run from an empty directory, then again: unchanged, with leftovers, with another setting, with
//! damaged files.
//!
//! This is one test, because each part continues from the directory of the part before.

use std::fs::{self, File};
use std::path::Path;

use crate::advice::the_report_gives_advice;
use crate::parity::onnx_equals_executor;
use bonsai_graph::Size;
use bonsai_pipeline::{
    CheckVerdict, Manifest, PipelineConfig, Report, Row, Stage, load_settings, markdown, open_model,
};
use bonsai_stages::Latency;

use crate::tiny_run::TinyRun;

#[test]
fn a_run_and_what_runs_again() {
    let mut tiny = TinyRun::new();
    // All rankings, and reconstruction, as by default.
    let defaults = PipelineConfig::drawn();
    (tiny.config.score, tiny.config.extras) = (defaults.score, defaults.extras);
    let (report, told) = tiny.run();
    assert_eq!((told.ran, told.skipped), (tiny.config.stages(), Vec::new()));
    assert_eq!(told.steps, 3 * 2, "three trainings of two batches");
    every_file_is_there(&tiny);
    the_report_says_what_was_made(&tiny, &report);
    the_report_gives_advice(&report);
    onnx_equals_executor(&tiny, "baseline.onnx", Stage::Baseline);
    onnx_equals_executor(&tiny, "finetuned.onnx", Stage::Finetune);

    // Leftovers of an interrupted run do no harm.
    let leftover = tiny.dir().partial(Stage::Prune);
    fs::create_dir_all(&leftover).unwrap();
    fs::write(leftover.join("leftover"), "half a file").unwrap();
    let (again, told) = tiny.run();
    assert_eq!((told.ran, told.skipped), (Vec::new(), tiny.config.stages()));
    assert_eq!((again, told.steps), (report.clone(), 0));

    let before = [Stage::Baseline, Stage::Sparse].map(|stage| tiny.manifest(stage));
    tiny.config.prune.prune_ratio = 0.8;
    let (smaller, told) = tiny.run();
    let from_prune = [Stage::Prune, Stage::Finetune, Stage::Export, Stage::Engine, Stage::Report];
    assert_eq!(told.ran, from_prune);
    assert_eq!(told.skipped, [Stage::Dataset, Stage::Baseline, Stage::Sparse]);
    let why: Vec<&str> = told.reasons.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(why[0], "prune.prune_ratio 0.6 -> 0.8");
    assert!(why[1..].iter().all(|why| why.starts_with("input ") && why.ends_with(" changed")), "{why:?}");
    assert_eq!((why[1], why[2]), ("input prune changed", "input finetune changed"));
    assert_eq!(before, [Stage::Baseline, Stage::Sparse].map(|stage| tiny.manifest(stage)));
    assert!(row(&smaller, "pruned").params < row(&report, "pruned").params);
    assert!(!leftover.exists());
    every_file_is_there(&tiny);
    onnx_equals_executor(&tiny, "finetuned.onnx", Stage::Finetune);

    damaged_files_are_made_again(&tiny);
}

/// A stage with a damaged file runs again, and then every stage whose inputs are now different.
fn damaged_files_are_made_again(tiny: &TinyRun) {
    for (damaged, name) in [
        (Stage::Export, "finetuned.onnx"),
        (Stage::Prune, "plan.json"),
        (Stage::Sparse, "last.safetensors"),
        (Stage::Report, "report.json"),
    ] {
        let outputs = tiny.manifest(damaged).outputs;
        let path = tiny.file(damaged, name);
        let length = fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
        let (_, told) = tiny.run();
        assert_eq!(told.reasons[0], (damaged, format!("files were changed or are missing: {name}")));
        let same = tiny.manifest(damaged).outputs == outputs;
        // Export and pruning use no threads: the same input gives the same bytes.
        assert!(same || !matches!(damaged, Stage::Export | Stage::Prune), "{damaged} gave other files");
        let following = tiny.config.stages().into_iter().filter(|stage| *stage > damaged && !same);
        let expected: Vec<Stage> = std::iter::once(damaged).chain(following).collect();
        assert_eq!(told.ran, expected, "after damage to {name}");
        every_file_is_there(tiny);
    }
    // A missing file counts as damaged.
    fs::remove_file(tiny.file(Stage::Engine, "finetuned.cpu.safetensors")).unwrap();
    let (_, told) = tiny.run();
    assert_eq!(told.ran[0], Stage::Engine);
    every_file_is_there(tiny);
    // A manifest of another version makes the stage run again.
    let manifest = tiny.file(Stage::Engine, Manifest::FILE);
    fs::write(&manifest, fs::read_to_string(&manifest).unwrap().replace("\"began\"", "\"start\"")).unwrap();
    let (_, told) = tiny.run();
    assert_eq!(told.ran, [Stage::Engine]);
    assert!(told.reasons[0].1.contains("its manifest cannot be read"), "{:?}", told.reasons);
}

fn every_file_is_there(tiny: &TinyRun) {
    const TRAINED: &[&str] =
        &["best.safetensors", "last.safetensors", "gammas.json", "history.json", "results.png", "labels.png"];
    for stage in tiny.config.stages() {
        let names: &[&str] = match stage {
            Stage::Dataset => &["shapes/data.yaml"],
            Stage::Baseline | Stage::Control | Stage::Sparse | Stage::Finetune => TRAINED,
            Stage::Prune => &["pruned.safetensors", "plan.json", "report.json"],
            Stage::Export => &[
                "baseline.onnx",
                "baseline.parity.json",
                "baseline.fp16.onnx",
                "baseline.int8.onnx",
                "finetuned.onnx",
                "finetuned.parity.json",
                "finetuned.fp16.onnx",
                "finetuned.fp16.parity.json",
                "finetuned.int8.onnx",
                "finetuned.int8.parity.json",
            ],
            Stage::Engine => &[
                "baseline.cpu.safetensors",
                "baseline.int8.cpu.safetensors",
                "finetuned.cpu.safetensors",
                "finetuned.int8.cpu.safetensors",
                "tensorrt.json",
            ],
            Stage::Report => &["report.html", "report.md", "report.json"],
        };
        let manifest = tiny.manifest(stage);
        assert_eq!(manifest.stage, stage);
        assert!(!manifest.executor.isa.is_empty() && manifest.began.ends_with('Z'), "{stage}");
        assert_eq!(manifest.inputs.keys().copied().collect::<Vec<_>>(), tiny.config.inputs(stage), "{stage}");
        for name in names {
            let path = tiny.file(stage, name);
            assert!(path.is_file(), "{} is missing", path.display());
            assert!(manifest.outputs.contains_key(*name), "{name} is not in the manifest of {stage}");
        }
        assert!(manifest.damaged(&tiny.dir().stage(stage)).is_empty());
        assert!(!tiny.dir().partial(stage).exists());
        assert!(!manifest.outputs.contains_key("leftover"));
        assert!(!manifest.outputs.contains_key(Manifest::FILE));
    }
    // The saved file gives back the resolved configuration.
    let saved = load_settings(&PipelineConfig::default(), &tiny.dir().config()).unwrap();
    assert_eq!(saved, tiny.config);
}

/// The networks that are deployed.
const NETWORKS: [&str; 2] = ["baseline", "fine-tuned"];
/// The networks of the run.
const NETWORKS_ALL: [&str; 4] = ["baseline", "sparse", "pruned", "fine-tuned"];

fn row<'a>(report: &'a Report, name: &str) -> &'a Row {
    report.rows.iter().find(|row| row.name == name).unwrap()
}

fn the_report_says_what_was_made(tiny: &TinyRun, report: &Report) {
    let names: Vec<&str> = report.rows.iter().map(|row| row.name.as_str()).collect();
    let engines = ["CPU engine", "CPU engine int8"].map(|what| NETWORKS.map(|n| format!("{what}, {n}")));
    assert_eq!(names[..4], NETWORKS_ALL);
    assert_eq!(names[4..8], engines.concat());
    let onnx = ["fp32", "fp16", "int8"].map(|p| NETWORKS.map(|n| format!("ONNX {p}, {n}")));
    assert_eq!(names[8..], onnx.concat());
    assert!(report.rows[8..].iter().all(|row| row.runner == "rten"));
    assert_eq!((report.split.as_str(), report.images, report.imgsz), ("test", 8, 64));
    assert!(report.instances >= 8);
    assert_eq!(report.executor.device, "cpu");

    let [baseline, sparse, pruned, finetuned] = NETWORKS_ALL.map(|name| row(report, name));
    let of = |what: &str| NETWORKS.map(|network| row(report, &format!("{what}, {network}")));
    let [engine, small_engine] = of("CPU engine");
    let [onnx, small_onnx] = of("ONNX fp32");
    let [half, int8] = ["ONNX fp16", "ONNX int8"].map(|what| of(what)[0]);
    assert_eq!((sparse.params, sparse.macs), (baseline.params, baseline.macs));
    assert!(pruned.params < baseline.params && pruned.macs < baseline.macs);
    assert_eq!((finetuned.params, finetuned.macs), (pruned.params, pruned.macs));
    // Folding replaces gamma and beta of each batch norm by one bias.
    assert!(engine.params < baseline.params && small_engine.params < finetuned.params);
    assert!(small_engine.bytes < engine.bytes && small_engine.params < engine.params);
    // An engine is the folded checkpoint, so it detects the same objects.
    for (checkpoint, engine, onnx) in [(baseline, engine, onnx), (finetuned, small_engine, small_onnx)] {
        assert!((checkpoint.map50_95 - engine.map50_95).abs() < 1e-3);
        assert!((checkpoint.map50_95 - onnx.map50_95).abs() < 1e-3);
    }
    assert!(half.bytes * 10 < onnx.bytes * 6 && int8.bytes * 10 < onnx.bytes * 4, "{half:?} {int8:?}");
    assert!((half.map50_95 - onnx.map50_95).abs() < 0.05, "{half:?}");
    for (whole, codes) in [engine, small_engine].into_iter().zip(of("CPU engine int8")) {
        assert!(codes.bytes * 10 < whole.bytes * 4 && codes.macs == whole.macs, "{codes:?}");
        assert!((codes.map50_95 - whole.map50_95).abs() < 0.05, "{codes:?}");
    }
    for row in &report.rows {
        assert!((0.0..=1.0).contains(&row.map50_95) && row.map50_95 <= row.map50, "{row:?}");
        let Latency { p50_ms, p95_ms, .. } = row.latency;
        assert!(0.0 < p50_ms && p50_ms <= p95_ms && row.bytes > 0, "{row:?}");
        assert_eq!(fs::metadata(tiny.dir().root().join(&row.file)).unwrap().len(), row.bytes, "{row:?}");
        assert!(0.0 < row.speed.low && row.speed.low <= row.speed.times && row.speed.times <= row.speed.high);
    }
    let file = tiny.file(Stage::Finetune, "best.safetensors");
    let params = open_model(&file.to_string_lossy()).unwrap().graph().cost(Size::square(64)).unwrap().params;
    assert_eq!(finetuned.params, params);
    assert_eq!(finetuned.bytes, fs::metadata(&file).unwrap().len());

    let stages: Vec<Stage> = report.stages.iter().map(|cost| cost.stage).collect();
    assert_eq!(stages, tiny.config.stages()[..7]);
    let text = fs::read_to_string(tiny.file(Stage::Report, "report.md")).unwrap();
    assert_eq!(text, markdown(report));
    assert!(names.iter().all(|name| text.contains(&format!("| {name} |"))), "{text}");
    // The original workflow's table: two networks in two arithmetics.
    assert!(
        text.contains("| pruned, int8, ONNX in rten |") && text.contains("| baseline, fp16, ONNX in rten |")
    );
    let verdict = |start: &str| report.checks.iter().find(|c| c.what.starts_with(start)).map(|c| c.verdict);
    for check in ["ONNX in fp32 = checkpoint", "ONNX in fp16 = checkpoint", "CPU engine = checkpoint"] {
        assert_eq!(verdict(check), Some(CheckVerdict::Passed), "{check}: {:?}", report.checks);
    }
    for check in ["ONNX in int8", "ONNX int8 loses", "CPU engine int8 loses"] {
        assert!(verdict(check).is_some(), "{check}: {:?}", report.checks);
    }
    assert!(text.contains("| baseline, int8 |") && text.contains("| fine-tuned, fp32 |"), "{text}");
    assert!(report.curves.iter().all(|curve| curve.precision.len() == 101) && report.curves.len() == 2);
    assert!(report.confusions.iter().all(|matrix| matrix.counts.len() == 25));
    assert!((0.0..=1.0).contains(&report.pruned_validation));
    let page = fs::read_to_string(tiny.file(Stage::Report, "report.html")).unwrap();
    the_page_stands_alone(&page, &names);
    tensorrt_is_there_or_has_a_reason(&tiny.file(Stage::Engine, "tensorrt.json"), report, &text);
}

/// The page loads and runs nothing, has every row and section, and embeds its pictures.
fn the_page_stands_alone(page: &str, names: &[&str]) {
    for forbidden in ["http:", "https:", "<script", "@import", "url(", "src=\"/", "href=\"/"] {
        assert!(!page.contains(forbidden), "the page contains {forbidden}");
    }
    assert!(names.iter().all(|name| page.contains(name)));
    for id in ["deploy", "table", "tradeoff", "errors", "channels", "training", "repro"] {
        assert!(page.contains(&format!("id=\"{id}\"")) && page.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    assert!(page.contains("data:image/jpeg;base64,"));
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

fn tensorrt_is_there_or_has_a_reason(outcomes: &Path, report: &Report, text: &str) {
    let outcomes: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(outcomes).unwrap()).unwrap();
    for (what, builder) in [("TensorRT engine", "trtexec"), ("TensorRT-RTX engine", "tensorrt_rtx")] {
        let of: Vec<_> = outcomes.iter().filter(|outcome| outcome["what"] == what).collect();
        if of.iter().all(|outcome| outcome["outcome"]["outcome"] == "built") {
            assert_eq!(report.made.iter().filter(|made| made.what.starts_with(what)).count(), 4);
            continue;
        }
        // The reason appears once, not for every file.
        assert_eq!(of.len(), 1, "{of:?}");
        let missing = report.not_run.iter().find(|missing| missing.what == what).unwrap();
        assert!(missing.because.contains(builder), "{missing:?}");
        assert_eq!(of[0]["outcome"]["because"], missing.because);
        let short = missing.because.split(';').next().unwrap();
        assert!(text.contains("not run") && text.contains(short), "{text}");
    }
}
