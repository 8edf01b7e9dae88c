//! [`HeadOutput`]: raw outputs of the detection head, as plain slices.
//!
//! The loss, the assigner and the decoder read the same two planes per level (box logits and class logits),
//! from any executor. Invariant: a [`HeadOutput`] has slices of the right lengths and levels that cover the
//! same image, so later code does not check again. It borrows the data and does not depend on a network.
//!
//! Anchors are counted by level in the given order, then row by row; every consumer uses that order.

use bonsai_checkpoint::Array;
use bonsai_graph::DetectHead;
use thiserror::Error;

/// Invalid head outputs, targets, predictions or gradients.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The head output has no images, classes or levels.
    #[error(
        "head output with batch {batch}, {num_classes} classes, {levels} levels: all three must be at least 1"
    )]
    Empty {
        /// Number of images.
        batch: usize,
        /// Number of classes.
        num_classes: usize,
        /// Number of levels.
        levels: usize,
    },
    /// The head refers to an output that is missing or does not have four dimensions.
    #[error("the head reads output {position} [n, c, h, w], but the network returned {found} outputs")]
    Outputs {
        /// Index of the output.
        position: usize,
        /// Number of outputs returned.
        found: usize,
    },
    /// Class weights for another number of classes.
    #[error("there are weights for {weights} classes, but the head has {num_classes}")]
    ClassWeights {
        /// Number of weights.
        weights: usize,
        /// Number of classes of the head.
        num_classes: usize,
    },
    /// A distribution over fewer than two bins has no gradient.
    #[error("reg_max is {0}: a side's distribution needs at least 2 bins (YOLOv8 has 16)")]
    RegMax(usize),
    /// A level has no cells.
    #[error("level {level} is {h} x {w} cells at stride {stride}: all three must be at least 1")]
    EmptyLevel {
        /// Index of the level.
        level: usize,
        /// Rows.
        h: usize,
        /// Columns.
        w: usize,
        /// Pixels per cell.
        stride: usize,
    },
    /// A slice does not have the length of its shape.
    #[error(
        "level {level}: {what} has {found} values, but [{batch}, {channels}, {h}, {w}] needs {expected}; \
         pass the whole NCHW output"
    )]
    Length {
        /// Index of the level.
        level: usize,
        /// `box_logits` or `cls_logits`.
        what: &'static str,
        /// Number of images.
        batch: usize,
        /// Number of channels.
        channels: usize,
        /// Rows.
        h: usize,
        /// Columns.
        w: usize,
        /// Values that the shape needs.
        expected: usize,
        /// Number of values found.
        found: usize,
    },
    /// The levels cover different image sizes.
    #[error(
        "level {level} covers {found_h} x {found_w} px, but level 0 covers {h} x {w} px; \
         use an image size that every stride divides"
    )]
    ImageSize {
        /// Index of the level.
        level: usize,
        /// Height from level 0, in pixels.
        h: usize,
        /// Width from level 0, in pixels.
        w: usize,
        /// Height from this level, in pixels.
        found_h: usize,
        /// Width from this level, in pixels.
        found_w: usize,
    },
    /// A target has an image number that is not in the batch.
    #[error("target {target} belongs to image {image}, but the batch has {batch} images (numbered from 0)")]
    TargetImage {
        /// Index of the target.
        target: usize,
        /// Its image.
        image: usize,
        /// Number of images in the batch.
        batch: usize,
    },
    /// A target has a class that the head does not have.
    #[error("target {target} has class {class_id}, but the head has {num_classes} classes (numbered from 0)")]
    TargetClass {
        /// Index of the target.
        target: usize,
        /// Its class.
        class_id: usize,
        /// Number of classes of the head.
        num_classes: usize,
    },
    /// A target's box is not finite.
    #[error("target {target} has the box {bbox:?}: every coordinate must be finite")]
    TargetBox {
        /// Index of the target.
        target: usize,
        /// Its box.
        bbox: bonsai_boxes::Cxcywh,
    },
    /// Decoded predictions have the wrong length.
    #[error("predictions have {found} values, but [{batch}, 4 + {num_classes}, {anchors}] needs {expected}")]
    Predictions {
        /// Number of images.
        batch: usize,
        /// Number of classes.
        num_classes: usize,
        /// Number of anchors.
        anchors: usize,
        /// Values that the shape needs.
        expected: usize,
        /// Number of values found.
        found: usize,
    },
    /// The gradients belong to heads with different numbers of levels.
    #[error(
        "a gradient of {found} levels cannot be added to one of {expected}; both must belong to one head"
    )]
    GradientLevels {
        /// Number of levels of the gradient that is added to.
        expected: usize,
        /// Number of levels of the added gradient.
        found: usize,
    },
    /// The gradients belong to heads that differ at a level.
    #[error(
        "level {level}: a gradient of {found} values cannot be added to {what} with {expected}; \
         both must belong to one head"
    )]
    GradientLength {
        /// Index of the level.
        level: usize,
        /// `box_logits` or `cls_logits`.
        what: &'static str,
        /// Number of values of the gradient that is added to.
        expected: usize,
        /// Number of values of the added gradient.
        found: usize,
    },
}

/// Raw outputs of one level, NCHW.
#[derive(Debug, Clone, Copy)]
pub struct LevelOutput<'a> {
    /// `[n, 4 * reg_max, h, w]`: logits over the bins of the left, top, right and bottom distance, in cells.
    pub box_logits: &'a [f32],
    /// `[n, num_classes, h, w]`: class logits.
    pub cls_logits: &'a [f32],
    /// Rows of cells.
    pub h: usize,
    /// Columns of cells.
    pub w: usize,
    /// Pixels per cell.
    pub stride: usize,
}

impl LevelOutput<'_> {
    /// Number of cells of the level; each has one anchor at its centre.
    pub fn cells(&self) -> usize {
        self.h * self.w
    }
}

/// Raw outputs of a whole head, with checked sizes.
#[derive(Debug, Clone)]
pub struct HeadOutput<'a> {
    batch: usize,
    num_classes: usize,
    reg_max: usize,
    levels: Vec<LevelOutput<'a>>,
}

impl<'a> HeadOutput<'a> {
    /// Checks every length and that the levels cover one image size.
    ///
    /// # Errors
    /// [`HeadError`] with the level, the size found and the size expected.
    pub fn new(
        batch: usize,
        num_classes: usize,
        reg_max: usize,
        levels: Vec<LevelOutput<'a>>,
    ) -> Result<Self, HeadError> {
        if batch == 0 || num_classes == 0 || levels.is_empty() {
            return Err(HeadError::Empty { batch, num_classes, levels: levels.len() });
        }
        if reg_max < 2 {
            return Err(HeadError::RegMax(reg_max));
        }
        for (level, l) in levels.iter().enumerate() {
            if l.h == 0 || l.w == 0 || l.stride == 0 {
                return Err(HeadError::EmptyLevel { level, h: l.h, w: l.w, stride: l.stride });
            }
            for (what, channels, slice) in
                [("box_logits", 4 * reg_max, l.box_logits), ("cls_logits", num_classes, l.cls_logits)]
            {
                let expected = batch * channels * l.cells();
                if slice.len() != expected {
                    let h = l.h;
                    let w = l.w;
                    let found = slice.len();
                    return Err(HeadError::Length { level, what, batch, channels, h, w, expected, found });
                }
            }
            let h = levels[0].h * levels[0].stride;
            let w = levels[0].w * levels[0].stride;
            let found_h = l.h * l.stride;
            let found_w = l.w * l.stride;
            if (h, w) != (found_h, found_w) {
                return Err(HeadError::ImageSize { level, h, w, found_h, found_w });
            }
        }
        Ok(Self { batch, num_classes, reg_max, levels })
    }

    /// Reads the outputs `[n, c, h, w]` of an executor, in the graph's order, as `head` describes them.
    ///
    /// # Errors
    /// [`HeadError::Outputs`] if there are too few, otherwise as [`HeadOutput::new`].
    pub fn from_outputs(head: &DetectHead, outputs: &'a [Array]) -> Result<Self, HeadError> {
        let output = |position: usize| {
            outputs
                .get(position)
                .filter(|o| o.shape().len() == 4)
                .ok_or(HeadError::Outputs { position, found: outputs.len() })
        };
        let level = |((boxes, classes), stride): ((&usize, &usize), &usize)| {
            let boxes = output(*boxes)?;
            let classes = output(*classes)?;
            let h = boxes.shape()[2];
            let w = boxes.shape()[3];
            Ok(LevelOutput { box_logits: boxes.data(), cls_logits: classes.data(), h, w, stride: *stride })
        };
        let positions = head.box_outputs.iter().zip(&head.cls_outputs).zip(&head.strides);
        let levels = positions.map(level).collect::<Result<Vec<_>, _>>()?;
        let batch = outputs.first().map_or(0, |o| o.shape()[0]);
        Self::new(batch, head.num_classes, head.reg_max, levels)
    }

    /// Number of images in the batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// Number of bins of a side's distribution; YOLOv8 has 16.
    pub fn reg_max(&self) -> usize {
        self.reg_max
    }

    /// The levels, in the order in which anchors are counted.
    pub fn levels(&self) -> &[LevelOutput<'a>] {
        &self.levels
    }

    /// Number of anchors of one image, over all levels.
    pub fn anchors(&self) -> usize {
        self.levels.iter().map(LevelOutput::cells).sum()
    }

    /// Width and height of the network's input, in pixels.
    pub fn image_size(&self) -> (usize, usize) {
        (self.levels[0].w * self.levels[0].stride, self.levels[0].h * self.levels[0].stride)
    }

    /// The box logits of one image at a level, `[4 * reg_max, h, w]`.
    pub(crate) fn box_logits(&self, level: usize, image: usize) -> &'a [f32] {
        let length = 4 * self.reg_max * self.levels[level].cells();
        &self.levels[level].box_logits[image * length..][..length]
    }

    /// The class logits of one image at a level, `[num_classes, h, w]`.
    pub(crate) fn cls_logits(&self, level: usize, image: usize) -> &'a [f32] {
        let length = self.num_classes * self.levels[level].cells();
        &self.levels[level].cls_logits[image * length..][..length]
    }
}
