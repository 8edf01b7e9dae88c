//! [`Visibility`]: visible fractions of objects while other things are painted over them.

use tiny_skia::{FillRule, Mask, Path, Transform};

/// Visible parts of the objects of a scene.
#[derive(Debug)]
pub(super) struct Visibility {
    side: u32,
    objects: Vec<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Visible part of the object in each pixel, 0 to 255.
    mask: Vec<u8>,
    /// Sum of the mask before anything was painted over the object.
    whole: u64,
}

impl Visibility {
    /// No objects yet, in an image of `side` pixels.
    pub(super) fn new(side: u32) -> Self {
        Self { side, objects: Vec::new() }
    }

    /// Paints an object over the present ones.
    pub(super) fn add_object(&mut self, path: &Path) {
        let mask = coverage(path, self.side);
        for object in &mut self.objects {
            object.mask = left(&object.mask, &mask);
        }
        self.objects.push(Seen { whole: total(&mask), mask });
    }

    /// Paints a path over the objects, unless the visible fraction of one of them would fall below `least`.
    /// Returns whether it did.
    pub(super) fn cover(&mut self, path: &Path, least: f64) -> bool {
        let cover = coverage(path, self.side);
        let masks: Vec<Vec<u8>> = self.objects.iter().map(|object| left(&object.mask, &cover)).collect();
        let enough = |(object, mask): (&Seen, &Vec<u8>)| total(mask) as f64 >= least * object.whole as f64;
        let fits = self.objects.iter().zip(&masks).all(enough);
        if fits {
            for (object, mask) in self.objects.iter_mut().zip(masks) {
                object.mask = mask;
            }
        }
        fits
    }
}

/// Covered part of each pixel, 0 to 255.
fn coverage(path: &Path, side: u32) -> Vec<u8> {
    let mut mask = Mask::new(side, side).expect("sides are checked to be 32 to 4096 pixels");
    mask.fill_path(path, FillRule::Winding, true, Transform::identity());
    mask.take()
}

/// The part of a mask that remains visible under a cover.
fn left(mask: &[u8], cover: &[u8]) -> Vec<u8> {
    let of = |(m, c): (&u8, &u8)| (u16::from(*m) * (255 - u16::from(*c)) / 255) as u8;
    mask.iter().zip(cover).map(of).collect()
}

fn total(mask: &[u8]) -> u64 {
    mask.iter().map(|m| u64::from(*m)).sum()
}

#[cfg(test)]
mod tests {
    use tiny_skia::{PathBuilder, Rect};

    use super::*;

    fn rect(x: f32, y: f32, width: f32, height: f32) -> Path {
        PathBuilder::from_rect(Rect::from_xywh(x, y, width, height).unwrap())
    }

    #[test]
    fn what_would_hide_too_much_is_not_painted() {
        let mut visibility = Visibility::new(32);
        visibility.add_object(&rect(0.0, 0.0, 10.0, 10.0));
        assert!(!visibility.cover(&rect(0.0, 0.0, 10.0, 5.0), 0.6), "half of it");
        // The refused path hides nothing.
        assert!(visibility.cover(&rect(0.0, 0.0, 10.0, 4.0), 0.6));
        assert!(visibility.cover(&rect(2.0, 0.0, 3.0, 4.0), 0.6), "nothing more of it");
        assert!(!visibility.cover(&rect(0.0, 4.0, 2.0, 1.0), 0.6), "two hundredths more");
        assert!(visibility.cover(&rect(20.0, 0.0, 12.0, 32.0), 0.6), "beside it");
    }

    #[test]
    fn a_later_object_hides_an_earlier_one() {
        let mut visibility = Visibility::new(32);
        visibility.add_object(&rect(0.0, 0.0, 10.0, 10.0));
        visibility.add_object(&rect(6.0, 0.0, 10.0, 10.0));
        assert!(visibility.cover(&rect(12.0, 0.0, 4.0, 10.0), 0.6), "of the second, which is whole");
        assert!(!visibility.cover(&rect(0.0, 0.0, 1.0, 10.0), 0.6), "of the first");
    }
}
