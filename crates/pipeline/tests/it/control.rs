//! Tests of [`Control`] and [`forecast`]: runs from a stage, until a stage, with forced stages, and
//! forecasts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bonsai_pipeline::{
    Basis, Control, Ended, Fate, Forecast, PipelinePreset, Quiet, Stage, StageForecast, forecast, is_current,
};

use crate::tiny_run::TinyRun;

fn told(tiny: &TinyRun, control: &Control) -> Forecast {
    forecast(&tiny.config, &tiny.dir(), control, &mut Quiet).unwrap()
}

fn fates(forecast: &Forecast) -> Vec<Fate> {
    forecast.stages.iter().map(|stage| stage.fate).collect()
}

/// Every file below with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    found
}

/// One run in parts, with a forecast before each.
#[test]
fn a_run_in_parts() {
    let mut tiny = TinyRun::new();
    let until = |stage| Control { until: Some(stage), ..Control::default() };
    let from = |stage| Control { from: Some(stage), ..Control::default() };

    // The directory does not exist, and the forecast does not create it.
    let first = told(&tiny, &Control::default());
    assert!(fates(&first).iter().all(|fate| *fate == Fate::Run) && !tiny.dir().root().exists());
    for StageForecast { stage, because, estimate, .. } in &first.stages {
        let estimate = estimate.unwrap();
        assert!(because[0] == "it has not run here", "{stage}: {because:?}");
        assert!(estimate.basis == Basis::Macs && estimate.seconds > 0.0 && estimate.memory_mib > 0.0);
    }
    let error = tiny.part(&from(Stage::Sparse)).unwrap_err();
    assert!(error.contains("stage `dataset`") && error.contains("it has not run here"), "{error}");

    let (ended, seen) = tiny.part(&until(Stage::Baseline)).unwrap();
    assert_eq!((ended, seen.ran.as_slice()), (Ended::Until(Stage::Baseline), &tiny.config.stages()[..2]));
    let before = files(tiny.dir().root());
    let second = told(&tiny, &until(Stage::Sparse));
    assert_eq!(fates(&second)[..4], [Fate::Cached, Fate::Cached, Fate::Run, Fate::Skipped]);
    assert_eq!(files(tiny.dir().root()), before, "a forecast changes nothing");
    let error = tiny.part(&from(Stage::Prune)).unwrap_err();
    assert!(
        error.contains("--from needs stage `sparse`") && error.contains("begin with --from sparse"),
        "{error}"
    );
    tiny.part(&until(Stage::Prune)).unwrap();

    // `--from` uses a baseline of other settings as it is; the stages made from it stay.
    tiny.config.baseline.lr0 /= 2.0;
    let last = told(&tiny, &from(Stage::Finetune));
    assert_eq!(fates(&last)[..5], [Fate::Taken, Fate::Taken, Fate::Taken, Fate::Taken, Fate::Run]);
    let (ended, seen) = tiny.part(&from(Stage::Finetune)).unwrap();
    assert!(matches!(ended, Ended::Complete(_)));
    assert_eq!(
        (seen.skipped, seen.ran),
        (tiny.config.stages()[..4].to_vec(), tiny.config.stages()[4..].to_vec())
    );
    // Without `--from`, the baseline and all stages that depend on it would run again.
    let all = told(&tiny, &Control::default());
    assert_eq!((fates(&all)[0], fates(&all)[1]), (Fate::Cached, Fate::Run));
    let StageForecast { because, estimate, .. } = &all.stages[1];
    assert!(because.len() == 1 && because[0].starts_with("baseline.lr0 0.01 -> 0.005"), "{because:?}");
    assert_eq!(estimate.unwrap().basis, Basis::LastTime);
    assert_eq!(all.stages[2].because, ["baseline runs before it"]);
    tiny.config.baseline.lr0 *= 2.0;

    // Forced stages give the same files, so no later stage runs.
    let forced = Control { force: vec![Stage::Sparse, Stage::Export], ..Control::default() };
    let (_, seen) = tiny.part(&forced).unwrap();
    assert_eq!(seen.ran, [Stage::Sparse, Stage::Export]);
    assert!(seen.reasons.iter().all(|(_, reason)| reason == "forced"), "{:?}", seen.reasons);
    assert!(fates(&told(&tiny, &Control::default())).iter().all(|fate| *fate == Fate::Cached));
}

/// A run that fails after it has written its settings leaves the results of earlier settings.
#[test]
fn results_of_earlier_settings_are_not_current() {
    let mut tiny = TinyRun::new();
    let until = |stage| Control { until: Some(stage), ..Control::default() };
    tiny.part(&until(Stage::Finetune)).unwrap();
    let current = |tiny: &TinyRun, stage| is_current(&tiny.config, &tiny.dir(), stage).unwrap();
    assert!(current(&tiny, Stage::Finetune) && !current(&tiny, Stage::Export));
    // Threads change no result.
    tiny.config.threads = 1;
    assert!(current(&tiny, Stage::Finetune));
    tiny.config.prune.prune_ratio = 0.3;
    tiny.part(&until(Stage::Prune)).unwrap();
    let made = tiny.manifest(Stage::Finetune);
    assert!(tiny.dir().completed(Stage::Finetune).is_some_and(|manifest| manifest == made));
    assert!(current(&tiny, Stage::Prune) && !current(&tiny, Stage::Finetune));
}

#[test]
fn the_preset_of_the_hand_patched_trainers_runs_to_the_end() {
    let mut tiny = TinyRun::new();
    tiny.config = tiny.config.with_preset(PipelinePreset::Original);
    let (report, told) = tiny.run();
    assert_eq!(told.ran, tiny.config.stages());
    let [baseline, pruned] = ["baseline", "pruned"].map(|name| report.row(name).unwrap().params);
    assert!(pruned < baseline, "{pruned} of {baseline}");
    // At this size the L1 of the preset cannot move a gamma far enough, and a warning says so.
    assert!(
        told.notes.iter().any(|note| note.starts_with("warning:") && note.contains("L1")),
        "{:?}",
        told.notes
    );
}
