//! What a detector says of a batch before anything is filtered, or after the file itself has filtered.

use bonsai_boxes::Detection;
use bonsai_yolov8::{HeadError, NmsConfig, Predictions, nms};

/// Answers for a batch, in pixels of the network's input.
#[derive(Debug, Clone, PartialEq)]
pub enum Outputs {
    /// A box and scores for each anchor.
    Predictions(Predictions),
    /// Objects of each image, most confident first: suppression is part of the file.
    Detections(Vec<Vec<Detection>>),
}

impl Outputs {
    /// Objects of each image, most confident first.
    ///
    /// Where the file has suppressed already, only `confidence` and `max_detections` of the settings matter: which boxes
    /// overlap too much was decided when it was exported.
    pub fn suppress(&self, config: &NmsConfig) -> Vec<Vec<Detection>> {
        match self {
            Self::Predictions(predictions) => nms(predictions, config),
            Self::Detections(images) => {
                let confident = |image: &Vec<Detection>| {
                    let found = image.iter().filter(|d| d.confidence > config.confidence);
                    found.take(config.max_detections).copied().collect()
                };
                images.iter().map(confident).collect()
            }
        }
    }

    /// The answers for the classes that are `wanted` alone, as a network that has only these would give them: unlike a filter
    /// behind suppression, the others take up no room among candidates and detections. Classes keep their numbers.
    ///
    /// # Errors
    /// None in practice: the shape stays.
    pub fn only_classes(self, wanted: impl Fn(usize) -> bool) -> Result<Self, HeadError> {
        Ok(match self {
            Self::Predictions(predictions) => {
                let batch = predictions.batch();
                let classes = predictions.num_classes();
                let anchors = predictions.anchors();
                let mut data = predictions.into_vec();
                for image in data.chunks_exact_mut(((4 + classes) * anchors).max(1)) {
                    let planes = image[4 * anchors..].chunks_exact_mut(anchors.max(1)).enumerate();
                    planes.filter(|(class, _)| !wanted(*class)).for_each(|(_, scores)| scores.fill(0.0));
                }
                Self::Predictions(Predictions::new(batch, classes, anchors, data)?)
            }
            Self::Detections(mut images) => {
                for image in &mut images {
                    image.retain(|d| wanted(d.class_id));
                }
                Self::Detections(images)
            }
        })
    }

    /// Leaves out what is of no wanted class.
    pub(crate) fn keep_classes(self, classes: &[usize]) -> Result<Self, HeadError> {
        Ok(match self {
            Self::Predictions(predictions) => Self::Predictions(keep_classes(predictions, classes)?),
            Self::Detections(mut images) => {
                for image in &mut images {
                    image.retain(|d| classes.contains(&d.class_id));
                }
                Self::Detections(images)
            }
        })
    }

    /// The answers for the first `n` images.
    pub(crate) fn first(self, n: usize) -> Result<Self, HeadError> {
        Ok(match self {
            Self::Detections(mut images) => {
                images.truncate(n);
                Self::Detections(images)
            }
            Self::Predictions(all) => {
                let classes = all.num_classes();
                let anchors = all.anchors();
                let mut data = all.into_vec();
                data.truncate(n * (4 + classes) * anchors);
                Self::Predictions(Predictions::new(n, classes, anchors, data)?)
            }
        })
    }

    /// The answers of one batch behind another's; kinds and classes must be equal.
    pub(crate) fn join(parts: Vec<Self>) -> Result<Option<Self>, HeadError> {
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Ok(None) };
        let parts: Vec<Self> = parts.collect();
        if parts.is_empty() {
            return Ok(Some(first));
        }
        Ok(Some(match first {
            Self::Detections(mut images) => {
                images.extend(parts.into_iter().flat_map(|part| match part {
                    Self::Detections(more) => more,
                    Self::Predictions(_) => Vec::new(),
                }));
                Self::Detections(images)
            }
            Self::Predictions(first) => {
                let mut batch = first.batch();
                let classes = first.num_classes();
                let anchors = first.anchors();
                let mut data = first.into_vec();
                for part in parts {
                    if let Self::Predictions(part) = part {
                        batch += part.batch();
                        data.extend(part.into_vec());
                    }
                }
                Self::Predictions(Predictions::new(batch, classes, anchors, data)?)
            }
        }))
    }
}

/// Sets every score of an anchor to 0 whose best class is not wanted.
///
/// Before suppression, not after: else unwanted objects would use up the candidates and `max_detections`.
fn keep_classes(predictions: Predictions, classes: &[usize]) -> Result<Predictions, HeadError> {
    let batch = predictions.batch();
    let num_classes = predictions.num_classes();
    let anchors = predictions.anchors();
    let wanted = |class: usize| classes.contains(&class);
    let keep: Vec<bool> = predictions
        .images()
        .flat_map(|i| i.best().map(|(class_id, _)| wanted(class_id)).collect::<Vec<_>>())
        .collect();
    let mut data = predictions.into_vec();
    let images = data.chunks_exact_mut((4 + num_classes) * anchors);
    for (planes, keep) in images.zip(keep.chunks_exact(anchors)) {
        for scores in planes[4 * anchors..].chunks_exact_mut(anchors) {
            for (score, _) in scores.iter_mut().zip(keep).filter(|(_, keep)| !**keep) {
                *score = 0.0;
            }
        }
    }
    Predictions::new(batch, num_classes, anchors, data)
}
