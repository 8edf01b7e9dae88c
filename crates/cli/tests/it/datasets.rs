//! `data check`, `data convert`, and commands on datasets without a `data.yaml`.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::program::{answer, misuse, refusal, xtask};

/// Images whose pixels depend on their name, with one object each, in YOLO's layout.
fn drawn(folder: &Path, splits: &[(&str, &[u8])]) {
    for (split, images) in splits {
        for (part, extension) in [("images", "png"), ("labels", "txt")] {
            fs::create_dir_all(folder.join(part).join(split)).unwrap();
            for shade in *images {
                let file = folder.join(format!("{part}/{split}/{split}{shade}.{extension}"));
                if extension == "png" {
                    RgbImage::from_fn(64, 48, |x, _| Rgb([*shade, x as u8, 90])).save(file).unwrap();
                } else {
                    fs::write(file, "1 .5 .5 .5 .5\n").unwrap();
                }
            }
        }
    }
    let yaml = "train: images/train\nval: images/val\nnames: [a, b]\n";
    fs::write(folder.join("data.yaml"), yaml).unwrap();
}

#[test]
fn check_counts_objects_and_finds_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    // The image of shade 3 is in both splits.
    drawn(folder.path(), &[("train", &[1, 2, 3]), ("val", &[3, 4])]);
    let picture = folder.path().join("seen.png");
    let (yaml, sheet) = (folder.path().join("data.yaml"), picture.to_str().unwrap());
    let said = answer(&["data", "check", yaml.to_str().unwrap(), "-o", sheet]);
    for part in [
        "              images         3         2",
        "                   b         3         2",
        "problem: class 0 (a) has no object in train",
        "problem: 1 images of val are also in train",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(image::open(&picture).unwrap().width() > 64);
    let found: Value =
        serde_json::from_str(&answer(&["data", "check", folder.path().to_str().unwrap(), "--json"])).unwrap();
    assert_eq!(found["splits"][1]["statistics"]["classes"][1]["objects"], 2);
    assert_eq!(found["problems"].as_array().unwrap().len(), 2);

    // A split that cannot be used fails, after the others were read.
    fs::write(folder.path().join("labels/val/val3.txt"), "1 30 30 20 20\n").unwrap();
    fs::write(folder.path().join("labels/val/val4.txt"), "1 30 30 20 20\n").unwrap();
    let output = xtask(&["data", "check", yaml.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("look like pixels") && said.contains("images         3\n"), "{said}");
    // A test split that exporters name but do not write is only reported, as in a training.
    drawn(folder.path(), &[("train", &[1, 2]), ("val", &[3, 4])]);
    fs::write(&yaml, "train: images/train\nval: images/val\ntest: images/test\nnames: [a, b]\n").unwrap();
    assert!(answer(&["data", "check", yaml.to_str().unwrap()]).contains("`test` of"));
    // What a training refuses is no success.
    fs::write(&yaml, "train: images/train\nnames: [a, b]\n").unwrap();
    assert_eq!(xtask(&["data", "check", yaml.to_str().unwrap()]).status.code(), Some(1));
    fs::write(&yaml, "train: images/train\nval: images/val\nnames: [a, b]\n").unwrap();
    fs::remove_dir_all(folder.path().join("labels")).unwrap();
    let output = xtask(&["data", "check", yaml.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("no usable label"));
    drawn(folder.path(), &[("train", &[1, 2]), ("val", &[3, 4])]);
    fs::remove_file(&yaml).unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(refusal(&["data", "check", &at("labels")]).contains("no class was found"));
    fs::create_dir(at("empty")).unwrap();
    assert!(refusal(&["data", "check", &at("empty")]).contains("no dataset was found in this folder"));
}

#[test]
fn a_training_reads_every_layout() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(at("yolo")).unwrap();
    drawn(Path::new(&at("yolo")), &[("train", &[1, 2]), ("val", &[3, 4])]);
    let mut results = Vec::new();
    for layout in ["coco", "voc"] {
        answer(&["data", "convert", &at("yolo"), "--to", layout, "-o", &at(layout)]);
        let given = "train --epochs 1 --imgsz 64 --batch 2 --plots false --threads 1 --name";
        let (dataset, runs) = (at(layout), at("runs"));
        let mut words: Vec<&str> = given.split(' ').collect();
        words.extend([layout, "--data", &dataset, "--project", &runs]);
        answer(&words);
        results.push(fs::read_to_string(at(&format!("runs/{layout}/results.csv"))).unwrap());
    }
    // Two epochs of the same images and labels give the same losses; the times differ.
    let losses = |text: &str| -> Vec<String> {
        let row = text.lines().nth(1).unwrap().split(',');
        row.enumerate().filter(|(column, _)| *column != 1).map(|(_, cell)| cell.to_owned()).collect()
    };
    assert_eq!(losses(&results[0]), losses(&results[1]));
    assert!(
        refusal(&["data", "convert", &at("yolo"), "--to", "voc", "-o", &at("voc")]).contains("is not empty")
    );
}

#[test]
fn a_training_takes_the_arguments_of_ultralytics() {
    let folder = tempfile::tempdir().unwrap();
    drawn(folder.path(), &[("train", &[1, 2]), ("val", &[3])]);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let arguments = format!(
        "task: detect\nmode: train\nmodel: yolov8n.yaml\ndata: {}\nepochs: 1\nimgsz: 64\nbatch: 2\nplots: false\n\
         optimizer: auto\nproject: {}\nname: taken\n",
        at("data.yaml"),
        at("runs")
    );
    fs::write(at("args.yaml"), &arguments).unwrap();
    let output = xtask(&["train", "--config", &at("args.yaml")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("optimizer auto: AdamW"), "{said}");
    assert!(Path::new(&at("runs/taken/results.csv")).is_file());
    fs::write(at("args.yaml"), arguments + "time: 1.5\n").unwrap();
    let said = misuse(&["train", "--config", &at("args.yaml")]);
    assert!(said.contains("`time` is `1.5`"), "{said}");
}

#[test]
fn all_classes_are_trained_as_one_and_epochs_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    drawn(folder.path(), &[("train", &[1, 2]), ("val", &[3, 4])]);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (yaml, runs) = (at("data.yaml"), at("runs"));
    let given = "train --epochs 3 --imgsz 64 --batch 2 --plots false --single-cls true --save-period 2 --name one --data";
    let mut words: Vec<&str> = given.split(' ').collect();
    words.extend([&*yaml, "--project", &runs]);
    answer(&words);
    let kept = |name: &str| Path::new(&at(&format!("runs/one/weights/{name}.safetensors"))).is_file();
    assert_eq!(["epoch1", "epoch2", "epoch3", "last"].map(kept), [false, true, false, true]);
    let weights = at("runs/one/weights/epoch2.safetensors");
    let said = answer(&["summary", &weights, "--json"]);
    assert!(said.contains("\"item\"") || answer(&["inspect", &weights]).contains("item"), "{said}");
    let val = ["val", "--weights", &weights, "--data", &yaml, "--imgsz", "64"];
    assert!(answer(&[&val[..], &["--single-cls"]].concat()).contains("item"));
    // Otherwise the dataset has two classes, none of which the network knows.
    assert!(misuse(&val).contains("the dataset has 2 classes, the network 1"));
}
