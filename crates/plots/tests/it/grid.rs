//! Pixels of `train_batch*.jpg` and `val_batch*.jpg`, drawn by [`draw_grid`].

use bonsai_boxes::Xyxy;
use bonsai_plots::{PlotError, RgbImage, Tile, TileBox, class_colour, draw_grid};
use image::Rgb;

use crate::pixels::places;

const GREY: Rgb<u8> = Rgb([100, 100, 100]);

fn grey(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, GREY)
}

fn found(x1: f32, y1: f32, x2: f32, y2: f32, class_id: usize, confidence: Option<f32>) -> TileBox {
    TileBox { bbox: Xyxy { x1, y1, x2, y2 }, class_id, confidence }
}

fn draw_one(image: &RgbImage, boxes: &[TileBox]) -> RgbImage {
    draw_grid(&[Tile { image, name: "", boxes }], &[]).unwrap()
}

#[test]
fn a_border_is_where_its_box_is() {
    let picture = draw_one(&grey(600, 500), &[found(100.0, 120.0, 220.0, 260.0, 4, None)]);
    assert_eq!(picture.dimensions(), (600, 500));
    let colour = class_colour(4);
    for inside in [(100, 200), (219, 200), (200, 120), (150, 259)] {
        assert_eq!(*picture.get_pixel(inside.0, inside.1), colour, "{inside:?}");
    }
    for outside in [(99, 200), (220, 200), (200, 119), (150, 260), (160, 200)] {
        assert_eq!(*picture.get_pixel(outside.0, outside.1), GREY, "{outside:?}");
    }
}

#[test]
fn boxes_scale_with_their_picture() {
    // 4000 px do not fit, so the picture is drawn at 1920.
    let picture = draw_one(&grey(4000, 2000), &[found(1000.0, 500.0, 3000.0, 1500.0, 2, None)]);
    assert_eq!(picture.dimensions(), (1920, 960));
    assert_eq!(*picture.get_pixel(480, 700), class_colour(2));
    assert_eq!(*picture.get_pixel(1439, 700), class_colour(2));
    assert_eq!(*picture.get_pixel(478, 700), GREY);
}

#[test]
fn pictures_stand_in_rows_and_sixteen_at_most() {
    let image = grey(480, 480);
    let boxes = [found(100.0, 100.0, 300.0, 300.0, 0, None)];
    let tile = Tile { image: &image, name: "a.jpg", boxes: &boxes };
    for (count, size) in
        [(1, (480, 480)), (2, (960, 480)), (5, (1440, 960)), (16, (1920, 1920)), (40, (1920, 1920))]
    {
        assert_eq!(draw_grid(&vec![tile; count], &[]).unwrap().dimensions(), size, "{count} pictures");
    }
    let picture = draw_grid(&[tile; 5], &[]).unwrap();
    assert_eq!(
        *picture.get_pixel(480 + 100, 480 + 200),
        class_colour(0),
        "the fifth picture must be in the second row"
    );
    assert_eq!(picture.get_pixel(960 + 240, 480 + 240).0, [240; 3], "there must be no sixth picture");
}

#[test]
fn unsure_predictions_are_left_out_and_fifteen_drawn() {
    let image = grey(600, 600);
    let colour = class_colour(3).0;
    let at = |index: usize, confidence| {
        let x = 20.0 + 110.0 * (index % 5) as f32;
        let y = 60.0 + 120.0 * (index / 5) as f32;
        found(x, y, x + 60.0, y + 60.0, 3, Some(confidence))
    };
    let drawn = |boxes: &[TileBox]| {
        let picture = draw_one(&image, boxes);
        let corner = |index: usize| (20 + 110 * (index as u32 % 5), 60 + 120 * (index as u32 / 5) + 40);
        (0..boxes.len())
            .filter(|&i| picture.get_pixel(corner(i).0, corner(i).1).0 == colour)
            .collect::<Vec<_>>()
    };
    assert_eq!(drawn(&[at(0, 0.25), at(1, 0.26), at(2, f32::NAN), at(3, 0.9)]), [1, 3]);
    // The first predictions are the least confident.
    let many: Vec<TileBox> = (0..20).map(|i| at(i, 0.3 + 0.01 * i as f32)).collect();
    assert_eq!(drawn(&many), (5..20).collect::<Vec<_>>());
    let labels: Vec<TileBox> = many.iter().map(|b| TileBox { confidence: None, ..*b }).collect();
    assert_eq!(drawn(&labels).len(), 20, "all labels must be drawn");
}

#[test]
fn names_of_files_and_classes_are_written() {
    let image = grey(480, 480);
    let boxes = [found(200.0, 200.0, 300.0, 300.0, 0, Some(0.9))];
    let corner = ((0, 480), (0, 25));
    let above = ((200, 400), (170, 200));
    let draw = |name, class: &str| {
        draw_grid(&[Tile { image: &image, name, boxes: &boxes }], &[class.to_owned()]).unwrap()
    };
    let bare = draw("", "cat");
    let named = draw("photo.jpg", "cat");
    assert!(places(&bare, corner, [0; 3]).is_empty() && !places(&named, corner, [0; 3]).is_empty());
    let plate = |class| places(&draw("", class), above, class_colour(0).0).len();
    assert!(plate("a long name") > plate("i"));
    // A name that no font has is replaced by the number, a long name is cut, and control characters do no
    // harm.
    assert!(draw("", "\u{fdd0}") == draw("", "0"));
    draw(&"長い名前\n".repeat(500), &"y".repeat(5000));
}

#[test]
fn a_name_does_not_hide_the_name_of_a_box_below() {
    let image = grey(480, 480);
    let boxes = [found(5.0, 5.0, 300.0, 300.0, 0, Some(0.9))];
    let name = "a_long_name_of_a_file_that_covers_the_corner.jpg";
    let picture = draw_grid(&[Tile { image: &image, name, boxes: &boxes }], &["cat".to_owned()]).unwrap();
    let plate = ((10, 60), (23, 46));
    let free = ((80, 280), (23, 46));
    assert!(places(&picture, plate, class_colour(0).0).len() > 300);
    assert!(places(&picture, free, class_colour(0).0).is_empty());
}

#[test]
fn boxes_outside_and_without_numbers_draw_nothing() {
    let image = grey(480, 480);
    let nothing = draw_one(&image, &[]);
    for b in [
        found(-50.0, 10.0, -10.0, 50.0, 0, None),
        found(500.0, 10.0, 900.0, 50.0, 0, None),
        found(50.0, 50.0, 50.0, 90.0, 0, None),
        found(90.0, 50.0, 50.0, 90.0, 0, None),
        found(f32::NAN, 50.0, 90.0, 90.0, 0, None),
        found(50.0, 50.0, 90.0, f32::NAN, 0, None),
    ] {
        assert!(draw_one(&image, &[b]) == nothing, "{b:?}");
    }
    let all = found(f32::NEG_INFINITY, -1e30, f32::INFINITY, 1e30, usize::MAX, None);
    assert_eq!(*draw_one(&image, &[all]).get_pixel(0, 240), class_colour(usize::MAX));
}

#[test]
fn odd_pictures_are_drawn_and_empty_ones_are_errors() {
    for (width, height) in [(1, 1), (1, 3000), (5000, 2), (33, 31)] {
        let image = grey(width, height);
        let boxes = [found(0.0, 0.0, width as f32, height as f32, 1, Some(0.8))];
        let tile = Tile { image: &image, name: "name.jpg", boxes: &boxes };
        let picture = draw_grid(&[tile; 3], &[]).unwrap();
        assert!(picture.width() <= 1920 && picture.height() <= 1920, "{:?}", picture.dimensions());
        assert!(picture == draw_grid(&[tile; 3], &[]).unwrap());
    }
    assert!(matches!(draw_grid(&[], &[]), Err(PlotError::NoPictures)));
    let image = RgbImage::new(0, 5);
    let error = draw_grid(&[Tile { image: &image, name: "e.jpg", boxes: &[] }], &[]).unwrap_err();
    assert!(error.to_string().contains("e.jpg") && error.to_string().contains("0 x 5"), "{error}");
}
