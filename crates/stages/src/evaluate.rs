//! [`EvalOptions`] and [`evaluate`]: how good a detector is on a split.

use std::str::FromStr;

use anyhow::Result;
use bonsai_boxes::{Cxcywh, Detection, GroundTruth, Xyxy};
use bonsai_checkpoint::Array;
use bonsai_data::{Batch, LetterboxTransform, Loader, LoaderConfig, Sample};
use bonsai_detector::{Detector, Outputs};
use bonsai_exec::UnknownName;
use bonsai_graph::ClassMap;
use bonsai_metrics::{ConfusionMatrix, Curves, DetMetrics, Evaluator, ImageOutcomes, Protocol};
use bonsai_train::MeanLosses;
use bonsai_yolov8::{ClassWeights, LossGains, NmsOptions, decode, weighted_detection_loss};

use crate::batches::targets;
use crate::classes::{in_dataset, in_network, matched};

/// The version of Ultralytics whose metrics are comparable with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EvalConvention {
    /// Ultralytics 8.0: boxes in pixels of the image file, clipped to it.
    Ultralytics80,
    /// Ultralytics 8.4: boxes in pixels of the network's input, not clipped. Parts of a box outside the image
    /// count as wrong area, so the metrics are slightly lower.
    #[default]
    Ultralytics84,
}

impl FromStr for EvalConvention {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "8.0" => Ok(Self::Ultralytics80),
            "8.4" => Ok(Self::Ultralytics84),
            _ => Err(UnknownName::new("convention", text, "8.0 or 8.4")),
        }
    }
}

impl EvalConvention {
    fn protocol(self) -> Protocol {
        match self {
            Self::Ultralytics80 => Protocol::ULTRALYTICS_80,
            Self::Ultralytics84 => Protocol::ULTRALYTICS_84,
        }
    }

    /// Detections and labels of an image, in the same pixel coordinates and with the dataset's class numbers.
    fn boxes(
        self,
        detections: &[Detection],
        sample: &Sample,
        transform: LetterboxTransform,
    ) -> (Vec<Detection>, Vec<GroundTruth>) {
        match self {
            Self::Ultralytics80 => {
                let native = detections.iter().map(|d| transform.detection_to_native(*d)).collect();
                (native, sample.ground_truth())
            }
            Self::Ultralytics84 => {
                let w = transform.canvas.0 as f32;
                let h = transform.canvas.1 as f32;
                let truth = sample.labels.iter().map(|label| {
                    let Cxcywh { cx, cy, w: width, h: height } = transform.label_to_canvas(label.bbox);
                    let bbox = Xyxy::from(Cxcywh { cx: cx * w, cy: cy * h, w: width * w, h: height * h });
                    GroundTruth { bbox, class_id: label.class_id }
                });
                (detections.to_vec(), truth.collect())
            }
        }
    }
}

/// How a split is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct EvalOptions<'a> {
    /// Settings of non-maximum suppression.
    pub suppression: NmsOptions,
    /// The version of Ultralytics whose metrics are comparable.
    pub convention: EvalConvention,
    /// Gains of the loss parts; `None` computes no losses. An ONNX file provides no losses.
    pub gains: Option<LossGains>,
    /// Weights of the classes in the losses, by the network's class numbers; `None` for equal weights.
    pub class_weights: Option<&'a ClassWeights>,
}

impl Default for EvalOptions<'_> {
    /// Ultralytics' settings for validation, the convention of 8.4, no losses.
    fn default() -> Self {
        Self {
            suppression: NmsOptions::VALIDATION,
            convention: EvalConvention::default(),
            gains: None,
            class_weights: None,
        }
    }
}

/// The results of a detector on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The metrics, with the dataset's class numbers.
    pub metrics: DetMetrics,
    /// How the network's classes match the dataset's.
    pub classes: ClassMap,
    /// The curves from which the metrics are computed.
    pub curves: Curves,
    /// How often each class is detected as each other class.
    pub confusion: ConfusionMatrix,
    /// The outcome for each image, for a comparison with another detector on the same split.
    pub outcomes: ImageOutcomes,
    /// Mean losses of the batches, if [`EvalOptions::gains`] was set.
    pub losses: Option<MeanLosses>,
}

/// Called after each batch with its number, the batch, and the detections for each of its images (in pixels
/// of the batch, with the dataset's class numbers).
pub type BatchWatcher<'a> = &'a mut dyn FnMut(usize, &Batch, &[Vec<Detection>]);

/// The metrics of [`evaluate`] with the default [`EvalOptions`].
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_metrics(detector: &mut Detector, loader: &Loader) -> Result<DetMetrics> {
    Ok(evaluate(detector, loader, &EvalOptions::default(), &mut |_, _, _| {})?.metrics)
}

/// Runs every image of `loader` (which must neither shuffle nor augment), suppresses overlapping boxes, and
/// compares the rest with the labels.
///
/// Classes are matched by name. Classes that only the network or only the dataset has are ignored.
///
/// # Errors
/// If the network cannot run, a batch does not fit into memory, or an image can no longer be read;
/// [`ForeignClasses`](crate::ForeignClasses) if the network has no class in common with the dataset.
pub fn evaluate(
    detector: &mut Detector,
    loader: &Loader,
    how: &EvalOptions<'_>,
    watch: BatchWatcher<'_>,
) -> Result<Evaluation> {
    let classes = matched(detector.class_names(), &loader.split().class_names)?;
    let has_surplus = classes.surplus().next().is_some();
    let renumber = !classes.keeps_numbers();
    let count = classes.dataset().len();
    // Checked before a batch is made, because its images need memory too. The longer side of a rectangular
    // canvas is `imgsz`.
    let LoaderConfig { batch, imgsz, rect, canvas, .. } = *loader.config();
    let (w, h) = canvas.map_or((rect.unwrap_or(imgsz), imgsz), |(w, h)| (w as usize, h as usize));
    detector.check_memory([batch, h, w])?;
    let protocol = how.convention.protocol();
    let mut evaluator = Evaluator::with_protocol(count, protocol);
    let mut confusion = ConfusionMatrix::with_protocol(count, protocol);
    let mut outcomes = ImageOutcomes::new(protocol);
    let mut sums = [0.0f64; 3];
    for (number, batch) in loader.epoch(0).enumerate() {
        let mut batch = batch?;
        let images = Array::new(&batch.shape, std::mem::take(&mut batch.images));
        let (outputs, loss) = match how.gains {
            None => (detector.run(&images)?, None),
            Some(gains) => detector.read_head(&images, |head| {
                let objects = in_network(targets(&batch), &classes);
                let loss = weighted_detection_loss(head, &objects, gains, how.class_weights);
                (Outputs::Predictions(decode(head)), Some(loss))
            })?,
        };
        if let Some(loss) = loss.transpose()? {
            let items = [loss.items.bbox, loss.items.cls, loss.items.dfl];
            for (sum, item) in sums.iter_mut().zip(items) {
                *sum += f64::from(item);
            }
        }
        batch.images = images.into_data();
        let own = |class| classes.dataset_class(class).is_some();
        let outputs = if has_surplus { outputs.only_classes(own)? } else { outputs };
        let found = outputs.suppress(&how.suppression);
        let found: Vec<_> = if renumber {
            found.into_iter().map(|image| in_dataset(image, &classes)).collect()
        } else {
            found
        };
        for ((detections, transform), sample) in found.iter().zip(&batch.transforms).zip(&batch.samples) {
            let (detections, mut truth) =
                how.convention.boxes(detections, &loader.split().samples[*sample], *transform);
            truth.retain(|object| classes.network_class(object.class_id).is_some());
            evaluator.add_image(&detections, &truth);
            outcomes.add_image(&detections, &truth);
            confusion.add_image(&detections, &truth)?;
        }
        watch(number, &batch, &found);
    }
    let [bbox, cls, dfl] = sums.map(|sum| sum / loader.batches().max(1) as f64);
    let losses = how.gains.map(|_| MeanLosses { bbox, cls, dfl });
    let (metrics, curves) = evaluator.finish_with_curves();
    Ok(Evaluation { metrics, classes, curves, confusion, outcomes, losses })
}
