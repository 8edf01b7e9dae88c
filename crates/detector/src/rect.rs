//! [`Rect`]: filled rectangles, from which everything is drawn.

use bonsai_boxes::Xyxy;
use bonsai_data::RgbImage;
use image::Rgb;

/// Length of a dash, in line widths.
const DASH: i64 = 4;

/// Pixels `left .. right` of the rows `top .. bottom`; may be partly or completely outside a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) left: i64,
    pub(crate) top: i64,
    pub(crate) right: i64,
    pub(crate) bottom: i64,
}

impl Rect {
    pub(crate) const fn sized(left: i64, top: i64, width: i64, height: i64) -> Self {
        Self { left, top, right: left + width, bottom: top + height }
    }

    /// The pixels closest to a box inside a picture of `width` x `height`; `None` for a box without area in
    /// the picture.
    pub(crate) fn of_box(bbox: Xyxy, width: u32, height: u32) -> Option<Self> {
        // Written so that NaN, for which every comparison is false, gives `None`.
        let ordered = bbox.x1 < bbox.x2 && bbox.y1 < bbox.y2;
        let inside = bbox.x1 < width as f32 && bbox.y1 < height as f32 && bbox.x2 > 0.0 && bbox.y2 > 0.0;
        if !(ordered && inside) {
            return None;
        }
        let bbox = bbox.clip(width as f32, height as f32);
        let left = (bbox.x1.round() as i64).min(i64::from(width) - 1);
        let top = (bbox.y1.round() as i64).min(i64::from(height) - 1);
        let right = (bbox.x2.round() as i64).max(left + 1);
        let bottom = (bbox.y2.round() as i64).max(top + 1);
        Some(Self { left, top, right, bottom })
    }

    /// Fills all pixels of the rectangle that are inside the picture.
    pub(crate) fn fill(self, image: &mut RgbImage, colour: Rgb<u8>) {
        let width = i64::from(image.width());
        let height = i64::from(image.height());
        // Clamped to 0 .. a picture's side, so the values fit 32 bits.
        let columns = self.left.clamp(0, width) as u32..self.right.clamp(0, width) as u32;
        for y in self.top.clamp(0, height) as u32..self.bottom.clamp(0, height) as u32 {
            for x in columns.clone() {
                image.put_pixel(x, y, colour);
            }
        }
    }

    /// Draws the border, `line` pixels wide, inside the rectangle, so that the border of a box as large as
    /// the picture is visible.
    pub(crate) fn outline(self, image: &mut RgbImage, line: i64, colour: Rgb<u8>) {
        let Self { left, top, right, bottom } = self;
        let x = (left + line).min(right);
        let y = (top + line).min(bottom);
        Self { bottom: y, ..self }.fill(image, colour);
        Self { top: (bottom - line).max(top), ..self }.fill(image, colour);
        Self { right: x, ..self }.fill(image, colour);
        Self { left: (right - line).max(left), ..self }.fill(image, colour);
    }

    /// As [`Rect::outline`], in dashes of two colours, of which one is visible on any background.
    pub(crate) fn dashed_outline(self, image: &mut RgbImage, line: i64, colours: [Rgb<u8>; 2]) {
        let dash = DASH * line;
        let colour = |position: i64| colours[usize::from((position / dash) % 2 == 1)];
        for x in self.left..self.right {
            let column = Self { left: x, right: x + 1, ..self };
            let ink = colour(x - self.left);
            Self { bottom: (self.top + line).min(self.bottom), ..column }.fill(image, ink);
            Self { top: (self.bottom - line).max(self.top), ..column }.fill(image, ink);
        }
        for y in self.top..self.bottom {
            let row = Self { top: y, bottom: y + 1, ..self };
            let ink = colour(y - self.top);
            Self { right: (self.left + line).min(self.right), ..row }.fill(image, ink);
            Self { left: (self.right - line).max(self.left), ..row }.fill(image, ink);
        }
    }
}
