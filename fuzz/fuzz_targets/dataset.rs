//! Any bytes as `data.yaml` and as a label file: a dataset with warnings, or an error.
//!
//! The first line feed that is doubled divides the two.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use bonsai_data::{Dataset, SplitKind};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// A folder with one image, in which every input is tried.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["images", "labels"] {
        fs::create_dir(folder.path().join(name)).expect("a new folder is empty");
    }
    // The smallest bitmap: 1 x 1, 24 bits.
    let mut bitmap = vec![0; 58];
    bitmap[..2].copy_from_slice(b"BM");
    for (at, value) in [(2, 58), (10, 54), (14, 40), (18, 1), (22, 1), (26, 1), (28, 24)] {
        bitmap[at] = value;
    }
    fs::write(folder.path().join("images/a.bmp"), bitmap).expect("the folder can be written");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let middle = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (yaml, labels) = bytes.split_at(middle);
    let write = |name: &str, content: &[u8]| fs::write(FOLDER.path().join(name), content);
    write("data.yaml", yaml).expect("the folder can be written");
    write("labels/a.txt", labels).expect("the folder can be written");
    let Ok(dataset) = Dataset::open(FOLDER.path().join("data.yaml")) else { return };
    for split in [SplitKind::Train, SplitKind::Val, SplitKind::Test] {
        if let Ok((_, scan)) = dataset.scan(split) {
            let _ = scan.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
        }
    }
});
