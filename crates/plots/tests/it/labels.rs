//! Pixels of `labels.png`, drawn by [`draw_labels`].

use bonsai_boxes::Cxcywh;
use bonsai_plots::{LabelBox, class_colour, draw_labels};

use crate::pixels::{DEEP, Part, centre, height, places};

const CLASSES: Part = ((0, 760), (0, 760));
const BOXES: Part = ((760, 1520), (0, 760));
const CENTRES: Part = ((0, 760), (760, 1520));
const SIZES: Part = ((760, 1520), (760, 1520));

fn label(class_id: usize, cx: f32, cy: f32, w: f32, h: f32) -> LabelBox {
    LabelBox { class_id, bbox: Cxcywh { cx, cy, w, h } }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("class {i}")).collect()
}

#[test]
fn bars_are_as_long_as_their_classes_are_frequent() {
    let labels: Vec<LabelBox> =
        (0..900).map(|i| label(usize::from(i % 3 == 0), 0.5, 0.5, 0.1, 0.1)).collect();
    let picture = draw_labels(&labels, &names(3)).unwrap();
    let bar = |id| places(&picture, CLASSES, class_colour(id).0);
    let often = height(&bar(0));
    let seldom = height(&bar(1));
    assert!(often.abs_diff(2 * seldom) <= 3, "600 are {often} px, 300 are {seldom} px");
    assert!(bar(2).is_empty(), "a class without labels must have no bar");
}

#[test]
fn boxes_share_a_centre_and_keep_their_size() {
    let colour = |wide: f32| {
        let picture = draw_labels(&[label(1, 0.1, 0.9, wide, 0.5)], &[]).unwrap();
        // Frames are mixed with white.
        let [r, g, b] = class_colour(1).0.map(|c| (f64::from(c) * 0.8 + 51.0).round() as u8);
        places(&picture, BOXES, [r, g, b])
    };
    let width = |places: &[(u32, u32)]| {
        let columns = || places.iter().map(|p| p.0);
        columns().max().unwrap() - columns().min().unwrap()
    };
    let half = colour(0.5);
    let whole = colour(1.0);
    assert!(width(&whole).abs_diff(2 * width(&half)) <= 3, "{} and {}", width(&half), width(&whole));
    assert!(width(&half).abs_diff(height(&half)) <= 2, "a square box must be drawn square");
    let a = centre(&half);
    let b = centre(&whole);
    assert!((a.0 - b.0).abs() < 1.0 && (a.1 - b.1).abs() < 1.0, "{a:?} {b:?}");
}

#[test]
fn heat_is_where_the_boxes_are() {
    let at = |part, bbox: (f32, f32, f32, f32)| {
        let picture = draw_labels(&[label(0, bbox.0, bbox.1, bbox.2, bbox.3)], &[]).unwrap();
        centre(&places(&picture, part, DEEP))
    };
    // y in an image grows downwards, but height grows upwards.
    let left_top = at(CENTRES, (0.2, 0.1, 0.5, 0.5));
    let right_bottom = at(CENTRES, (0.8, 0.9, 0.5, 0.5));
    assert!(left_top.0 < right_bottom.0 && left_top.1 < right_bottom.1, "{left_top:?} {right_bottom:?}");
    let small = at(SIZES, (0.5, 0.5, 0.2, 0.1));
    let large = at(SIZES, (0.5, 0.5, 0.8, 0.9));
    assert!(small.0 < large.0 && small.1 > large.1, "{small:?} {large:?}");
    let middle = at(CENTRES, (0.51, 0.51, 0.5, 0.5));
    assert!(
        (left_top.0 + right_bottom.0 - 2.0 * middle.0).abs() < 15.0,
        "the middle must be within one square"
    );
}

#[test]
fn nothing_many_and_broken_labels_are_drawn() {
    assert_eq!(draw_labels(&[], &[]).unwrap().dimensions(), (1520, 1520));
    draw_labels(&[], &names(3)).unwrap();
    draw_labels(&[], &names(2000)).unwrap();
    let broken = [
        label(0, f32::NAN, 0.5, 0.1, 0.1),
        label(usize::MAX, 0.5, 0.5, f32::INFINITY, -3.0),
        label(7, 1e30, -1e30, 1e30, 0.0),
    ];
    let picture = draw_labels(&broken, &["x".repeat(3000)]).unwrap();
    assert!(picture == draw_labels(&broken, &["x".repeat(3000)]).unwrap());
    for count in [1, 20, 40, 41] {
        let labels: Vec<LabelBox> = (0..count * 7).map(|i| label(i % count, 0.5, 0.5, 0.2, 0.2)).collect();
        draw_labels(&labels, &names(count)).unwrap();
    }
}
