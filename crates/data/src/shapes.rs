//! [`draw`]: draws datasets of geometric figures over textured noise, in three styles.
//!
//! They serve to try and test a detector without photographs: any number and size of images from a seed.
//! A small network learns the style `shapes` in a few hundred steps, because objects are large and always
//! stand out. It is not trivial: colour is independent of the class, objects have random rotations and the
//! background has structure at every scale. `crowd` and `clutter` are hard enough to show differences between
//! training methods: their objects are small and many, or look alike and are partly hidden ([`ShapesStyle`]).
//!
//! Invariant: an image depends only on style, seed, split, number and size. No sine or cosine is used,
//! because their last bit differs between systems.

mod colour;
mod distractor;
mod noise;
mod object;
mod outline;
mod palette;
mod scene;
mod style;
mod visibility;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use image::{ExtendedColorType, ImageEncoder as _, RgbImage, codecs::png::PngEncoder};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::{Purpose, stream};
use crate::{DataError, Label, SplitKind};

pub use style::{CLASS_NAMES, ShapesStyle};

/// Smallest and largest side of a drawn image, in pixels.
const SIDES: std::ops::RangeInclusive<usize> = 32..=4096;
/// Most images of a split.
const MOST: usize = 1_000_000;

/// Configuration of a drawn dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShapesConfig {
    /// Images in the train split; at least 1.
    pub train: usize,
    /// Images in the validation split; at least 1.
    pub val: usize,
    /// Images in the test split; 0 leaves the split out.
    pub test: usize,
    /// Side of the square images in pixels, 32 to 4096.
    pub imgsz: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// Content of the images. The default is not serialised, so that configurations equal those from before
    /// this field.
    #[serde(skip_serializing_if = "ShapesStyle::is_default")]
    pub style: ShapesStyle,
}

impl Default for ShapesConfig {
    fn default() -> Self {
        Self { train: 256, val: 64, test: 64, imgsz: 160, seed: 0, style: ShapesStyle::default() }
    }
}

/// Draws a dataset into the folder `dir` (PNG images, label files, `data.yaml`) and returns the path of
/// `data.yaml`.
///
/// Everything is written to `DIR.partial` first and renamed when complete: `dir` is complete or does not
/// exist.
/// A `DIR.partial` left by an interrupted run is replaced. The same configuration gives the same bytes.
///
/// # Errors
/// [`DataError::Config`] for a value out of range, [`DataError::TargetExists`] if `dir` is not empty,
/// [`DataError::Io`] and [`DataError::Encode`] if writing fails.
pub fn draw(config: &ShapesConfig, dir: impl AsRef<Path>) -> Result<PathBuf, DataError> {
    let dir = dir.as_ref();
    config.check()?;
    let occupied = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file();
    let name =
        dir.file_name().filter(|_| !occupied).ok_or_else(|| DataError::TargetExists(dir.to_owned()))?;
    let mut partial_name = name.to_owned();
    partial_name.push(".partial");
    let partial = dir.with_file_name(partial_name);
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(DataError::io("remove the unfinished folder", &partial))?;
    }
    for (split, count) in config.splits() {
        draw_split(&partial, split, count, config)?;
    }
    let yaml = partial.join("data.yaml");
    std::fs::write(&yaml, config.data_yaml()).map_err(DataError::io("write", &yaml))?;
    if dir.exists() {
        // Not every system can rename onto an empty folder.
        std::fs::remove_dir(dir).map_err(DataError::io("replace the empty folder", dir))?;
    }
    std::fs::rename(&partial, dir).map_err(DataError::io("rename the finished folder to", dir))?;
    Ok(dir.join("data.yaml"))
}

/// Draws one image of the style `shapes` with its labels, without any file.
///
/// These images do not occur in any split of [`draw`].
///
/// # Panics
/// If `imgsz` is not in 32..=4096.
pub fn sample(seed: u64, imgsz: usize) -> (RgbImage, Vec<Label>) {
    assert!(SIDES.contains(&imgsz), "imgsz is {imgsz}; it must be between 32 and 4096");
    let rng = &mut stream(Purpose::Shapes, seed, u64::MAX, 0);
    scene::Scene::random(ShapesStyle::Shapes.look(), imgsz as u32, rng).render()
}

impl ShapesConfig {
    /// Checks that all values lie in their ranges.
    ///
    /// # Errors
    /// [`DataError::Config`] with the field, its value and the allowed values.
    pub fn check(&self) -> Result<(), DataError> {
        let wrong = |field, value: usize, expected| {
            Err(DataError::Config { field, value: value.to_string(), expected })
        };
        if !SIDES.contains(&self.imgsz) {
            return wrong("imgsz", self.imgsz, "between 32 and 4096 pixels");
        }
        for (field, count) in [("train", self.train), ("val", self.val)] {
            if !(1..=MOST).contains(&count) {
                return wrong(field, count, "at least 1 image, at most 1000000");
            }
        }
        if self.test > MOST {
            return wrong("test", self.test, "at most 1000000 images");
        }
        Ok(())
    }

    /// Names of the classes, by class index.
    pub fn class_names(&self) -> Vec<String> {
        self.style.class_names().iter().map(|name| (*name).to_owned()).collect()
    }

    fn splits(&self) -> impl Iterator<Item = (SplitKind, usize)> {
        [(SplitKind::Train, self.train), (SplitKind::Val, self.val), (SplitKind::Test, self.test)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
    }

    fn data_yaml(&self) -> String {
        let mut text = format!(
            "# Drawn by bonsai-data: {}, {} px, seed {}. No rights reserved.\n",
            self.style.name(),
            self.imgsz,
            self.seed
        );
        for (split, _) in self.splits() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{0}: images/{0}", split.key());
        }
        let names = self.style.class_names();
        let _ = writeln!(text, "nc: {}\nnames: [{}]", names.len(), names.join(", "));
        text
    }
}

fn draw_split(root: &Path, split: SplitKind, count: usize, config: &ShapesConfig) -> Result<(), DataError> {
    let folder = |kind| root.join(kind).join(split.key());
    let images = folder("images");
    let labels = folder("labels");
    for folder in [&images, &labels] {
        std::fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
    }
    (0..count).into_par_iter().try_for_each(|number| {
        let rng = &mut generator(config, split, number);
        let (image, objects) = scene::Scene::random(config.style.look(), config.imgsz as u32, rng).render();
        write_png(&image, &images.join(format!("{number:06}.png")))?;
        let path = labels.join(format!("{number:06}.txt"));
        std::fs::write(&path, label_rows(&objects)).map_err(DataError::io("write", &path))
    })
}

/// The random generator of one image: no two styles or splits share one.
fn generator(config: &ShapesConfig, split: SplitKind, number: usize) -> ChaCha8Rng {
    let style = match config.style {
        ShapesStyle::Shapes => 0,
        ShapesStyle::Crowd => 1,
        ShapesStyle::Clutter => 2,
    };
    let split = match split {
        SplitKind::Train => 0,
        SplitKind::Val => 1,
        SplitKind::Test => 2,
    };
    stream(Purpose::Shapes, config.seed, (style << 8) | split, number as u64)
}

fn write_png(image: &RgbImage, path: &Path) -> Result<(), DataError> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgb8)
        .map_err(|source| DataError::Encode { path: path.to_owned(), source })?;
    std::fs::write(path, bytes).map_err(DataError::io("write", path))
}

fn label_rows(labels: &[Label]) -> String {
    let mut rows = String::new();
    for Label { class_id, bbox } in labels {
        // Writing to a string cannot fail.
        let _ = writeln!(rows, "{class_id} {:.6} {:.6} {:.6} {:.6}", bbox.cx, bbox.cy, bbox.w, bbox.h);
    }
    rows
}
