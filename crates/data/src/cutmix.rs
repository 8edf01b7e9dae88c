//! [`cutmix`]: replaces a rectangle of an image by that of another image (Yun et al., `CutMix`, 2019).
//!
//! As in the release notes of Ultralytics 8.3.120, several rectangles are drawn, and one that no object of the image
//! touches takes its pixels and objects from the other image. Objects of which less than a tenth lies in it are left
//! out; without any free rectangle, or any object in it, the image does not change.

use bonsai_boxes::{GroundTruth, Xyxy};
use image::RgbImage;
use rand::{Rng, RngExt as _};

/// Number of rectangles that are drawn.
const AREAS: usize = 3;
/// Least part of an object that must lie in the rectangle.
const LEAST_VISIBLE: f32 = 0.1;

/// A rectangle of whole pixels; right and bottom are the first pixels after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutArea {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// First column after it.
    pub right: u32,
    /// First row after it.
    pub bottom: u32,
}

impl CutArea {
    /// A rectangle around a centre, cut off at the edges of an image of this width and height. It takes the part
    /// `1 - kept` of the image if nothing is cut off.
    fn around((x, y): (u32, u32), kept: f64, (width, height): (u32, u32)) -> Self {
        let side = (1.0 - kept).max(0.0).sqrt();
        let half = |length: u32| (f64::from(length) * side) as u32 / 2;
        let (w, h) = (half(width), half(height));
        Self {
            left: x.saturating_sub(w),
            top: y.saturating_sub(h),
            right: (x + w).min(width),
            bottom: (y + h).min(height),
        }
    }

    fn bounds(self) -> Xyxy {
        let Self { left, top, right, bottom } = self;
        Xyxy { x1: left as f32, y1: top as f32, x2: right as f32, y2: bottom as f32 }
    }
}

/// The part of a box in a rectangle; its area is 0 if they do not touch.
fn within(bbox: Xyxy, area: Xyxy) -> Xyxy {
    let x1 = bbox.x1.max(area.x1);
    let y1 = bbox.y1.max(area.y1);
    Xyxy { x1, y1, x2: bbox.x2.min(area.x2).max(x1), y2: bbox.y2.min(area.y2).max(y1) }
}

/// Draws the rectangle for an image of this width and height with these objects, in pixels; `None` if all drawn ones
/// touch an object or are empty.
pub(crate) fn draw_area(size: (u32, u32), objects: &[GroundTruth], rng: &mut impl Rng) -> Option<CutArea> {
    // The same numbers are drawn whatever is found. The beta distribution of the paper has parameters 1 and 1.
    let drawn: [CutArea; AREAS] = std::array::from_fn(|_| {
        let kept = rng.random::<f64>();
        let centre = (rng.random_range(0..size.0), rng.random_range(0..size.1));
        CutArea::around(centre, kept, size)
    });
    let choice = rng.random::<f64>();
    let is_free = |area: &CutArea| {
        let bounds = area.bounds();
        bounds.area() > 0.0 && objects.iter().all(|object| within(object.bbox, bounds).area() <= 0.0)
    };
    let free: Vec<CutArea> = drawn.into_iter().filter(is_free).collect();
    free.get((choice * free.len() as f64) as usize).copied()
}

/// Copies the pixels of `area` from another image, and returns its objects in the area, cut off at its edges, in pixels.
/// Without such objects the image does not change.
///
/// # Panics
/// If the images differ in size, or the area is not within them.
pub fn cutmix(
    image: &mut RgbImage,
    other: &RgbImage,
    objects: &[GroundTruth],
    area: CutArea,
) -> Vec<GroundTruth> {
    assert_eq!(image.dimensions(), other.dimensions(), "images to combine must have the same size");
    let bounds = area.bounds();
    let cut = |object: &GroundTruth| {
        let bbox = within(object.bbox, bounds);
        let enough = bbox.area() > 0.0 && bbox.area() >= LEAST_VISIBLE * object.bbox.area();
        enough.then_some(GroundTruth { bbox, ..*object })
    };
    let found: Vec<GroundTruth> = objects.iter().filter_map(cut).collect();
    if found.is_empty() {
        return found;
    }
    let row_bytes = 3 * image.width() as usize;
    let columns = 3 * area.left as usize..3 * area.right as usize;
    for row in area.top as usize..area.bottom as usize {
        let bytes = row * row_bytes + columns.start..row * row_bytes + columns.end;
        image.as_mut()[bytes.clone()].copy_from_slice(&other.as_raw()[bytes]);
    }
    found
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn object(class_id: usize, x1: f32, y1: f32, x2: f32, y2: f32) -> GroundTruth {
        GroundTruth { bbox: Xyxy { x1, y1, x2, y2 }, class_id }
    }

    #[test]
    fn pixels_and_objects_by_hand() {
        let black = RgbImage::new(6, 4);
        let white = RgbImage::from_pixel(6, 4, Rgb([255; 3]));
        let area = CutArea { left: 2, top: 1, right: 5, bottom: 3 };
        let others = [
            // Half of it lies in the area; the part is 2..4 by 1..3.
            object(0, 0.0, 1.0, 4.0, 3.0),
            // Within it.
            object(1, 3.0, 1.0, 5.0, 2.0),
            // One of its 24 pixels is missing outside: 6 of 24 lie in the area.
            object(2, 0.0, 0.0, 6.0, 4.0),
            // Touches it from outside.
            object(3, 5.0, 1.0, 6.0, 3.0),
            // A twentieth lies in the area: 0.2 of 4.
            object(4, 4.9, 0.0, 5.9, 4.0),
        ];
        let mut image = black.clone();
        let found = cutmix(&mut image, &white, &others, area);
        let expected =
            [object(0, 2.0, 1.0, 4.0, 3.0), object(1, 3.0, 1.0, 5.0, 2.0), object(2, 2.0, 1.0, 5.0, 3.0)];
        assert_eq!(found, expected);
        for (x, y, pixel) in image.enumerate_pixels() {
            let inside = (2..5).contains(&x) && (1..3).contains(&y);
            assert_eq!(pixel.0, [if inside { 255 } else { 0 }; 3], "{x}, {y}");
        }
        // Without objects in the area, nothing is pasted.
        let mut image = black.clone();
        assert_eq!(cutmix(&mut image, &white, &others[3..], area), []);
        assert_eq!(image, black);
    }

    #[test]
    fn areas_by_hand() {
        // A quarter is cut: half of each side, 5 of 10 and 4 of 8, so 2 pixels on each side of the centre.
        let area = |centre| CutArea::around(centre, 0.75, (10, 8));
        assert_eq!(area((5, 4)), CutArea { left: 3, top: 2, right: 7, bottom: 6 });
        assert_eq!(area((0, 7)), CutArea { left: 0, top: 5, right: 2, bottom: 8 });
    }

    #[test]
    fn drawn_areas_touch_no_object() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let objects = [object(0, 20.0, 10.0, 40.0, 30.0), object(1, 60.0, 40.0, 64.0, 48.0)];
        let mut drawn = 0;
        for _ in 0..500 {
            let Some(area) = draw_area((64, 48), &objects, &mut rng) else { continue };
            drawn += 1;
            let CutArea { left, top, right, bottom } = area;
            assert!(left < right && right <= 64 && top < bottom && bottom <= 48, "{area:?}");
            assert!(objects.iter().all(|o| within(o.bbox, area.bounds()).area() <= 0.0), "{area:?}");
        }
        assert!((100..500).contains(&drawn), "{drawn}");
        let everything = [object(0, 0.0, 0.0, 64.0, 48.0)];
        assert_eq!(draw_area((64, 48), &everything, &mut rng), None);
    }
}
