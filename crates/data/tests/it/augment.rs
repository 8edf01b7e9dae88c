//! Tests of flips and colours: labels follow the pixels, gains of 1 change nothing.

use bonsai_boxes::{Cxcywh, Xyxy};
use bonsai_data::{HsvGains, Label, RgbImage, flip_horizontal, flip_vertical};
use image::Rgb;
use proptest::prelude::*;

/// A white rectangle on black and its label.
fn marked() -> (RgbImage, Vec<Label>) {
    let inside = |x, y| (4..12).contains(&x) && (6..26).contains(&y);
    let image = RgbImage::from_fn(40, 32, |x, y| Rgb([if inside(x, y) { 255 } else { 0 }; 3]));
    (image, vec![Label { class_id: 0, bbox: Cxcywh { cx: 0.2, cy: 0.5, w: 0.2, h: 0.625 } }])
}

#[test]
fn flipped_boxes_follow_the_pixels() {
    let (original, labels) = marked();
    let mut image = original.clone();
    let mut flipped = labels.clone();
    flip_horizontal(&mut image, &mut flipped);
    let b = Xyxy::from(flipped[0].bbox);
    let inside = |x: u32, y: u32| {
        let x = (x as f32 + 0.5) / 40.0;
        let y = (y as f32 + 0.5) / 32.0;
        b.x1 < x && x < b.x2 && b.y1 < y && y < b.y2
    };
    for (x, y, pixel) in image.enumerate_pixels() {
        assert_eq!(pixel.0[0] == 255, inside(x, y), "at {x}, {y}");
    }
    flip_horizontal(&mut image, &mut flipped);
    assert_eq!(image, original);
    assert!((flipped[0].bbox.cx - labels[0].bbox.cx).abs() < 1e-6);
    let mut turned = original.clone();
    let mut moved = vec![Label { bbox: Cxcywh { cy: 0.3, ..labels[0].bbox }, ..labels[0] }];
    flip_vertical(&mut turned, &mut moved);
    assert!((moved[0].bbox.cy - 0.7).abs() < 1e-6);
    assert_eq!(turned.get_pixel(5, 31 - 7), original.get_pixel(5, 7));
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
