//! Detections drawn into the picture they were found in.
//!
//! Lines and letters grow with the picture, so that a thumbnail and a large photograph can both be read.
//! It draws; it decides nothing: what to show is the caller's choice of detections.

use bonsai_boxes::Detection;
use bonsai_data::RgbImage;
use image::Rgb;

use crate::glyph::{CELL, draw_text};
use crate::rect::Rect;

/// Neighbours differ in hue and in brightness. The first seven are those of Okabe and Ito, "Color Universal
/// Design", which people who see colours differently can tell apart; then come darker and lighter ones.
const PALETTE: [[u8; 3]; 12] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
    [136, 34, 85],
    [180, 221, 30],
    [70, 60, 160],
    [255, 170, 187],
    [120, 94, 60],
];

const BLACK: Rgb<u8> = Rgb([0, 0, 0]);
const WHITE: Rgb<u8> = Rgb([255, 255, 255]);

/// The colour of a class, always the same; twelve of them are repeated.
pub fn class_colour(class_id: usize) -> Rgb<u8> {
    Rgb(PALETTE[class_id % PALETTE.len()])
}

/// Draws a frame around each detection, with its class and score on a label above it, or inside where there
/// is no room.
///
/// Boxes are in pixels of `image`; what lies outside is left out, and a box without area inside draws
/// nothing. The most confident is drawn last, over the others. A class without a name is shown by its number.
/// Letters are 8 pixels high up to a mean side of about 600 pixels, and 32 in 1920 x 1080.
pub fn draw_detections(image: &mut RgbImage, detections: &[Detection], class_names: &[String]) {
    let size = Size::from_image(image);
    let mut order: Vec<&Detection> = detections.iter().collect();
    order.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    for detection in order {
        let Some(frame) = Rect::of_box(detection.bbox, image.width(), image.height()) else { continue };
        let colour = class_colour(detection.class_id);
        frame.outline(image, size.line, colour);
        draw_label(image, &label_text(detection, class_names, size.letters), frame, size, colour);
    }
}

/// How thick and how large to draw.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Width of a frame's line, in pixels.
    line: i64,
    /// Pixels per pixel of a letter.
    scale: i64,
    /// Letters that fit into the picture's width.
    letters: usize,
}

impl Size {
    fn from_image(image: &RgbImage) -> Self {
        let mean = f64::midpoint(f64::from(image.width()), f64::from(image.height()));
        let scale = ((mean / 400.0).round() as i64).max(1);
        let line = ((mean / 350.0).round() as i64).max(1);
        let letters = (i64::from(image.width()) - 2 * scale).max(0) / (CELL * scale);
        Self { line, scale, letters: letters as usize }
    }
}

/// `name score`; where the picture is too narrow, the name is cut and the score stays.
fn label_text(detection: &Detection, class_names: &[String], letters: usize) -> String {
    let score = format!("{:.2}", detection.confidence);
    let number = detection.class_id.to_string();
    let name = class_names.get(detection.class_id).unwrap_or(&number);
    let room = letters.saturating_sub(score.chars().count() + 1);
    let name: String = name.chars().take(room).collect();
    if name.is_empty() { score } else { format!("{name} {score}") }
}

fn draw_label(image: &mut RgbImage, text: &str, frame: Rect, size: Size, colour: Rgb<u8>) {
    let margin = size.scale;
    let width = text.chars().count() as i64 * CELL * size.scale + 2 * margin;
    let height = CELL * size.scale + 2 * margin;
    let left = frame.left.min(i64::from(image.width()) - width).max(0);
    let above = frame.top - height;
    let top = if above >= 0 { above } else { frame.top.min(i64::from(image.height()) - height).max(0) };
    Rect::sized(left, top, width, height).fill(image, colour);
    draw_text(image, text, left + margin, top + margin, size.scale, readable_on(colour));
}

/// Black on bright colours, white on dark ones; brightness as Rec. 601 weighs the channels.
fn readable_on(Rgb([r, g, b]): Rgb<u8>) -> Rgb<u8> {
    let brightness = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    if brightness > 128_000 { BLACK } else { WHITE }
}
