//! A cached scan is the scan, whatever happened to the files or to the cache.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bonsai_data::{Dataset, Scan, Split, SplitKind};

use crate::folder::Folder;

fn scans(folder: &Folder) -> [(Split, Scan); 2] {
    let dataset = Dataset::open(folder.path("data.yaml")).unwrap();
    [dataset.scan(SplitKind::Train), dataset.scan_cached(SplitKind::Train, &folder.path("cache"))]
        .map(Result::unwrap)
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
        let [plain, cached] = scans(&folder);
        assert_eq!(plain, cached);
    }
    // A label edited to the same length and time: another class.
    folder.write("labels/a.txt", "1 .5 .5 .5 .5\n");
    set_modified(&labels, old);
    let [plain, cached] = scans(&folder);
    assert_eq!(plain, cached);
    assert_eq!(cached.0.samples[0].labels[0].class_id, 1);
    // An image of another size, one more and one less.
    folder.image("images/a.png", 20, 40, 0);
    set_modified(&image, SystemTime::now() + Duration::from_secs(5));
    folder.image("images/c.png", 30, 30, 0);
    std::fs::remove_file(folder.path("images/b.png")).unwrap();
    let [plain, cached] = scans(&folder);
    assert_eq!(plain, cached);
    assert_eq!(cached.0.samples.iter().map(|s| s.size).collect::<Vec<_>>(), [(20, 40), (30, 30)]);
    // A damaged cache.
    folder.write("cache", "{");
    let [plain, cached] = scans(&folder);
    assert_eq!(plain, cached);
}

#[test]
fn an_unchanged_image_is_not_opened() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    let image = folder.image("images/a.png", 40, 20, 0);
    let before = std::fs::metadata(&image).unwrap();
    scans(&folder);
    // Overwritten behind the cache's back: only one that opened it would notice.
    folder.write("images/a.png", vec![0; before.len() as usize]);
    set_modified(&image, before.modified().unwrap());
    let dataset = Dataset::open(folder.path("data.yaml")).unwrap();
    let (split, scan) = dataset.scan_cached(SplitKind::Train, &folder.path("cache")).unwrap();
    assert_eq!((split.samples[0].size, scan.warnings.len()), ((40, 20), 0));
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_else() {
    let folder = Folder::new();
    folder.write("data.yaml", "train: images\nnames: [x]");
    folder.image("images/a.png", 40, 20, 0);
    let dataset = Dataset::open(folder.path("data.yaml")).unwrap();
    let nowhere = folder.path("no/such/folder/cache");
    assert_eq!(dataset.scan_cached(SplitKind::Train, &nowhere).unwrap().0.samples.len(), 1);
    assert!(!nowhere.exists());
}
