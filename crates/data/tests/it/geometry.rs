//! Tests of mosaic, perspective and mixup.
//!
//! Results equal those of Ultralytics' code (`fixtures/data/augment.json`), and laws hold for any motion.

use bonsai_boxes::{GroundTruth, Xyxy};
use bonsai_data::{Augment, Motion, Perspective, RgbImage, Tile, mixup, mosaic};
use image::Rgb;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Levels by which a pixel may differ from `OpenCV`, which rounds coordinates to 1/32 px. The test images
/// change by 37 levels from pixel to pixel and jump where they wrap round, so this moves a value by up to 255
/// / 32 in each direction.
const PIXEL_BOUND: i32 = 16;
/// Bound of the mean difference over an image.
const MEAN_BOUND: f64 = 1.5;
/// Pixels by which a corner may differ: Ultralytics computes in 32-bit floats.
const BOX_BOUND: f64 = 1e-4;

fn expected() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/data/augment.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Image `k` of the script that generated the fixture.
fn drawn(w: u32, h: u32, k: u32) -> RgbImage {
    RgbImage::from_fn(w, h, |x, y| {
        Rgb([x * 37 + y * 11 + k * 50, x * 5 + y * 29 + k * 31, x * y + 13 * k].map(|v| (v % 256) as u8))
    })
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Decodes hexadecimal digits.
fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn object(numbers: &[f64], class_id: usize) -> GroundTruth {
    let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|i| numbers[i] as f32);
    GroundTruth { bbox: Xyxy { x1, y1, x2, y2 }, class_id }
}

fn objects(boxes: &Value, classes: &Value) -> Vec<GroundTruth> {
    let classes = floats(classes);
    boxes
        .as_array()
        .unwrap()
        .iter()
        .zip(classes)
        .map(|(b, class)| object(&floats(b), class as usize))
        .collect()
}

fn same_objects(ours: &[GroundTruth], theirs: &[GroundTruth], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: {ours:?} against {theirs:?}");
    for (a, b) in ours.iter().zip(theirs) {
        assert_eq!(a.class_id, b.class_id, "{what}");
        let corners = |b: Xyxy| [b.x1, b.y1, b.x2, b.y2].map(f64::from);
        for (x, y) in corners(a.bbox).into_iter().zip(corners(b.bbox)) {
            assert!((x - y).abs() <= BOX_BOUND, "{what}: {a:?} against {b:?}");
        }
    }
}

#[test]
fn motions_move_pixels_and_boxes_as_the_peer_does() {
    let expected = expected();
    let image = drawn(24, 20, 0);
    let given: Vec<_> = expected["boxes"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(k, b)| object(&floats(b), k))
        .collect();
    for (name, case) in expected["motions"].as_object().unwrap() {
        let n = floats(&case["motion"]);
        let motion = Motion {
            perspective: (n[0], n[1]),
            degrees: n[2],
            scale: n[3],
            shear: (n[4], n[5]),
            centre: (n[6], n[7]),
        };
        let map = Perspective::new(&motion, (24, 20), (12, 12));
        same_objects(&map.objects(&given), &objects(&case["boxes"], &case["classes"]), name);
        let theirs = bytes(&case["pixels"]);
        let ours = map.image(&image);
        let differences: Vec<i32> =
            ours.as_raw().iter().zip(&theirs).map(|(a, b)| i32::from(a.abs_diff(*b))).collect();
        let mean = f64::from(differences.iter().sum::<i32>()) / differences.len() as f64;
        let worst = differences.iter().max().unwrap();
        assert!(*worst <= PIXEL_BOUND && mean <= MEAN_BOUND, "{name}: worst {worst}, mean {mean}");
    }
}

#[test]
fn mosaics_are_the_peers_to_the_last_byte() {
    let expected = expected();
    let sizes: Vec<_> = expected["tiles"].as_array().unwrap().iter().map(floats).collect();
    let tiles: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(k, size)| {
            let w = size[0];
            let h = size[1];
            let objects = [object(&[1.0, 1.0, w - 1.0, h - 1.0], k), object(&[0.0, 0.0, 2.0, h], k + 10)];
            (drawn(w as u32, h as u32, k as u32), objects)
        })
        .collect();
    for case in expected["mosaics"].as_array().unwrap() {
        let centre = floats(&case["centre"]);
        let mut canvas = RgbImage::new(16, 16);
        let tiles = std::array::from_fn(|k| Tile { image: &tiles[k].0, objects: &tiles[k].1 });
        let ours = mosaic(tiles, (centre[0] as u32, centre[1] as u32), &mut canvas);
        assert_eq!(Sha256::digest(canvas.as_raw())[..], bytes(&case["sha256"]), "centre {centre:?}");
        let mut theirs = objects(&case["boxes"], &case["classes"]);
        theirs.retain(|object| object.bbox.area() > 0.0); // Ultralytics leaves these to the perspective.
        same_objects(&ours, &theirs, "mosaic");
    }
}

#[test]
fn mixup_blends_and_cuts() {
    let mut image = RgbImage::from_pixel(3, 2, Rgb([200, 100, 0]));
    mixup(&mut image, &RgbImage::from_pixel(3, 2, Rgb([100, 101, 255])), 0.25);
    assert_eq!(image.get_pixel(2, 1).0, [125, 100, 191]); // 100.75 and 191.25 are rounded down.
}

/// Any motion within the limits of a heavy augmentation.
fn motions(turn: f64) -> impl Strategy<Value = Motion> {
    let around = |centre: f64, reach: f64| (centre - reach..=centre + reach).boxed();
    (around(0.0, turn), around(1.0, 0.4), around(0.0, turn / 4.0), around(0.5, 0.1), around(0.5, 0.1))
        .prop_map(|(degrees, scale, shear, x, y)| Motion {
            degrees,
            scale,
            shear: (shear, -shear),
            centre: (x, y),
            perspective: (0.0, 0.0),
        })
}

/// Bounds of the bright pixels, in pixel edges.
fn bright(image: &RgbImage) -> Option<Xyxy> {
    let mut bounds: Option<Xyxy> = None;
    for (x, y, pixel) in image.enumerate_pixels() {
        if pixel.0[0] > 200 {
            let x = x as f32;
            let y = y as f32;
            let b = bounds.unwrap_or(Xyxy { x1: x, y1: y, x2: x, y2: y });
            bounds =
                Some(Xyxy { x1: b.x1.min(x), y1: b.y1.min(y), x2: b.x2.max(x + 1.0), y2: b.y2.max(y + 1.0) });
        }
    }
    bounds
}

/// A white rectangle on black, and its box.
fn marked() -> (RgbImage, GroundTruth) {
    let bbox = Xyxy { x1: 20.0, y1: 24.0, x2: 60.0, y2: 48.0 };
    let inside = |x, y| (20..60).contains(&x) && (24..48).contains(&y);
    let image = RgbImage::from_fn(96, 80, |x, y| Rgb([if inside(x, y) { 255 } else { 0 }; 3]));
    (image, GroundTruth { bbox, class_id: 0 })
}

proptest! {
    #[test]
    fn a_box_follows_its_object(motion in motions(0.0)) {
        let (image, object) = marked();
        let map = Perspective::new(&motion, (96, 80), (64, 64));
        let seen = bright(&map.image(&image));
        let told = map.objects(&[object]);
        // Pixels are sampled at whole coordinates (pixel centres), while boxes run along edges: the bound
        // allows half a source pixel and rounding.
        let bound = 2.0 + motion.scale as f32;
        match (seen, told.first()) {
            (Some(seen), Some(told)) => {
                let a = seen;
                let b = told.bbox;
                for (x, y) in [(a.x1, b.x1), (a.y1, b.y1), (a.x2, b.x2), (a.y2, b.y2)] {
                    prop_assert!((x - y).abs() <= bound, "{a:?} against {b:?}");
                }
            }
            // An object that is left out is invisible, or a sliver.
            (Some(seen), None) => prop_assert!(seen.area() <= 0.2 * 40.0 * 24.0 * (motion.scale * motion.scale) as f32),
            (None, Some(told)) => prop_assert!(told.bbox.width() <= 4.0 || told.bbox.height() <= 4.0),
            (None, None) => {}
        }
    }

    #[test]
    fn a_turned_object_stays_in_its_box(motion in motions(40.0)) {
        let (image, object) = marked();
        let map = Perspective::new(&motion, (96, 80), (64, 64));
        if let (Some(seen), Some(told)) = (bright(&map.image(&image)), map.objects(&[object]).first()) {
            let b = told.bbox;
            let bound = 2.0 + motion.scale as f32;
            prop_assert!(seen.x1 >= b.x1 - bound && seen.y1 >= b.y1 - bound, "{seen:?} in {b:?}");
            prop_assert!(seen.x2 <= b.x2 + bound && seen.y2 <= b.y2 + bound, "{seen:?} in {b:?}");
        }
    }

    #[test]
    fn rows_and_columns_alone_give_the_same_as_pixel_by_pixel(motion in motions(0.0)) {
        let image = drawn(24, 20, 3);
        let fast = Perspective::new(&motion, (24, 20), (17, 13)).image(&image);
        // A shear too small to change the last bit of a weight makes the code take the general path.
        let tilted = Motion { shear: (1e-9, 1e-9), ..motion };
        let general = Perspective::new(&tilted, (24, 20), (17, 13)).image(&image);
        let worst = fast.iter().zip(general.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        prop_assert!(worst <= Some(2), "{worst:?}"); // A position may lie on the border of two weights.
    }

    #[test]
    fn a_motion_without_motion_changes_nothing(w in 1u32..40, h in 1u32..40) {
        let image = drawn(w, h, 1);
        let still =
            Motion { degrees: 0.0, scale: 1.0, shear: (0.0, 0.0), centre: (0.5, 0.5), perspective: (0.0, 0.0) };
        prop_assert_eq!(&Perspective::new(&still, (w, h), (w, h)).image(&image), &image);
    }
}

#[test]
fn settings_without_meaning_are_refused_by_name() {
    assert!(Augment::default().check().is_ok() && Augment::NONE.check().is_ok());
    for (augment, name) in [
        (Augment { mosaic: 1.5, ..Augment::default() }, "mosaic"),
        (Augment { mixup: f64::NAN, ..Augment::default() }, "mixup"),
        (Augment { cutmix: 1.5, ..Augment::default() }, "cutmix"),
        (Augment { bgr: -0.1, ..Augment::default() }, "bgr"),
        (Augment { scale: 1.0, ..Augment::default() }, "scale"),
        (Augment { shear: 90.0, ..Augment::default() }, "shear"),
        (Augment { perspective: 0.1, ..Augment::default() }, "perspective"),
    ] {
        assert!(augment.check().unwrap_err().to_string().contains(name), "{name}");
    }
}
