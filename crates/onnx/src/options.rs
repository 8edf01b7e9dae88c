//! What an export can be asked for, and what cannot be had together.

use std::ops::RangeInclusive;

use crate::quantization::Quantization;
use crate::{NmsOptions, OnnxError};

/// The operator sets that are written: `Resize` took the form that repeats pixels with 11, and 17 is the newest that
/// every reader was seen to accept.
const OPSETS: RangeInclusive<u32> = 11..=17;
/// The default: old TensorRT and `OpenCV` read it too.
const OPSET: u32 = 13;
/// `DequantizeLinear` with a scale for each channel came with this one.
const INT8_OPSET: u32 = 13;

/// Type of the input and the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// 32 bits.
    #[default]
    Fp32,
    /// 16 bits. Pixels are then rounded: to a half from 512 on.
    Fp16,
}

/// Which numbers the layers compute with. Decoding is always done in 32 bits, so that boxes lose nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Precision {
    /// 32 bits.
    #[default]
    Fp32,
    /// Weights and arithmetic in 16 bits.
    Half {
        /// Type of the input and the output.
        io: Io,
    },
    /// Convolutions on 8-bit integers (`QuantizeLinear` and `DequantizeLinear` around them), all else in 32 bits.
    Int8(Quantization),
}

/// What may differ from image to image when the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dynamic {
    /// Nothing.
    #[default]
    None,
    /// The number of images; anchors stay constants.
    Batch,
    /// Number, height and width of the images, each side a multiple of the largest stride: anchors are computed.
    Shape,
}

/// What the output looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `output0 [n, 4 + classes, anchors]`: boxes, then scores.
    #[default]
    Ultralytics,
    /// `outputs [n, anchors, 5 + classes]` of 32 bits: boxes, an objectness of 1, scores; what the C++ client
    /// `YOLO_TRT_SIM` reads.
    YoloTrtSim,
}

impl Layout {
    /// The name that its readers expect of the output.
    pub const fn output_name(self) -> &'static str {
        match self {
            Self::Ultralytics => "output0",
            Self::YoloTrtSim => "outputs",
        }
    }
}

/// How to export. Class names, channels and strides are the checkpoint's.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// Height and width of the images in pixels; each a multiple of the largest stride.
    pub imgsz: (usize, usize),
    /// Images at a time; where that is dynamic, only metadata says it.
    pub batch: usize,
    /// ONNX operator set, 11 to 17. Default 13, which old TensorRT and `OpenCV` read too.
    pub opset: u32,
    /// Which numbers the layers compute with.
    pub precision: Precision,
    /// What may differ from image to image.
    pub dynamic: Dynamic,
    /// What the output looks like.
    pub layout: Layout,
    /// Suppression inside the model: then the output is `[n, max_detections, 6]`.
    pub nms: Option<NmsOptions>,
    /// Name of the input.
    pub input_name: String,
    /// Name of the output; that of the layout where `None`.
    pub output_name: Option<String>,
    /// Metadata `description`: what this network is.
    pub description: String,
    /// Metadata `author`: who made it.
    pub author: String,
    /// Metadata `license`: that of the weights, which is their owner's to state.
    pub license: String,
}

impl ExportOptions {
    /// Opset 13, 32 bits, one image, `images` to `output0`, for images of `imgsz` = (height, width).
    pub fn new(imgsz: (usize, usize)) -> Self {
        Self {
            imgsz,
            batch: 1,
            opset: OPSET,
            precision: Precision::default(),
            dynamic: Dynamic::default(),
            layout: Layout::default(),
            nms: None,
            input_name: "images".to_owned(),
            output_name: None,
            description: "YOLOv8 detector exported by Bonsai".to_owned(),
            author: "Bonsai".to_owned(),
            license: "unspecified".to_owned(),
        }
    }

    /// Name of the output.
    pub fn output_name(&self) -> &str {
        self.output_name.as_deref().unwrap_or_else(|| self.layout.output_name())
    }

    /// Type of the input and the output.
    pub(crate) const fn io(&self) -> Io {
        match self.precision {
            Precision::Half { io } => io,
            Precision::Fp32 | Precision::Int8(_) => Io::Fp32,
        }
    }

    /// Refuses what makes no valid file or what no reader could use.
    ///
    /// # Errors
    /// [`OnnxError::Opset`], [`OnnxError::Batch`], [`OnnxError::Names`], [`OnnxError::Nms`], or
    /// [`OnnxError::Combination`] for int8 below opset 13, and for layout `yolo_trt_sim` with suppression or with
    /// 16-bit input and output.
    pub fn check(&self) -> Result<(), OnnxError> {
        let combination = |left, right, instead| Err(OnnxError::Combination { left, right, instead });
        if !OPSETS.contains(&self.opset) {
            return Err(OnnxError::Opset { got: self.opset, min: *OPSETS.start(), max: *OPSETS.end() });
        }
        if self.batch == 0 {
            return Err(OnnxError::Batch);
        }
        let input = self.input_name.as_str();
        let output = self.output_name();
        if input.is_empty() || output.is_empty() || input == output {
            return Err(OnnxError::Names { input: input.to_owned(), output: output.to_owned() });
        }
        if let Some(nms) = &self.nms {
            nms.check()?;
        }
        if matches!(self.precision, Precision::Int8(_)) && self.opset < INT8_OPSET {
            return combination("int8", "an opset below 13", "use opset 13 or newer");
        }
        if self.layout == Layout::YoloTrtSim && self.nms.is_some() {
            return combination(
                "layout yolo_trt_sim",
                "nms",
                "its client suppresses by itself: leave nms out",
            );
        }
        if self.layout == Layout::YoloTrtSim && self.io() == Io::Fp16 {
            return combination("layout yolo_trt_sim", "io fp16", "its client reads 32 bits: leave io out");
        }
        Ok(())
    }

    /// The version of ONNX's file format that came with the operator set (ONNX, `docs/Versioning.md`).
    pub(crate) const fn ir_version(&self) -> i64 {
        match self.opset {
            ..=11 => 6,
            12..=14 => 7,
            15.. => 8,
        }
    }
}
