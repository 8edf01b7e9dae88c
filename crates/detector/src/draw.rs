//! [`draw_detections`] and [`draw_missed`]: draw detections, and objects that were not detected, into their
//! picture.
//!
//! Lines and letters scale with the picture, so that both a thumbnail and a large photograph are readable.
//! The caller selects the detections to draw.

use bonsai_boxes::{Detection, Xyxy, text_colour};
use bonsai_data::RgbImage;
use image::Rgb;

use crate::rect::Rect;

/// Size of the em, and height of a label, in pixels of a picture with a mean side of about 400 pixels.
const EM: f32 = 11.0;
const LABEL: i64 = 13;

/// How detections are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawOptions {
    /// Width of the frames' lines in pixels, at least 1; `None` follows the size of the picture.
    pub line: Option<u32>,
    /// Whether a label names the class.
    pub names: bool,
    /// Whether a label has the score.
    pub scores: bool,
}

impl Default for DrawOptions {
    /// Name and score of every detection.
    fn default() -> Self {
        Self { line: None, names: true, scores: true }
    }
}

/// The colour of a class, the same in every picture.
pub fn class_colour(class_id: usize) -> Rgb<u8> {
    Rgb(bonsai_boxes::class_colour(class_id))
}

/// Draws a frame around each detection, with a label of its class and score above the frame, or inside if
/// there is no room above.
///
/// Boxes are in pixels of `image` and are clipped to it; a box without area inside the image draws nothing.
/// The most confident detection is drawn last, on top of the others. A class without a name is shown by its
/// number. Capital letters are 8 pixels high up to a mean side of about 600 pixels, and 31 in 1920 x 1080.
pub fn draw_detections(image: &mut RgbImage, detections: &[Detection], class_names: &[String]) {
    draw_detections_with(image, detections, class_names, DrawOptions::default());
}

/// As [`draw_detections`], with frames and labels as `options` say. Without name and score, there is no label.
pub fn draw_detections_with(
    image: &mut RgbImage,
    detections: &[Detection],
    class_names: &[String],
    options: DrawOptions,
) {
    let mut size = Size::from_image(image);
    if let Some(line) = options.line {
        size.line = i64::from(line.max(1));
    }
    let mut order: Vec<&Detection> = detections.iter().collect();
    order.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    for detection in order {
        let Some(frame) = Rect::of_box(detection.bbox, image.width(), image.height()) else { continue };
        let colour = class_colour(detection.class_id);
        frame.outline(image, size.line, colour);
        let room = image.width() as f32 - 2.0 * size.margin as f32;
        if options.names || options.scores {
            draw_label(image, &label_text(detection, class_names, size, room, options), frame, size, colour);
        }
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
    /// Size of the letters' em, in pixels.
    em: f32,
    /// Height of a label, in pixels.
    label: i64,
    /// Space left and right of a label's letters, in pixels.
    margin: i64,
}

impl Size {
    fn from_image(image: &RgbImage) -> Self {
        let mean = f64::midpoint(f64::from(image.width()), f64::from(image.height()));
        let scale = ((mean / 400.0).round() as i64).max(1);
        let line = ((mean / 350.0).round() as i64).max(1);
        Self { line, em: EM * scale as f32, label: LABEL * scale, margin: scale }
    }
}

/// `name score`; if the picture is too narrow, the name is cut and the score stays complete.
fn label_text(
    detection: &Detection,
    class_names: &[String],
    size: Size,
    room: f32,
    DrawOptions { names, scores, .. }: DrawOptions,
) -> String {
    let score = if scores { format!("{:.2}", detection.confidence) } else { String::new() };
    if !names {
        return score;
    }
    let after = if scores { format!(" {score}") } else { String::new() };
    let name = bonsai_text::class_name(class_names, detection.class_id);
    let name = bonsai_text::fit(&name, size.em, room - bonsai_text::width(&after, size.em));
    if name.is_empty() { score } else { name + &after }
}

fn draw_label(image: &mut RgbImage, text: &str, frame: Rect, size: Size, colour: Rgb<u8>) {
    let width = bonsai_text::width(text, size.em).ceil() as i64 + 2 * size.margin;
    let height = size.label;
    let left = frame.left.min(i64::from(image.width()) - width).max(0);
    let above = frame.top - height;
    let top = if above >= 0 { above } else { frame.top.min(i64::from(image.height()) - height).max(0) };
    Rect::sized(left, top, width, height).fill(image, colour);
    let ink = text_colour(colour.0);
    let middle = top + height / 2;
    bonsai_text::rasterise(text, size.em, |x, y, coverage| {
        let (x, y) = (left + size.margin + i64::from(x), middle + i64::from(y));
        if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
            && let Some(pixel) = image.get_pixel_mut_checked(x, y)
        {
            for (channel, ink) in pixel.0.iter_mut().zip(ink) {
                let mixed = f32::from(*channel) * (1.0 - coverage) + f32::from(ink) * coverage;
                *channel = mixed.round() as u8;
            }
        }
    });
}
