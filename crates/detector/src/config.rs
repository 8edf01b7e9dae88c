//! What to look for in a picture, and how sure to be.

use bonsai_yolov8::NmsConfig;

use crate::DetectorError;

/// Side of the network's input where a checkpoint does not name one: what YOLOv8 is published for, in pixels.
pub const DEFAULT_IMGSZ: usize = 640;

/// Largest side accepted; beyond it one picture takes gigabytes of activations.
pub(crate) const MAX_IMGSZ: usize = 16_384;

/// Most objects of a picture that are worth asking for: more than a network of the largest side has anchors.
const MAX_DETECTIONS: usize = 10_000_000;

/// Settings of a detection.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectConfig {
    /// Side of the square that a picture is fitted into, in pixels; a multiple of the largest stride (32). A file that takes one
    /// size only wants the longer side of it.
    pub imgsz: usize,
    /// Whether what a picture does not fill of the square is left out, down to a multiple of the stride: faster, and as
    /// Ultralytics predicts. Otherwise it is padded, as it always is for a file that takes one size only.
    pub rect: bool,
    /// A score must be above this; 0..=1.
    pub confidence: f32,
    /// A box goes if a better one of its class has an `IoU` above this with it; 0..=1.
    pub iou: f32,
    /// Detections per picture, the most confident.
    pub max_detections: usize,
    /// Indices of the classes to report; all where `None`.
    ///
    /// An object whose best class is another one is not reported under its second best.
    pub classes: Option<Vec<usize>>,
}

impl Default for DetectConfig {
    /// Ultralytics' settings for prediction: 640 px, confidence 0.25, `IoU` 0.7, 300 detections, all classes.
    fn default() -> Self {
        let NmsConfig { confidence, iou, max_detections, .. } = NmsConfig::PREDICT;
        Self { imgsz: DEFAULT_IMGSZ, rect: true, confidence, iou, max_detections, classes: None }
    }
}

/// What an input may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputLimits {
    /// What height and width must be multiples of, in pixels.
    pub(crate) stride: usize,
    /// The only height and width, if there is only one.
    pub(crate) fixed: Option<(usize, usize)>,
}

impl DetectConfig {
    /// Checks what does not depend on a network: scores, overlaps and numbers of objects.
    ///
    /// # Errors
    /// [`DetectorError::Config`] with the field, its value and the range.
    pub fn check_thresholds(&self) -> Result<(), DetectorError> {
        for (field, value) in [("confidence", self.confidence), ("iou", self.iou)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(wrong(field, value.to_string(), "between 0 and 1".to_owned()));
            }
        }
        if !(1..=MAX_DETECTIONS).contains(&self.max_detections) {
            let expected = format!("from 1 to {MAX_DETECTIONS}");
            return Err(wrong("max_detections", self.max_detections.to_string(), expected));
        }
        Ok(())
    }

    pub(crate) fn check(&self, limits: &InputLimits, count: usize) -> Result<(), DetectorError> {
        match limits.fixed {
            Some((h, w)) if self.imgsz == h.max(w) => {}
            Some((h, w)) => {
                let expected = format!("{}: the file was exported for images of {h} x {w} pixels", h.max(w));
                return Err(wrong("imgsz", self.imgsz.to_string(), expected));
            }
            None => check_imgsz(self.imgsz, limits.stride)
                .map_err(|expected| wrong("imgsz", self.imgsz.to_string(), expected))?,
        }
        self.check_thresholds()?;
        let Some(classes) = &self.classes else { return Ok(()) };
        if classes.is_empty() {
            let expected = "at least one class; leave it out to report all".to_owned();
            return Err(wrong("classes", "empty".to_owned(), expected));
        }
        match classes.iter().find(|c| **c >= count) {
            Some(class) => {
                let expected = format!("a class of the model, which has {count} (numbered from 0)");
                Err(wrong("classes", class.to_string(), expected))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn nms(&self) -> NmsConfig {
        NmsConfig {
            confidence: self.confidence,
            iou: self.iou,
            max_detections: self.max_detections,
            ..NmsConfig::PREDICT
        }
    }
}

/// In the error, what would be right.
pub(crate) fn check_imgsz(imgsz: usize, stride: usize) -> Result<(), String> {
    if imgsz > 0 && imgsz <= MAX_IMGSZ && imgsz.is_multiple_of(stride) {
        Ok(())
    } else {
        Err(format!("a multiple of {stride}, at most {MAX_IMGSZ} pixels"))
    }
}

fn wrong(field: &'static str, value: String, expected: String) -> DetectorError {
    DetectorError::Config { field, value, expected }
}
