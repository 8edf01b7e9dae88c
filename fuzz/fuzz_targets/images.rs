//! Any bytes as an image file: the scan, evaluation and training agree on its validity and its size.
//!
//! Run this target with `-rss_limit_mb=2048`: no input may take more memory than that, whatever its header
//! says.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bonsai_data::{Augment, Dataset, Loader, LoaderConfig, SplitKind, decode};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// A folder with one image, in which every input is tested.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("images")).expect("a new folder is empty");
    fs::write(folder.path().join("data.yaml"), "train: images\nnames: [x]")
        .expect("the folder can be written");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let image: PathBuf = FOLDER.path().join("images/a.jpg");
    fs::write(&image, bytes).expect("the folder can be written");
    let dataset = Dataset::open(FOLDER.path().join("data.yaml")).expect("the dataset file is valid");
    let decoded = decode(&image);
    match dataset.scan(SplitKind::Train) {
        Ok((split, scan)) => {
            let picture = decoded.expect("what the scan let pass can be decoded");
            assert_eq!(picture.dimensions(), split.samples[0].size, "the scan found another size");
            let _ = scan.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
            let split = Arc::new(split);
            for augment in [None, Some(Augment::NONE)] {
                let config = LoaderConfig { imgsz: 32, workers: 0, augment, ..LoaderConfig::default() };
                let loader = Loader::new(Arc::clone(&split), config).expect("the settings are valid");
                assert!(loader.epoch(0).all(|batch| batch.is_ok()), "what the scan let pass can be loaded");
            }
        }
        // Images that are less than 10 pixels wide or high are left out, too.
        Err(_) => assert!(
            decoded.is_err() || decoded.is_ok_and(|picture| picture.width().min(picture.height()) < 10)
        ),
    }
});
