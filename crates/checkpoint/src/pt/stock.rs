//! [`blueprint`]: makes a blueprint from the names and shapes of a state dict.
//!
//! A state dict has no wires, strides and activations, so those of the published network (Ultralytics'
//! `yolov8.yaml`: 23 modules) are used, with the widths and depths of the tensors. Pruned networks are read
//! too, as long as they keep the modules.

use std::collections::BTreeMap;

use super::blueprint::{Blueprint, Bottleneck, Branch, C2f, ConvBlock, Detect, Layer, Part, Sppf};
use super::error::PtError;
use super::{modules, names};

/// Shapes by name.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// Most bottlenecks of a block; YOLOv8l and x have six.
const MOST_BOTTLENECKS: usize = 64;
/// The modules that the levels of the head read.
const LEVELS: [i64; 3] = [15, 18, 21];
const STRIDES: [usize; 3] = [8, 16, 32];
const HEAD: usize = 22;

/// The blueprint of a YOLOv8 detector with these tensors. `without_silu` lists the blocks without an
/// activation after their convolution, if the file contains the list; all others have SiLU.
pub(super) fn blueprint(shapes: &Shapes, without_silu: &[String]) -> Result<Blueprint, PtError> {
    let tensors = Tensors { shapes, without_silu };
    let layer = |index: usize, from: Vec<i64>| Ok(Layer { from, part: tensors.part(index)? });
    let mut layers = (0..HEAD)
        .map(|index| {
            let from = match index {
                11 => vec![-1, 6],
                14 => vec![-1, 4],
                17 => vec![-1, 12],
                20 => vec![-1, 9],
                _ => vec![-1],
            };
            layer(index, from)
        })
        .collect::<Result<Vec<_>, PtError>>()?;
    layers.push(layer(HEAD, LEVELS.to_vec())?);
    let num_classes = match &layers[HEAD].part {
        Part::Detect(head) => head.classes[0].last.outputs,
        _ => 0,
    };
    if num_classes > names::MOST_CLASSES {
        let what = format!("{num_classes} classes, at most {} are read", names::MOST_CLASSES);
        return Err(PtError::Unsupported { place: format!("model.{HEAD}"), what });
    }
    Ok(Blueprint { layers, class_names: (0..num_classes).map(names::numbered).collect() })
}

struct Tensors<'a> {
    shapes: &'a Shapes,
    without_silu: &'a [String],
}

impl Tensors<'_> {
    fn part(&self, index: usize) -> Result<Part, PtError> {
        let place = format!("model.{index}");
        Ok(match index {
            0 | 1 | 3 | 5 | 7 | 16 | 19 => Part::Conv(self.conv_block(&place, 2)?),
            9 => Part::Sppf(Sppf {
                cv1: self.conv_block(&format!("{place}.cv1"), 1)?,
                cv2: self.conv_block(&format!("{place}.cv2"), 1)?,
                kernel: 5,
                pools: 3,
            }),
            10 | 13 => Part::Upsample { scale: 2 },
            11 | 14 | 17 | 20 => Part::Concat,
            HEAD => Part::Detect(self.detect(&place)?),
            _ => Part::C2f(self.c2f(&place, index < 9)?),
        })
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// A convolution named `conv`.
    fn conv(&self, conv: &str, stride: usize) -> Result<ConvBlock, PtError> {
        let name = format!("{conv}.weight");
        let (outputs, inputs, kernel) = match self.shape(&name) {
            Some(&[outputs, inputs, h, w]) if h == w => (outputs, inputs, h),
            Some(shape) => {
                let expected = "a square kernel, [out, in, k, k]".to_owned();
                return Err(PtError::Shape { name, found: shape.to_vec(), expected });
            }
            None => return Err(PtError::Missing { name }),
        };
        let bias = self.has(&format!("{conv}.bias"));
        let padding = kernel / 2;
        Ok(ConvBlock { inputs, outputs, kernel, stride, padding, groups: 1, bias, norm: None, silu: false })
    }

    /// Convolution, batch norm unless it was folded, SiLU.
    fn conv_block(&self, place: &str, stride: usize) -> Result<ConvBlock, PtError> {
        let conv = self.conv(&format!("{place}.conv"), stride)?;
        // Ultralytics uses these values in every network.
        let norm = self.has(&format!("{place}.bn.weight")).then_some((1e-3, 0.03));
        let silu = !self.without_silu.iter().any(|without| without == place);
        Ok(ConvBlock { norm, silu, ..conv })
    }

    /// The same with one kernel for each channel.
    fn depthwise(&self, place: &str) -> Result<ConvBlock, PtError> {
        let block = self.conv_block(place, 1)?;
        if block.inputs != 1 {
            let name = format!("{place}.conv.weight");
            let found = vec![block.outputs, block.inputs, block.kernel, block.kernel];
            return Err(PtError::Shape {
                name,
                found,
                expected: "a depthwise kernel, [c, 1, k, k]".to_owned(),
            });
        }
        Ok(ConvBlock { inputs: block.outputs, groups: block.outputs, ..block })
    }

    fn c2f(&self, place: &str, shortcut: bool) -> Result<C2f, PtError> {
        let block = |name: String| self.conv_block(&format!("{place}.{name}"), 1);
        let split = self.has(&format!("{place}.cv0.conv.weight"));
        let count =
            (0..MOST_BOTTLENECKS).take_while(|i| self.has(&format!("{place}.m.{i}.cv1.conv.weight"))).count();
        let bottleneck = |i: usize| {
            Ok(Bottleneck { cv1: block(format!("m.{i}.cv1"))?, cv2: block(format!("m.{i}.cv2"))?, shortcut })
        };
        Ok(C2f {
            cv0: split.then(|| block("cv0".to_owned())).transpose()?,
            cv1: block("cv1".to_owned())?,
            cv2: block("cv2".to_owned())?,
            m: (0..count).map(bottleneck).collect::<Result<_, PtError>>()?,
        })
    }

    fn detect(&self, place: &str) -> Result<Detect, PtError> {
        if let Some(name) = self.shapes.keys().find(|name| name.contains(".one2one_cv")) {
            let what = modules::end_to_end(&name.escape_debug().to_string());
            return Err(PtError::Unsupported { place: place.to_owned(), what });
        }
        let branch = |name: &str| -> Result<Vec<Branch>, PtError> {
            (0..LEVELS.len()).map(|level| self.branch(&format!("{place}.{name}.{level}"))).collect()
        };
        let boxes = branch("cv2")?;
        let classes = branch("cv3")?;
        let channels = boxes[0].last.outputs;
        if !channels.is_multiple_of(4) || channels < 8 {
            let what = format!(
                "{channels} box channels; four sides need a multiple of 4, and more than one bin each"
            );
            return Err(PtError::Unsupported { place: format!("{place}.cv2.0.2"), what });
        }
        Ok(Detect { boxes, classes, strides: STRIDES.to_vec(), reg_max: channels / 4 })
    }

    /// Two blocks and a plain convolution; in class branches of Ultralytics 8.3.0 to 8.3.16, each block is a
    /// depthwise and a pointwise convolution.
    fn branch(&self, place: &str) -> Result<Branch, PtError> {
        let mut blocks = Vec::new();
        for i in 0..2 {
            if self.has(&format!("{place}.{i}.0.conv.weight")) {
                blocks.push((format!("{i}.0"), self.depthwise(&format!("{place}.{i}.0"))?));
                blocks.push((format!("{i}.1"), self.conv_block(&format!("{place}.{i}.1"), 1)?));
            } else {
                blocks.push((i.to_string(), self.conv_block(&format!("{place}.{i}"), 1)?));
            }
        }
        Ok(Branch { blocks, last: self.conv(&format!("{place}.2"), 1)? })
    }
}
