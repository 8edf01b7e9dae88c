//! What to look for in a picture, and how sure to be.

use bonsai_graph::ModelSpec;
use bonsai_yolov8::NmsConfig;

use crate::DetectorError;

/// Side of the network's input where a checkpoint does not name one: what YOLOv8 is published for, in pixels.
pub const DEFAULT_IMGSZ: usize = 640;

/// Largest side accepted; beyond it one picture takes gigabytes of activations.
const MAX_IMGSZ: usize = 16_384;

/// Settings of a detection.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectConfig {
    /// Side of the square that a picture is fitted into, in pixels; a multiple of the largest stride (32).
    pub imgsz: usize,
    /// Whether what a picture does not fill of the square is left out, down to a multiple of the stride: faster, and as
    /// Ultralytics predicts. Otherwise it is padded.
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

impl DetectConfig {
    pub(crate) fn check(&self, model: &ModelSpec) -> Result<(), DetectorError> {
        check_imgsz(self.imgsz, model)
            .map_err(|expected| wrong("imgsz", self.imgsz.to_string(), expected))?;
        for (field, value) in [("confidence", self.confidence), ("iou", self.iou)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(wrong(field, value.to_string(), "between 0 and 1".to_owned()));
            }
        }
        let Some(classes) = &self.classes else { return Ok(()) };
        let count = model.class_names().len();
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

/// What sides of an input must be multiples of, in pixels: each cell of each level then is whole.
pub(crate) fn stride(model: &ModelSpec) -> usize {
    // Levels halve one another in every YOLO; where they do not, the heads' check behind this one speaks up.
    model.head().strides.iter().copied().max().unwrap_or(1)
}

/// In the error, what would be right.
pub(crate) fn check_imgsz(imgsz: usize, model: &ModelSpec) -> Result<(), String> {
    let stride = stride(model);
    if imgsz > 0 && imgsz <= MAX_IMGSZ && imgsz.is_multiple_of(stride) {
        Ok(())
    } else {
        Err(format!("a multiple of {stride}, at most {MAX_IMGSZ} pixels"))
    }
}

fn wrong(field: &'static str, value: String, expected: String) -> DetectorError {
    DetectorError::Config { field, value, expected }
}
