//! The report names the file to deploy and what to do next, by its own numbers.

use std::path::Path;

use bonsai_metrics::Change;
use bonsai_pipeline::{Report, terminal_summary};
use bonsai_report::page;

fn told(report: &Report) -> String {
    terminal_summary(report, Path::new("runs/x"), Path::new("runs/x/report/report.html"))
}

/// The first sentence of advice.
fn next(report: &Report) -> String {
    let told = told(report);
    told.lines().find_map(|line| line.strip_prefix("next:   ")).unwrap_or_default().to_owned()
}

/// A report in which every file of the fine-tuned network has this mAP50-95, and the baseline 0.6.
fn with_accuracy(report: &Report, tuned: f64) -> Report {
    let mut report = report.clone();
    for row in &mut report.rows {
        row.map50_95 = if row.network == "fine-tuned" { tuned } else { 0.6 };
    }
    let change = Change { before: 0.6, after: tuned, low: tuned - 0.604, high: tuned - 0.596 };
    if let Some(paired) = &mut report.change {
        paired.map50_95 = change;
    }
    report
}

/// The tests of one report, which a run has written; called by the test of the whole run.
pub(crate) fn the_report_gives_advice(report: &Report) {
    let good = with_accuracy(report, 0.6);
    assert!(next(&good).starts_with("Nothing was lost"), "{}", told(&good));
    let bad = with_accuracy(report, 0.5);
    // The fine-tuning of this run has one epoch.
    assert!(next(&bad).contains("fine-tuning was short (1 epoch)"), "{}", told(&bad));
    let mut long = bad.clone();
    for training in &mut long.trainings {
        let first = training.epochs[0].clone();
        training.epochs = vec![first; 40];
    }
    assert!(next(&long).contains("keep more of the network"), "{}", told(&long));
    assert!(next(&with_accuracy(report, 0.6)).contains("prune.target.macs"));
    let mut nothing = good.clone();
    nothing.rows.iter_mut().for_each(|row| row.map50_95 = 0.0);
    assert!(next(&nothing).starts_with("The baseline detects nothing"), "{}", told(&nothing));

    // The fastest engine is deployed unless its codes cost accuracy.
    let engine = |report: &mut Report, name: &str, map: f64, times: f64| {
        let row = report.rows.iter_mut().find(|row| row.name == name).unwrap();
        row.map50_95 = map;
        row.speed.times = times;
    };
    let deployed = |report: &Report| {
        let told = told(report);
        told.lines().find_map(|line| line.strip_prefix("deploy: ")).unwrap().to_owned()
    };
    let mut codes = good.clone();
    engine(&mut codes, "CPU engine, fine-tuned", 0.6, 2.0);
    engine(&mut codes, "CPU engine int8, fine-tuned", 0.595, 4.0);
    assert_eq!(Path::new(&deployed(&codes)), Path::new("runs/x/engine/finetuned.int8.cpu.safetensors"));
    engine(&mut codes, "CPU engine int8, fine-tuned", 0.55, 4.0);
    assert_eq!(Path::new(&deployed(&codes)), Path::new("runs/x/engine/finetuned.cpu.safetensors"));
    assert!(page(&codes, &[]).contains("--set finetune.qat=true"));
    for text in ["engine/finetuned.cpu.safetensors", "onnxruntime.InferenceSession", "export/finetuned"] {
        assert!(page(&codes, &[]).contains(text), "{text}");
    }
}
