//! Tests of the drawn dataset: same bytes for a seed, a valid YOLO dataset, no half-written folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bonsai_data::shapes::{self, CLASS_NAMES, ShapesConfig, ShapesStyle};
use bonsai_data::{Dataset, SplitKind};
use sha2::{Digest as _, Sha256};

use crate::folder::Folder;

const CONFIG: ShapesConfig =
    ShapesConfig { train: 6, val: 3, test: 2, imgsz: 64, seed: 7, style: ShapesStyle::Shapes };

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_same_seed_draws_the_same_bytes() {
    let folder = Folder::new();
    let mut images = BTreeSet::new();
    for style in ShapesStyle::ALL {
        let draw = |name: &str, seed| {
            let target = folder.path(&format!("{}/{name}", style.name()));
            shapes::draw(&ShapesConfig { seed, style, ..CONFIG }, &target).unwrap();
            files(&target)
        };
        let a = draw("a", 7);
        let b = draw("b", 7);
        let other = draw("other", 8);
        assert_eq!(a.len(), 2 * 11 + 1);
        assert!(a == b);
        let pngs = a.iter().filter(|(path, _)| path.extension().unwrap() == "png");
        assert!(pngs.clone().all(|(path, x)| other[path] != *x));
        assert_eq!(
            a.values().collect::<BTreeSet<_>>().len(),
            a.len(),
            "no image twice, not even across splits"
        );
        images.extend(pngs.map(|(_, bytes)| bytes.clone()));
    }
    assert_eq!(images.len(), 11 * ShapesStyle::ALL.len(), "no image in two styles");
    assert_eq!(shapes::sample(3, 96), shapes::sample(3, 96));
}

/// Digest of all files under a folder. Images are hashed as pixels, because the bytes of a PNG file depend on
/// the encoder.
fn digest(root: &Path) -> String {
    let mut hash = Sha256::new();
    for (path, bytes) in files(root) {
        hash.update(path.to_string_lossy().replace('\\', "/"));
        if path.extension().unwrap() == "png" {
            hash.update(bonsai_data::decode(root.join(path)).unwrap().as_raw());
        } else {
            hash.update(bytes);
        }
    }
    hash.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn the_default_style_draws_the_same_everywhere() {
    let folder = Folder::new();
    shapes::draw(&CONFIG, folder.path("shapes")).unwrap();
    assert_eq!(
        digest(&folder.path("shapes")),
        "610a5d6de70df1b34ea259ec9fc509773be3a5d01f024920b10dc8bd4489350e"
    );
}

#[test]
fn it_is_a_sound_dataset() {
    let folder = Folder::new();
    let yaml = shapes::draw(&CONFIG, folder.path("deep/er/shapes")).unwrap();
    let dataset = Dataset::open(yaml).unwrap();
    assert_eq!(dataset.class_names(), CLASS_NAMES);
    for (split, count) in [(SplitKind::Train, 6), (SplitKind::Val, 3), (SplitKind::Test, 2)] {
        let (samples, scan) = dataset.scan(split).unwrap();
        assert_eq!((scan.images, scan.backgrounds, scan.warnings.len()), (count, 0, 0));
        assert!(samples.samples.iter().all(|sample| sample.size == (64, 64) && sample.labels.len() <= 4));
    }
    let no_test = shapes::draw(&ShapesConfig { test: 0, ..CONFIG }, folder.path("two")).unwrap();
    assert!(!Dataset::open(no_test).unwrap().has(SplitKind::Test));
}

#[test]
fn every_style_is_a_sound_dataset_of_its_classes() {
    let folder = Folder::new();
    for (style, classes, objects) in
        [(ShapesStyle::Shapes, 4, 1..=3), (ShapesStyle::Crowd, 10, 12..=30), (ShapesStyle::Clutter, 6, 2..=5)]
    {
        let config = ShapesConfig { style, ..CONFIG };
        let yaml = shapes::draw(&config, folder.path(style.name())).unwrap();
        let text = std::fs::read_to_string(&yaml).unwrap();
        assert!(text.starts_with(&format!("# Drawn by bonsai-data: {}, 64 px", style.name())), "{text}");
        let dataset = Dataset::open(yaml).unwrap();
        assert_eq!(dataset.class_names(), config.class_names());
        assert_eq!(dataset.class_names(), style.class_names());
        assert_eq!(dataset.class_names().len(), classes);
        let (split, scan) = dataset.scan(SplitKind::Train).unwrap();
        assert_eq!((scan.images, scan.backgrounds, scan.warnings.len()), (6, 0, 0));
        assert!(split.samples.iter().all(|sample| objects.contains(&sample.labels.len())));
    }
}

#[test]
fn the_default_style_is_not_written() {
    let written = |style| serde_json::to_value(ShapesConfig { style, ..CONFIG }).unwrap();
    assert!(written(ShapesStyle::Shapes).get("style").is_none());
    for style in [ShapesStyle::Crowd, ShapesStyle::Clutter] {
        assert_eq!(written(style)["style"], style.name());
    }
    for style in ShapesStyle::ALL {
        let config = ShapesConfig { style, ..CONFIG };
        assert_eq!(serde_json::from_value::<ShapesConfig>(written(style)).unwrap(), config);
    }
    let error = serde_json::from_str::<ShapesConfig>(r#"{"style": "crowds"}"#).unwrap_err().to_string();
    assert!(error.contains("`crowd`"), "{error}");
}

#[test]
fn nothing_is_overwritten_and_leftovers_are_replaced() {
    let folder = Folder::new();
    folder.write("shapes.partial/images/train/old.png", "left by an interrupted run");
    std::fs::create_dir_all(folder.path("shapes")).unwrap();
    shapes::draw(&CONFIG, folder.path("shapes")).unwrap();
    assert!(!folder.path("shapes.partial").exists());
    assert!(!folder.path("shapes/images/train/old.png").exists());
    let message = shapes::draw(&CONFIG, folder.path("shapes")).unwrap_err().to_string();
    assert!(message.contains("exists and is not empty"), "{message}");
    for (config, part) in [
        (ShapesConfig { imgsz: 16, ..CONFIG }, "`imgsz` is 16"),
        (ShapesConfig { train: 0, ..CONFIG }, "`train` is 0"),
        (ShapesConfig { val: 0, ..CONFIG }, "`val` is 0"),
    ] {
        let message = shapes::draw(&config, folder.path("new")).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(!folder.path("new").exists());
    }
}
