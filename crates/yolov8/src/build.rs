//! [`build`]: YOLOv8 at its five scales, as a graph named like Ultralytics' modules.
//!
//! The numbers are from Ultralytics' published `yolov8.yaml` (widths, depths, 23 modules); each module is a
//! function here.

use bonsai_graph::{DetectHead, GraphBuilder, GraphError, ModelSpec, NodeId, Op};
use serde::{Deserialize, Serialize};

/// Number of bins of a box side's distribution.
pub const REG_MAX: usize = 16;
/// Pixels per cell at the three levels.
pub const STRIDES: [usize; 3] = [8, 16, 32];

/// The five published sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// YOLOv8n.
    N,
    /// YOLOv8s.
    S,
    /// YOLOv8m.
    M,
    /// YOLOv8l.
    L,
    /// YOLOv8x.
    X,
}

impl Scale {
    /// All sizes, smallest first.
    pub const ALL: [Self; 5] = [Self::N, Self::S, Self::M, Self::L, Self::X];

    /// Name of the model, `yolov8n` to `yolov8x`.
    pub const fn model_name(self) -> &'static str {
        match self {
            Self::N => "yolov8n",
            Self::S => "yolov8s",
            Self::M => "yolov8m",
            Self::L => "yolov8l",
            Self::X => "yolov8x",
        }
    }

    /// The scale for a model name, with or without `.yaml`.
    pub fn from_model_name(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".yaml").unwrap_or(name);
        Self::ALL.into_iter().find(|s| s.model_name() == stem)
    }

    /// Depth multiple, width multiple, and the maximum number of channels before the width multiple.
    const fn multiples(self) -> (f64, f64, usize) {
        match self {
            Self::N => (0.33, 0.25, 1024),
            Self::S => (0.33, 0.50, 1024),
            Self::M => (0.67, 0.75, 768),
            Self::L => (1.00, 1.00, 512),
            Self::X => (1.00, 1.25, 512),
        }
    }

    /// Channels of a module whose unscaled width is `c`, rounded up to a multiple of 8.
    fn width(self, c: usize) -> usize {
        let (_, width, max) = self.multiples();
        ((c.min(max) as f64 * width / 8.0).ceil() as usize) * 8
    }

    /// Number of repeats of a module whose unscaled depth is `n`.
    fn depth(self, n: usize) -> usize {
        ((n as f64 * self.multiples().0).round() as usize).max(1)
    }
}

/// Builds YOLOv8 for the given classes.
///
/// Outputs, in order: box logits `[n, 64, h, w]` at strides 8, 16, 32, then class logits
/// `[n, classes, h, w]`.
///
/// # Errors
/// [`GraphError::InvalidNumber`] if there are no classes or too many.
pub fn build(scale: Scale, class_names: &[String]) -> Result<ModelSpec, GraphError> {
    let num_classes = class_names.len();
    let mut b = GraphBuilder::new();
    let w = |c| scale.width(c);
    let d = |n| scale.depth(n);

    let images = b.push("images", Op::Input { channels: 3 }, &[])?;
    let x = conv(&mut b, "model.0", images, w(64), 3, 2)?;
    let x = conv(&mut b, "model.1", x, w(128), 3, 2)?;
    let x = c2f(&mut b, "model.2", x, w(128), d(3), true)?;
    let x = conv(&mut b, "model.3", x, w(256), 3, 2)?;
    let p3 = c2f(&mut b, "model.4", x, w(256), d(6), true)?;
    let x = conv(&mut b, "model.5", p3, w(512), 3, 2)?;
    let p4 = c2f(&mut b, "model.6", x, w(512), d(6), true)?;
    let x = conv(&mut b, "model.7", p4, w(1024), 3, 2)?;
    let x = c2f(&mut b, "model.8", x, w(1024), d(3), true)?;
    let p5 = sppf(&mut b, "model.9", x, w(1024), 5)?;

    let x = b.push("model.10", Op::Upsample { scale: 2 }, &[p5])?;
    let x = b.push("model.11", Op::Concat, &[x, p4])?;
    let n4 = c2f(&mut b, "model.12", x, w(512), d(3), false)?;
    let x = b.push("model.13", Op::Upsample { scale: 2 }, &[n4])?;
    let x = b.push("model.14", Op::Concat, &[x, p3])?;
    let out3 = c2f(&mut b, "model.15", x, w(256), d(3), false)?;
    let x = conv(&mut b, "model.16", out3, w(256), 3, 2)?;
    let x = b.push("model.17", Op::Concat, &[x, n4])?;
    let out4 = c2f(&mut b, "model.18", x, w(512), d(3), false)?;
    let x = conv(&mut b, "model.19", out4, w(512), 3, 2)?;
    let x = b.push("model.20", Op::Concat, &[x, p5])?;
    let out5 = c2f(&mut b, "model.21", x, w(1024), d(3), false)?;

    let levels = [out3, out4, out5];
    let first = b.channels(out3);
    let box_width = 16.max(first / 4).max(4 * REG_MAX);
    let cls_width = first.max(num_classes);
    let mut outputs = Vec::new();
    for (branch, width, channels) in [("cv2", box_width, 4 * REG_MAX), ("cv3", cls_width, num_classes)] {
        for (level, x) in levels.iter().enumerate() {
            let name = format!("model.22.{branch}.{level}");
            let y = conv(&mut b, &format!("{name}.0"), *x, width, 3, 1)?;
            let y = conv(&mut b, &format!("{name}.1"), y, width, 3, 1)?;
            let last = Op::Conv2d {
                out_channels: channels,
                kernel: 1,
                stride: 1,
                padding: 0,
                bias: true,
                groups: 1,
            };
            outputs.push(b.push(&format!("{name}.2"), last, &[y])?);
        }
    }
    let head = DetectHead {
        num_classes,
        reg_max: REG_MAX,
        strides: STRIDES.to_vec(),
        box_outputs: vec![0, 1, 2],
        cls_outputs: vec![3, 4, 5],
    };
    ModelSpec::new(b.finish(&outputs)?, head, class_names.to_vec())
}

/// Convolution without bias, batch norm, SiLU.
fn conv(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    out_channels: usize,
    kernel: usize,
    stride: usize,
) -> Result<NodeId, GraphError> {
    let x = b.conv(&format!("{name}.conv"), x, out_channels, kernel, stride)?;
    let x = b.push(&format!("{name}.bn"), Op::batch_norm(), &[x])?;
    b.push(&format!("{name}.act"), Op::Silu, &[x])
}

/// Splits into two halves, runs the second through `n` bottlenecks, and concatenates all parts.
fn c2f(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    out_channels: usize,
    n: usize,
    shortcut: bool,
) -> Result<NodeId, GraphError> {
    let half = out_channels / 2;
    let x = conv(b, &format!("{name}.cv1"), x, 2 * half, 1, 1)?;
    let first = b.push(&format!("{name}.split.0"), Op::Slice { start: 0, len: half }, &[x])?;
    let mut last = b.push(&format!("{name}.split.1"), Op::Slice { start: half, len: half }, &[x])?;
    let mut parts = vec![first, last];
    for i in 0..n {
        let name = format!("{name}.m.{i}");
        let y = conv(b, &format!("{name}.cv1"), last, half, 3, 1)?;
        let y = conv(b, &format!("{name}.cv2"), y, half, 3, 1)?;
        last = if shortcut { b.push(&format!("{name}.add"), Op::Add, &[last, y])? } else { y };
        parts.push(last);
    }
    let x = b.push(&format!("{name}.concat"), Op::Concat, &parts)?;
    conv(b, &format!("{name}.cv2"), x, out_channels, 1, 1)
}

/// Concatenates the input with three chained poolings of it.
fn sppf(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    out_channels: usize,
    kernel: usize,
) -> Result<NodeId, GraphError> {
    let half = b.channels(x) / 2;
    let mut last = conv(b, &format!("{name}.cv1"), x, half, 1, 1)?;
    let mut parts = vec![last];
    for i in 0..3 {
        let pool = Op::MaxPool { kernel, stride: 1, padding: kernel / 2 };
        last = b.push(&format!("{name}.m.{i}"), pool, &[last])?;
        parts.push(last);
    }
    let x = b.push(&format!("{name}.concat"), Op::Concat, &parts)?;
    conv(b, &format!("{name}.cv2"), x, out_channels, 1, 1)
}

#[cfg(test)]
mod tests {
    use bonsai_graph::Size;

    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("class{i}")).collect()
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        // Without the 16 fixed weights that compute the distribution's expectation.
        let published = [3_157_184, 11_166_544, 25_902_624, 43_691_504, 68_229_632];
        for (scale, params) in Scale::ALL.into_iter().zip(published) {
            let model = build(scale, &names(80)).unwrap();
            assert_eq!(model.graph().cost(Size::square(640)).unwrap().params, params, "{scale:?}");
        }
    }

    #[test]
    fn yolov8n_at_640_is_4_37_gmacs() {
        let macs = build(Scale::N, &names(80)).unwrap().graph().cost(Size::square(640)).unwrap().macs;
        assert_eq!((macs as f64 / 1e7).round(), 437.0, "{macs}");
    }

    #[test]
    fn channels_that_have_a_gamma_are_counted_as_published() {
        let counts = [(57, 5296), (57, 10016), (77, 16560), (97, 23232), (97, 29040)];
        for (scale, expected) in Scale::ALL.into_iter().zip(counts) {
            let model = build(scale, &names(80)).unwrap();
            let gammas: Vec<usize> = model
                .graph()
                .nodes()
                .iter()
                .filter(|n| matches!(n.op(), Op::BatchNorm { .. }))
                .map(bonsai_graph::Node::channels)
                .collect();
            assert_eq!((gammas.len(), gammas.iter().sum::<usize>()), expected, "{scale:?}");
        }
    }

    #[test]
    fn a_model_without_classes_is_refused() {
        assert!(build(Scale::N, &[]).is_err());
        assert_eq!(Scale::from_model_name("yolov8s.yaml"), Some(Scale::S));
        assert_eq!(Scale::from_model_name("yolov8q"), None);
    }
}
