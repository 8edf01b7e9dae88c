//! [`draw_detections`] and [`draw_missed`]: draw detections, and objects that were not detected, into their
//! picture.
//!
//! Lines and letters scale with the picture, so that both a thumbnail and a large photograph are readable.
//! The caller selects the detections to draw.

use bonsai_boxes::{Detection, Xyxy, text_colour};
use bonsai_data::RgbImage;
use image::Rgb;

use crate::glyph::{CELL, draw_text};
use crate::rect::Rect;

/// The colour of a class, the same in every picture.
pub fn class_colour(class_id: usize) -> Rgb<u8> {
    Rgb(bonsai_boxes::class_colour(class_id))
}

/// Draws a frame around each detection, with a label of its class and score above the frame, or inside if
/// there is no room above.
///
/// Boxes are in pixels of `image` and are clipped to it; a box without area inside the image draws nothing.
/// The most confident detection is drawn last, on top of the others. A class without a name is shown by its
/// number. Letters are 8 pixels high up to a mean side of about 600 pixels, and 32 in 1920 x 1080.
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

/// Draws a dashed frame around each object, in black and white, of which one is visible on any background.
///
/// Boxes are in pixels of `image`, as in [`draw_detections`].
pub fn draw_missed(image: &mut RgbImage, objects: &[Xyxy]) {
    let size = Size::from_image(image);
    for bbox in objects {
        if let Some(frame) = Rect::of_box(*bbox, image.width(), image.height()) {
            frame.dashed_outline(image, size.line, [Rgb([255; 3]), Rgb([0; 3])]);
        }
    }
}

/// Line width and letter size.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Width of a frame's line, in pixels.
    line: i64,
    /// Side in the picture of one pixel of a letter, in pixels.
    scale: i64,
    /// Number of letters that fit into the picture's width.
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

/// `name score`; if the picture is too narrow, the name is cut and the score stays complete.
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
    draw_text(image, text, left + margin, top + margin, size.scale, Rgb(text_colour(colour.0)));
}
