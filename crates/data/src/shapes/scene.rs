//! One image of the drawn dataset: a background and the objects on it.

use bonsai_boxes::{Cxcywh, Xyxy};
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt as _};
use tiny_skia::{Pixmap, PremultipliedColorU8};

use super::CLASS_NAMES;
use super::noise::{self, Palette};
use super::object::{Colour, Object, Placed, contrasting};
use crate::Label;

/// Longer side of an object's box, as a share of the image side.
const SIZES: std::ops::RangeInclusive<f32> = 0.15..=0.45;

/// Most that two boxes may share, as a part of the smaller one.
const OVERLAP: f32 = 0.05;

/// Places tried for one object before it is left out.
const TRIES: usize = 40;

/// Largest brightness change by the grain laid over everything.
const GRAIN: f32 = 8.0;

#[derive(Debug)]
pub(super) struct Scene {
    side: u32,
    palette: Palette,
    /// Position of each background pixel between the palette's colours.
    texture: Vec<f32>,
    /// Added to every channel of a pixel.
    grain: Vec<f32>,
    objects: Vec<(Placed, Colour)>,
}

impl Scene {
    /// A scene of `side x side` pixels with 1 to 4 objects.
    pub(super) fn random(side: u32, rng: &mut impl Rng) -> Self {
        let palette = Palette::random(rng);
        let texture = noise::field(side, rng);
        let grain = texture.iter().map(|_| rng.random_range(-GRAIN..=GRAIN)).collect();
        let mut objects: Vec<(Placed, Colour)> = Vec::new();
        for _ in 0..rng.random_range(1..=4) {
            let object = Object::random(rng.random_range(0..CLASS_NAMES.len()), rng);
            let size = rng.random_range(SIZES) * side as f32;
            let free = (0..TRIES).find_map(|_| {
                let placed = object.place(size, side as f32, rng);
                let clear = objects.iter().all(|(other, _)| overlap(placed.bbox, other.bbox) <= OVERLAP);
                clear.then_some(placed)
            });
            if let Some(placed) = free {
                objects.push((placed, contrasting(&palette, rng)));
            }
        }
        Self { side, palette, texture, grain, objects }
    }

    /// Pixels and labels.
    pub(super) fn render(&self) -> (RgbImage, Vec<Label>) {
        let mut canvas = self.background();
        for (object, colour) in &self.objects {
            object.paint(*colour, &mut canvas.as_mut());
        }
        let mut image = RgbImage::new(self.side, self.side);
        for ((to, from), grain) in image.pixels_mut().zip(canvas.pixels()).zip(&self.grain) {
            // The canvas is opaque, so its premultiplied channels are the plain ones.
            *to = Rgb([from.red(), from.green(), from.blue()].map(|c| (f32::from(c) + grain) as u8));
        }
        (image, self.labels())
    }

    fn labels(&self) -> Vec<Label> {
        let side = self.side as f32;
        self.objects
            .iter()
            .map(|(object, _)| {
                let b = Cxcywh::from(object.bbox);
                let bbox = Cxcywh { cx: b.cx / side, cy: b.cy / side, w: b.w / side, h: b.h / side };
                Label { class_id: object.class_id, bbox }
            })
            .collect()
    }

    fn background(&self) -> Pixmap {
        let mut canvas =
            Pixmap::new(self.side, self.side).expect("sides are checked to be 32 to 4096 pixels");
        for (pixel, t) in canvas.pixels_mut().iter_mut().zip(&self.texture) {
            let [r, g, b] = self.palette.mix(*t).map(|c| c as u8);
            *pixel = PremultipliedColorU8::from_rgba(r, g, b, 255).expect("no channel exceeds full opacity");
        }
        canvas
    }
}

/// The shared area of two boxes as a part of the smaller one.
fn overlap(a: Xyxy, b: Xyxy) -> f32 {
    a.intersection(b) / a.area().min(b.area())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::shapes::object::CONTRAST;

    fn scenes(side: u32) -> impl Iterator<Item = Scene> {
        (0..200).map(move |seed| Scene::random(side, &mut stream(Purpose::Shapes, seed, 0, 0)))
    }

    /// Bounds of the pixels that an object paints, alone on an empty canvas.
    fn painted(object: &Placed, side: u32) -> Xyxy {
        let mut canvas = Pixmap::new(side, side).unwrap();
        object.paint([255.0; 3], &mut canvas.as_mut());
        let (mut x1, mut y1, mut x2, mut y2) = (side, side, 0, 0);
        for (index, pixel) in (0u32..).zip(canvas.pixels()) {
            if pixel.alpha() > 0 {
                let (x, y) = (index % side, index / side);
                (x1, y1, x2, y2) = (x1.min(x), y1.min(y), x2.max(x + 1), y2.max(y + 1));
            }
        }
        Xyxy { x1: x1 as f32, y1: y1 as f32, x2: x2 as f32, y2: y2 as f32 }
    }

    #[test]
    fn boxes_are_tight_around_the_painted_pixels() {
        for side in [64, 160] {
            for (object, _) in scenes(side).flat_map(|scene| scene.objects) {
                let (b, p) = (object.bbox, painted(&object, side));
                let gaps = [b.x1 - p.x1, b.y1 - p.y1, b.x2 - p.x2, b.y2 - p.y2];
                assert!(gaps.iter().all(|gap| gap.abs() <= 1.0), "{object:?}: painted {p:?}");
            }
        }
    }

    #[test]
    fn objects_are_inside_apart_and_of_the_promised_size() {
        for scene in scenes(96) {
            assert!((1..=4).contains(&scene.objects.len()));
            for (index, (object, _)) in scene.objects.iter().enumerate() {
                let b = object.bbox;
                assert!(b.x1 >= 0.9 && b.y1 >= 0.9 && b.x2 <= 95.1 && b.y2 <= 95.1, "{b:?}");
                let share = b.width().max(b.height()) / 96.0;
                assert!((0.149..=0.451).contains(&share), "{share}");
                for (other, _) in &scene.objects[..index] {
                    assert!(overlap(b, other.bbox) <= OVERLAP);
                }
            }
        }
    }

    #[test]
    fn every_object_stands_out_and_every_class_occurs() {
        let mut counts = [0; CLASS_NAMES.len()];
        for scene in scenes(64) {
            for (object, colour) in &scene.objects {
                counts[object.class_id] += 1;
                assert!(scene.palette.distance(*colour) >= CONTRAST, "{colour:?} on {:?}", scene.palette);
            }
            // The texture must use its range, or the background would be flat.
            let bright = scene.texture.iter().filter(|t| **t > 0.6).count();
            let dark = scene.texture.iter().filter(|t| **t < 0.4).count();
            assert!(bright.min(dark) > 64 * 64 / 50, "{bright} bright, {dark} dark");
        }
        assert!(counts.iter().all(|count| *count > 60), "{counts:?}");
    }
}
