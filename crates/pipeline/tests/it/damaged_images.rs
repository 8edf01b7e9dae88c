//! Tests of damaged images, and of images that disappear during a run.

use std::fs;
use std::path::{Path, PathBuf};

use bonsai_pipeline::{Control, Progress, Stage, StageState, StepRecord, run, run_stages};
use bonsai_stages::draw_dataset;

use crate::tiny_run::{TinyRun, Told, tiny_config};

/// A run on a drawn dataset in a folder of its own.
fn own_data(folder: &Path) -> TinyRun {
    let mut tiny = TinyRun::new();
    let yaml = draw_dataset(&tiny_config().shapes, &folder.join("data")).unwrap();
    tiny.config.data = Some(yaml);
    tiny
}

fn images(folder: &Path, split: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("data/images").join(split)).unwrap();
    let mut images: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    images.sort();
    images
}

/// The first half of the image as a JPEG.
fn truncated(image: &Path) {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::open(image).unwrap().into_rgb8().write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    let bytes = bytes.into_inner();
    fs::write(image.with_extension("jpg"), &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_file(image).unwrap();
}

#[test]
fn images_that_are_damaged_are_left_out_of_every_stage() {
    let folder = tempfile::tempdir().unwrap();
    let mut tiny = own_data(folder.path());
    // The first image of each split: parity and the examples of the report use it.
    for split in ["train", "val", "test"] {
        truncated(&images(folder.path(), split)[0]);
    }
    tiny.config.export.int8 = true;
    let (_, told) = tiny.run();
    assert_eq!(told.ran, tiny.config.stages());
    for (split, images) in [("train", 16), ("val", 8), ("test", 8)] {
        let left_out = format!("dataset {split}: 1 of {images} images");
        assert!(told.notes.iter().any(|note| note.contains(&left_out)), "{:?}", told.notes);
    }
    assert!(told.notes.iter().any(|note| note.contains("truncated")), "{:?}", told.notes);
}

/// Moves the images away after a number of steps.
struct MovedAfter<'a> {
    steps: usize,
    from: &'a Path,
    to: &'a Path,
    finished: Vec<Stage>,
}

impl Progress for MovedAfter<'_> {
    fn stage(&mut self, stage: Stage, state: &StageState) {
        if matches!(state, StageState::Finished(_)) {
            self.finished.push(stage);
        }
    }

    fn step(&mut self, _: &StepRecord) {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 && self.from.exists() {
            fs::rename(self.from, self.to).unwrap();
        }
    }
}

#[test]
fn images_that_vanish_end_the_training_which_goes_on_when_they_are_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut tiny = own_data(folder.path());
    (tiny.config.baseline.epochs, tiny.config.baseline.batch) = (3, 2);
    // The loader reads little ahead and caches nothing.
    (tiny.config.loader.workers, tiny.config.loader.cache_bytes) = (1, 0);
    tiny.config.loader.augment = bonsai_data::Augment::NONE;
    let until = Control { until: Some(Stage::Baseline), ..Control::default() };
    let from = folder.path().join("data/images");
    let to = folder.path().join("data/moved");
    // In the second epoch; an epoch has eight steps.
    let mut moved = MovedAfter { steps: 10, from: &from, to: &to, finished: Vec::new() };
    let error = run_stages(&tiny.config, &tiny.dir(), &until, &mut moved).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains("stage `baseline`") && message.contains("cannot read the image"), "{message}");
    assert!(message.contains("data/images/train"), "{message}");
    assert_eq!(moved.finished, [Stage::Dataset]);
    assert!(!tiny.dir().stage(Stage::Baseline).exists());

    // Without the images, the run fails and creates no stage.
    let message = tiny.part(&until).unwrap_err();
    assert!(message.contains("images") && !tiny.dir().stage(Stage::Baseline).exists(), "{message}");

    fs::rename(&to, &from).unwrap();
    let (_, told) = tiny.part(&until).unwrap();
    assert_eq!(told.ran, [Stage::Baseline]);
    assert!(told.notes.iter().any(|note| note.contains("goes on after epoch 1")), "{:?}", told.notes);
    assert_eq!(told.steps, 16);

    // The weights equal those of an undisturbed run, bit for bit.
    let mut whole = TinyRun::new();
    whole.config = tiny.config.clone();
    run_stages(&whole.config, &whole.dir(), &until, &mut Told::default()).unwrap();
    let weights = |tiny: &TinyRun| fs::read(tiny.file(Stage::Baseline, "last.safetensors")).unwrap();
    assert!(weights(&tiny) == weights(&whole));
}

/// Removes a file when the report begins.
struct Gone<'a>(&'a Path);

impl Progress for Gone<'_> {
    fn stage(&mut self, stage: Stage, state: &StageState) {
        if stage == Stage::Report && matches!(state, StageState::Started(_)) {
            fs::remove_file(self.0).unwrap();
        }
    }
}

#[test]
fn images_that_vanish_before_the_report_end_it_without_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = own_data(folder.path());
    let until = Control { until: Some(Stage::Engine), ..Control::default() };
    tiny.part(&until).unwrap();
    let test = &images(folder.path(), "test")[3];
    let kept = fs::read(test).unwrap();
    let error = run(&tiny.config, &tiny.dir(), &mut Gone(test)).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains("stage `report`") && message.contains(test.to_str().unwrap()), "{message}");
    assert!(!tiny.dir().stage(Stage::Report).exists());
    fs::write(test, kept).unwrap();
    assert_eq!(tiny.run().1.ran, [Stage::Report]);
}
