//! Commands on a PyTorch file, and `predict` with patterns and labels.

use std::fs;
use std::path::Path;

use bonsai_testkit::imported;

use crate::program::{answer, misuse, refusal, xtask};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn commands_accept_a_pt_file_like_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pt = at("best.pt");
    fs::write(&pt, imported("old")).unwrap();
    let said = answer(&["import", text(&pt), "-o", text(&at("best.safetensors"))]);
    assert!(said.contains("3 classes (leaf, twig, große Wurzel), from Ultralytics 8.0.90"), "{said}");
    let summaries = [pt.clone(), at("best.safetensors")].map(|file| {
        let summary = answer(&["summary", text(&file), "--imgsz", "64"]);
        summary.lines().last().unwrap().split_once(": ").unwrap().1.to_owned()
    });
    assert_eq!(summaries[0], summaries[1]);
    answer(&["export", "--weights", text(&pt), "-o", text(&at("best.onnx"))]);
    answer(&["export", "--format", "pt-state", "--weights", text(&pt), "-o", text(&at("state.safetensors"))]);
    let said =
        answer(&["export", "--format", "ultralytics", "--weights", text(&pt), "-o", text(&at("again.pt"))]);
    assert!(said.contains("again.pt for Ultralytics") && said.contains("boxes compared"), "{said}");
    let said = answer(&["import", text(&at("again.pt")), "-o", text(&at("again.safetensors"))]);
    assert!(said.contains("3 classes (leaf, twig, große Wurzel), from Bonsai 0."), "{said}");
    // A state dict can be imported again, but has no class names. Bonsai's own stores where activations are.
    let said = answer(&["import", text(&at("state.safetensors")), "-o", text(&at("again.safetensors"))]);
    assert!(said.contains("3 classes (class0, class1, class2)"), "{said}");
    let said = refusal(&["import", text(&at("best.onnx")), "-o", text(&at("no"))]);
    assert!(said.contains("best.onnx") && !at("no").exists(), "{said}");
}

#[test]
fn predict_reads_patterns_and_writes_labels() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("best.pt"), imported("old")).unwrap();
    for (name, size) in [("one.png", (40, 30)), ("two.png", (30, 40))] {
        image::RgbImage::from_fn(size.0, size.1, |x, y| image::Rgb([x as u8 * 6, y as u8 * 6, 90]))
            .save(at(name))
            .unwrap();
    }
    let weights = at("best.pt");
    let pattern = at("*.png");
    let out = at("seen");
    let common =
        ["predict", "--weights", text(&weights), "--source", text(&pattern), "--conf", "0", "--json"];
    let lines = |said: &str| -> Vec<serde_json::Value> {
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(&answer(&common));
    assert_eq!(all.len(), 2, "{all:?}");
    // The class that this untrained network detects everywhere.
    let class = &all[0]["detections"][0]["class_id"];
    let number = class.to_string();
    let more = ["--out", text(&out), "--save-txt", "--classes", &number, "--max-det", "4"];
    let said = answer(&[&common[..], &more[..]].concat());
    let lines = lines(&said);
    for (line, name) in lines.iter().zip(["one", "two"]) {
        let found = line["detections"].as_array().unwrap();
        assert!(found.iter().all(|f| f["class_id"] == *class), "{said}");
        assert!((1..=4).contains(&found.len()), "{said}");
        let labels = fs::read_to_string(out.join("labels").join(name).with_extension("txt")).unwrap();
        assert_eq!(labels.lines().count(), found.len());
        for label in labels.lines() {
            let numbers: Vec<f32> = label.split(' ').map(|n| n.parse().unwrap()).collect();
            assert!(numbers.len() == 5 && numbers[1..].iter().all(|n| (0.0..=1.0).contains(n)), "{label}");
        }
        assert!(out.join(name).with_extension("png").exists());
    }
    // A list of images, a class by its name, confidences, and a picture of each object.
    let source = at("list.txt");
    fs::write(&source, "two.png\none.png\n").unwrap();
    let name = all[0]["detections"][0]["name"].as_str().unwrap();
    let list = ["predict", "--weights", text(&weights), "--source", text(&source), "--conf", "0"];
    let more = ["--json", "--out", text(&out), "--save-txt", "--save-conf", "--save-crop", "--max-det", "4"];
    let said = answer(&[&list[..], &more[..], &["--classes", name]].concat());
    for (line, stem) in said.lines().zip(["two", "one"]) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let found = line["detections"].as_array().unwrap();
        assert!(line["image"].as_str().unwrap().ends_with(&format!("{stem}.png")), "{line}");
        let labels = fs::read_to_string(out.join("labels").join(stem).with_extension("txt")).unwrap();
        let confidences: Vec<f64> =
            labels.lines().map(|label| label.split(' ').nth(5).unwrap().parse().unwrap()).collect();
        assert_eq!(confidences.len(), found.len());
        for (number, (object, confidence)) in found.iter().zip(confidences).enumerate() {
            assert!((object["confidence"].as_f64().unwrap() - confidence).abs() < 1e-5, "{labels}");
            let crop = out.join("crops").join(name).join(format!("{stem}-{}.png", number + 1));
            assert!(image::open(&crop).is_ok(), "{}", crop.display());
        }
    }
    let said = misuse(&[&list[..], &["--classes", "no such class"]].concat());
    assert!(said.contains("no such class") && said.contains(name), "{said}");
    // A truncated picture among others is skipped, and the exit code says so.
    fs::write(at("torn.png"), &fs::read(at("one.png")).unwrap()[..60]).unwrap();
    let output = xtask(&[&common[..], &["--quiet"]].concat());
    let [found, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!((output.status.code(), found.lines().count()), (Some(1), 2), "{said}");
    assert!(said.contains("warning: skipped ") && said.contains("torn.png"), "{said}");
    let said = refusal(&["predict", "--weights", text(&weights), "--source", text(&at("torn.png"))]);
    assert!(said.contains("torn.png"), "{said}");
}
