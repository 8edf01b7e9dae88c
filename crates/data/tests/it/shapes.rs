//! The drawn dataset: same bytes for a seed, a sound YOLO dataset, no half-written folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bonsai_data::shapes::{self, CLASS_NAMES, ShapesConfig};
use bonsai_data::{Dataset, SplitKind};

use crate::folder::Folder;

const CONFIG: ShapesConfig = ShapesConfig { train: 6, val: 3, test: 2, imgsz: 64, seed: 7 };

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
    let draw = |name: &str, seed| {
        shapes::draw(&ShapesConfig { seed, ..CONFIG }, &folder.path(name)).unwrap();
        files(&folder.path(name))
    };
    let (a, b, other) = (draw("a", 7), draw("b", 7), draw("other", 8));
    assert_eq!(a.len(), 2 * 11 + 1);
    assert!(a == b);
    assert!(
        a.iter().filter(|(path, _)| path.extension().unwrap() == "png").all(|(path, x)| other[path] != *x)
    );
    let distinct: std::collections::BTreeSet<_> = a.values().collect();
    assert_eq!(distinct.len(), a.len(), "no image twice, not even across splits");
    assert_eq!(shapes::sample(3, 96), shapes::sample(3, 96));
}

#[test]
fn it_is_a_sound_dataset() {
    let folder = Folder::new();
    let yaml = shapes::draw(&CONFIG, &folder.path("deep/er/shapes")).unwrap();
    let dataset = Dataset::open(yaml).unwrap();
    assert_eq!(dataset.class_names(), CLASS_NAMES);
    for (split, count) in [(SplitKind::Train, 6), (SplitKind::Val, 3), (SplitKind::Test, 2)] {
        let (samples, scan) = dataset.scan(split).unwrap();
        assert_eq!((scan.images, scan.backgrounds, scan.warnings.len()), (count, 0, 0));
        assert!(samples.samples.iter().all(|sample| sample.size == (64, 64) && sample.labels.len() <= 4));
    }
    let no_test = shapes::draw(&ShapesConfig { test: 0, ..CONFIG }, &folder.path("two")).unwrap();
    assert!(!Dataset::open(no_test).unwrap().has(SplitKind::Test));
}

#[test]
fn nothing_is_overwritten_and_leftovers_are_replaced() {
    let folder = Folder::new();
    folder.write("shapes.partial/images/train/old.png", "left by an interrupted run");
    std::fs::create_dir_all(folder.path("shapes")).unwrap();
    shapes::draw(&CONFIG, &folder.path("shapes")).unwrap();
    assert!(!folder.path("shapes.partial").exists());
    assert!(!folder.path("shapes/images/train/old.png").exists());
    let message = shapes::draw(&CONFIG, &folder.path("shapes")).unwrap_err().to_string();
    assert!(message.contains("exists and is not empty"), "{message}");
    for (config, part) in [
        (ShapesConfig { imgsz: 16, ..CONFIG }, "`imgsz` is 16"),
        (ShapesConfig { train: 0, ..CONFIG }, "`train` is 0"),
        (ShapesConfig { val: 0, ..CONFIG }, "`val` is 0"),
    ] {
        let message = shapes::draw(&config, &folder.path("new")).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(!folder.path("new").exists());
    }
}
