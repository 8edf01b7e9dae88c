//! [`LevelGradient`]: gradients with respect to the raw outputs of a head, level by level.
//!
//! A loss writes its gradient in the same layout as the head's planes. Images are independent, so every image
//! gets its own planes of all levels. This module does not depend on a particular loss.

use rayon::prelude::*;

use crate::head::{HeadError, HeadOutput};

/// Number of values that one task adds.
const TASK: usize = 1 << 16;

/// Gradient of a total with respect to the raw outputs of a level, in the same NCHW layout.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelGradient {
    /// `[n, 4 * reg_max, h, w]`.
    pub box_logits: Vec<f32>,
    /// `[n, num_classes, h, w]`.
    pub cls_logits: Vec<f32>,
}

/// Adds the gradient of one loss to that of another loss of the same outputs.
///
/// # Errors
/// The numbers of levels or of values differ; `sum` is then unchanged.
pub fn add_gradients(sum: &mut [LevelGradient], more: &[LevelGradient]) -> Result<(), HeadError> {
    if sum.len() != more.len() {
        return Err(HeadError::GradientLevels { expected: sum.len(), found: more.len() });
    }
    for (level, (sum, more)) in sum.iter().zip(more).enumerate() {
        for (what, expected, found) in [
            ("box_logits", sum.box_logits.len(), more.box_logits.len()),
            ("cls_logits", sum.cls_logits.len(), more.cls_logits.len()),
        ] {
            if expected != found {
                return Err(HeadError::GradientLength { level, what, expected, found });
            }
        }
    }
    let add = |(sum, more): (&mut [f32], &[f32])| {
        for (s, m) in sum.iter_mut().zip(more) {
            *s += m;
        }
    };
    for (sum, more) in sum.iter_mut().zip(more) {
        for (sum, more) in [(&mut sum.box_logits, &more.box_logits), (&mut sum.cls_logits, &more.cls_logits)]
        {
            sum.par_chunks_mut(TASK).zip(more.par_chunks(TASK)).for_each(add);
        }
    }
    Ok(())
}

/// The gradient of one image at a level.
pub(crate) struct ImagePlanes<'a> {
    /// `[4 * reg_max, h, w]`.
    pub(crate) box_logits: &'a mut [f32],
    /// `[num_classes, h, w]`.
    pub(crate) cls_logits: &'a mut [f32],
}

/// A gradient of zeros for every output of the head.
pub(crate) fn zero_gradients(head: &HeadOutput) -> Vec<LevelGradient> {
    let zeros = |channels: usize, cells: usize| vec![0.0f32; head.batch() * channels * cells];
    head.levels()
        .iter()
        .map(|l| LevelGradient {
            box_logits: zeros(4 * head.reg_max(), l.cells()),
            cls_logits: zeros(head.num_classes(), l.cells()),
        })
        .collect()
}

/// Splits the gradient by image; each image gets its planes of all levels.
pub(crate) fn planes_by_image<'a>(
    head: &HeadOutput,
    gradients: &'a mut [LevelGradient],
) -> Vec<Vec<ImagePlanes<'a>>> {
    let mut images: Vec<Vec<ImagePlanes>> =
        (0..head.batch()).map(|_| Vec::with_capacity(gradients.len())).collect();
    for (gradient, level) in gradients.iter_mut().zip(head.levels()) {
        let boxes = gradient.box_logits.chunks_exact_mut(4 * head.reg_max() * level.cells());
        let classes = gradient.cls_logits.chunks_exact_mut(head.num_classes() * level.cells());
        for ((box_logits, cls_logits), image) in boxes.zip(classes).zip(&mut images) {
            image.push(ImagePlanes { box_logits, cls_logits });
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(boxes: usize, classes: usize, value: f32) -> LevelGradient {
        let ramp = |n: usize| (0..n).map(|i| i as f32 + value).collect();
        LevelGradient { box_logits: ramp(boxes), cls_logits: ramp(classes) }
    }

    #[test]
    fn every_value_is_added() {
        let mut sum = vec![level(2 * TASK + 5, 3, 0.5), level(8, 1, 0.5)];
        add_gradients(&mut sum, &[level(2 * TASK + 5, 3, 0.25), level(8, 1, 0.25)]).unwrap();
        for values in sum.iter().flat_map(|l| [&l.box_logits, &l.cls_logits]) {
            assert!(values.iter().enumerate().all(|(i, &v)| v == 2.0 * i as f32 + 0.75));
        }
    }

    #[test]
    fn what_does_not_fit_is_named_and_nothing_is_added() {
        let mut sum = vec![level(4, 2, 0.0), level(8, 1, 0.0)];
        let before = sum.clone();
        let message = add_gradients(&mut sum, &before[..1]).unwrap_err().to_string();
        assert_eq!(
            message,
            "a gradient of 1 levels cannot be added to one of 2; both must belong to one head"
        );
        let message = add_gradients(&mut sum, &[level(4, 2, 1.0), level(8, 3, 1.0)]).unwrap_err().to_string();
        let expected = "level 1: a gradient of 3 values cannot be added to cls_logits with 1; both must belong to one head";
        assert_eq!(message, expected);
        assert_eq!(sum, before);
    }
}
