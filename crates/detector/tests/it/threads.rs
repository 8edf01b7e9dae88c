//! Detectors in several threads: one for each, or one behind a lock.

use std::sync::Mutex;

use bonsai_data::RgbImage;
use bonsai_detector::{DetectOptions, Detector};
use bonsai_exec::ExecutorOptions;
use image::Rgb;

use crate::network::bright_cells;

#[test]
fn threads_find_the_same_with_a_detector_each_and_with_one_behind_a_lock() {
    let picture = RgbImage::from_fn(48, 32, |x, y| {
        let white = (16..24).contains(&x) && (8..16).contains(&y);
        Rgb([if white { 255 } else { 0 }; 3])
    });
    let config = DetectOptions { imgsz: 48, ..DetectOptions::default() };
    let checkpoint = bright_cells([1, 1, 1, 1], &[5.0]);
    let options = ExecutorOptions { threads: 1, ..ExecutorOptions::default() };
    let load = || Detector::from_checkpoint(checkpoint.clone(), options).unwrap();
    let expected = load().detect(&picture, &config).unwrap();
    assert_eq!(expected.len(), 1);
    let shared = Mutex::new(load());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut own = load();
            scope.spawn(|| {
                let (picture, config) = (&picture, &config);
                assert_eq!(shared.lock().unwrap().detect(picture, config).unwrap(), expected);
            });
            let (picture, config, expected) = (&picture, &config, &expected);
            scope.spawn(move || assert_eq!(own.detect(picture, config).unwrap(), *expected));
        }
    });
}
