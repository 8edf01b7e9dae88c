//! [`Statistics`]: what a split holds, in numbers.

use crate::Split;

/// Sides of an object, in pixels of its image, below which COCO calls it small and medium.
const SIZES: [f64; 2] = [32.0, 96.0];

/// Numbers of images and objects of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Images.
    pub images: usize,
    /// Images without any object.
    pub backgrounds: usize,
    /// For each class, its objects and the images that hold any of them.
    pub classes: Vec<ClassCount>,
    /// Objects with an area below 32², below 96², and above, in pixels of the image file, as COCO groups them.
    pub sizes: [usize; 3],
    /// Smallest, median and largest width of the images, in pixels.
    pub widths: [u32; 3],
    /// Smallest, median and largest height of the images, in pixels.
    pub heights: [u32; 3],
}

/// Objects of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassCount {
    /// Objects.
    pub objects: usize,
    /// Images with at least one of them.
    pub images: usize,
}

impl Statistics {
    /// Counts the images and objects of a split.
    pub fn of(split: &Split) -> Self {
        let mut classes = vec![ClassCount::default(); split.class_names.len()];
        let mut sizes = [0; 3];
        for sample in &split.samples {
            let mut seen: Vec<usize> = sample.labels.iter().map(|label| label.class_id).collect();
            for label in &sample.labels {
                classes[label.class_id].objects += 1;
                let (width, height) = sample.size;
                let area =
                    f64::from(label.bbox.w) * f64::from(width) * f64::from(label.bbox.h) * f64::from(height);
                let at = SIZES.iter().position(|side| area < side * side).unwrap_or(SIZES.len());
                sizes[at] += 1;
            }
            seen.sort_unstable();
            seen.dedup();
            for class in seen {
                classes[class].images += 1;
            }
        }
        let range = |side: fn((u32, u32)) -> u32| {
            let mut sides: Vec<u32> = split.samples.iter().map(|sample| side(sample.size)).collect();
            sides.sort_unstable();
            let at = |index: usize| sides.get(index).copied().unwrap_or(0);
            [at(0), at(sides.len() / 2), at(sides.len().saturating_sub(1))]
        };
        Self {
            images: split.samples.len(),
            backgrounds: split.samples.iter().filter(|sample| sample.labels.is_empty()).count(),
            classes,
            sizes,
            widths: range(|size| size.0),
            heights: range(|size| size.1),
        }
    }

    /// Objects of all classes.
    pub fn objects(&self) -> usize {
        self.classes.iter().map(|class| class.objects).sum()
    }
}
