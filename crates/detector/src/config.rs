//! [`DetectOptions`]: settings of a detection.

use bonsai_graph::Size;
use bonsai_yolov8::NmsOptions;

use crate::DetectorError;

/// Default side of the network's input, in pixels, if a checkpoint does not store one; YOLOv8 is published
/// for it.
pub const DEFAULT_IMGSZ: usize = 640;

/// Largest accepted side; a picture of a larger side needs gigabytes for activations.
pub(crate) const MAX_IMGSZ: usize = 16_384;

/// Largest accepted number of detections; more than a network of the largest side has anchors.
const MAX_DETECTIONS: usize = 10_000_000;

/// Settings of a detection.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectOptions {
    /// Side of the square that a picture is fitted into, in pixels; a multiple of the largest stride (32).
    /// For a file with a fixed input size, the longer side of that size.
    pub imgsz: usize,
    /// Whether the unused part of the square is cut off, down to a multiple of the stride, which is faster
    /// and equals Ultralytics' prediction. Otherwise it is padded. For a file with a fixed input size it is
    /// always padded.
    pub rect: bool,
    /// A score must be above this threshold; 0..=1.
    pub confidence: f32,
    /// A box is dropped if a better one of its class overlaps it by more than this `IoU`; 0..=1.
    pub iou: f32,
    /// Whether a box also suppresses boxes of other classes. A file with its own suppression refuses this.
    pub agnostic: bool,
    /// Maximum number of detections per picture; the most confident are kept.
    pub max_detections: usize,
    /// Indices of the classes to report; `None` reports all.
    ///
    /// An object whose best class is not listed is not reported under its second-best class.
    pub classes: Option<Vec<usize>>,
}

impl Default for DetectOptions {
    /// Ultralytics' settings for prediction: 640 px, confidence 0.25, `IoU` 0.7, 300 detections, all classes.
    fn default() -> Self {
        let NmsOptions { confidence, iou, agnostic, max_detections, .. } = NmsOptions::PREDICT;
        Self { imgsz: DEFAULT_IMGSZ, rect: true, confidence, iou, agnostic, max_detections, classes: None }
    }
}

/// The valid sizes of an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputLimits {
    /// Height and width must be multiples of this number of pixels.
    pub(crate) stride: usize,
    /// The only valid size, if it is fixed.
    pub(crate) fixed: Option<Size>,
}

impl DetectOptions {
    /// Checks the settings that do not depend on a network: confidence, overlap and number of detections.
    ///
    /// # Errors
    /// [`DetectorError::Config`] with the field, its value and the accepted range.
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
            Some(size) if self.imgsz == size.longer_side() => {}
            Some(size) => {
                let expected =
                    format!("{}: the file was exported for images of {size} pixels", size.longer_side());
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

    pub(crate) fn nms(&self) -> NmsOptions {
        NmsOptions {
            confidence: self.confidence,
            iou: self.iou,
            agnostic: self.agnostic,
            max_detections: self.max_detections,
            ..NmsOptions::PREDICT
        }
    }
}

/// Checks the input size; the error is the expected value in words.
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
