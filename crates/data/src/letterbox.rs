//! [`Letterbox`]: fits an image of any shape into a canvas without distorting it.
//!
//! The image is scaled by `r = min(H/h, W/w)` with bilinear interpolation and padded with grey 114 on both
//! sides; if the number of padding pixels is odd, the right or bottom side gets one more than the other.
//! Only [`LetterboxTransform`] maps coordinates between image and canvas.
//! Source: Ultralytics' `LetterBox` as observed (padding `round(d - 0.1)`, `round(d + 0.1)`).

use bonsai_boxes::{Cxcywh, Detection, Xyxy};
use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
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
    /// Whether a fractional side is rounded up rather than to the nearest pixel.
    pub round_up: bool,
}

/// Placement of one image in its canvas; maps boxes both ways.
///
/// Widths and heights come in pairs `(width, height)`, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterboxTransform {
    /// Size of the original image.
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
        Self { width: imgsz, height: imgsz, upscale: true, round_up: false }
    }

    /// The placement of an image of the size `native`.
    pub fn plan(self, native: (u32, u32)) -> LetterboxTransform {
        let w = f64::from(native.0.max(1));
        let h = f64::from(native.1.max(1));
        let fit = (f64::from(self.height) / h).min(f64::from(self.width) / w);
        let scale = if self.upscale { fit } else { fit.min(1.0) };
        let side = |length: f64, limit: u32| {
            let exact = length * scale;
            let whole = if self.round_up { exact.ceil() } else { exact.round_ties_even() };
            (whole as u32).clamp(1, limit.max(1))
        };
        let resized = (side(w, self.width), side(h, self.height));
        LetterboxTransform { native, resized, canvas: resized, padding: (0, 0) }
            .in_canvas((self.width, self.height))
    }

    /// Scales and pads an image.
    pub fn apply(self, image: &RgbImage) -> (RgbImage, LetterboxTransform) {
        let transform = self.plan(image.dimensions());
        (transform.apply(image), transform)
    }
}

impl LetterboxTransform {
    /// The same image, centred in another canvas.
    #[must_use]
    pub fn in_canvas(self, canvas: (u32, u32)) -> Self {
        let before = |canvas: u32, inside: u32| {
            // -0.1 makes half pixels round down here, so that the other side gets them.
            (f64::from(canvas.saturating_sub(inside)) / 2.0 - 0.1).round().max(0.0) as u32
        };
        let padding = (before(canvas.0, self.resized.0), before(canvas.1, self.resized.1));
        Self { canvas, padding, ..self }
    }

    /// The same image in the smallest canvas whose sides are multiples of `stride`.
    #[must_use]
    pub fn tight(self, stride: u32) -> Self {
        let side = |inside: u32| inside.next_multiple_of(stride.max(1));
        self.in_canvas((side(self.resized.0), side(self.resized.1)))
    }

    /// Scales and pads an image of the native size.
    pub fn apply(self, image: &RgbImage) -> RgbImage {
        if self.resized == image.dimensions() { self.pad(image) } else { self.pad(&self.resize(image)) }
    }

    /// The image scaled to [`resized`](Self::resized), not yet padded.
    ///
    /// Sampling is at pixel centres and reads the nearest 2 x 2 pixels, without smoothing when shrinking: the
    /// pixels that pretrained weights were trained on come from `OpenCV`'s `INTER_LINEAR`, which does the
    /// same.
    pub(crate) fn resize(self, image: &RgbImage) -> RgbImage {
        const CHECKED: &str = "both sides are 16-bit RGB of these sizes, the only things a resizer checks";
        // Resize in 16 bits: rows and columns are resized one after the other, and rounding to 8 bits twice
        // would make an image lighter by a third of a level, enough to move the boxes of a trained network.
        let (w, h) = image.dimensions();
        let wide = image.as_raw().iter().flat_map(|v| (u16::from(*v) * 257).to_ne_bytes()).collect();
        let wide = Image::from_vec_u8(w, h, wide, PixelType::U16x3).expect(CHECKED);
        let mut resized = Image::new(self.resized.0, self.resized.1, PixelType::U16x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear));
        Resizer::new().resize(&wide, &mut resized, &options).expect(CHECKED);
        let values = resized.buffer().as_chunks().0.iter();
        let narrow = values.map(|v| ((u32::from(u16::from_ne_bytes(*v)) + 128) / 257) as u8).collect();
        RgbImage::from_raw(self.resized.0, self.resized.1, narrow)
            .expect("as many values as the resizer made")
    }

    /// As [`resize`](Self::resize), in a fifth of the time, but rounds to 8 bits twice.
    pub(crate) fn resize_fast(self, image: RgbImage) -> RgbImage {
        const CHECKED: &str = "both sides are 8-bit RGB of these sizes, the only things a resizer checks";
        let (w, h) = image.dimensions();
        let image = Image::from_vec_u8(w, h, image.into_raw(), PixelType::U8x3).expect(CHECKED);
        let mut resized = Image::new(self.resized.0, self.resized.1, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Interpolation(FilterType::Bilinear));
        Resizer::new().resize(&image, &mut resized, &options).expect(CHECKED);
        RgbImage::from_raw(self.resized.0, self.resized.1, resized.into_vec())
            .expect("as many values as the resizer made")
    }

    /// The canvas: the resized image at its place, and [`PADDING`] around it.
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
        let left = self.padding.0 as f32;
        let top = self.padding.1 as f32;
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
        let left = self.padding.0 as f32;
        let top = self.padding.1 as f32;
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
        let nw = self.native.0 as f32;
        let nh = self.native.1 as f32;
        let cw = self.canvas.0 as f32;
        let ch = self.canvas.1 as f32;
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
