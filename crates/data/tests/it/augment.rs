//! Flip and HSV: labels follow, zero gain is identity, the generator is the only randomness.

use bonsai_boxes::{Cxcywh, Xyxy};
use bonsai_data::{Augment, HsvGains, Label, RgbImage, flip_horizontal, shapes};
use image::Rgb;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// A white rectangle on black and its label.
fn marked() -> (RgbImage, Vec<Label>) {
    let inside = |x, y| (4..12).contains(&x) && (6..26).contains(&y);
    let image = RgbImage::from_fn(40, 32, |x, y| Rgb([if inside(x, y) { 255 } else { 0 }; 3]));
    (image, vec![Label { class_id: 0, bbox: Cxcywh { cx: 0.2, cy: 0.5, w: 0.2, h: 0.625 } }])
}

#[test]
fn flipped_boxes_follow_the_pixels() {
    let (original, labels) = marked();
    let (mut image, mut flipped) = (original.clone(), labels.clone());
    flip_horizontal(&mut image, &mut flipped);
    let b = Xyxy::from(flipped[0].bbox);
    let inside = |x: u32, y: u32| {
        let (x, y) = ((x as f32 + 0.5) / 40.0, (y as f32 + 0.5) / 32.0);
        b.x1 < x && x < b.x2 && b.y1 < y && y < b.y2
    };
    for (x, y, pixel) in image.enumerate_pixels() {
        assert_eq!(pixel.0[0] == 255, inside(x, y), "at {x}, {y}");
    }
    flip_horizontal(&mut image, &mut flipped);
    assert_eq!(image, original);
    assert!((flipped[0].bbox.cx - labels[0].bbox.cx).abs() < 1e-6);
}

proptest! {
    #[test]
    fn gains_of_one_change_nothing(pixels in proptest::collection::vec(any::<[u8; 3]>(), 64)) {
        let image = RgbImage::from_fn(8, 8, |x, y| Rgb(pixels[(y * 8 + x) as usize]));
        let mut changed = image.clone();
        HsvGains { hue: 1.0, saturation: 1.0, value: 1.0 }.apply(&mut changed);
        prop_assert_eq!(image, changed);
    }
}

#[test]
fn known_colours() {
    let change = |pixel: [u8; 3], hue, saturation, value| {
        let mut image = RgbImage::from_pixel(1, 1, Rgb(pixel));
        HsvGains { hue, saturation, value }.apply(&mut image);
        image.get_pixel(0, 0).0
    };
    // Green (120 degrees) to cyan (180), to yellow (60); blue (240) twice round is 120, green.
    assert_eq!(change([0, 200, 0], 1.5, 1.0, 1.0), [0, 200, 200]);
    assert_eq!(change([0, 200, 0], 0.5, 1.0, 1.0), [200, 200, 0]);
    assert_eq!(change([0, 0, 200], 2.0, 1.0, 1.0), [0, 200, 0]);
    assert_eq!(change([200, 100, 100], 1.0, 0.0, 1.0), [200; 3]);
    assert_eq!(change([200, 100, 100], 1.0, 2.0, 1.0), [200, 0, 0]);
    assert_eq!(change([200, 100, 100], 1.0, 1.0, 2.0), [255, 128, 128]);
    assert_eq!(change([90, 90, 90], 1.3, 1.7, 0.5), [45; 3]);
}

#[test]
fn a_seed_means_the_same_changes() {
    let (image, labels) = shapes::sample(1, 64);
    let run = |seed| {
        let (mut image, mut labels) = (image.clone(), labels.clone());
        Augment::default().apply(&mut image, &mut labels, &mut ChaCha8Rng::seed_from_u64(seed));
        (image, labels)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
    let flips = (0..400).filter(|seed| run(*seed).1 != labels).count();
    assert!((150..250).contains(&flips), "{flips} of 400 flipped at probability 0.5");

    let nothing = Augment { flip_horizontal: 0.0, hue: 0.0, saturation: 0.0, value: 0.0 };
    let (mut same, mut same_labels) = (image.clone(), labels.clone());
    nothing.apply(&mut same, &mut same_labels, &mut ChaCha8Rng::seed_from_u64(0));
    assert_eq!((same, same_labels), (image, labels));
}
