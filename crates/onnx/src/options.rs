//! What an export can be asked for.

use std::ops::RangeInclusive;

use crate::OnnxError;

/// The operator sets in which our operators have one form, and which readers were seen to accept:
/// `Split` with sizes as an input and `Softmax` over one axis came with 13.
const OPSETS: RangeInclusive<u32> = 13..=17;

/// How to export. Class names, channels and strides are the checkpoint's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// Height and width of the images in pixels; each a multiple of the largest stride.
    pub imgsz: (usize, usize),
    /// ONNX operator set, 13 to 17. Default 13, which old TensorRT and `OpenCV` read too.
    pub opset: u32,
    /// Name of the input.
    pub input_name: String,
    /// Name of the output.
    pub output_name: String,
    /// Metadata `description`: what this network is.
    pub description: String,
    /// Metadata `author`: who made it.
    pub author: String,
    /// Metadata `license`: that of the weights, which is their owner's to state.
    pub license: String,
}

impl ExportOptions {
    /// Opset 13, `images` to `output0`, for images of `imgsz` = (height, width).
    pub fn new(imgsz: (usize, usize)) -> Self {
        Self {
            imgsz,
            opset: *OPSETS.start(),
            input_name: "images".to_owned(),
            output_name: "output0".to_owned(),
            description: "YOLOv8 detector exported by Bonsai".to_owned(),
            author: "Bonsai".to_owned(),
            license: "unspecified".to_owned(),
        }
    }

    /// Refuses names that would make an invalid graph.
    pub(crate) fn check_names(&self) -> Result<(), OnnxError> {
        let (input, output) = (&self.input_name, &self.output_name);
        if input.is_empty() || output.is_empty() || input == output {
            return Err(OnnxError::Names { input: input.clone(), output: output.clone() });
        }
        Ok(())
    }

    /// The version of ONNX's file format that came with the operator set (ONNX, `docs/Versioning.md`).
    pub(crate) fn ir_version(&self) -> Result<i64, OnnxError> {
        if !OPSETS.contains(&self.opset) {
            return Err(OnnxError::Opset { got: self.opset, min: *OPSETS.start(), max: *OPSETS.end() });
        }
        Ok(if self.opset < 15 { 7 } else { 8 })
    }
}
