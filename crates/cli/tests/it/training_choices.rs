//! `train` with the arguments that Ultralytics 8.4 has: what they choose is recorded, and a training resumes with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{misuse, xtask};
use crate::training::{drawn, start, text, wait_for, weights};

fn arguments<'a>(yaml: &'a Path, project: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["train", "--data", text(yaml), "--project", text(project), "--epochs", "4"];
    arguments.extend(["--imgsz", "64", "--nbs", "8", "--close-mosaic", "2", "--plots", "false"]);
    arguments.extend(["--warmup-min-batches", "0", "--patience", "0"]);
    arguments.extend(more);
    arguments
}

/// Trains at once, and in two parts; returns the saved arguments and what the first training said.
fn trains_to_the_same_bits_in_two_parts(more: &[&str]) -> (toml::Table, String) {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let whole = folder.path().join("whole");
    let output = xtask(&arguments(&yaml, &whole, more));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{more:?}: {said}");
    let parts = folder.path().join("parts");
    let run = parts.join("train");
    let mut child = start(&arguments(&yaml, &parts, more));
    wait_for(|| run.join("weights/last.safetensors").exists());
    let signal = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(signal.success());
    assert!(matches!(child.wait().unwrap().code(), Some(130 | 0)));
    let resumed = xtask(&["train", "--project", text(&parts), "--resume", "--workers", "0"]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert_eq!(weights(&run), weights(&whole.join("train")), "{more:?}");
    let saved = fs::read_to_string(whole.join("train/args.toml")).unwrap();
    (saved.parse().unwrap(), said)
}

#[cfg(unix)]
#[test]
fn chosen_batch_and_optimiser_are_said_and_recorded() {
    let (saved, said) = trains_to_the_same_bits_in_two_parts(&[
        "--batch",
        "-1",
        "--optimizer",
        "auto",
        "--cls-pw",
        "0.5",
        "--rect",
        "--multi-scale",
        "0.5",
        "--bgr",
        "0.5",
    ]);
    // Ten images in steps of 8: eight steps in four epochs. The drawn dataset has four classes: 0.01 / 8.
    assert_eq!(saved["batch"].as_integer(), Some(8));
    assert_eq!(saved["optimizer"].as_str(), Some("AdamW"));
    assert_eq!(saved["lr0"].as_float(), Some(0.001_25));
    assert_eq!((saved["momentum"].as_float(), saved["warmup_bias_lr"].as_float()), (Some(0.9), Some(0.0)));
    assert_eq!((saved["rect"].as_bool(), saved["multi_scale"].as_float()), (Some(true), Some(0.5)));
    for part in ["batch -1: 8 images", "optimizer auto: AdamW", "for 8 steps", "weights of the classes"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn named_optimisers_and_cutmix_resume() {
    let (saved, _) = trains_to_the_same_bits_in_two_parts(&[
        "--batch",
        "4",
        "--optimizer",
        "nadam",
        "--lr0",
        "0.001",
        "--cutmix",
        "0.7",
        "--multi-scale",
        "0.3",
    ]);
    assert_eq!(saved["optimizer"].as_str(), Some("NAdam"));
}

#[test]
fn wrong_values_name_what_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = drawn(folder.path());
    let runs = folder.path().join("refused");
    for (more, parts) in [
        (["--batch", "-2"], ["-2", "-1 for as many as fit"]),
        (["--batch", "0"], ["0", "-1 for as many as fit"]),
        (["--cls-pw", "1.5"], ["cls_pw is 1.5", "from 0 to 1"]),
        (["--multi-scale", "2"], ["multi_scale is 2", "0.9"]),
        (["--cutmix", "7"], ["cutmix", "between 0 and 1"]),
        (["--bgr", "1.5"], ["bgr", "between 0 and 1"]),
        (["--optimizer", "MuSGD"], ["MuSGD", "NAdam, RMSProp or auto"]),
    ] {
        let said = misuse(&arguments(&yaml, &runs, &more));
        assert!(parts.iter().all(|part| said.contains(part)), "{more:?}: {said}");
    }
    let auto = ["--optimizer", "auto"];
    let mut sparse = arguments(&yaml, &runs, &auto);
    sparse[0] = "sparsify";
    assert!(misuse(&sparse).contains("or train with SGD"));
}
