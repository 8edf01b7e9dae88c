//! [`write_decode`]: the head's decoding as ONNX nodes, from raw outputs to boxes and scores in 32 bits.
//!
//! A side of a box lies `sum(bin * softmax(bins))` cells from the centre of its cell (Li et al., "Generalized
//! Focal Loss", 2020, arXiv 2006.04388). The expectation and the step from left, top, right, bottom to centre
//! and size are both linear, so they are one matrix: `cx = x + (r - l) / 2`, `cy = y + (b - t) / 2`,
//! `w = l + r`, `h = t + b`. An objectness that is always 1 is an additional row of the matrix: zero times
//! the probabilities, plus 1. Levels are in the order of the head, cells row by row.

use bonsai_graph::DetectHead;

use crate::attribute::int;
use crate::dim::Dim;
use crate::element::Element;
use crate::grid::{Level, write_grid};
use crate::writer::{Value, Writer};

/// Centre x, centre y, width and height, from left, top, right and bottom; the last row is the objectness,
/// which uses none.
const ROWS: [[f32; 4]; 5] = [
    [-0.5, 0.0, 0.5, 0.0],
    [0.0, -0.5, 0.0, 0.5],
    [1.0, 0.0, 1.0, 0.0],
    [0.0, 1.0, 0.0, 1.0],
    [0.0, 0.0, 0.0, 0.0],
];

/// Decoded outputs of the head, per anchor.
pub(crate) struct Decoded {
    /// `[n, 4, anchors]`: centre and size in pixels; with an objectness `[n, 5, anchors]`.
    pub(crate) boxes: Value,
    /// `[n, classes, anchors]`, from 0 to 1.
    pub(crate) scores: Value,
}

/// Writes the decoding of `outputs`, the graph's outputs. Node names begin with `layer`.
pub(crate) fn write_decode(
    writer: &mut Writer,
    layer: &str,
    head: &DetectHead,
    outputs: &[Value],
    objectness: bool,
) -> Decoded {
    let name = |part: &str| format!("{layer}.{part}");
    let bins = head.reg_max;
    let classes = head.num_classes;
    let boxes: Vec<&Value> = head.box_outputs.iter().map(|i| &outputs[*i]).collect();
    let scores: Vec<&Value> = head.cls_outputs.iter().map(|i| &outputs[*i]).collect();
    let levels: Vec<Level<'_>> =
        head.strides.iter().zip(&boxes).enumerate().map(|(i, (s, map))| Level::new(i, *s, map)).collect();
    let batch = outputs.first().map_or(Dim::Fixed(1), |map| map.dims()[0].clone());
    let anchors = anchors(&levels);
    let rows = if objectness { 5 } else { 4 };

    let leading = [batch.clone(), 4.into(), bins.into()];
    let logits = flatten(writer, &name("dfl"), &boxes, &levels, &leading);
    let logits = writer.cast(&name("dfl"), &logits, Element::F32);
    let shares = writer.softmax(&name("dfl"), &logits, 2);
    let flat = [batch.clone(), (4 * bins).into(), anchors.clone()];
    let shares = writer.reshape(&name("dfl"), &shares, &flat);
    let weights = [1, rows, 4 * bins];
    let matrix = writer.floats(&name("dfl.matrix"), Element::F32, &weights, &matrix(rows, bins));
    let boxed = [batch.clone(), rows.into(), anchors.clone()];
    let in_cells = writer.node(&name("dfl"), "MatMul", &[&matrix, &shares], Vec::new(), &boxed);
    let grid = write_grid(writer, layer, &levels, &anchors, rows);
    let in_pixels = writer.node(layer, "Mul", &[&in_cells, &grid.strides], Vec::new(), &boxed);
    let boxes = writer.node(layer, "Add", &[&in_pixels, &grid.centres], Vec::new(), &boxed);

    let logits = flatten(writer, &name("cls"), &scores, &levels, &[batch.clone(), classes.into()]);
    let logits = writer.cast(&name("cls"), &logits, Element::F32);
    let scores = writer.node(layer, "Sigmoid", &[&logits], Vec::new(), &[batch, classes.into(), anchors]);
    Decoded { boxes, scores }
}

/// The maps of all levels as one row of anchors; `leading` are the dimensions before it.
fn flatten(
    writer: &mut Writer,
    layer: &str,
    maps: &[&Value],
    levels: &[Level<'_>],
    leading: &[Dim],
) -> Value {
    let dims = |anchors: Dim| [leading, &[anchors]].concat();
    let mut rows = Vec::with_capacity(maps.len());
    for (i, (map, level)) in maps.iter().zip(levels).enumerate() {
        rows.push(writer.reshape(&format!("{layer}.{i}"), map, &dims(level.cells.clone())));
    }
    if let [row] = rows.as_slice() {
        return row.clone();
    }
    let rows: Vec<&Value> = rows.iter().collect();
    writer.node(layer, "Concat", &rows, vec![int("axis", leading.len())], &dims(anchors(levels)))
}

/// Number of cells of all levels.
fn anchors(levels: &[Level<'_>]) -> Dim {
    match levels {
        [level] => level.cells.clone(),
        _ => match levels.iter().map(|l| l.cells.fixed()).sum::<Option<usize>>() {
            Some(cells) => Dim::Fixed(cells),
            None => Dim::named("anchors"),
        },
    }
}

/// `[rows, 4 * bins]`: maps the probabilities of the bins to centre offset and size, in cells.
fn matrix(rows: usize, bins: usize) -> Vec<f32> {
    let row = |row: &[f32; 4]| row.map(|side| (0..bins).map(move |bin| side * bin as f32));
    ROWS[..rows].iter().flat_map(row).flatten().collect()
}
