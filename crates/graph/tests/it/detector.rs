//! A small network with every YOLOv8 structure, built by hand: C2f with uneven halves, SPPF, a neck, two
//! levels.

use bonsai_graph::{DetectHead, GraphBuilder, GraphError, ModelSpec, NodeId, Op};

/// Convolution, batch norm, activation.
fn block(
    b: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    out_channels: usize,
    kernel: usize,
    stride: usize,
) -> Result<NodeId, GraphError> {
    let conv = b.conv(&format!("{name}.conv"), input, out_channels, kernel, stride)?;
    let bn = b.push(&format!("{name}.bn"), Op::batch_norm(), &[conv])?;
    b.push(&format!("{name}.act"), Op::Silu, &[bn])
}

/// Strides 4 and 8, two classes, two bins.
pub(crate) fn detector() -> ModelSpec {
    build().unwrap()
}

fn build() -> Result<ModelSpec, GraphError> {
    let b = &mut GraphBuilder::new();
    let images = b.push("images", Op::Input { channels: 3 }, &[])?;
    let stem = block(b, "model.0", images, 8, 3, 2)?;
    let down = block(b, "model.1", stem, 16, 3, 2)?;

    let halves = block(b, "model.2.cv1", down, 16, 1, 1)?;
    let kept = b.push("model.2.slice0", Op::Slice { start: 0, len: 6 }, &[halves])?;
    let worked = b.push("model.2.slice1", Op::Slice { start: 6, len: 10 }, &[halves])?;
    let cv1 = block(b, "model.2.m.0.cv1", worked, 10, 3, 1)?;
    let cv2 = block(b, "model.2.m.0.cv2", cv1, 10, 3, 1)?;
    let sum = b.push("model.2.m.0.add", Op::Add, &[worked, cv2])?;
    let all = b.push("model.2.concat", Op::Concat, &[kept, worked, sum])?;
    let c2f = block(b, "model.2.cv2", all, 16, 1, 1)?;

    let deep = block(b, "model.3", c2f, 16, 3, 2)?;
    let pooled = block(b, "model.4.cv1", deep, 8, 1, 1)?;
    let pool = Op::MaxPool { kernel: 5, stride: 1, padding: 2 };
    let mut pools = vec![pooled];
    for i in 0..3 {
        pools.push(b.push(&format!("model.4.m.{i}"), pool, &[pools[i]])?);
    }
    let joined = b.push("model.4.concat", Op::Concat, &pools)?;
    let sppf = block(b, "model.4.cv2", joined, 16, 1, 1)?;

    let up = b.push("model.5", Op::Upsample { scale: 2 }, &[sppf])?;
    let neck = b.push("model.6", Op::Concat, &[up, c2f])?;

    let mut outputs = Vec::new();
    for (level, input) in [neck, sppf].into_iter().enumerate() {
        for (branch, out_channels) in [("cv2", 8), ("cv3", 2)] {
            let op = Op::Conv2d { out_channels, kernel: 1, stride: 1, padding: 0, bias: true, groups: 1 };
            outputs.push(b.push(&format!("model.7.{branch}.{level}"), op, &[input])?);
        }
    }
    let graph = std::mem::take(b).finish(&outputs)?;
    let head = DetectHead {
        num_classes: 2,
        reg_max: 2,
        strides: vec![4, 8],
        box_outputs: vec![0, 2],
        cls_outputs: vec![1, 3],
    };
    ModelSpec::new(graph, head, vec!["cat".to_owned(), "dog".to_owned()])
}
