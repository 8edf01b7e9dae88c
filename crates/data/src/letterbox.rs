//! Fitting an image of any shape into a canvas without distorting it.
//!
//! The image is scaled by `r = min(H/h, W/w)` with bilinear interpolation and padded with grey 114 on both sides;
//! of an odd number of padding pixels the right or bottom side gets the larger half.
//! [`LetterboxTransform`] is the one place that knows how coordinates follow.
//! Source: Ultralytics' `LetterBox` as observed (padding `round(d - 0.1)`, `round(d + 0.1)`).

use bonsai_boxes::{Cxcywh, Detection, Xyxy};
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::{Rgb, RgbImage, imageops};

/// Grey value of padding, in each channel.
pub const PADDING: u8 = 114;

/// The canvas to fit images into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letterbox {
    /// Canvas width in pixels.
    pub width: u32,
    /// Canvas height in pixels.
    pub height: u32,
    /// Whether images smaller than the canvas are enlarged.
    pub upscale: bool,
}

/// How one image lies in its canvas; maps boxes both ways.
///
/// Widths and heights come in pairs `(width, height)`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterboxTransform {
    /// Size of the image as it was.
    pub native: (u32, u32),
    /// Size of the image inside the canvas.
    pub resized: (u32, u32),
    /// Size of the canvas.
    pub canvas: (u32, u32),
    /// Padding on the left and on the top.
    pub padding: (u32, u32),
}

impl Letterbox {
    /// A square canvas that enlarges small images, as prediction and training use it.
    pub fn square(imgsz: u32) -> Self {
        Self { width: imgsz, height: imgsz, upscale: true }
    }

    /// Where an image of the size `native` will lie.
    pub fn plan(self, native: (u32, u32)) -> LetterboxTransform {
        let (w, h) = (f64::from(native.0.max(1)), f64::from(native.1.max(1)));
        let fit = (f64::from(self.height) / h).min(f64::from(self.width) / w);
        let scale = if self.upscale { fit } else { fit.min(1.0) };
        let side =
            |length: f64, limit: u32| ((length * scale).round_ties_even() as u32).clamp(1, limit.max(1));
        let resized = (side(w, self.width), side(h, self.height));
        let before = |canvas: u32, inside: u32| {
            // -0.1 makes half pixels round down here, so that they go to the other side.
            (f64::from(canvas.saturating_sub(inside)) / 2.0 - 0.1).round().max(0.0) as u32
        };
        LetterboxTransform {
            native,
            resized,
            canvas: (self.width, self.height),
            padding: (before(self.width, resized.0), before(self.height, resized.1)),
        }
    }

    /// Scales and pads an image.
    pub fn apply(self, image: &RgbImage) -> (RgbImage, LetterboxTransform) {
        let transform = self.plan(image.dimensions());
        if transform.resized == image.dimensions() {
            return (transform.pad(image), transform);
        }
        (transform.pad(&transform.resize(image)), transform)
    }
}

impl LetterboxTransform {
    /// The image scaled to [`resized`](Self::resized), not yet padded.
    ///
    /// Sampling is at pixel centres and reads the nearest 2 x 2 pixels, without smoothing when shrinking: the pixels
    /// that pretrained weights were trained on come from `OpenCV`'s `INTER_LINEAR`, which does the same.
    pub(crate) fn resize(self, image: &RgbImage) -> RgbImage {
        let mut resized = RgbImage::new(self.resized.0, self.resized.1);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear));
        Resizer::new().resize(image, &mut resized, &options).expect(
            "both sides are 8-bit RGB and the whole source is used, the only things a resizer checks",
        );
        resized
    }

    /// A canvas with the resized image at its place and [`PADDING`] around.
    pub(crate) fn pad(self, resized: &RgbImage) -> RgbImage {
        if self.canvas == self.resized {
            return resized.clone();
        }
        let mut canvas = RgbImage::from_pixel(self.canvas.0, self.canvas.1, Rgb([PADDING; 3]));
        imageops::replace(&mut canvas, resized, i64::from(self.padding.0), i64::from(self.padding.1));
        canvas
    }

    /// From pixels of the native image to pixels of the canvas.
    pub fn to_canvas(self, bbox: Xyxy) -> Xyxy {
        let (sx, sy) = self.scale();
        let (left, top) = (self.padding.0 as f32, self.padding.1 as f32);
        Xyxy {
            x1: bbox.x1 * sx + left,
            y1: bbox.y1 * sy + top,
            x2: bbox.x2 * sx + left,
            y2: bbox.y2 * sy + top,
        }
    }

    /// From pixels of the canvas to pixels of the native image, clipped to it.
    pub fn to_native(self, bbox: Xyxy) -> Xyxy {
        let (sx, sy) = self.scale();
        let (left, top) = (self.padding.0 as f32, self.padding.1 as f32);
        Xyxy {
            x1: (bbox.x1 - left) / sx,
            y1: (bbox.y1 - top) / sy,
            x2: (bbox.x2 - left) / sx,
            y2: (bbox.y2 - top) / sy,
        }
        .clip(self.native.0 as f32, self.native.1 as f32)
    }

    /// From fractions of the native image to fractions of the canvas, clipped to the canvas.
    pub fn label_to_canvas(self, bbox: Cxcywh) -> Cxcywh {
        let b = Xyxy::from(bbox);
        let (nw, nh) = (self.native.0 as f32, self.native.1 as f32);
        let (cw, ch) = (self.canvas.0 as f32, self.canvas.1 as f32);
        let c =
            self.to_canvas(Xyxy { x1: b.x1 * nw, y1: b.y1 * nh, x2: b.x2 * nw, y2: b.y2 * nh }).clip(cw, ch);
        Cxcywh::from(Xyxy { x1: c.x1 / cw, y1: c.y1 / ch, x2: c.x2 / cw, y2: c.y2 / ch })
    }

    /// A detection in canvas pixels as one in native pixels, clipped to the image.
    #[must_use]
    pub fn detection_to_native(self, detection: Detection) -> Detection {
        Detection { bbox: self.to_native(detection.bbox), ..detection }
    }

    /// Canvas pixels per native pixel, horizontally and vertically.
    /// The two differ slightly, because sides are rounded to whole pixels one by one.
    fn scale(self) -> (f32, f32) {
        (
            self.resized.0 as f32 / self.native.0.max(1) as f32,
            self.resized.1 as f32 / self.native.1.max(1) as f32,
        )
    }
}
