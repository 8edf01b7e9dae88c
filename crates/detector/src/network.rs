//! [`Network`]: a Bonsai network whose raw outputs are decoded in this crate.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{ExecutorOptions, Inference, build_deployed};
use bonsai_graph::ModelSpec;
use bonsai_yolov8::{HeadOutput, LevelOutput};

use crate::DetectorError;

/// A folded network and its executor.
pub(crate) struct Network {
    pub(crate) model: ModelSpec,
    inference: Box<dyn Inference + Send>,
}

impl Network {
    /// Loads a folded checkpoint on the executor that the options select.
    pub(crate) fn new(folded: Checkpoint, options: &ExecutorOptions) -> Result<Self, DetectorError> {
        let input = folded.model.graph().node(folded.model.graph().input());
        if input.channels() != 3 {
            return Err(DetectorError::Channels { node: input.name().to_owned(), found: input.channels() });
        }
        let model = folded.model.clone();
        Ok(Self { model, inference: build_deployed(folded, options)? })
    }

    /// See [`Detector::check_memory`](crate::Detector::check_memory).
    pub(crate) fn check_memory(&mut self, size: [usize; 3]) -> Result<(), DetectorError> {
        Ok(self.inference.check_memory(size)?)
    }

    /// Runs the network and passes the raw outputs to `read`.
    pub(crate) fn read_head<T>(
        &mut self,
        images: &Array,
        read: impl FnOnce(&HeadOutput<'_>) -> T,
    ) -> Result<T, DetectorError> {
        let stride = stride(&self.model);
        let [n, 3, h, w] = images.shape()[..] else { return Err(input_shape(images, stride)) };
        if n == 0 || h == 0 || w == 0 || !h.is_multiple_of(stride) || !w.is_multiple_of(stride) {
            return Err(input_shape(images, stride));
        }
        let outputs = self.inference.infer(images)?;
        for (output, id) in outputs.iter().zip(self.model.graph().outputs()) {
            // Suppression would ignore a NaN silently, and a diverged network would look like a picture
            // without objects.
            if !output.data().iter().all(|v| v.is_finite()) {
                let node = self.model.graph().node(*id).name().to_owned();
                return Err(DetectorError::NotFinite { node });
            }
        }
        let head = self.model.head();
        let positions = head.box_outputs.iter().zip(&head.cls_outputs).zip(&head.strides);
        let level = |((boxes, classes), stride): ((&usize, &usize), &usize)| LevelOutput {
            box_logits: outputs[*boxes].data(),
            cls_logits: outputs[*classes].data(),
            h: outputs[*boxes].shape()[2],
            w: outputs[*boxes].shape()[3],
            stride: *stride,
        };
        let levels = positions.map(level).collect();
        Ok(read(&HeadOutput::new(n, head.num_classes, head.reg_max, levels)?))
    }
}

/// Sides of an input must be multiples of this number of pixels, so that the cells of every level are whole.
pub(crate) fn stride(model: &ModelSpec) -> usize {
    // The largest stride is a multiple of the others in every YOLO; otherwise [`HeadOutput::new`] returns an
    // error.
    model.head().strides.iter().copied().max().unwrap_or(1)
}

fn input_shape(images: &Array, stride: usize) -> DetectorError {
    DetectorError::InputShape { found: images.shape().to_vec(), stride }
}
