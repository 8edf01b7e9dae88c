//! [`Target`]: objects that the network should detect.
//!
//! Labels arrive as fractions of the image, in one list for the batch; the assigner needs pixels, image by
//! image. Invariant: an [`Object`] has a finite box and a class that the head has.

use bonsai_boxes::Cxcywh;

use crate::ciou::Corners;
use crate::grid::HeadShape;
use crate::head::HeadError;

/// An object in an image of the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Image of the batch, from 0.
    pub image: usize,
    /// Index into the class names.
    pub class_id: usize,
    /// Box as fractions of the network's input.
    pub bbox: Cxcywh,
}

/// A target in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object {
    /// Index in the list of targets.
    pub(crate) target: usize,
    pub(crate) class_id: usize,
    pub(crate) bbox: Corners,
}

/// Checks the targets and groups them by image, in the order of the list.
pub(crate) fn objects_by_image(head: &HeadShape, targets: &[Target]) -> Result<Vec<Vec<Object>>, HeadError> {
    let (width, height) = head.image_size;
    let mut images = vec![Vec::new(); head.batch];
    for (target, t) in targets.iter().enumerate() {
        let Target { image, class_id, bbox } = *t;
        let HeadShape { batch, num_classes, .. } = *head;
        if class_id >= num_classes {
            return Err(HeadError::TargetClass { target, class_id, num_classes });
        }
        if ![bbox.cx, bbox.cy, bbox.w, bbox.h].iter().all(|v| v.is_finite()) {
            return Err(HeadError::TargetBox { target, bbox });
        }
        let objects: &mut Vec<_> =
            images.get_mut(image).ok_or(HeadError::TargetImage { target, image, batch })?;
        let along = |centre: f32, size: f32, pixels: usize| {
            let centre = f64::from(centre);
            let half = f64::from(size) / 2.0;
            ((centre - half) * pixels as f64, (centre + half) * pixels as f64)
        };
        let (x1, x2) = along(bbox.cx, bbox.w, width);
        let (y1, y2) = along(bbox.cy, bbox.h, height);
        objects.push(Object { target, class_id, bbox: Corners { x1, y1, x2, y2 } });
    }
    Ok(images)
}
