//! [`OnnxSignature`]: input and output of an ONNX file of a detector, from its own description.
//!
//! Dimensions of inputs and outputs take precedence over metadata, because a runtime enforces them. Metadata
//! names the classes, and determines what the dimensions leave open.

use bonsai_checkpoint::Array;
use bonsai_graph::Size;
use bonsai_onnx::{OnnxInfo, TensorInfo};

use super::dims::{Dims, sizes};
use super::layout::{Hints, OutputLayout};
use crate::config::{DEFAULT_IMGSZ, MAX_IMGSZ};
use crate::{DetectorError, Outputs};

/// Strides of YOLO's usual levels, for an estimate of the number of anchors.
const LEVELS: [usize; 3] = [8, 16, 32];
/// Sides must be multiples of this number of pixels if the file does not store a stride.
const DEFAULT_STRIDE: usize = 32;
const MAX_STRIDE: usize = 1024;
/// Largest number of images per run; for more, the pixels alone take gigabytes.
const MAX_BATCH: usize = 1024;
/// More classes than any detector has; a larger dimension is not a number of classes.
const MAX_CLASSES: usize = 100_000;
/// Names of the detector's output, for files with several outputs.
const OUTPUT_NAMES: [&str; 3] = ["output0", "outputs", "output"];

/// Input and output of a detector in an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnnxSignature {
    /// Name of the input `[n, 3, h, w]`: RGB in 0..=1.
    pub input: String,
    /// Name of the output.
    pub output: String,
    /// Whether the input is `f16`.
    pub half: bool,
    /// Images per run, if the file fixes it: from the input's dimensions, or from the metadata `batch` for a
    /// file with its own suppression, because the output of suppression may have room for that many images
    /// only, even if the dimensions are dynamic.
    pub batch: Option<usize>,
    /// Size of the input, if the file fixes it.
    pub size: Option<Size>,
    /// Height and width must be multiples of this number otherwise.
    pub stride: usize,
    /// Longer side of the input: the fixed one, or that of the metadata, or 640.
    pub imgsz: usize,
    /// Layout of the output and number of classes; `None` if only a run can determine it.
    pub layout: Option<(OutputLayout, usize)>,
    /// Names of the classes, if the file has them.
    pub class_names: Option<Vec<String>>,
    suppressed: bool,
}

impl OnnxSignature {
    /// Reads the signature from a file's description.
    ///
    /// # Errors
    /// [`DetectorError::Metadata`] if the metadata describe another task or are invalid,
    /// [`DetectorError::Tensor`] if input or output are not those of a detector.
    pub fn read(info: &OnnxInfo) -> Result<Self, DetectorError> {
        let entry = |key: &str| info.metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value.trim());
        if let Some(task) = entry("task")
            && task != "detect"
        {
            return Err(metadata("task", task, "`detect`: this program runs detectors only"));
        }
        let input = only(&info.inputs, "input")?;
        let (batch, size) = read_input(input)?;
        let stride = info.stride.unwrap_or(DEFAULT_STRIDE);
        if !(1..=MAX_STRIDE).contains(&stride) {
            return Err(metadata("stride", &stride.to_string(), &format!("1 to {MAX_STRIDE} pixels")));
        }
        let output = choose_output(&info.outputs)?;
        let suppressed = entry("end2end").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || entry("args").is_some_and(nms_is_inside);
        let mut signature = Self {
            input: input.name.clone(),
            output: output.name.clone(),
            half: input.element == "FLOAT16",
            batch,
            size,
            stride,
            imgsz: imgsz(size, info.imgsz, stride)?,
            layout: None,
            class_names: info.class_names.clone().filter(|names| !names.is_empty()),
            suppressed,
        };
        let dims = sizes(output);
        let said = read_batch(entry("batch"))?;
        // If the output has no shape, the first run determines the layout.
        if !dims.is_empty() {
            signature.layout = signature.tell(&dims).map_err(|expected| wrong(output, expected))?;
        }
        let has_operator = info.op_counts.contains_key("NonMaxSuppression");
        if (has_operator || signature.suppresses()) && signature.batch.is_none() {
            signature.batch = Some(said.unwrap_or(1));
        }
        Ok(signature)
    }

    /// Whether the file returns what is left after its own suppression.
    pub(crate) const fn suppresses(&self) -> bool {
        self.suppressed || matches!(self.layout, Some((OutputLayout::Detections, _)))
    }

    /// Dimensions of the images for which the file was exported: `[n, 3, h, w]`.
    pub(crate) fn usual_images(&self) -> [usize; 4] {
        let size = self.size.unwrap_or(Size::square(self.imgsz));
        [self.batch.unwrap_or(1), 3, size.height, size.width]
    }

    /// Number of classes; 0 while it is unknown.
    pub fn classes(&self) -> usize {
        self.layout.map_or(0, |(_, classes)| classes)
    }

    /// Reads an output of the file for a batch of `images`; the first output determines the layout if it is
    /// still unknown.
    ///
    /// # Errors
    /// [`DetectorError::Tensor`] if the output differs from the file's description,
    /// [`DetectorError::NotFinite`].
    pub fn outputs(&mut self, output: Array, images: usize) -> Result<Outputs, DetectorError> {
        let (layout, classes) = if let Some(known) = self.layout {
            known
        } else {
            let dims: Dims = output.shape().iter().copied().map(Some).collect();
            let wrong = |expected| DetectorError::Tensor {
                tensor: self.output.clone(),
                found: format!("{:?}", output.shape()),
                expected,
            };
            let unclear = || "dimensions that determine the layout".to_owned();
            let told = self.tell(&dims).and_then(|told| told.ok_or_else(unclear)).map_err(wrong)?;
            *self.layout.insert(told)
        };
        layout.read(&self.output, output, images, classes)
    }

    fn tell(&self, dims: &Dims) -> Result<Option<(OutputLayout, usize)>, String> {
        let cells = |size: Size| LEVELS.iter().map(|s| (size.height / s) * (size.width / s)).sum();
        let hints = Hints {
            name: &self.output,
            classes: self.class_names.as_ref().map(Vec::len),
            suppressed: self.suppressed,
            anchors: self.size.map(cells),
        };
        let told = OutputLayout::tell(dims, &hints)?;
        match told {
            Some((_, classes)) if classes > MAX_CLASSES => {
                Err(format!("at most {MAX_CLASSES} classes, not {classes}"))
            }
            told => Ok(told),
        }
    }
}

/// Batch size, and size of the images, if they are fixed.
type InputSizes = (Option<usize>, Option<Size>);

fn read_input(input: &TensorInfo) -> Result<InputSizes, DetectorError> {
    let expected = |what: &str| wrong(input, what.to_owned());
    if !["FLOAT", "FLOAT16"].contains(&input.element) {
        return Err(expected("FLOAT or FLOAT16"));
    }
    let dims = sizes(input);
    let &[batch, channels, h, w] = &dims[..] else { return Err(expected("[n, 3, h, w]")) };
    if channels.is_some_and(|c| c != 3) {
        return Err(expected("3 channels: [n, 3, h, w]"));
    }
    if batch.is_some_and(|batch| !(1..=MAX_BATCH).contains(&batch)) {
        return Err(expected(&format!("1 to {MAX_BATCH} images at once")));
    }
    let size = match (h, w) {
        (Some(height), Some(width)) => Some(Size { height, width }),
        (None, None) => None,
        _ => return Err(expected("height and width both fixed, or neither")),
    };
    if size.is_some_and(|size| size.shorter_side() == 0 || size.longer_side() > MAX_IMGSZ) {
        return Err(expected(&format!("sides of 1 to {MAX_IMGSZ} pixels")));
    }
    Ok((batch, size))
}

/// The batch size in the metadata.
fn read_batch(said: Option<&str>) -> Result<Option<usize>, DetectorError> {
    let Some(text) = said else { return Ok(None) };
    match text.parse() {
        Ok(batch @ 1..=MAX_BATCH) => Ok(Some(batch)),
        _ => Err(metadata("batch", text, &format!("1 to {MAX_BATCH} images at once"))),
    }
}

/// The longer side: the fixed one, that of the metadata, or the default.
fn imgsz(fixed: Option<Size>, said: Option<Size>, stride: usize) -> Result<usize, DetectorError> {
    if let Some(size) = fixed {
        return Ok(size.longer_side());
    }
    let Some(said) = said else { return Ok(DEFAULT_IMGSZ.next_multiple_of(stride)) };
    let side = said.longer_side();
    if side == 0 || side > MAX_IMGSZ || !side.is_multiple_of(stride) {
        let expected = format!("multiples of {stride}, at most {MAX_IMGSZ} pixels");
        return Err(metadata("imgsz", &format!("[{}, {}]", said.height, said.width), &expected));
    }
    Ok(side)
}

/// The only input; with several inputs, nothing shows which one is the image.
fn only<'a>(tensors: &'a [TensorInfo], what: &str) -> Result<&'a TensorInfo, DetectorError> {
    match tensors {
        [tensor] => Ok(tensor),
        _ => Err(DetectorError::Tensor {
            tensor: list(tensors),
            found: format!("{} of them", tensors.len()),
            expected: format!("exactly one {what}"),
        }),
    }
}

fn choose_output(outputs: &[TensorInfo]) -> Result<&TensorInfo, DetectorError> {
    let output = match outputs {
        [output] => output,
        _ => OUTPUT_NAMES.iter().find_map(|name| outputs.iter().find(|o| o.name == *name)).ok_or_else(
            || DetectorError::Tensor {
                tensor: list(outputs),
                found: format!("{} outputs", outputs.len()),
                expected: format!("one output, or one of several named {}", OUTPUT_NAMES.join(", ")),
            },
        )?,
    };
    if !["FLOAT", "FLOAT16"].contains(&output.element) {
        return Err(wrong(output, "FLOAT or FLOAT16".to_owned()));
    }
    Ok(output)
}

/// Whether Ultralytics' export arguments, a Python dictionary, say that the file contains suppression.
fn nms_is_inside(args: &str) -> bool {
    let dense: String = args.chars().filter(|c| !c.is_whitespace()).collect();
    ["'nms':True", "\"nms\":True", "\"nms\":true"].iter().any(|entry| dense.contains(entry))
}

fn list(tensors: &[TensorInfo]) -> String {
    tensors.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join("`, `")
}

fn wrong(tensor: &TensorInfo, expected: String) -> DetectorError {
    let text = tensor.to_string();
    let found = text.strip_prefix(&tensor.name).unwrap_or(&text).trim_start().to_owned();
    DetectorError::Tensor { tensor: tensor.name.clone(), found, expected }
}

fn metadata(key: &'static str, value: &str, expected: &str) -> DetectorError {
    let value = value.chars().take(60).collect();
    DetectorError::Metadata { key, value, expected: expected.to_owned() }
}
