//! Training on data with every flaw there is: it is counted and said, and the training ends well or with a reason.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

use crate::program::{misuse, xtask};

/// A dataset that a test fills file by file.
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

    /// Arguments of a training of one epoch, without pictures.
    fn arguments(&self) -> Vec<String> {
        let (yaml, runs) = (self.path("data.yaml"), self.path("runs"));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let given = "train --epochs 1 --imgsz 64 --batch 4 --plots false --data";
        let mut arguments: Vec<String> = given.split(' ').map(str::to_owned).collect();
        arguments.extend([text(&yaml), "--project".to_owned(), text(&runs)]);
        arguments
    }

    /// What a training that ends well says.
    fn trains(&self) -> String {
        let arguments = self.arguments();
        let output = xtask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(self.path("runs/train/weights/last.safetensors").exists());
        said
    }

    /// What a training that cannot begin says.
    fn refuses(&self) -> String {
        let arguments = self.arguments();
        let output = xtask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
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
        "flawed.txt:2: 6 numbers",
        "flawed.txt:3: class 2, but `names` has 2 classes",
        "flawed.txt:4: coordinate 1.5",
        "flawed.txt:5: `nan` is not a finite number",
        "zero.jpg: image cannot be read",
        "cut.jpg: JPEG has no end marker",
        "4 images, 2 objects, 2 backgrounds in train",
    ] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
}

#[test]
fn one_image_without_a_single_object_is_enough() {
    let data = Flawed::new("names: [a]");
    data.image("images/train/one.png");
    data.image("images/val/one.png");
    assert!(data.trains().contains("1 images, 0 objects, 1 backgrounds in train"));
}

#[test]
fn what_cannot_be_trained_on_is_refused_before_a_folder_is_made() {
    let data = Flawed::new("names: [a]\nnc: 2");
    data.image("images/train/one.png");
    assert!(data.refuses().contains("`nc` is 2 but `names` has 1"));
    let data = Flawed::new("names: [a]");
    data.image("images/train/one.png");
    let said = data.refuses();
    assert!(said.contains("`val`") && said.contains("no usable image"), "{said}");
    assert!(!data.path("runs").exists());
    assert!(misuse(&["train", "--imgsz", "64"]).contains("--data"));
}
