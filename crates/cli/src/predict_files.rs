//! [`predict`]: finds objects in image files, draws them, and writes them as labels.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result};
use bonsai_boxes::Detection;
use bonsai_checkpoint::remove_leftovers;
use bonsai_data::{RgbImage, decode};
use bonsai_detector::{DetectOptions, Detector, DrawOptions, LoadOptions, draw_detections_with};
use bonsai_stages::{ensure_usage, write_picture};
use serde::Serialize;

use crate::predict_crops::Crops;
use crate::predict_labels::write_labels;
use crate::predict_names::{OutputName, output_names, refuse_overwriting};
use crate::predict_source::images;

/// Maximum number of images or frames that are decoded ahead of the network.
pub(crate) const AHEAD: usize = 3;

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
    /// Whether the labels have confidences.
    pub(crate) confidences: bool,
    /// Folder for a picture of each object; `None` writes none.
    pub(crate) crops: Option<&'a Path>,
    /// How the pictures are drawn.
    pub(crate) draw: DrawOptions,
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
    /// Whether a box also suppresses boxes of other classes.
    pub(crate) agnostic: bool,
    /// Maximum number of objects per image.
    pub(crate) max_detections: Option<usize>,
    /// Numbers or names of the classes to report.
    pub(crate) classes: Option<Vec<String>>,
}

impl DetectSettings {
    /// These settings, with missing ones from `base`; all classes are reported.
    fn over(&self, base: DetectOptions) -> DetectOptions {
        DetectOptions {
            imgsz: self.imgsz.unwrap_or(base.imgsz),
            rect: base.rect,
            confidence: self.confidence.unwrap_or(base.confidence),
            iou: self.iou.unwrap_or(base.iou),
            agnostic: self.agnostic,
            max_detections: self.max_detections.unwrap_or(base.max_detections),
            classes: base.classes,
        }
    }

    /// Indices of the classes to report. A number is an index, even if a class has it as its name.
    fn class_ids(&self, class_names: &[String]) -> Result<Option<Vec<usize>>> {
        let id = |class: &String| -> Result<usize> {
            if let Ok(id) = class.parse() {
                return Ok(id);
            }
            let found = class_names.iter().position(|name| name == class);
            ensure_usage!(
                found.is_some(),
                "--classes {class}: the network has no class of this name; it has {}",
                class_names.join(", ")
            );
            Ok(found.unwrap_or_default())
        };
        self.classes.as_ref().map(|classes| classes.iter().map(id).collect()).transpose()
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

/// A network with the settings of a command: finds the objects of one image after the other.
pub(crate) struct Predictor<'a> {
    detector: Detector,
    config: DetectOptions,
    settings: &'a PredictSettings<'a>,
    crops: Option<Crops>,
}

impl<'a> Predictor<'a> {
    /// Loads a network.
    ///
    /// # Errors
    /// If the file cannot be read as a network, or a setting does not fit it.
    pub(crate) fn open(weights: &Path, settings: &'a PredictSettings<'a>) -> Result<Self> {
        settings.detect.over(DetectOptions::default()).check_thresholds()?;
        let detector = Detector::load(weights, settings.load.clone())?;
        let classes = settings.detect.class_ids(detector.class_names())?;
        let config = DetectOptions { classes, ..settings.detect.over(detector.config()) };
        detector.accepts(&config)?;
        Ok(Self { detector, config, settings, crops: None })
    }

    /// Writes crops, if the settings ask for them; `inputs` are never overwritten.
    pub(crate) fn crop_from(&mut self, inputs: &[PathBuf]) {
        let crops = |folder: &Path| Crops::new(folder.to_owned(), self.detector.class_names(), inputs);
        self.crops = self.settings.crops.map(crops);
    }

    /// Creates the folders of pictures and labels, and removes what an interrupted call left there.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub(crate) fn make_folders(&self) -> Result<()> {
        for folder in [self.settings.out, self.settings.labels].into_iter().flatten() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            remove_leftovers(folder);
        }
        Ok(())
    }

    /// Finds the objects in an image, and writes labels and crops under these names. With a folder for pictures, draws
    /// the objects into the image.
    ///
    /// # Errors
    /// If the network fails, or a file cannot be written.
    pub(crate) fn see(
        &mut self,
        image: &mut RgbImage,
        labels: &OsStr,
        picture: &OsStr,
    ) -> Result<Vec<Found>> {
        let detections = self.detector.detect(image, &self.config)?;
        if let Some(folder) = self.settings.labels {
            let file = folder.join(labels);
            write_labels(&file, &detections, image.dimensions(), self.settings.confidences)?;
        }
        if let Some(crops) = &self.crops {
            crops.write(image, &detections, picture)?;
        }
        if self.settings.out.is_some() {
            draw_detections_with(image, &detections, self.detector.class_names(), self.settings.draw);
        }
        Ok(self.named(&detections))
    }

    /// Finds the objects in an image and writes nothing.
    ///
    /// # Errors
    /// If the network fails.
    pub(crate) fn find(&mut self, image: &RgbImage) -> Result<Vec<Found>> {
        let detections = self.detector.detect(image, &self.config)?;
        Ok(self.named(&detections))
    }

    /// Names of the classes, by their numbers.
    pub(crate) fn class_names(&self) -> &[String] {
        self.detector.class_names()
    }

    /// Side of the network's input in pixels.
    pub(crate) const fn imgsz(&self) -> usize {
        self.config.imgsz
    }

    fn named(&self, detections: &[Detection]) -> Vec<Found> {
        let class_names = self.detector.class_names();
        let found = detections.iter().map(|d| Found {
            name: class_names[d.class_id].clone(),
            class_id: d.class_id,
            confidence: d.confidence,
            xyxy: [d.bbox.x1, d.bbox.y1, d.bbox.x2, d.bbox.y2],
        });
        found.collect()
    }
}

/// Finds objects in the images of a source ([`images`]). Calls `each` for one image after the other. A thread
/// decodes images while the network runs on earlier ones.
///
/// # Errors
/// If the network or the only image cannot be read, there are no images, or a file cannot be written.
pub(crate) fn predict(
    weights: &Path,
    source: &Path,
    settings: &PredictSettings<'_>,
    each: &mut dyn FnMut(&Path, Seen) -> Result<()>,
) -> Result<()> {
    let mut predictor = Predictor::open(weights, settings)?;
    let paths = images(source)?;
    let names = output_names(&paths)?;
    refuse_overwriting(&paths, &names, (settings.out, settings.labels))?;
    predictor.crop_from(&paths);
    predictor.make_folders()?;
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
            let found = predictor.see(&mut image, &name.labels, &name.picture)?;
            if let Some(folder) = settings.out {
                write_picture(&image, &folder.join(name.picture))?;
            }
            each(&path, Seen::Found(found))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_chosen_by_number_or_name() {
        let names = ["cat", "7", "dog"].map(str::to_owned);
        let ids = |classes: &[&str]| {
            let classes = Some(classes.iter().map(|class| (*class).to_owned()).collect());
            DetectSettings { classes, ..DetectSettings::default() }.class_ids(&names)
        };
        assert_eq!(ids(&["dog", "0"]).unwrap(), Some(vec![2, 0]));
        assert_eq!(ids(&["7"]).unwrap(), Some(vec![7]), "the detector refuses numbers that no class has");
        let error = ids(&["bird"]).unwrap_err().to_string();
        assert!(error.contains("--classes bird") && error.contains("cat, 7, dog"), "{error}");
        assert_eq!(DetectSettings::default().class_ids(&names).unwrap(), None);
    }
}
