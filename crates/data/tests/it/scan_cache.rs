//! Tests of the scan cache: a cached scan equals one without a cache, whatever happened to the files.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bonsai_data::{Dataset, Scan, Split, SplitKind};
use image::ImageFormat;

use crate::encoded::{drawn, encoded};
use crate::folder::Folder;

fn cached(folder: &Folder) -> (Split, Scan) {
    let dataset = Dataset::open(folder.path("data.yaml")).unwrap();
    dataset.scan_cached(SplitKind::Train, &folder.path("cache"), &mut |_, _| {}).unwrap()
}

/// The result of a scan without a cache, after a check that a cached scan gives the same.
fn scanned(folder: &Folder) -> (Split, Scan) {
    let plain = Dataset::open(folder.path("data.yaml")).unwrap().scan(SplitKind::Train).unwrap();
    assert_eq!(cached(folder), plain);
    plain
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn changes_are_seen() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x, y]");
    let image = folder.image("images/a.png", 40, 20, 0);
    folder.image("images/b.png", 12, 12, 0);
    let labels = folder.write("labels/a.txt", "0 .5 .5 .5 .5\n");
    let old = SystemTime::now() - Duration::from_hours(1);
    set_modified(&labels, old);
    for _ in 0..2 {
        scanned(&folder);
    }
    // A label edited to the same length and time: another class.
    folder.write("labels/a.txt", "1 .5 .5 .5 .5\n");
    set_modified(&labels, old);
    assert_eq!(scanned(&folder).0.samples[0].labels[0].class_id, 1);
    // An image of another size, a new image and a removed one.
    folder.image("images/a.png", 20, 40, 0);
    set_modified(&image, SystemTime::now() + Duration::from_secs(5));
    folder.image("images/c.png", 30, 30, 0);
    std::fs::remove_file(folder.path("images/b.png")).unwrap();
    let (split, _) = scanned(&folder);
    assert_eq!(split.samples.iter().map(|s| s.size).collect::<Vec<_>>(), [(20, 40), (30, 30)]);
}

#[cfg(unix)]
#[test]
fn damage_of_the_same_length_and_time_is_seen() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    folder.image("images/b.png", 12, 12, 0);
    let image = folder.image("images/a.png", 40, 20, 0);
    let before = std::fs::metadata(&image).unwrap();
    assert_eq!(scanned(&folder).0.samples.len(), 2);
    folder.write("images/a.png", vec![0; before.len() as usize]);
    set_modified(&image, before.modified().unwrap());
    let (split, scan) = scanned(&folder);
    assert_eq!((split.samples.len(), scan.warnings.len()), (1, 1));
}

/// Changes a size in the cache, so that a verdict from the cache differs from one by decoding.
fn doctored(folder: &Folder) {
    let text = std::fs::read_to_string(folder.path("cache")).unwrap();
    assert!(text.contains("[40,20]"), "{text}");
    folder.write("cache", text.replace("[40,20]", "[41,21]"));
}

#[test]
fn a_known_image_is_not_decoded_be_it_unchanged_moved_or_copied() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    let image = folder.image("images/a.png", 40, 20, 0);
    cached(&folder);
    doctored(&folder);
    assert_eq!(cached(&folder).0.samples[0].size, (41, 21));
    std::fs::copy(&image, folder.path("images/b.png")).unwrap();
    std::fs::rename(&image, folder.path("images/c.png")).unwrap();
    let sizes: Vec<_> = cached(&folder).0.samples.iter().map(|sample| sample.size).collect();
    assert_eq!(sizes, [(41, 21); 2]);
}

#[test]
fn what_is_unreadable_is_known_too() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    folder.image("images/a.png", 40, 20, 0);
    let jpeg = encoded(drawn(40, 20), ImageFormat::Jpeg);
    folder.write("images/cut.jpg", &jpeg[..jpeg.len() / 2]);
    for _ in 0..3 {
        let (split, scan) = scanned(&folder);
        assert_eq!((split.samples.len(), scan.warnings.len()), (1, 1));
    }
    // The file is repaired.
    folder.write("images/cut.jpg", &jpeg);
    assert_eq!(scanned(&folder).0.samples.len(), 2);
}

#[test]
fn a_cache_of_others_costs_time_only() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    folder.image("images/a.png", 40, 20, 0);
    cached(&folder);
    let ours = std::fs::read_to_string(folder.path("cache")).unwrap();
    let deep = "[".repeat(100_000);
    let mut others = vec![String::new(), "{".to_owned(), "null".to_owned(), "[]".to_owned(), deep];
    // Other versions and decoders.
    others.push(ours.replace("\"version\":2", "\"version\":1").replace("[40,20]", "[41,21]"));
    others.push(ours.replace("jpeg-decoder", "jpeg-encoder").replace("[40,20]", "[41,21]"));
    // Sizes that no decoder can return.
    others.extend(["[0,20]", "[4294967295,4294967295]", "[-1,20]"].map(|size| ours.replace("[40,20]", size)));
    // Caches cut off at any place.
    others.extend((1..20).map(|part| ours[..ours.len() * part / 20].to_owned()));
    for text in others {
        assert!(text != ours);
        folder.write("cache", &text);
        assert_eq!(scanned(&folder).0.samples[0].size, (40, 20), "{text:.200}");
    }
    std::fs::remove_file(folder.path("cache")).unwrap();
    std::fs::create_dir(folder.path("cache")).unwrap();
    scanned(&folder);
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_else() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    folder.image("images/a.png", 40, 20, 0);
    let dataset = Dataset::open(folder.path("data.yaml")).unwrap();
    let nowhere = folder.path("no/such/folder/cache");
    let (split, _) = dataset.scan_cached(SplitKind::Train, &nowhere, &mut |_, _| {}).unwrap();
    assert_eq!(split.samples.len(), 1);
    assert!(!nowhere.exists());
}

#[test]
fn a_scan_tells_how_far_it_is() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    for name in ["a", "b", "c"] {
        folder.image(&format!("images/{name}.png"), 40, 20, 0);
    }
    folder.write("images/d.png", "damaged");
    let dataset = Dataset::open(folder.path("data.yaml")).unwrap();
    let mut told = Vec::new();
    let cache = folder.path("cache");
    dataset.scan_with(SplitKind::Train, &cache, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!(told, [(0, 4), (4, 4)]);
    assert!(!cache.exists());
}
