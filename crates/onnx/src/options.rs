//! [`ExportOptions`]: options of an export, and the combinations that are refused.

use std::ops::RangeInclusive;

use bonsai_graph::Size;

use crate::quantization::Quantization;
use crate::{ExportNms, OnnxError};

/// Operator sets that can be written: since 11, `Resize` has the form that repeats pixels, and 17 is the
/// newest that every tested reader accepts.
const OPSETS: RangeInclusive<u32> = 11..=17;
/// The default, which old TensorRT and `OpenCV` can read too.
const OPSET: u32 = 13;
/// The first operator set in which `DequantizeLinear` has a scale for each channel.
const INT8_OPSET: u32 = 13;

/// Type of the input and the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// 32 bits.
    #[default]
    Fp32,
    /// 16 bits. Coordinates in pixels are then rounded: to halves from 512 on.
    Fp16,
}

/// Number format of the layers. Decoding always uses 32 bits, so that boxes lose no precision.
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
    /// Convolutions on 8-bit integers (`QuantizeLinear` and `DequantizeLinear` around them), everything else
    /// in 32 bits.
    Int8(Quantization),
}

/// Dimensions that may change from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dynamic {
    /// No dimension.
    #[default]
    None,
    /// The number of images; anchors stay constants.
    Batch,
    /// Number, height and width of the images, each side a multiple of the largest stride: anchors are
    /// computed.
    Shape,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// `output0 [n, 4 + classes, anchors]`: boxes, then scores.
    #[default]
    Ultralytics,
    /// `outputs [n, anchors, 5 + classes]` of 32 bits: boxes, an objectness of 1, scores; the C++ client
    /// `YOLO_TRT_SIM` reads this form.
    YoloTrtSim,
}

impl Layout {
    /// The output name that readers of this form expect.
    pub const fn output_name(self) -> &'static str {
        match self {
            Self::Ultralytics => "output0",
            Self::YoloTrtSim => "outputs",
        }
    }
}

/// Options of an export. Class names, channels and strides come from the checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// Size of the images; height and width are each a multiple of the largest stride.
    pub imgsz: Size,
    /// Images per run; if the number is dynamic, this value appears only in the metadata.
    pub batch: usize,
    /// ONNX operator set, 11 to 17. Default 13, which old TensorRT and `OpenCV` read too.
    pub opset: u32,
    /// Number format of the layers.
    pub precision: Precision,
    /// Dimensions that may change from run to run.
    pub dynamic: Dynamic,
    /// Form of the output.
    pub layout: Layout,
    /// Non-maximum suppression inside the model: the output is then `[n, max_detections, 6]`.
    pub nms: Option<ExportNms>,
    /// Name of the input.
    pub input_name: String,
    /// Name of the output; `None` for the name that belongs to the layout.
    pub output_name: Option<String>,
    /// Metadata `description`: a description of the network.
    pub description: String,
    /// Metadata `author`: the author of the network.
    pub author: String,
    /// Metadata `license`: the license of the weights, which their owner must state.
    pub license: String,
}

impl ExportOptions {
    /// Opset 13, 32 bits, one image, `images` to `output0`, for images of this size.
    pub fn new(imgsz: Size) -> Self {
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

    /// Checks that the options give a valid file that readers can use.
    ///
    /// # Errors
    /// [`OnnxError::Opset`], [`OnnxError::Batch`], [`OnnxError::Names`], [`OnnxError::Nms`], or
    /// [`OnnxError::Combination`] for int8 below opset 13, and for layout `yolo_trt_sim` with suppression or
    /// with 16-bit input and output.
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

    /// Checks that the options fit a network in 8-bit codes, which fixes the number format.
    ///
    /// # Errors
    /// [`OnnxError::Combination`] for another precision than 32 bits, or an opset below 13.
    pub(crate) fn check_codes(&self) -> Result<(), OnnxError> {
        let (right, instead) = if self.precision != Precision::Fp32 {
            ("another precision", "leave the precision out")
        } else if self.opset < INT8_OPSET {
            ("an opset below 13", "use opset 13 or newer")
        } else {
            return Ok(());
        };
        Err(OnnxError::Combination { left: "a network in 8-bit codes", right, instead })
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
