//! [`draw_detections`]: pixels that change, and pixels that must not change.

use bonsai_boxes::{Detection, Xyxy};
use bonsai_data::RgbImage;
use bonsai_detector::{DrawOptions, class_colour, draw_detections, draw_detections_with};
use image::Rgb;
use proptest::prelude::*;

const GREY: Rgb<u8> = Rgb([90, 91, 92]);

fn at(x1: f32, y1: f32, x2: f32, y2: f32) -> Detection {
    Detection { bbox: Xyxy { x1, y1, x2, y2 }, confidence: 0.87, class_id: 0 }
}

fn names() -> Vec<String> {
    vec!["leaf".to_owned(), "a name much too long for a small picture".to_owned()]
}

fn drawn(width: u32, height: u32, detections: &[Detection]) -> RgbImage {
    let mut image = RgbImage::from_pixel(width, height, GREY);
    draw_detections(&mut image, detections, &names());
    image
}

/// Size of a label in a small picture: letters of an em of 11 pixels between margins of 1.
fn label(text: &str) -> (u32, u32) {
    (bonsai_text::width(text, 11.0).ceil() as u32 + 2, 13)
}

/// The smallest rectangle (left, top, right, bottom; the latter two exclusive) with all changed pixels.
fn changed(image: &RgbImage) -> Option<(u32, u32, u32, u32)> {
    let pixels = image.enumerate_pixels().filter(|(_, _, p)| **p != GREY);
    pixels.fold(None, |bounds, (x, y, _)| {
        let (l, t, r, b) = bounds.unwrap_or((x, y, x + 1, y + 1));
        Some((l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)))
    })
}

#[test]
fn only_the_frame_and_its_label_change() {
    let image = drawn(320, 240, &[at(100.0, 60.0, 220.0, 180.0)]);
    // The label is above the frame.
    let (width, height) = label("leaf 0.87");
    assert_eq!(changed(&image), Some((100, 60 - height, 220, 180)));
    for (x, y) in [(100, 120), (219, 120), (150, 60), (150, 179)] {
        assert_eq!(*image.get_pixel(x, y), class_colour(0), "side at {x}, {y}");
    }
    assert_eq!(*image.get_pixel(99 + width, 50), class_colour(0));
    assert_eq!(*image.get_pixel(100 + width, 50), GREY, "a pixel right of the label must not change");
    assert_eq!(*image.get_pixel(160, 120), GREY, "a pixel inside the frame must not change");
    assert!(
        image.enumerate_pixels().any(|(_, y, p)| y < 60 && p.0.iter().all(|value| *value < 80)),
        "the letters must be drawn"
    );
}

#[test]
fn lines_and_letters_grow_with_the_picture() {
    let small = drawn(320, 180, &[at(80.0, 60.0, 240.0, 150.0)]);
    let large = drawn(1920, 1080, &[at(480.0, 360.0, 1440.0, 900.0)]);
    let line = |image: &RgbImage, y| {
        image
            .enumerate_pixels()
            .filter(|(x, py, p)| *py == y && *x < image.width() / 2 && **p != GREY)
            .count()
    };
    assert_eq!((line(&small, 100), line(&large, 600)), (1, 4));
    let above = |image: &RgbImage, top| changed(image).map(|(_, t, ..)| top - t);
    assert_eq!((above(&small, 60), above(&large, 360)), (Some(13), Some(52)));
}

#[test]
fn labels_stay_inside_the_picture() {
    // No room above: the label is inside the frame. No room on the right: the label moves to the left.
    let image = drawn(320, 240, &[at(290.0, 4.0, 318.0, 200.0)]);
    let (width, height) = label("leaf 0.87");
    assert_eq!(changed(&image), Some((320 - width, 4, 320, 200)));
    assert_eq!(*image.get_pixel(320 - width, 4), class_colour(0));
    // The smallest top with room for a label above, and the next smaller one without room.
    let from = |top: u32| changed(&drawn(320, 240, &[at(10.0, top as f32, 200.0, 200.0)]));
    assert_eq!(from(height), Some((10, 0, 200, 200)));
    assert_eq!(from(height - 1), Some((10, height - 1, 200, 200)));
    // A frame around the whole picture.
    assert_eq!(changed(&drawn(320, 240, &[at(-5.0, -5.0, 400.0, 400.0)])), Some((0, 0, 320, 240)));
    // A name that does not fit is cut, but its score is not: the label stays in the picture.
    let long = Detection { class_id: 1, ..at(10.0, 30.0, 70.0, 60.0) };
    let image = drawn(80, 80, &[long]);
    let (left, top, right, bottom) = changed(&image).unwrap();
    assert_eq!((top, bottom), (30 - height, 60));
    // Cut text is at most a letter and an ellipsis narrower than its room.
    assert!(left <= 10 && (70..=80).contains(&right), "{left} to {right}");
}

#[test]
fn boxes_outside_or_without_area_draw_nothing() {
    for bad in [
        at(330.0, 10.0, 400.0, 50.0),
        at(10.0, -50.0, 60.0, 0.0),
        at(50.0, 50.0, 50.0, 90.0),
        at(90.0, 50.0, 50.0, 90.0),
        at(f32::NAN, 50.0, 80.0, 90.0),
        at(10.0, 10.0, 50.0, f32::NAN),
    ] {
        assert_eq!(changed(&drawn(320, 240, &[bad])), None, "{bad:?}");
    }
    assert!(changed(&drawn(320, 240, &[at(f32::NEG_INFINITY, 30.0, f32::INFINITY, 50.0)])).is_some());
    assert!(
        changed(&drawn(320, 240, &[at(319.8, 239.9, 320.0, 240.0)])).is_some(),
        "a box of less than a pixel in a corner must be drawn"
    );
}

#[test]
fn the_most_confident_is_on_top_in_any_order() {
    let low = Detection { confidence: 0.3, ..at(50.0, 50.0, 200.0, 200.0) };
    let high = Detection { class_id: 1, ..at(50.0, 50.0, 200.0, 200.0) };
    let a = drawn(320, 240, &[low, high]);
    let b = drawn(320, 240, &[high, low]);
    assert_eq!(a, b);
    assert_eq!(*a.get_pixel(50, 120), class_colour(1));
}

#[test]
fn classes_without_a_name_have_a_number_and_colours_repeat() {
    let nameless = Detection { class_id: 1234, ..at(50.0, 50.0, 60.0, 60.0) };
    let (width, height) = label("1234 0.87");
    assert_eq!(changed(&drawn(320, 240, &[nameless])), Some((50, 50 - height, 50 + width, 60)));
    let colours: Vec<_> = (0..12).map(class_colour).collect();
    assert!((1..12).all(|i| !colours[..i].contains(&colours[i])));
    assert_eq!(class_colour(12), class_colour(0));
    assert_eq!(class_colour(usize::MAX), class_colour(usize::MAX));
}

proptest! {
    #[test]
    fn nothing_panics(
        width in 0u32..40,
        height in 0u32..40,
        values in prop::array::uniform5(any::<f32>()),
        near in prop::array::uniform4(-20.0f32..60.0),
        class_id in 0usize..4,
    ) {
        let [x1, y1, x2, y2, confidence] = values;
        let wild = Detection { confidence, class_id, ..at(x1, y1, x2, y2) };
        let tame = Detection { class_id, ..at(near[0], near[1], near[2], near[3]) };
        drawn(width, height, &[wild, tame]);
    }
}

#[test]
fn options_change_lines_and_labels() {
    let drawn = |options| {
        let mut image = RgbImage::from_pixel(320, 240, GREY);
        draw_detections_with(&mut image, &[at(100.0, 60.0, 220.0, 180.0)], &names(), options);
        image
    };
    let all = DrawOptions::default();
    let bare = drawn(DrawOptions { line: Some(5), names: false, scores: false });
    assert_eq!(changed(&bare), Some((100, 60, 220, 180)), "no label");
    assert_eq!(*bare.get_pixel(104, 120), class_colour(0), "the line is 5 pixels wide");
    assert_eq!(*bare.get_pixel(105, 120), GREY);
    for (options, text) in [
        (DrawOptions { scores: false, ..all }, "leaf"),
        (DrawOptions { names: false, ..all }, "0.87"),
        (all, "leaf 0.87"),
    ] {
        let (width, height) = label(text);
        let image = drawn(options);
        assert_eq!(*image.get_pixel(99 + width, 59 - height / 2), class_colour(0), "{text}");
        assert_eq!(*image.get_pixel(100 + width, 59 - height / 2), GREY, "{text}");
    }
    assert!(drawn(all) == self::drawn(320, 240, &[at(100.0, 60.0, 220.0, 180.0)]));
}
