//! [`structure`]: the layers as Ultralytics' YAML lists them, if its parser would build the same network.

use super::value::Value;
use crate::pt::blueprint::{Blueprint, Branch, C2f, ConvBlock, Detect, Part, Sppf};

/// Ultralytics rounds all widths up to a multiple of this.
const WIDTHS: usize = 8;
/// Layers before the upsampling; the parser joins both lists, so any number is correct.
const BACKBONE: usize = 10;

/// The keys `backbone` and `head` with multiples of one; `None` if the parser cannot make these widths, as in
/// most pruned networks. Without the keys, Ultralytics' `train` stops instead of training another network.
pub(super) fn structure(blueprint: &Blueprint) -> Option<Vec<(&'static str, Value)>> {
    let mut layers = Vec::new();
    // Channels of all outputs, for the layers that read them.
    let mut channels: Vec<usize> = Vec::new();
    for layer in &blueprint.layers {
        let inputs: Vec<usize> =
            layer.from.iter().map(|from| width(&channels, *from)).collect::<Option<_>>()?;
        let first = inputs.first().copied()?;
        let (count, kind, arguments, outputs) = match &layer.part {
            Part::Conv(block) if is_regular(block, 3, 2) => {
                let numbers = [block.outputs, block.kernel, block.stride].map(Value::size);
                (1, "Conv", numbers.to_vec(), block.outputs)
            }
            Part::C2f(block) => {
                let shortcut = regular_c2f(block)?;
                let arguments = vec![Value::size(block.cv2.outputs), Value::Bool(shortcut)];
                (block.m.len(), "C2f", arguments, block.cv2.outputs)
            }
            Part::Sppf(block) if is_regular_sppf(block, first) => {
                let arguments = [block.cv2.outputs, block.kernel].map(Value::size).to_vec();
                (1, "SPPF", arguments, block.cv2.outputs)
            }
            Part::Upsample { scale } => {
                let arguments = vec![Value::None, Value::size(*scale), Value::text("nearest")];
                (1, "nn.Upsample", arguments, first)
            }
            Part::Concat => (1, "Concat", vec![Value::Int(1)], inputs.iter().sum()),
            Part::Detect(head) if is_regular_head(head, &inputs) => {
                (1, "Detect", vec![Value::size(blueprint.class_names.len())], 0)
            }
            Part::Conv(_) | Part::Sppf(_) | Part::Detect(_) => return None,
        };
        channels.push(outputs);
        let from = match layer.from[..] {
            [one] => Value::Int(one),
            _ => Value::List(layer.from.iter().map(|index| Value::Int(*index)).collect()),
        };
        layers.push(Value::List(vec![from, Value::size(count), Value::text(kind), Value::List(arguments)]));
    }
    let head = layers.split_off(BACKBONE.min(layers.len()));
    Some(vec![
        ("depth_multiple", Value::Float(1.0)),
        ("width_multiple", Value::Float(1.0)),
        ("backbone", Value::List(layers)),
        ("head", Value::List(head)),
    ])
}

/// The width of an input; the images have three channels, which is all that the parser assumes.
fn width(channels: &[usize], from: i64) -> Option<usize> {
    match usize::try_from(from) {
        Ok(index) => channels.get(index).copied(),
        Err(_) => Some(channels.last().copied().unwrap_or(3)),
    }
}

/// Whether the parser makes this block from its outputs, kernel and stride.
fn is_regular(block: &ConvBlock, kernel: usize, stride: usize) -> bool {
    let size = (block.kernel, block.stride, block.padding) == (kernel, stride, kernel / 2);
    // The parser makes blocks without bias and with this batch norm; a folded block gets one.
    let norm = block.norm.is_none_or(|norm| norm == super::layers::NORM && !block.bias);
    size && norm && block.silu && block.groups == 1 && block.outputs.is_multiple_of(WIDTHS)
}

/// The common shortcut of the bottlenecks, if all widths are half of the outputs.
fn regular_c2f(block: &C2f) -> Option<bool> {
    let hidden = block.cv2.outputs / 2;
    let shortcut = block.m.first()?.shortcut;
    let same = block.m.iter().all(|m| {
        let widths = [m.cv1.inputs, m.cv1.outputs, m.cv2.outputs].iter().all(|width| *width == hidden);
        let blocks = [&m.cv1, &m.cv2].iter().all(|block| is_regular_inside(block, 3));
        widths && blocks && m.shortcut == shortcut
    });
    let ends = is_regular_inside(&block.cv1, 1) && is_regular(&block.cv2, 1, 1);
    (same && ends && block.cv1.outputs == 2 * hidden).then_some(shortcut)
}

fn is_regular_sppf(block: &Sppf, inputs: usize) -> bool {
    let ends = is_regular_inside(&block.cv1, 1) && is_regular(&block.cv2, 1, 1);
    ends && block.cv1.outputs == inputs / 2
}

fn is_regular_head(head: &Detect, inputs: &[usize]) -> bool {
    let Some(first) = inputs.first() else { return false };
    let num_classes = head.classes.first().map_or(0, |level| level.last.outputs);
    let boxes = (first / 4).max(16).max(4 * head.reg_max);
    // Versions differ in the limit of 100 classes; both must give this width.
    let classes = (*first).max(num_classes);
    let is_same = classes == (*first).max(num_classes.min(100));
    let is_of = |branch: &Branch, width: usize| {
        let names = branch.blocks.iter().map(|(name, _)| name.as_str()).eq(["0", "1"]);
        let last = &branch.last;
        let is_plain = (last.kernel, last.stride, last.padding, last.groups, last.bias) == (1, 1, 0, 1, true);
        let is_regular = |block: &ConvBlock| block.outputs == width && is_regular_inside(block, 3);
        names && is_plain && branch.blocks.iter().all(|(_, block)| is_regular(block))
    };
    head.reg_max == 16
        && is_same
        && head.boxes.iter().all(|branch| is_of(branch, boxes))
        && head.classes.iter().all(|branch| is_of(branch, classes))
}

/// As [`is_regular`] for a block with stride 1 whose width the parser derives, so that it need not be rounded.
fn is_regular_inside(block: &ConvBlock, kernel: usize) -> bool {
    is_regular(&ConvBlock { outputs: WIDTHS, ..*block }, kernel, 1)
}
