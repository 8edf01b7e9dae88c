//! [`predict`]: finds objects in image files, draws them, and writes them as labels.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result, bail};
use bonsai_boxes::{Cxcywh, Detection};
use bonsai_checkpoint::{remove_leftovers, write_file};
use bonsai_data::{IMAGE_EXTENSIONS, decode, is_image};
use bonsai_detector::{DetectOptions, Detector, LoadOptions, draw_detections};
use bonsai_stages::write_picture;
use serde::Serialize;

use crate::predict_names::{OutputName, output_names, refuse_overwriting};

/// Maximum number of images that are decoded ahead of the network.
const AHEAD: usize = 3;

/// An object found in an image file, in pixels of that image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Found {
    /// Name of the class.
    pub(crate) name: String,
    /// Number of the class.
    pub(crate) class_id: usize,
    /// Score in 0..=1.
    pub(crate) confidence: f32,
    /// Left, top, right, bottom.
    pub(crate) xyxy: [f32; 4],
}

/// Settings of [`predict`].
#[derive(Debug, Clone)]
pub(crate) struct PredictSettings<'a> {
    /// Settings of the detection.
    pub(crate) detect: DetectSettings,
    /// Folder for pictures with boxes; `None` draws none.
    pub(crate) out: Option<&'a Path>,
    /// Folder for labels in YOLO format, one file per image; `None` writes none.
    pub(crate) labels: Option<&'a Path>,
    /// Options for loading and running the network.
    pub(crate) load: LoadOptions,
}

/// Settings of the detection; `None` is the detector's default.
#[derive(Debug, Clone, Default)]
pub(crate) struct DetectSettings {
    /// Side of the network's input in pixels.
    pub(crate) imgsz: Option<usize>,
    /// Lowest score.
    pub(crate) confidence: Option<f32>,
    /// Overlap above which the lower-scored box is removed.
    pub(crate) iou: Option<f32>,
    /// Maximum number of objects per image.
    pub(crate) max_detections: Option<usize>,
    /// Numbers of the classes to report.
    pub(crate) classes: Option<Vec<usize>>,
}

impl DetectSettings {
    /// These settings, with missing ones from `base`.
    fn over(&self, base: DetectOptions) -> DetectOptions {
        DetectOptions {
            imgsz: self.imgsz.unwrap_or(base.imgsz),
            rect: base.rect,
            confidence: self.confidence.unwrap_or(base.confidence),
            iou: self.iou.unwrap_or(base.iou),
            max_detections: self.max_detections.unwrap_or(base.max_detections),
            classes: self.classes.clone().or(base.classes),
        }
    }
}

/// The result for an image.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The objects that were found.
    Found(Vec<Found>),
    /// The image cannot be read, for this reason.
    Unreadable(String),
}

/// Finds objects in an image, in every image of a folder, or in all images that match a pattern (`*`, `?`,
/// `**`). Calls `each` for one image after the other. A thread decodes images while the network runs on
/// earlier ones.
///
/// # Errors
/// If the network or the only image cannot be read, there are no images, or a file cannot be written.
pub(crate) fn predict(
    weights: &Path,
    source: &Path,
    settings: &PredictSettings<'_>,
    each: &mut dyn FnMut(&Path, Seen) -> Result<()>,
) -> Result<()> {
    settings.detect.over(DetectOptions::default()).check_thresholds()?;
    let mut detector = Detector::load(weights, settings.load.clone())?;
    let paths = images(source)?;
    let names = output_names(&paths)?;
    refuse_overwriting(&paths, &names, (settings.out, settings.labels))?;
    let config = settings.detect.over(detector.config());
    detector.accepts(&config)?;
    for folder in [settings.out, settings.labels].into_iter().flatten() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        remove_leftovers(folder);
    }
    settings.out.or(settings.labels).into_iter().for_each(|folder| warn_of_numbers(&names, folder));
    let alone = paths.len() == 1;
    let (sender, decoded) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for path in paths {
                let image = decode(&path);
                if sender.send((path, image)).is_err() {
                    break; // The receiver ended early, because of an error.
                }
            }
        });
        // The receiver is consumed here, so that an early end drops it and the decoder stops waiting.
        for ((path, image), name) in decoded.into_iter().zip(names) {
            let mut image = match image {
                Err(error) if !alone => {
                    each(&path, Seen::Unreadable(format!("{:#}", anyhow::Error::from(error))))?;
                    continue;
                }
                image => image?,
            };
            let detections = detector.detect(&image, &config)?;
            if let Some(folder) = settings.labels {
                write_labels(&folder.join(name.labels), &detections, image.dimensions())?;
            }
            if let Some(folder) = settings.out {
                draw_detections(&mut image, &detections, detector.class_names());
                write_picture(&image, &folder.join(name.picture))?;
            }
            let found = detections.iter().map(|d| Found {
                name: detector.class_names()[d.class_id].clone(),
                class_id: d.class_id,
                confidence: d.confidence,
                xyxy: [d.bbox.x1, d.bbox.y1, d.bbox.x2, d.bbox.y2],
            });
            each(&path, Seen::Found(found.collect()))?;
        }
        Ok(())
    })
}

/// Warns of output files that are not named like their images.
fn warn_of_numbers(names: &[OutputName], folder: &Path) {
    let numbered = names.iter().filter(|name| name.is_numbered);
    if let Some(first) = numbered.clone().next() {
        tracing::warn!(
            "{} images have the same name as another: their files in {} have a number in the name, such as {}",
            numbered.count(),
            folder.display(),
            Path::new(&first.picture).display()
        );
    }
}

/// Writes a line for each object: class, centre and size in fractions of the image, in Ultralytics' format.
fn write_labels(path: &Path, detections: &[Detection], (w, h): (u32, u32)) -> Result<()> {
    let mut text = String::new();
    for detection in detections {
        let bbox = Cxcywh::from(detection.bbox);
        let w = w as f32;
        let h = h as f32;
        let numbers = [bbox.cx / w, bbox.cy / h, bbox.w / w, bbox.h / h].map(significant);
        writeln!(text, "{} {}", detection.class_id, numbers.join(" "))?;
    }
    Ok(write_file(path, text.as_bytes())?)
}

/// Six significant digits without trailing zeros.
fn significant(value: f32) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let before = value.abs().log10().floor() as i32 + 1;
    let text = format!("{value:.*}", (6 - before).max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The file itself, the images of a folder, or the images that match a pattern; sorted by name.
fn images(source: &Path) -> Result<Vec<PathBuf>> {
    let text = source.to_string_lossy();
    let mut found = if source.is_dir() {
        let entries =
            std::fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))?;
        entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?
    } else if !source.exists() && text.contains(['*', '?', '[']) {
        let matches = glob::glob(&text).with_context(|| format!("`{text}` is not a valid pattern"))?;
        matches.map(|path| Ok(path?)).collect::<Result<Vec<_>>>()?
    } else {
        return Ok(vec![source.to_owned()]);
    };
    found.retain(|path| is_image(path));
    if found.is_empty() {
        bail!(
            "{} contains no image; expected files ending in {}",
            source.display(),
            IMAGE_EXTENSIONS.join(", ")
        );
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits_as_in_c() {
        for (value, text) in [
            (0.716_796_9, "0.716797"),
            (0.5, "0.5"),
            (1.0, "1"),
            (0.012_345_678, "0.0123457"),
            (0.0, "0"),
            (0.25, "0.25"),
        ] {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn sources_are_files_folders_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.jpg", "a.PNG", "notes.txt"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let names = |source: &Path| {
            let name = |p: PathBuf| p.file_name().unwrap().to_string_lossy().into_owned();
            images(source).map(|paths| paths.into_iter().map(name).collect::<Vec<_>>())
        };
        assert_eq!(names(folder.path()).unwrap(), ["a.PNG", "b.jpg"]);
        assert_eq!(names(&folder.path().join("*.jpg")).unwrap(), ["b.jpg"]);
        assert_eq!(names(&folder.path().join("b.jpg")).unwrap(), ["b.jpg"]);
        let error = names(&folder.path().join("*.svg")).unwrap_err().to_string();
        assert!(error.contains("contains no image"), "{error}");
    }
}
