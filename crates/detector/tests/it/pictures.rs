//! Positions of detections, in the pixels of pictures of every shape.

use bonsai_boxes::{Detection, Xyxy};
use bonsai_checkpoint::Array;
use bonsai_data::RgbImage;
use bonsai_detector::{DetectOptions, Detector, DetectorError, Origin};
use bonsai_exec::Device;
use image::Rgb;

use crate::network::bright_cells;

fn detector(distances: [usize; 4], white: &[f32]) -> Detector {
    Detector::from_checkpoint(bright_cells(distances, white), Device::Cpu).unwrap()
}

/// A black picture, with white squares of `side` pixels at these corners.
fn picture(width: u32, height: u32, side: u32, corners: &[(u32, u32)]) -> RgbImage {
    let inside = |p: u32, corner: u32| (corner..corner + side).contains(&p);
    RgbImage::from_fn(width, height, |x, y| {
        let white = corners.iter().any(|c| inside(x, c.0) && inside(y, c.1));
        Rgb([if white { 255 } else { 0 }; 3])
    })
}

fn config(imgsz: usize) -> DetectOptions {
    DetectOptions { imgsz, ..DetectOptions::default() }
}

fn assert_box(found: &Detection, expected: [f32; 4]) {
    let Xyxy { x1, y1, x2, y2 } = found.bbox;
    for (a, b) in [x1, y1, x2, y2].into_iter().zip(expected) {
        assert!((a - b).abs() < 1e-4, "{found:?}, expected {expected:?}");
    }
}

#[test]
fn a_wide_picture_is_answered_in_its_own_pixels() {
    let mut detector = detector([1, 0, 2, 1], &[5.0]);
    // 64 x 32 becomes 32 x 16 with 8 rows of grey above. The square is at canvas 8..16 in both directions,
    // centre (12, 12), its box (12 - 8, 12 - 0, 12 + 16, 12 + 8); then doubled, without the padding.
    let found = detector.detect(&picture(64, 32, 16, &[(16, 0)]), &config(32)).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_box(&found[0], [8.0, 8.0, 56.0, 24.0]);
    assert_eq!(found[0].class_id, 0);
    assert!((found[0].confidence - 1.0 / (1.0 + (-5.0f32).exp())).abs() < 1e-4);
}

#[test]
fn a_tall_picture_and_an_enlarged_one_too() {
    let mut detector = detector([1, 0, 2, 1], &[5.0]);
    // Here the padding is on the left: canvas 8..16 is native x 0..16, y 16..32.
    let found = detector.detect(&picture(32, 64, 16, &[(0, 16)]), &config(32)).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_box(&found[0], [0.0, 24.0, 32.0, 40.0]);

    // 16 x 16 at 64: four canvas pixels per native pixel, so 8 canvas pixels are 2 native ones. Interpolation
    // blurs the square's edges, so it covers two cells in each direction, and four cells are detected.
    let found = detector.detect(&picture(16, 16, 8, &[(4, 4)]), &config(64)).unwrap();
    let inner: Vec<_> = found.iter().filter(|d| d.confidence > 0.99).collect();
    assert_eq!(inner.len(), 4, "{found:?}");
    // Cells with centre 28 or 36 in the canvas, which is 7 or 9 in native pixels.
    assert_box(inner[0], [5.0, 7.0, 11.0, 9.0]);
    assert_box(inner[3], [7.0, 9.0, 13.0, 11.0]);
}

#[test]
fn boxes_are_clipped_to_the_picture() {
    let mut detector = detector([7, 7, 7, 7], &[5.0]);
    let found = detector.detect(&picture(64, 32, 16, &[(16, 0)]), &config(32)).unwrap();
    assert_eq!(found.len(), 1);
    assert_box(&found[0], [0.0, 0.0, 64.0, 32.0]);
}

#[test]
fn a_batch_of_different_pictures_is_each_alone() {
    let mut detector = detector([1, 0, 2, 1], &[5.0]);
    let pictures =
        [picture(64, 32, 16, &[(16, 0)]), picture(32, 64, 16, &[]), picture(32, 32, 8, &[(0, 0), (24, 16)])];
    let together = detector.detect_batch(&pictures, &config(32)).unwrap();
    assert_eq!(together.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 2]);
    for (picture, found) in pictures.iter().zip(&together) {
        assert_eq!(&detector.detect(picture, &config(32)).unwrap(), found);
    }
    assert!(detector.detect_batch(&[], &config(32)).unwrap().is_empty());
}

#[test]
fn suppression_threshold_and_limit_are_obeyed() {
    let mut detector = detector([2, 2, 2, 2], &[5.0]);
    // Boxes of 32 x 32 around neighbouring cells overlap by 24 of 40 columns: IoU 0.6.
    let neighbours = picture(64, 64, 8, &[(24, 24), (32, 24)]);
    let mut count = |config: &DetectOptions| detector.detect(&neighbours, config).unwrap().len();
    assert_eq!(count(&config(64)), 2);
    assert_eq!(count(&DetectOptions { iou: 0.5, ..config(64) }), 1);
    assert_eq!(count(&DetectOptions { max_detections: 1, ..config(64) }), 1);
    assert_eq!(count(&DetectOptions { confidence: 0.999, ..config(64) }), 0);
}

#[test]
fn unwanted_classes_neither_show_nor_take_room() {
    // Class 1 is the best everywhere, and class 0 the second best.
    let mut detector = detector([1, 1, 1, 1], &[2.0, 5.0, 1.0]);
    let squares = picture(64, 64, 8, &[(0, 0), (32, 24)]);
    let mut classes = |classes: &[usize]| {
        let config = DetectOptions { classes: Some(classes.to_vec()), ..config(64) };
        detector.detect(&squares, &config).unwrap().iter().map(|d| d.class_id).collect::<Vec<_>>()
    };
    assert_eq!(classes(&[1]), [1, 1]);
    assert_eq!(classes(&[2, 1, 1]), [1, 1]);
    assert!(classes(&[0, 2]).is_empty());
}

#[test]
fn a_limit_counts_wanted_objects_only() {
    // White cells are class 1; grey cells are class 0 with lower confidence.
    let mut checkpoint = bright_cells([1, 1, 1, 1], &[0.0, 9.0]);
    // Logits of class 0: 3 at any brightness above 0.4; of class 1: -40 + 49 x.
    let weight = checkpoint.weights.get_mut("classes.weight").unwrap();
    let half = weight.data().len() / 2;
    weight.data_mut()[..half].fill(10.0 / half as f32);
    checkpoint.weights.get_mut("classes.bias").unwrap().data_mut()[0] = -4.0;
    let mut detector = Detector::from_checkpoint(checkpoint, Device::Cpu).unwrap();
    let mut mixed = picture(64, 64, 8, &[(0, 0), (16, 0), (32, 0)]);
    for (x, y) in (40..48).flat_map(|x| (40..48).map(move |y| (x, y))) {
        mixed.put_pixel(x, y, Rgb([150; 3]));
    }
    let all = detector.detect(&mixed, &config(64)).unwrap();
    assert_eq!(all.iter().map(|d| d.class_id).collect::<Vec<_>>(), [1, 1, 1, 0]);
    let only = DetectOptions { classes: Some(vec![0]), max_detections: 1, ..config(64) };
    assert_eq!(detector.detect(&mixed, &only).unwrap(), all[3..]);
}

#[test]
fn predictions_are_all_anchors_and_need_not_be_square() {
    let mut detector = detector([1, 1, 1, 1], &[5.0, 1.0]);
    let images = Array::zeros(&[2, 3, 16, 40]);
    let predictions = detector.predict(&images).unwrap();
    assert_eq!((predictions.batch(), predictions.num_classes(), predictions.anchors()), (2, 2, 10));
    let bbox = predictions.images().next().unwrap().bbox(6);
    assert_eq!((bbox.cx, bbox.cy, bbox.w, bbox.h), (12.0, 12.0, 16.0, 16.0));
}

#[test]
fn the_same_picture_gives_the_same_bits() {
    let checkpoint = bright_cells([1, 2, 3, 4], &[1.0, 2.0]);
    let noise =
        RgbImage::from_fn(90, 70, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, (x ^ y) as u8]));
    let low = DetectOptions { confidence: 0.0, ..config(64) };
    let mut first = Detector::from_checkpoint(checkpoint.clone(), Device::Cpu).unwrap();
    let mut second = Detector::from_checkpoint(checkpoint, Device::Cpu).unwrap();
    let found = first.detect(&noise, &low).unwrap();
    assert!(!found.is_empty());
    assert_eq!(first.detect(&noise, &low).unwrap(), found);
    assert_eq!(second.detect(&noise, &low).unwrap(), found);
}

#[test]
fn settings_out_of_range_are_named() {
    let mut detector = detector([1, 1, 1, 1], &[5.0, 1.0]);
    let image = picture(16, 16, 8, &[]);
    let mut message = |config: DetectOptions| detector.detect(&image, &config).unwrap_err().to_string();
    assert_eq!(message(config(60)), "`imgsz` is 60; it must be a multiple of 8, at most 16384 pixels");
    assert!(message(config(0)).starts_with("`imgsz` is 0"));
    assert!(message(config(1 << 40)).contains("at most 16384"));
    assert!(message(DetectOptions { confidence: 25.0, ..config(64) }).contains("`confidence` is 25"));
    assert!(message(DetectOptions { iou: f32::NAN, ..config(64) }).contains("`iou` is NaN"));
    let of = |classes: Vec<usize>| DetectOptions { classes: Some(classes), ..config(64) };
    assert_eq!(
        message(of(vec![0, 2])),
        "`classes` is 2; it must be a class of the model, which has 2 (numbered from 0)"
    );
    assert!(message(of(vec![])).contains("at least one class"));
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let mut detector = detector([1, 1, 1, 1], &[5.0]);
    for shape in [&[1, 3, 12, 16][..], &[1, 1, 16, 16], &[0, 3, 16, 16], &[1, 3, 0, 16], &[3, 16, 16]] {
        let error = detector.predict(&Array::zeros(shape)).unwrap_err();
        assert!(
            matches!(&error, DetectorError::InputShape { found, stride: 8 } if found == shape),
            "{error}"
        );
    }
    let pictures = [picture(8, 8, 1, &[]), RgbImage::new(0, 5)];
    let error = detector.detect_batch(&pictures, &config(32)).unwrap_err().to_string();
    assert_eq!(error, "picture 1 is 0 x 5 pixels; it must have at least one pixel");
    // A picture with one row of pixels is valid.
    assert!(detector.detect(&picture(300, 1, 1, &[]), &config(32)).unwrap().is_empty());
}

#[test]
fn a_diverged_network_is_an_error_not_an_empty_picture() {
    let mut checkpoint = bright_cells([1, 1, 1, 1], &[5.0]);
    checkpoint.weights.get_mut("classes.bias").unwrap().data_mut()[0] = f32::NAN;
    let mut detector = Detector::from_checkpoint(checkpoint, Device::Cpu).unwrap();
    let error = detector.detect(&picture(16, 16, 8, &[]), &config(32)).unwrap_err();
    assert!(error.to_string().contains("`classes` holds values that are not finite"), "{error}");
}

#[test]
fn a_detector_tells_what_it_is() {
    let mut checkpoint = bright_cells([1, 1, 1, 1], &[5.0, 1.0]);
    let detector = Detector::from_checkpoint(checkpoint.clone(), Device::Cpu).unwrap();
    assert_eq!(
        (detector.imgsz(), detector.config().imgsz, detector.origin()),
        (640, 640, Origin::Checkpoint)
    );
    assert_eq!(detector.class_names(), ["class0", "class1"]);
    assert_eq!(detector.model().unwrap().head().strides, [8]);
    assert_eq!((detector.stride(), detector.fixed_size()), (8, None));

    checkpoint.metadata.insert("imgsz".to_owned(), "96".to_owned());
    assert_eq!(Detector::from_checkpoint(checkpoint.clone(), Device::Cpu).unwrap().config().imgsz, 96);
    for wrong in ["large", "-8", "100", "0"] {
        checkpoint.metadata.insert("imgsz".to_owned(), wrong.to_owned());
        let error = Detector::from_checkpoint(checkpoint.clone(), Device::Cpu).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("the file's metadata has `imgsz` = `{wrong}`; it must be a ")),
            "{error}"
        );
    }
}
