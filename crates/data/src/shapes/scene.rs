//! [`Scene`]: one image of the drawn dataset, with its background, objects and distractors.

use bonsai_boxes::{Cxcywh, Xyxy};
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt as _};
use tiny_skia::{Pixmap, PremultipliedColorU8};

use super::distractor::Distractor;
use super::noise;
use super::object::{Object, Placed};
use super::palette::Colour;
use super::palette::Palette;
use super::style::{Distractors, Look};
use super::visibility::Visibility;
use crate::Label;

/// Positions tried for an object of one size.
const PLACE_TRIES: usize = 40;

/// Largest brightness change by the grain over the whole image.
const GRAIN: f32 = 8.0;

#[derive(Debug)]
pub(super) struct Scene {
    side: u32,
    palette: Palette,
    /// Position of each background pixel between the palette's colours.
    texture: Vec<f32>,
    /// Added to every channel of a pixel.
    grain: Vec<f32>,
    under: Vec<Distractor>,
    objects: Vec<(Placed, Colour)>,
    over: Vec<Distractor>,
}

impl Scene {
    /// A scene of `side x side` pixels.
    pub(super) fn random(look: &Look, side: u32, rng: &mut impl Rng) -> Self {
        let palette = Palette::random(rng);
        let texture = noise::field(side, rng);
        let grain = texture.iter().map(|_| rng.random_range(-GRAIN..=GRAIN)).collect();
        let mut objects: Vec<(Placed, Colour)> = Vec::new();
        for _ in 0..rng.random_range(look.count.clone()) {
            let class_id = rng.random_range(0..look.figures.len());
            let object = Object::random(class_id, look.figures[class_id], look.squeeze.as_ref(), rng);
            let free = (0..look.size_tries).find_map(|_| {
                let size = rng.random_range(look.sizes.clone()) * side as f32;
                (0..PLACE_TRIES).find_map(|_| {
                    let placed = object.place(size, side as f32, rng);
                    let clear =
                        objects.iter().all(|(other, _)| overlap(placed.bbox, other.bbox) <= look.overlap);
                    clear.then_some(placed)
                })
            });
            if let Some(placed) = free {
                objects.push((placed, look.contrast.colour(&palette, rng)));
            }
        }
        let mut scene = Self { side, palette, texture, grain, under: Vec::new(), objects, over: Vec::new() };
        if let Some(distractors) = &look.distractors {
            scene.distract(look, distractors, rng);
        }
        scene
    }

    /// Adds distractors under and over the objects.
    fn distract(&mut self, look: &Look, distractors: &Distractors, rng: &mut impl Rng) {
        let side = self.side as f32;
        for _ in 0..rng.random_range(distractors.under.clone()) {
            let centre = (rng.random_range(0.0..=side), rng.random_range(0.0..=side));
            let colour = self.distractor_colour(look, rng);
            self.under.extend(Distractor::random(look.figures, centre, side, colour, rng));
        }
        let mut visibility = self.visibility();
        for _ in 0..rng.random_range(distractors.over.clone()) {
            // A point in the box of an object. There is at least one object: the first one always finds a
            // position.
            let b = self.objects[rng.random_range(0..self.objects.len())].0.bbox;
            let centre = (rng.random_range(b.x1..=b.x2), rng.random_range(b.y1..=b.y2));
            let colour = self.distractor_colour(look, rng);
            let distractor = Distractor::random(look.figures, centre, side, colour, rng);
            self.over.extend(distractor.filter(|d| visibility.cover(&d.path, distractors.visible)));
        }
    }

    /// The colour of an object in the scene, or a random one with the same contrast.
    fn distractor_colour(&self, look: &Look, rng: &mut impl Rng) -> Colour {
        if rng.random_bool(0.2) {
            self.objects[rng.random_range(0..self.objects.len())].1
        } else {
            look.contrast.colour(&self.palette, rng)
        }
    }

    /// Visibility of the objects before any distractor is painted.
    fn visibility(&self) -> Visibility {
        let mut visibility = Visibility::new(self.side);
        for path in self.objects.iter().filter_map(|(object, _)| object.path()) {
            visibility.add_object(&path);
        }
        visibility
    }

    /// Renders pixels and labels.
    pub(super) fn render(&self) -> (RgbImage, Vec<Label>) {
        let mut canvas = self.background();
        for distractor in &self.under {
            distractor.paint(&mut canvas.as_mut());
        }
        for (object, colour) in &self.objects {
            object.paint(*colour, &mut canvas.as_mut());
        }
        for distractor in &self.over {
            distractor.paint(&mut canvas.as_mut());
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

/// The intersection of two boxes as a fraction of the smaller box.
fn overlap(a: Xyxy, b: Xyxy) -> f32 {
    a.intersection(b) / a.area().min(b.area())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::shapes::ShapesStyle;
    use crate::shapes::colour::Contrast;
    use crate::shapes::object::fill;

    const BLACK: Colour = [0.0; 3];
    const WHITE: Colour = [255.0; 3];

    fn scenes(style: ShapesStyle, side: u32, count: u64) -> impl Iterator<Item = Scene> {
        let scene = move |seed| Scene::random(style.look(), side, &mut stream(Purpose::Shapes, seed, 0, 0));
        (0..count).map(scene)
    }

    /// Bounds of the pixels that an object paints, alone on an empty canvas.
    fn painted(object: &Placed, side: u32) -> Xyxy {
        let mut canvas = Pixmap::new(side, side).unwrap();
        object.paint(WHITE, &mut canvas.as_mut());
        let mut x1 = side;
        let mut y1 = side;
        let mut x2 = 0;
        let mut y2 = 0;
        for (index, pixel) in (0u32..).zip(canvas.pixels()) {
            if pixel.alpha() > 0 {
                let x = index % side;
                let y = index / side;
                (x1, y1, x2, y2) = (x1.min(x), y1.min(y), x2.max(x + 1), y2.max(y + 1));
            }
        }
        Xyxy { x1: x1 as f32, y1: y1 as f32, x2: x2 as f32, y2: y2 as f32 }
    }

    #[test]
    fn boxes_are_tight_around_the_painted_pixels() {
        for (style, side) in ShapesStyle::ALL.into_iter().flat_map(|style| [(style, 64), (style, 160)]) {
            for (object, _) in scenes(style, side, 100).flat_map(|scene| scene.objects) {
                let b = object.bbox;
                let p = painted(&object, side);
                let gaps = [b.x1 - p.x1, b.y1 - p.y1, b.x2 - p.x2, b.y2 - p.y2];
                assert!(gaps.iter().all(|gap| gap.abs() <= 1.0), "{style:?}: {object:?}: painted {p:?}");
            }
        }
    }

    #[test]
    fn objects_are_inside_apart_and_of_the_promised_number_and_size() {
        for (style, numbers, sizes, shared) in [
            (ShapesStyle::Shapes, 1..=3, 0.249..=0.501, 0.05),
            (ShapesStyle::Crowd, 12..=30, 0.034..=0.131, 0.25),
            (ShapesStyle::Clutter, 2..=5, 0.199..=0.501, 0.05),
        ] {
            for scene in scenes(style, 96, 200) {
                assert!(numbers.contains(&scene.objects.len()), "{style:?}: {}", scene.objects.len());
                for (index, (object, _)) in scene.objects.iter().enumerate() {
                    let b = object.bbox;
                    assert!(b.x1 >= 0.9 && b.y1 >= 0.9 && b.x2 <= 95.1 && b.y2 <= 95.1, "{b:?}");
                    let share = b.width().max(b.height()) / 96.0;
                    assert!(sizes.contains(&share), "{style:?}: {share}");
                    for (other, _) in &scene.objects[..index] {
                        assert!(overlap(b, other.bbox) <= shared);
                    }
                }
            }
        }
    }

    #[test]
    fn every_object_stands_out_as_it_should_and_every_class_occurs() {
        for style in ShapesStyle::ALL {
            let look = style.look();
            assert_eq!(look.figures.len(), style.class_names().len());
            let mut counts = vec![0; look.figures.len()];
            for scene in scenes(style, 64, 200) {
                for (object, colour) in &scene.objects {
                    counts[object.class_id] += 1;
                    let distance = scene.palette.distance(*colour);
                    let fits = match look.contrast {
                        Contrast::AtLeast(least) => distance >= least,
                        Contrast::Between(low, high) => (low - 0.01..=high + 0.01).contains(&distance),
                    };
                    assert!(fits, "{style:?}: {colour:?} on {:?}", scene.palette);
                }
                // The texture must use its range, or the background would be flat.
                let bright = scene.texture.iter().filter(|t| **t > 0.6).count();
                let dark = scene.texture.iter().filter(|t| **t < 0.4).count();
                assert!(bright.min(dark) > 64 * 64 / 50, "{bright} bright, {dark} dark");
            }
            assert!(counts.iter().all(|count| *count > 25), "{style:?}: {counts:?}");
        }
    }

    /// Fractions of the objects' areas that remain visible, counted in pixels.
    fn seen(scene: &Scene) -> Vec<f64> {
        let light = |canvas: &Pixmap| canvas.pixels().iter().map(|p| f64::from(p.red())).sum::<f64>();
        (0..scene.objects.len())
            .map(|index| {
                let mut canvas = Pixmap::new(scene.side, scene.side).unwrap();
                scene.objects[index].0.paint(WHITE, &mut canvas.as_mut());
                let whole = light(&canvas);
                for (object, _) in &scene.objects[index + 1..] {
                    object.paint(BLACK, &mut canvas.as_mut());
                }
                for distractor in &scene.over {
                    fill(&distractor.path, BLACK, &mut canvas.as_mut());
                }
                light(&canvas) / whole
            })
            .collect()
    }

    #[test]
    fn clutter_hides_parts_of_objects_but_not_too_much() {
        let mut objects = 0;
        let mut occluded = 0;
        for scene in scenes(ShapesStyle::Clutter, 96, 200) {
            assert!(!scene.under.is_empty());
            for share in seen(&scene) {
                assert!(share >= 0.69, "a fraction of {share} is visible");
                objects += 1;
                occluded += usize::from(share < 0.95);
            }
        }
        assert!(5 * occluded > objects, "{occluded} of {objects} are occluded");
        for style in [ShapesStyle::Shapes, ShapesStyle::Crowd] {
            assert!(scenes(style, 64, 20).all(|scene| scene.under.is_empty() && scene.over.is_empty()));
        }
    }
}
