//! Datasets with flaws: each flaw is counted and reported, and a command either succeeds or gives a reason.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

use crate::program::{misuse, xtask};

/// A dataset that a test fills with files.
struct Flawed(tempfile::TempDir);

impl Flawed {
    fn new(names: &str) -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        for folder in ["images/train", "images/val", "labels/train", "labels/val"] {
            fs::create_dir_all(made.path(folder)).unwrap();
        }
        made.write("data.yaml", &format!("train: images/train\nval: images/val\n{names}\n"));
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn image(&self, name: &str) {
        RgbImage::from_fn(64, 48, |x, y| Rgb([x as u8 * 3, y as u8 * 4, 90])).save(self.path(name)).unwrap();
    }

    /// Arguments of a training of one epoch, without plots.
    fn arguments(&self) -> Vec<String> {
        let yaml = self.path("data.yaml");
        let runs = self.path("runs");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let given = "train --epochs 1 --imgsz 64 --batch 4 --plots false --data";
        let mut arguments: Vec<String> = given.split(' ').map(str::to_owned).collect();
        arguments.extend([text(&yaml), "--project".to_owned(), text(&runs)]);
        arguments
    }

    /// Standard error of a training that must succeed.
    fn trains(&self) -> String {
        let arguments = self.arguments();
        let output = xtask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(self.path("runs/train/weights/last.safetensors").exists());
        said
    }

    /// Standard error of a training that must fail with `code` before it begins.
    fn refuses(&self, code: i32) -> String {
        let arguments = self.arguments();
        let output = xtask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!self.path("runs").exists(), "{said}");
        said
    }

    /// Writes two images in each split, each with `labels`.
    fn fill(&self, labels: &str) {
        for split in ["train", "val"] {
            for name in ["a", "b"] {
                self.image(&format!("images/{split}/{name}.png"));
                self.write(&format!("labels/{split}/{name}.txt"), labels);
            }
        }
    }

    /// Runs a command on this dataset: exit code, standard output and standard error.
    fn tells(&self, words: &str, files: &[&Path]) -> (Option<i32>, String, String) {
        let yaml = self.path("data.yaml");
        let mut arguments: Vec<&str> = words.split(' ').collect();
        arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
        arguments.extend(["--data", yaml.to_str().unwrap()]);
        let output = xtask(&arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn every_flaw_of_a_dataset_is_counted_and_named() {
    let data = Flawed::new("names: [a, b]");
    data.image("images/train/good.png");
    data.write("labels/train/good.txt", "0 .5 .5 .5 .5\n");
    data.image("images/train/background.png");
    data.image("images/train/flawed.jpg");
    let flaws =
        "0 .5 .5 .5\n0 .1 .1 .1 .1 .1\n2 .5 .5 .1 .1\n0 .5 1.5 .1 .1\n0 .5 nan .1 .1\n1 .5 .5 .2 .2\n";
    data.write("labels/train/flawed.txt", flaws);
    data.write("images/train/zero.jpg", "");
    let jpeg = fs::read(data.path("images/train/flawed.jpg")).unwrap();
    fs::write(data.path("images/train/cut.jpg"), &jpeg[..jpeg.len() - 20]).unwrap();
    data.image("images/val/one.png");
    data.write("labels/val/one.txt", "1 .5 .5 .5 .5\n");
    let said = data.trains();
    for part in [
        "flawed.txt:1: 4 numbers",
        "1 rows with a sixth column, ignored: first",
        "flawed.txt:2: a sixth number behind the box",
        "dataset train: 2 of 5 images and 4 of 7 labels were left out",
        "flawed.txt:3: class 2, but `names` has 2 classes",
        "flawed.txt:4: coordinate 1.5",
        "flawed.txt:5: `nan` is not a finite number",
        "2 images that cannot be read: first",
        "cut.jpg: image cannot be read (the file is truncated",
        "3 images, 3 objects, 1 backgrounds in train",
    ] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
}

#[test]
fn training_needs_at_least_one_object() {
    let data = Flawed::new("names: [a]");
    data.image("images/train/one.png");
    data.image("images/val/one.png");
    let said = data.refuses(2);
    assert!(said.contains("no usable label") && said.contains("labels/train/one.txt"), "{said}");
    data.write("labels/train/one.txt", "0 .5 .5 .5 .5\n");
    let said = data.trains();
    assert!(said.contains("1 images, 1 objects, 0 backgrounds in train"));
    assert!(
        said.contains("dataset val: none of the 1 images has a label") && said.contains("labels/val/one.txt")
    );
}

#[test]
fn invalid_labels_are_refused_by_every_command_before_it_begins() {
    for (rows, part) in [
        ("0 20 10 8 8\n", "look like pixels"),
        ("1 .5 .5 .2 .2\n", "numbered from 1"),
        ("cat .5 .5 .2 .2\n", "no usable label in 2 rows; most often rows with a name that is no class"),
    ] {
        let data = Flawed::new("names: [a]");
        data.fill(rows);
        let said = data.refuses(2);
        assert!(said.contains(part) && said.contains("labels/train/a.txt:1"), "{said}");
        let runs = data.path("run");
        for words in [
            "pipeline --model yolov8n --imgsz 64 --project",
            "pipeline sweep --ratios 0.5 --imgsz 64 --project",
            "pipeline --dry-run --project",
        ] {
            let (code, _, said) = data.tells(words, &[&runs]);
            assert!(code == Some(2) && said.contains(part), "{words}: {said}");
            assert!(!runs.join("baseline").exists() && !runs.join("runs").exists());
        }
    }
}

#[test]
fn every_command_that_reads_a_dataset_reports_what_it_left_out() {
    let data = Flawed::new("names: [a, b]");
    data.fill("0 .5 .5 .5 .5\n");
    data.trains();
    let weights = data.path("runs/train/weights/last.safetensors");
    let (code, _, said) = data.tells("val --imgsz 64 --weights", &[&weights]);
    assert!(code == Some(0) && !said.contains("left out"), "{said}");

    data.fill("0 .5 .5 .5 .5\n1 .25 .25 1.25 .25\n");
    let [out, run, trained] = ["out.onnx", "run", "trained"].map(|name| data.path(name));
    for (words, files, split) in [
        ("val --imgsz 64 --weights", vec![&*weights], "val"),
        ("prune --prune-ratio 0.3 --dry-run --imgsz 64 --weights", vec![&weights], "train"),
        ("export --int8 --imgsz 64 --weights", vec![&weights, Path::new("--out"), &out], "train"),
        ("pipeline --dry-run --imgsz 64 --project", vec![&run], "train"),
        ("train --epochs 1 --imgsz 64 --plots false --project", vec![&trained], "train"),
    ] {
        let line = format!("warning: dataset {split}: 2 of 4 labels were left out");
        let (code, _, said) = data.tells(words, &files);
        assert!(code == Some(0) && said.contains(&line), "{words}: {said}");
        assert!(
            said.contains("2 rows with coordinates outside 0..=1: first ") && said.contains("a.txt:2:"),
            "{said}"
        );
        // Even with --quiet, one line appears.
        let (_, _, said) = data.tells(&format!("-q {words}"), &files);
        let lines: Vec<&str> = said.lines().filter(|said| said.contains(" were left out")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with(&line), "{words}: {said}");
        let (_, _, said) = data.tells(&format!("-qq {words}"), &files);
        assert!(!said.contains("warning"), "{words}: {said}");
    }
    let (_, out, _) = data.tells("val --json --imgsz 64 --weights", &[&weights]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["dataset"][0]["labels_left_out"], 2, "{document}");
    assert_eq!(document["instances"], 2);
    let (_, out, _) =
        data.tells("train --json --epochs=1 --imgsz=64 --plots=false --project", &[&data.path("json")]);
    let events = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let warned: Vec<_> = events.filter(|event| event["event"] == "warning").collect();
    assert_eq!((warned.len(), &warned[0]["dataset"][1]["labels_left_out"]), (1, &2.into()), "{warned:?}");

    // Without any label, one line says so and names the path.
    fs::remove_dir_all(data.path("labels/val")).unwrap();
    let (code, _, said) = data.tells("-q val --imgsz 64 --weights", &[&weights]);
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");
    assert!(said.contains("none of the 2 images has a label") && said.contains("labels/val/a.txt"), "{said}");
}

#[test]
fn unusable_datasets_are_refused_before_a_folder_is_made() {
    let data = Flawed::new("names: [a]\nnc: 2");
    data.image("images/train/one.png");
    assert!(data.refuses(1).contains("`nc` is 2 but `names` has 1"));
    let data = Flawed::new("names: [a]");
    data.image("images/train/one.png");
    data.write("labels/train/one.txt", "0 .5 .5 .5 .5\n");
    let said = data.refuses(1);
    assert!(said.contains("`val`") && said.contains("no usable image"), "{said}");
    assert!(!data.path("runs").exists());
    assert!(misuse(&["train", "--imgsz", "64"]).contains("--data"));
}
