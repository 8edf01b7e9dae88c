//! [`draw_grid`]: the pictures `train_batch*.jpg` and `val_batch*_{labels,pred}.jpg`, side by side with
//! boxes.

use bonsai_boxes::Xyxy;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{BLACK, WHITE, class_colour, readable_on};

/// Maximum number of pictures in a grid.
const MOST_TILES: usize = 16;
/// Longest side of the grid, in pixels.
const LONGEST_SIDE: f32 = 1920.0;
/// Small pictures are enlarged to this side, so that names at the boxes are readable.
const SMALLEST_TILE: f32 = 480.0;
/// Only predictions with a higher confidence are drawn, up to [`MOST_PREDICTIONS`].
const CONFIDENCE: f32 = 0.25;
const MOST_PREDICTIONS: usize = 15;
/// Background where a picture does not fill its place.
const PAPER: Rgb<u8> = Rgb([240, 240, 240]);

/// A box on a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TileBox {
    /// The box, in pixels of the picture.
    pub bbox: Xyxy,
    /// Index into the class names.
    pub class_id: usize,
    /// The score of a prediction in `0..=1`; `None` for a label.
    pub confidence: Option<f32>,
}

/// A picture of the grid.
#[derive(Debug, Clone, Copy)]
pub struct Tile<'a> {
    /// The pixels of the picture.
    pub image: &'a RgbImage,
    /// Text at the top left, such as the file name.
    pub name: &'a str,
    /// Boxes of the picture, in any order.
    pub boxes: &'a [TileBox],
}

/// Draws up to 16 pictures in a square grid whose longer side is at most 1920 px, with boxes, classes and
/// names.
///
/// Further pictures are skipped. All labels are drawn; of the predictions, the 15 most confident above 0.25
/// are drawn, the most confident on top. Boxes are clipped to their picture. Pictures keep their proportions;
/// those smaller than 480 px are enlarged. A class whose name the font cannot write is shown by its number.
///
/// # Errors
/// If there are no pictures, one has no pixels, or the drawing library fails.
pub fn draw_grid(tiles: &[Tile], class_names: &[String]) -> Result<RgbImage, PlotError> {
    let tiles = &tiles[..tiles.len().min(MOST_TILES)];
    if tiles.is_empty() {
        return Err(PlotError::NoPictures);
    }
    if let Some(tile) = tiles.iter().find(|tile| tile.image.width() == 0 || tile.image.height() == 0) {
        let (width, height) = tile.image.dimensions();
        return Err(PlotError::EmptyPicture { name: tile.name.to_owned(), width, height });
    }
    let columns = (tiles.len() - 1).isqrt() + 1;
    let rows = tiles.len().div_ceil(columns);
    let place = place_size(tiles, columns);
    let sheet = RgbImage::from_pixel(place.0 * columns as u32, place.1 * rows as u32, PAPER);
    let mut canvas = Canvas::picture(sheet);
    for (index, tile) in tiles.iter().enumerate() {
        let corner = ((index % columns) as u32 * place.0, (index / columns) as u32 * place.1);
        draw_tile(&mut canvas, tile, corner, place, class_names)?;
    }
    Ok(canvas.finish())
}

/// Width and height of the place for one picture: the largest width and the largest height, scaled.
fn place_size(tiles: &[Tile], columns: usize) -> (u32, u32) {
    let largest = |side: fn(&RgbImage) -> u32| tiles.iter().map(|t| side(t.image)).max().unwrap_or(1) as f32;
    let width = largest(RgbImage::width);
    let height = largest(RgbImage::height);
    let longest = width.max(height);
    let room = (LONGEST_SIDE / columns as f32).floor();
    let scale = longest.max(SMALLEST_TILE).min(room) / longest;
    // Even a very narrow picture needs room for its name.
    let pixels = |side: f32| (side * scale).round().max(32.0).min(room) as u32;
    (pixels(width), pixels(height))
}

fn draw_tile(
    canvas: &mut Canvas,
    tile: &Tile,
    corner: (u32, u32),
    place: (u32, u32),
    class_names: &[String],
) -> Result<(), PlotError> {
    let width = tile.image.width() as f32;
    let height = tile.image.height() as f32;
    let place =
        Area { left: corner.0 as f32, top: corner.1 as f32, width: place.0 as f32, height: place.1 as f32 };
    let scale = (place.width / width).min(place.height / height);
    let pixels = |side: f32| (side * scale).round().max(1.0);
    let area = Area { width: pixels(width), height: pixels(height), ..place };
    let size = (area.width as u32, area.height as u32);
    if size == tile.image.dimensions() {
        canvas.paste(tile.image, area);
    } else {
        canvas.paste(&imageops::resize(tile.image, size.0, size.1, FilterType::Triangle), area);
    }
    canvas.frame(place, 1.0, WHITE)?;

    let em = (place.width.min(place.height) / 28.0).clamp(11.0, 20.0);
    let name = Plate::new(&bonsai_text::writable(tile.name), (area.left, area.top), area, em);
    let mut plates = Vec::new();
    for b in drawn_boxes(tile.boxes) {
        let x = |v: f32| area.left + (v / width).clamp(0.0, 1.0) * area.width;
        let y = |v: f32| area.top + (v / height).clamp(0.0, 1.0) * area.height;
        let left = x(b.bbox.x1);
        let top = y(b.bbox.y1);
        let frame = Area { left, top, width: x(b.bbox.x2) - left, height: y(b.bbox.y2) - top };
        // Also false for NaN.
        if frame.width >= 1.0 && frame.height >= 1.0 {
            let colour = class_colour(b.class_id);
            canvas.frame(frame, (em / 6.0).round().max(2.0), colour)?;
            plates.push((class_plate(b, frame, area, em, class_names, &name), colour));
        }
    }
    // After all frames, so that no frame covers a name.
    for (plate, colour) in plates {
        plate.draw(canvas, colour, readable_on(colour))?;
    }
    name.draw(canvas, BLACK, WHITE)
}

/// All labels, and the best predictions with the most confident last.
fn drawn_boxes(boxes: &[TileBox]) -> Vec<&TileBox> {
    let (mut found, labels): (Vec<&TileBox>, Vec<&TileBox>) =
        boxes.iter().partition(|b| b.confidence.is_some());
    found.retain(|b| b.confidence.is_some_and(|confidence| confidence > CONFIDENCE));
    found.sort_by(|a, b| b.confidence.unwrap_or(0.0).total_cmp(&a.confidence.unwrap_or(0.0)));
    found.truncate(MOST_PREDICTIONS);
    labels.into_iter().chain(found.into_iter().rev()).collect()
}

/// Class and confidence above a box, or inside the box if there is no room above.
fn class_plate(
    b: &TileBox,
    frame: Area,
    picture: Area,
    em: f32,
    class_names: &[String],
    taken: &Plate,
) -> Plate {
    let name = bonsai_text::class_name(class_names, b.class_id);
    let text = match b.confidence {
        // Only the name is cut; the score stays complete.
        Some(confidence) => {
            let score = format!(" {confidence:.2}");
            bonsai_text::fit(&name, em, picture.width * 0.6 - bonsai_text::width(&score, em)) + &score
        }
        None => bonsai_text::fit(&name, em, picture.width * 0.6),
    };
    let above = frame.top - plate_height(em);
    let top = if above >= picture.top { above } else { frame.top };
    let plate = Plate::new(&text, (frame.left, top), picture, em);
    if !plate.area.overlaps(taken.area) {
        return plate;
    }
    Plate::new(&text, (frame.left, frame.top.max(taken.area.bottom())), picture, em)
}

/// Text on a filled background.
struct Plate {
    text: String,
    area: Area,
    em: f32,
}

impl Plate {
    /// The top left corner is as close to `corner` as the picture allows; text that does not fit is cut.
    fn new(text: &str, corner: (f32, f32), picture: Area, em: f32) -> Self {
        let margin = plate_margin(em);
        let text = bonsai_text::fit(text, em, picture.width - 2.0 * margin);
        let width = if text.is_empty() { 0.0 } else { bonsai_text::width(&text, em).ceil() + 2.0 * margin };
        let height = plate_height(em).min(picture.height);
        let left = corner.0.min(picture.right() - width).max(picture.left);
        let top = corner.1.min(picture.bottom() - height).max(picture.top);
        Self { text, area: Area { left, top, width, height }, em }
    }

    fn draw(&self, canvas: &mut Canvas, ground: Rgb<u8>, ink: Rgb<u8>) -> Result<(), PlotError> {
        if self.text.is_empty() {
            return Ok(());
        }
        canvas.fill(self.area, ground)?;
        let start = (self.area.left + plate_margin(self.em), self.area.top + self.area.height / 2.0);
        canvas.text(&self.text, start, TextStyle::new(self.em, ink, Align::Left));
        Ok(())
    }
}

fn plate_margin(em: f32) -> f32 {
    (em / 4.0).round()
}

fn plate_height(em: f32) -> f32 {
    (em * 1.35).round()
}
