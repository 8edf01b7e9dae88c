//! Tests of [`Letterbox`]: golden geometry and pixels, and boxes that are mapped to the canvas and back.

use bonsai_boxes::{Cxcywh, Detection, Xyxy};
use bonsai_data::{Letterbox, PADDING, RgbImage};
use image::Rgb;
use proptest::prelude::*;

#[test]
fn golden_geometry() {
    // (native, canvas) -> (resized, padding left and top), computed by hand from the rule.
    for (native, canvas, resized, padding) in [
        ((640, 480), (640, 640), (640, 480), (0, 80)),
        ((1920, 1080), (640, 640), (640, 360), (0, 140)),
        ((333, 500), (640, 640), (426, 640), (107, 0)),
        ((101, 37), (64, 64), (64, 23), (0, 20)),
        ((320, 240), (640, 480), (640, 480), (0, 0)),
        ((5000, 3), (64, 64), (64, 1), (0, 31)),
        ((40, 20), (64, 64), (64, 32), (0, 16)),
    ] {
        let transform = Letterbox { width: canvas.0, height: canvas.1, ..Letterbox::square(64) }.plan(native);
        assert_eq!((transform.resized, transform.padding), (resized, padding), "{native:?} in {canvas:?}");
    }
    let small = Letterbox { upscale: false, ..Letterbox::square(64) }.plan((40, 21));
    // 43 rows of padding: 21 above, 22 below.
    assert_eq!((small.resized, small.padding), ((40, 21), (12, 21)));
}

#[test]
fn pixels_are_interpolated_between_centres_and_padded_with_grey() {
    let row = |values: &[u8]| RgbImage::from_fn(values.len() as u32, 2, |x, _| Rgb([values[x as usize]; 3]));
    let reds = |image: &RgbImage, y: u32| -> Vec<u8> {
        (0..image.width()).map(|x| image.get_pixel(x, y).0[0]).collect()
    };
    let (wide, transform) = Letterbox::square(4).apply(&row(&[0, 100]));
    assert_eq!((reds(&wide, 0), transform.padding), (vec![0, 25, 75, 100], (0, 0)));

    // Shrinking by 3 reads the middle pixel of each three, as OpenCV's INTER_LINEAR does; a smoothing filter
    // would give 33 and 67.
    let (narrow, transform) = Letterbox::square(2).apply(&row(&[0, 100, 0, 0, 200, 0]));
    assert_eq!((transform.resized, transform.padding), ((2, 1), (0, 0)));
    assert_eq!(reds(&narrow, 0), [100, 200]);
    assert_eq!(reds(&narrow, 1), [PADDING; 2]);
}

#[test]
fn detections_are_clipped_to_the_image() {
    let transform = Letterbox::square(64).plan((128, 64));
    let whole =
        Detection { bbox: Xyxy { x1: -5.0, y1: 0.0, x2: 70.0, y2: 64.0 }, confidence: 0.5, class_id: 2 };
    let native = transform.detection_to_native(whole);
    assert_eq!(native.bbox, Xyxy { x1: 0.0, y1: 0.0, x2: 128.0, y2: 64.0 });
    assert_eq!((native.confidence, native.class_id), (0.5, 2));
}

proptest! {
    #[test]
    fn boxes_come_back_and_stay_inside(
        native in (10u32..2000, 10u32..2000),
        canvas in (1u32..20, 1u32..20),
        upscale: bool,
        corner in (0.0f32..0.9, 0.0f32..0.9),
        share in (0.05f32..1.0, 0.05f32..1.0),
    ) {
        let letterbox =
            Letterbox { width: canvas.0 * 32, height: canvas.1 * 32, upscale, round_up: false };
        let transform = letterbox.plan(native);
        let w = native.0 as f32;
        let h = native.1 as f32;
        let x1 = corner.0 * w;
        let y1 = corner.1 * h;
        let bbox = Xyxy { x1, y1, x2: x1 + (w - x1) * share.0, y2: y1 + (h - y1) * share.1 };

        let there = transform.to_canvas(bbox);
        let left = transform.padding.0 as f32;
        let top = transform.padding.1 as f32;
        prop_assert!(there.x1 >= left - 0.01 && there.x2 <= left + transform.resized.0 as f32 + 0.01);
        prop_assert!(there.y1 >= top - 0.01 && there.y2 <= top + transform.resized.1 as f32 + 0.01);
        // The padding of the two sides differs by at most one pixel.
        let right = letterbox.width - transform.resized.0 - transform.padding.0;
        prop_assert!(right == transform.padding.0 || right == transform.padding.0 + 1);

        let back = transform.to_native(there);
        for (a, b) in [(back.x1, bbox.x1), (back.y1, bbox.y1), (back.x2, bbox.x2), (back.y2, bbox.y2)] {
            prop_assert!((a - b).abs() < 0.02, "{back:?} {bbox:?}");
        }

        // The same box as a label is mapped to the same place.
        let label = Cxcywh::from(Xyxy { x1: bbox.x1 / w, y1: bbox.y1 / h, x2: bbox.x2 / w, y2: bbox.y2 / h });
        let fraction = Xyxy::from(transform.label_to_canvas(label));
        prop_assert!((fraction.x1 * letterbox.width as f32 - there.x1).abs() < 0.02);
        prop_assert!((fraction.y2 * letterbox.height as f32 - there.y2).abs() < 0.02);
    }
}
