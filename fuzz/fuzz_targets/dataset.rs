//! Any bytes as `data.yaml`, label files, an image list, a file of names, a COCO file and a VOC file: a dataset or an
//! error.
//!
//! Double line feeds divide the bytes into the files, in the order of [`FILES`]; missing files are empty.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use bonsai_data::{Dataset, SplitKind};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// The files that the pieces of an input are written to.
const FILES: [&str; 7] = [
    "data.yaml",
    "labels/a.txt",
    "list.txt",
    "names.txt",
    "images/b.txt",
    "images/instances_train.json",
    "voc/train/a.xml",
];

/// What is opened as a dataset.
const DATASETS: [&str; 3] = ["data.yaml", "images/instances_train.json", "voc"];

/// A folder with two images, in which every input is tested.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["images", "labels", "voc/train"] {
        fs::create_dir_all(folder.path().join(name)).expect("a new folder is empty");
    }
    // A grey bitmap: 16 x 16, 24 bits.
    let mut bitmap = vec![0; 54 + 16 * 16 * 3];
    bitmap[..2].copy_from_slice(b"BM");
    for (at, value) in [(2, 54), (3, 3), (10, 54), (14, 40), (18, 16), (22, 16), (26, 1), (28, 24)] {
        bitmap[at] = value;
    }
    for name in ["images/a.bmp", "images/b.bmp", "voc/train/a.bmp"] {
        fs::write(folder.path().join(name), &bitmap).expect("the folder can be written");
    }
    folder
});

/// The bytes before and after the first double line feed.
fn divide(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&bytes[..=at], &bytes[at + 2..]),
        None => (bytes, &[]),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    for name in FILES {
        let (piece, more) = divide(rest);
        rest = more;
        fs::write(FOLDER.path().join(name), piece).expect("the folder can be written");
    }
    for name in DATASETS {
        let Ok(dataset) = Dataset::open(FOLDER.path().join(name)) else { continue };
        for split in SplitKind::ALL {
            let Ok((found, scan)) = dataset.scan(split) else { continue };
            let _ = scan.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert!(scan.images <= scan.found && scan.instances <= scan.rows, "{scan:?}");
            for label in found.samples.iter().flat_map(|sample| &sample.labels) {
                let b = label.bbox;
                let sides = [b.cx, b.cy, b.w, b.h];
                assert!(label.class_id < found.class_names.len(), "{label:?}");
                assert!(
                    sides.iter().all(|side| (0.0..=1.0).contains(side)) && b.w > 0.0 && b.h > 0.0,
                    "{label:?}"
                );
            }
        }
    }
});
