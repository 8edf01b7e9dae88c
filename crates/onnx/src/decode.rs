//! The head's decoding as ONNX nodes: raw outputs to boxes in pixels and scores.
//!
//! A side of a box lies `sum(bin * softmax(bins))` cells from the centre of its cell (Li et al., "Generalized Focal
//! Loss", 2020, arXiv 2006.04388). Expectation and the step from left, top, right, bottom to centre and size are both linear,
//! so they are one matrix: `cx = x + (r - l) / 2`, `cy = y + (b - t) / 2`, `w = l + r`, `h = t + b`.
//! Levels come in the order of the head, cells row by row.

use bonsai_graph::DetectHead;

use crate::attribute::int;
use crate::writer::{Value, Writer};

/// Centre x, centre y, width and height, from left, top, right and bottom.
const CENTRE_AND_SIZE: [[f32; 4]; 4] =
    [[-0.5, 0.0, 0.5, 0.0], [0.0, -0.5, 0.0, 0.5], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]];

/// Writes the decoding behind `outputs`, the graph's outputs; the value `[1, 4 + classes, anchors]`.
/// Node names begin with `layer`.
pub(crate) fn write_decode(writer: &mut Writer, layer: &str, head: &DetectHead, outputs: &[Value]) -> Value {
    let name = |part: &str| format!("{layer}.{part}");
    let (bins, classes) = (head.reg_max, head.num_classes);
    let boxes: Vec<&Value> = head.box_outputs.iter().map(|i| &outputs[*i]).collect();
    let scores: Vec<&Value> = head.cls_outputs.iter().map(|i| &outputs[*i]).collect();
    let anchors: usize = boxes.iter().map(|b| cells(b)).sum();

    let logits = flatten(writer, &name("dfl"), &boxes, &[1, 4, bins]);
    let shares =
        writer.node(&name("dfl"), "Softmax", &[&logits], vec![int("axis", 2)], &[1, 4, bins, anchors]);
    let shape = writer.ints(&name("dfl.shape"), &[1, 4 * bins, anchors]);
    let shares =
        writer.node(&name("dfl"), "Reshape", &[&shares, &shape], Vec::new(), &[1, 4 * bins, anchors]);
    let matrix = writer.floats(&name("dfl.matrix"), &[1, 4, 4 * bins], &matrix(bins));
    let boxed = [1, 4, anchors];
    let in_cells = writer.node(&name("dfl"), "MatMul", &[&matrix, &shares], Vec::new(), &boxed);
    let (strides, centres) = grid(&head.strides, &boxes);
    let strides = writer.floats(&name("strides"), &[1, 1, anchors], &strides);
    let centres = writer.floats(&name("anchors"), &boxed, &centres);
    let in_pixels = writer.node(layer, "Mul", &[&in_cells, &strides], Vec::new(), &boxed);
    let boxes = writer.node(layer, "Add", &[&in_pixels, &centres], Vec::new(), &boxed);

    let logits = flatten(writer, &name("cls"), &scores, &[1, classes]);
    let scores = writer.node(layer, "Sigmoid", &[&logits], Vec::new(), &[1, classes, anchors]);
    writer.node(layer, "Concat", &[&boxes, &scores], vec![int("axis", 1)], &[1, 4 + classes, anchors])
}

/// The maps of all levels as one row of anchors; `leading` are the dimensions in front of it.
fn flatten(writer: &mut Writer, layer: &str, levels: &[&Value], leading: &[usize]) -> Value {
    let dims = |anchors: usize| [leading, &[anchors]].concat();
    let mut rows = Vec::with_capacity(levels.len());
    for (i, level) in levels.iter().enumerate() {
        let shape = dims(cells(level));
        let constant = writer.ints(&format!("{layer}.{i}.shape"), &shape);
        rows.push(writer.node(&format!("{layer}.{i}"), "Reshape", &[level, &constant], Vec::new(), &shape));
    }
    if let [row] = rows.as_slice() {
        return row.clone();
    }
    let anchors = levels.iter().map(|l| cells(l)).sum();
    let rows: Vec<&Value> = rows.iter().collect();
    writer.node(layer, "Concat", &rows, vec![int("axis", leading.len())], &dims(anchors))
}

/// Cells of a map `[1, c, h, w]`.
fn cells(map: &Value) -> usize {
    map.dims().iter().skip(2).product()
}

/// `[4, 4 * bins]`: from the shares of the bins to centre offset and size, in cells.
fn matrix(bins: usize) -> Vec<f32> {
    let row = |row: &[f32; 4]| row.map(|side| (0..bins).map(move |bin| side * bin as f32));
    CENTRE_AND_SIZE.iter().flat_map(row).flatten().collect()
}

/// Pixels per cell of every anchor, and what to add to its box: the centre of the cell in pixels, and no size.
fn grid(strides: &[usize], levels: &[&Value]) -> (Vec<f32>, Vec<f32>) {
    let (mut per_cell, mut x, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for (stride, level) in strides.iter().zip(levels) {
        let stride = *stride as f32;
        let &[_, _, rows, columns] = level.dims() else { continue };
        for row in 0..rows {
            for column in 0..columns {
                per_cell.push(stride);
                x.push((column as f32 + 0.5) * stride);
                y.push((row as f32 + 0.5) * stride);
            }
        }
    }
    let sizes = vec![0.0; 2 * per_cell.len()];
    (per_cell, [x, y, sizes].concat())
}
