//! [`Shape`] of every wire for a given input size.

use crate::{Graph, GraphError, Node, Op, Size};

/// Shape of one wire, without the batch dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Height in cells.
    pub h: usize,
    /// Width in cells.
    pub w: usize,
}

impl Shape {
    /// Number of values per image.
    pub const fn len(self) -> usize {
        self.channels * self.h * self.w
    }

    /// Whether the shape has no values; never true for a shape from [`Graph::shapes`].
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl Graph {
    /// Shape of every layer's output for an input of this size, in topological order.
    ///
    /// # Errors
    /// [`GraphError::SpatialMismatch`] if inputs of one layer differ in height or width,
    /// [`GraphError::WindowTooLarge`] if the image is too small, and [`GraphError::InvalidNumber`] if a side
    /// is 0 or larger than 65536.
    pub fn shapes(&self, size: Size) -> Result<Vec<Shape>, GraphError> {
        let Size { height: h, width: w } = size;
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let input = node.inputs.first().map(|i| shapes[i.0]);
            let (nh, nw) = match (node.op, input) {
                (Op::Input { .. }, _) | (_, None) => (h, w),
                (
                    Op::Conv2d { kernel, stride, padding, .. } | Op::MaxPool { kernel, stride, padding },
                    Some(s),
                ) => (
                    window_steps(node, s, s.h, kernel, stride, padding)?,
                    window_steps(node, s, s.w, kernel, stride, padding)?,
                ),
                (Op::Upsample { scale }, Some(s)) => (s.h * scale, s.w * scale),
                (Op::BatchNorm { .. } | Op::Silu | Op::Add | Op::Concat | Op::Slice { .. }, Some(s)) => {
                    (s.h, s.w)
                }
            };
            for other in node.inputs.iter().skip(1) {
                let a = shapes[node.inputs[0].0];
                let b = shapes[other.0];
                if (a.h, a.w) != (b.h, b.w) {
                    return Err(GraphError::SpatialMismatch {
                        node: node.name.clone(),
                        left: self.node(node.inputs[0]).name.clone(),
                        left_h: a.h,
                        left_w: a.w,
                        right: self.node(*other).name.clone(),
                        right_h: b.h,
                        right_w: b.w,
                        h,
                        w,
                    });
                }
            }
            if nh == 0 || nw == 0 || nh > MAX_SIDE || nw > MAX_SIDE {
                return Err(GraphError::InvalidNumber {
                    node: node.name.clone(),
                    field: "image size",
                    got: format!("{nh}x{nw}"),
                    expected: "between 1 and 65536 on each side",
                });
            }
            shapes.push(Shape { channels: node.channels, h: nh, w: nw });
        }
        Ok(shapes)
    }
}

/// Largest side of a wire. The limit keeps sizes computed from it far from overflow.
const MAX_SIDE: usize = 1 << 16;

fn window_steps(
    node: &Node,
    input: Shape,
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<usize, GraphError> {
    (size + 2 * padding).checked_sub(kernel).map(|d| d / stride + 1).ok_or_else(|| {
        GraphError::WindowTooLarge { node: node.name.clone(), kernel, h: input.h, w: input.w, padding }
    })
}
