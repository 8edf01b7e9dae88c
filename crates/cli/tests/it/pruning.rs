//! `prune` and `sparsify`: their files, replayed plans, and errors.

use std::fs;
use std::path::{Path, PathBuf};

use bonsai_pipeline::PipelineConfig;
use bonsai_stages::draw_dataset;

use crate::program::{answer, misuse, refusal, xtask};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A drawn dataset: a few images of 64 px.
fn drawn(folder: &Path) -> PathBuf {
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (8, 3, 0, 64);
    draw_dataset(&shapes, &folder.join("shapes")).unwrap()
}

/// A sparsity training of two epochs.
fn sparse(folder: &Path, yaml: &Path) -> PathBuf {
    let runs = folder.join("runs");
    let mut arguments = vec!["sparsify", "--data", text(yaml), "--project", text(&runs), "--epochs", "2"];
    arguments.extend(["--imgsz", "64", "--batch", "4", "--nbs", "4", "--warmup-min-batches", "0"]);
    // With four updates, the strength for this travel overwhelms the loss, so that gammas shrink in this
    // short test.
    arguments.extend(["--set", "l1.limit=1000", "--set", "l1.gamma.travel=1.5"]);
    let output = xtask(&arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    // The strength is chosen for the travel, and the outcome is reported.
    assert!(said.contains("alone it can move a gamma by 1.50 in 4 updates"), "{said}");
    runs.join("sparsify")
}

#[test]
fn a_sparsity_training_shows_its_gammas_and_is_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let run = sparse(folder.path(), &yaml);
    let gammas: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("gammas.json")).unwrap()).unwrap();
    let epochs: Vec<_> = gammas["epochs"].as_array().unwrap().iter().map(|e| e["epoch"].as_u64()).collect();
    assert_eq!(epochs, [Some(0), Some(1), Some(2)]);
    let first = &gammas["epochs"][0]["statistics"];
    assert_eq!(
        (first["layers"].as_array().unwrap().len(), first["overall"]["mean"].as_f64()),
        (57, Some(1.0))
    );
    assert!(gammas["epochs"][2]["statistics"]["overall"]["mean"].as_f64() < Some(0.9));
    assert_eq!(image::open(run.join("gammas.png")).unwrap().width(), 1200);

    let weights = run.join("weights/last.safetensors");
    let out = |name: &str| folder.path().join(name);
    let small = out("small.safetensors");
    let again = out("again.safetensors");
    // L1 was too short to separate the gammas, so without images the command names what it needs.
    let half = ["prune", "--weights", text(&weights), "--target-macs", "0.5", "-o", text(&small)];
    let message = misuse(&half);
    assert!(message.contains("--data") && message.contains("--importance") && !small.exists(), "{message}");
    let with_images = [&half[..], &["--data", text(&yaml), "--imgsz", "64"]].concat();
    let output = xtask(&with_images);
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("ranked by taylor") && notes.contains("next: "), "{notes}");
    let said = answer(&[&half[..], &["--importance", "gamma"]].concat());
    assert!(said.contains("would lose all channels without guards") && said.contains("absorbed"), "{said}");
    let share = |file: &Path| {
        let summary = answer(&["summary", text(file), "--imgsz", "64", "--json"]);
        serde_json::from_str::<serde_json::Value>(&summary).unwrap()["macs"].as_f64().unwrap()
    };
    let left = share(&small) / share(&weights);
    assert!(left <= 0.5 && left > 0.4, "{left}");
    // The plan gives the same network again.
    let plan = out("small.plan.json");
    answer(&["prune", "--weights", text(&weights), "--plan", text(&plan), "-o", text(&again)]);
    assert!(fs::read(&small).unwrap() == fs::read(&again).unwrap(), "the plan makes another network");
    let report =
        answer(&["prune", "--weights", text(&weights), "--preset", "original", "--dry-run", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["selection"]["preset"], "original");
    // `--set` overrides the options of the command too.
    let overridden = ["--preset", "original", "--set", "prune.preset=slim", "--dry-run", "--json"];
    let report = answer(&[&["prune", "--weights", text(&weights)][..], &overridden].concat());
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["selection"]["preset"], "slim");
    let reset = ["--protect", "model.22.*", "--set", "prune.preset=slim", "--dry-run"];
    let message = misuse(&[&["prune", "--weights", text(&weights)][..], &reset].concat());
    assert!(message.contains("use --preset"), "{message}");
    let random = |seed: &str| {
        let prune = ["prune", "--weights", text(&weights), "--importance", "random", "--dry-run", "--json"];
        let report = answer(&[&prune[..], &["--set", seed]].concat());
        serde_json::from_str::<serde_json::Value>(&report).unwrap()["layers"].clone()
    };
    assert!(random("seed=1") == random("seed=1") && random("seed=1") != random("seed=2"));

    // Taylor and recalibration need images, and the error says so.
    let nothing = out("nothing.safetensors");
    let mut taylor =
        vec!["prune", "--weights", text(&weights), "--importance", "taylor", "-o", text(&nothing)];
    let message = refusal(&taylor);
    assert!(message.contains("--data"), "{message}");
    taylor.extend(["--data", text(&yaml), "--recalibrate", "2", "--imgsz", "64"]);
    answer(&taylor);
    assert!(nothing.is_file());

    // The option and the setting are the same; without images, the error says so.
    let refitted = out("refitted.safetensors");
    let again = out("again.safetensors");
    let prune = ["prune", "--weights", text(&weights), "--imgsz", "64", "--importance", "gamma"];
    let message = refusal(&[&prune[..], &["--reconstruct", "2", "-o", text(&refitted)]].concat());
    assert!(message.contains("reconstruction needs images"), "{message}");
    let images = ["--data", text(&yaml)];
    let option = [&prune[..], &images, &["--reconstruct", "2", "-o", text(&refitted)]].concat();
    let said = xtask(&option);
    let notes = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && notes.contains("refitted "), "{notes}");
    answer(&[&prune[..], &images, &["--set", "extras.reconstruct=2", "-o", text(&again)]].concat());
    assert_eq!(fs::read(&refitted).unwrap(), fs::read(&again).unwrap());
}

#[test]
fn pruning_in_steps_keeps_the_last_good_network() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let weights = sparse(folder.path(), &yaml).join("weights/last.safetensors");
    let out = folder.path().join("steps.safetensors");
    let mut arguments = vec!["prune", "--weights", text(&weights), "--data", text(&yaml), "--imgsz", "64"];
    arguments.extend(["--target-macs", "0.5", "--steps", "2", "--step-epochs", "1", "-o", text(&out)]);
    arguments.extend(["--max-map-drop", "1", "--set", "finetune.batch=4"]);
    let said = answer(&arguments);
    assert!(said.contains("is the network after step 2"), "{said}");
    let curve: serde_json::Value =
        serde_json::from_slice(&fs::read(out.with_extension("iterations.json")).unwrap()).unwrap();
    let macs: Vec<f64> =
        curve.as_array().unwrap().iter().map(|step| step["cost"]["macs"].as_f64().unwrap()).collect();
    let shares: Vec<f64> = macs.iter().map(|m| m / macs[0]).collect();
    assert!(shares.len() == 3 && shares[1] <= 0.7072 && shares[1] > 0.55 && shares[2] <= 0.5, "{shares:?}");
    assert_eq!(image::open(out.with_extension("png")).unwrap().width(), 1240);
    // The plan maps the first network to the last.
    let replayed = folder.path().join("replayed.safetensors");
    let plan = out.with_extension("plan.json");
    answer(&["prune", "--weights", text(&weights), "--plan", text(&plan), "-o", text(&replayed)]);
    let graph = |file: &Path| {
        answer(&["summary", text(file), "--imgsz", "64"])
            .lines()
            .last()
            .map(|line| line.split_once(": ").unwrap().1.to_owned())
    };
    assert_eq!(graph(&replayed), graph(&out));
}

#[test]
fn impossible_prunings_are_refused_with_names_and_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let weights = sparse(folder.path(), &yaml).join("weights/last.safetensors");
    let out = folder.path().join("none.safetensors");
    let whole = ["prune", "--weights", text(&weights), "-o", text(&out)];
    let asked = |more: &[&str]| misuse(&[&whole[..], &["--importance", "gamma"][..], more].concat());
    let message = asked(&["--target-macs", "0.001"]);
    assert!(message.contains("0.1 % of the MACs") && message.contains("at least 8 channels"), "{message}");
    assert!(asked(&["--protect", "model.99.*"]).contains("model.99.*"));
    let message = asked(&["--prune-ratio", "1", "--set", "prune.clamp=false"]);
    assert!(message.contains("would remove all") && message.contains("largest safe ratio"), "{message}");
    let plan = folder.path().join("plan.json");
    fs::write(
        &plan,
        r#"{"version": 1, "network": "0", "layers": [{"conv": "a", "channels": 1, "keep": "0"}]}"#,
    )
    .unwrap();
    assert!(
        refusal(&[&whole[..], &["--plan", text(&plan)]].concat())
            .contains("is it the plan of another model?")
    );
    assert!(!out.exists());
    // The parser refuses invalid arguments, with code 2.
    let output = xtask(&["prune", "--weights", text(&weights), "--importance", "size"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("gamma, l1, l2, lamp, taylor, best, random"), "{message}");
    let output = xtask(&["prune", "--weights", text(&weights), "--keep", "0.5", "--prune-ratio", "0.5"]);
    assert!(!output.status.success());
}
