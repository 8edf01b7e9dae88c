//! [`Outputs`]: results of a detector for a batch, before suppression or after the file's own suppression.

use bonsai_boxes::Detection;
use bonsai_yolov8::{HeadError, NmsOptions, Predictions, nms};

/// Results for a batch, in pixels of the network's input.
#[derive(Debug, Clone, PartialEq)]
pub enum Outputs {
    /// A box and scores for each anchor.
    Predictions(Predictions),
    /// Detections of each image, most confident first, from a file with its own suppression.
    Detections(Vec<Vec<Detection>>),
}

impl Outputs {
    /// Detections of each image, most confident first.
    ///
    /// If the file contains suppression, only `confidence` and `max_detections` of the settings apply; the
    /// overlap threshold was fixed at export.
    pub fn suppress(&self, config: &NmsOptions) -> Vec<Vec<Detection>> {
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

    /// The results for the `wanted` classes only, as a network with only these classes would return them:
    /// unlike a filter after suppression, other classes use up no candidates or detections. Classes keep
    /// their numbers.
    ///
    /// # Errors
    /// None in practice, because the shape does not change.
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

    /// Removes detections whose class is not in `classes`.
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

    /// The results for the first `n` images.
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

    /// Concatenates the results of several batches; kinds and classes must be equal.
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

/// Sets all scores of an anchor to 0 if its best class is not wanted.
///
/// This is done before suppression, because otherwise unwanted objects would use up candidates and
/// `max_detections`.
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
    // A foreign ONNX file may have no anchors.
    let images = data.chunks_exact_mut(((4 + num_classes) * anchors).max(1));
    for (planes, keep) in images.zip(keep.chunks_exact(anchors.max(1))) {
        for scores in planes[4 * anchors..].chunks_exact_mut(anchors.max(1)) {
            for (score, _) in scores.iter_mut().zip(keep).filter(|(_, keep)| !**keep) {
                *score = 0.0;
            }
        }
    }
    Predictions::new(batch, num_classes, anchors, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_without_anchors_have_no_classes_to_keep() {
        let empty = || Outputs::Predictions(Predictions::new(2, 3, 0, Vec::new()).unwrap());
        for kept in [empty().keep_classes(&[1]).unwrap(), empty().only_classes(|class| class == 1).unwrap()] {
            let Outputs::Predictions(kept) = kept else { panic!("predictions stay predictions") };
            assert_eq!((kept.batch(), kept.num_classes(), kept.anchors()), (2, 3, 0));
        }
    }
}
