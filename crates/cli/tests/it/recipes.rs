//! `bench recipe`: its runs, stages that runs share, and its table.

use std::fs;
use std::path::Path;

use bonsai_pipeline::{Manifest, PipelineConfig, RunDir, Stage};
use bonsai_stages::draw_dataset;
use serde_json::Value;

use crate::program::{answer, misuse};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn recipes_are_compared_with_their_dense_control() {
    let folder = tempfile::tempdir().unwrap();
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (16, 8, 8, 64);
    let yaml = draw_dataset(&shapes, &folder.path().join("shapes")).unwrap();
    let project = folder.path().join("bench");
    let recipe = folder.path().join("sparse.toml");
    // One ranking, because trials take most of the time of so small a run.
    let settings = "[sparse]\nepochs = 1\n[finetune]\nepochs = 1\n[score]\nimportance = \"taylor\"\n";
    fs::write(&recipe, settings).unwrap();
    let recipes = format!("taylor,{}", text(&recipe));
    let dataset = format!("tiny={}", text(&yaml));
    let line = |more: &[&'static str]| {
        let mut words =
            vec!["bench", "recipe", "--recipes", &recipes, "--datasets", &dataset, "--seeds", "0"];
        words.extend(["--macs", "0.6", "--imgsz", "64", "--epochs", "2", "--batch", "8", "--jobs", "2"]);
        words.extend(["--project", text(&project)]);
        words.extend(more);
        answer(&words)
    };
    let table = line(&[]);
    for part in ["| tiny | dense | 1.000 | 1 |", "| tiny | taylor | 0.", "| tiny | sparse | 0."] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert_eq!(fs::read_to_string(project.join("recipes.md")).unwrap().trim_end(), table.trim_end());
    // The baseline is trained once, and every run trains two epochs after it.
    let manifest = |run: &str, stage: Stage| {
        Manifest::load(&RunDir::new(project.join("tiny").join(run)).stage(stage).join(Manifest::FILE))
            .unwrap()
    };
    let baseline = manifest("dense-e2-s0", Stage::Baseline);
    for run in ["taylor-m0.6-s0", "sparse-m0.6-s0"] {
        assert_eq!(manifest(run, Stage::Baseline), baseline, "{run}");
    }
    assert_eq!(manifest("dense-e2-s0", Stage::Control).config["control"]["epochs"], 2);

    // Nothing is trained or measured again.
    let before = manifest("taylor-m0.6-s0", Stage::Finetune);
    let json: Value = serde_json::from_str(&line(&["--json"])).unwrap();
    assert_eq!(manifest("taylor-m0.6-s0", Stage::Finetune), before);
    let rows = json["rows"].as_array().unwrap();
    assert_eq!((rows.len(), json["missing"].as_array().unwrap().len()), (3, 0));
    assert!(rows[0]["recipe"].is_null() && rows[0]["test_change"].is_null());
    assert!(rows[1..].iter().all(|row| row["epochs"] == 4.0 && row["test_change"]["low"].is_number()));
}

#[test]
fn unknown_names_are_refused() {
    let said = misuse(&["bench", "recipe", "--recipes", "tailor", "--datasets", "crowd"]);
    assert!(said.contains("unknown recipe") && said.contains("default, taylor, random"), "{said}");
    let said = misuse(&["bench", "recipe", "--datasets", "crowds"]);
    assert!(said.contains("unknown dataset") && said.contains("crowd"), "{said}");
    let said = misuse(&["bench", "recipe", "--datasets", "crowd", "--seed", "1"]);
    assert!(said.contains("--seeds"), "{said}");
}
