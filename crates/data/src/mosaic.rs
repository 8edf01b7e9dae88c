//! [`mosaic`]: puts four images around a random centre on a canvas of twice the size.
//!
//! Source: Bochkovskiy et al., 2020, section 3.3.
//!
//! Each image touches the centre with one corner. Parts outside the canvas are cut off; parts of the canvas
//! without an image are grey.

use bonsai_boxes::{GroundTruth, Xyxy};
use image::RgbImage;

use crate::letterbox::PADDING;

/// An image and its objects.
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a> {
    /// Pixels, at most `imgsz` wide and high.
    pub image: &'a RgbImage,
    /// Objects in pixels of that image.
    pub objects: &'a [GroundTruth],
}

/// Puts four images (top left, top right, bottom left, bottom right of `centre`) onto `canvas`, overwriting
/// all of it. Returns the objects in pixels of the canvas, clipped to it; objects wholly outside are left
/// out.
///
/// # Shapes
/// `canvas` is `2 imgsz x 2 imgsz`, and `centre` lies in it.
pub fn mosaic(tiles: [Tile<'_>; 4], centre: (u32, u32), canvas: &mut RgbImage) -> Vec<GroundTruth> {
    fill_around(tiles, centre, canvas);
    let (width, height) = canvas.dimensions();
    let mut objects = Vec::with_capacity(tiles.iter().map(|tile| tile.objects.len()).sum());
    for (index, tile) in tiles.iter().enumerate() {
        let (w, h) = tile.image.dimensions();
        let left = i64::from(centre.0) - if index % 2 == 0 { i64::from(w) } else { 0 };
        let top = i64::from(centre.1) - if index < 2 { i64::from(h) } else { 0 };
        paste(tile.image, left, top, canvas);
        let dx = left as f32;
        let dy = top as f32;
        objects.extend(tile.objects.iter().filter_map(|object| {
            let b = object.bbox;
            let moved = Xyxy { x1: b.x1 + dx, y1: b.y1 + dy, x2: b.x2 + dx, y2: b.y2 + dy };
            let bbox = moved.clip(width as f32, height as f32);
            (bbox.area() > 0.0).then_some(GroundTruth { bbox, ..*object })
        }));
    }
    objects
}

/// Fills the parts that no tile will cover with grey: in each row, everything except one stretch around the
/// centre.
fn fill_around(tiles: [Tile<'_>; 4], centre: (u32, u32), canvas: &mut RgbImage) {
    let (width, height) = canvas.dimensions();
    let row_bytes = 3 * width as usize;
    for (y, row) in (0..height).zip(canvas.as_mut().chunks_exact_mut(row_bytes.max(1))) {
        let covers = |tile: Tile<'_>| {
            let (w, h) = tile.image.dimensions();
            let above = y < centre.1 && y + h >= centre.1;
            let below = y >= centre.1 && y - centre.1 < h;
            if above || below { w } else { 0 }
        };
        let pair = if y < centre.1 { [tiles[0], tiles[1]] } else { [tiles[2], tiles[3]] };
        let first = centre.0.saturating_sub(covers(pair[0])).min(width);
        let last = centre.0.saturating_add(covers(pair[1])).min(width);
        row[..3 * first as usize].fill(PADDING);
        row[3 * last as usize..].fill(PADDING);
    }
}

/// Copies the part of an image that lies on the canvas when its top left corner is at (`left`, `top`).
fn paste(image: &RgbImage, left: i64, top: i64, canvas: &mut RgbImage) {
    let cw = i64::from(canvas.width());
    let ch = i64::from(canvas.height());
    let w = i64::from(image.width());
    let h = i64::from(image.height());
    let first = (-left).clamp(0, w);
    let last = (cw - left).clamp(0, w);
    if first >= last {
        return;
    }
    let bytes = 3 * (last - first) as usize;
    for row in (-top).clamp(0, h)..(ch - top).clamp(0, h) {
        let from = 3 * (row * w + first) as usize;
        let to = 3 * ((row + top) * cw + first + left) as usize;
        canvas.as_mut()[to..to + bytes].copy_from_slice(&image.as_raw()[from..from + bytes]);
    }
}
