//! [`ExportNms`] and [`write_nms`]: non-maximum suppression inside the model.
//!
//! Each anchor counts only for its best class. Boxes are moved apart by class, so that one call compares only
//! boxes of one class. The chosen boxes are marked among the anchors of their image; the marked scores,
//! sorted, give the rows of the output. No dimension therefore depends on the number of chosen boxes, and the
//! number of images may be dynamic.

use crate::OnnxError;
use crate::attribute::{int, ints};
use crate::decode::Decoded;
use crate::dim::Dim;
use crate::element::Element;
use crate::writer::{Value, Writer};

/// Distance between boxes of neighbouring classes, in pixels. It is the same as in Ultralytics and in
/// prediction, because corners so far from zero are rounded and the same objects must be found.
const CLASS_SHIFT: f32 = 7680.0;
/// Columns of a row: corners, score, class.
const COLUMNS: usize = 6;

/// Settings of the suppression, which are fixed when the file is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExportNms {
    /// A score must be above this; from 0 to below 1.
    pub confidence: f32,
    /// A box is dropped if a better one of its class overlaps it by more (`IoU`); from 0 to 1.
    pub iou: f32,
    /// Rows per image, from 1; rows after the last object are zero.
    pub max_detections: usize,
}

impl Default for ExportNms {
    /// Ultralytics' settings for prediction: 0.25, 0.7, 300.
    fn default() -> Self {
        Self { confidence: 0.25, iou: 0.7, max_detections: 300 }
    }
}

impl ExportNms {
    pub(crate) fn check(&self) -> Result<(), OnnxError> {
        let refuse = |field, got: String, expected| Err(OnnxError::Nms { field, got, expected });
        if !(0.0..1.0).contains(&self.confidence) {
            return refuse("confidence", self.confidence.to_string(), "from 0 to below 1");
        }
        if !(0.0..=1.0).contains(&self.iou) {
            return refuse("iou", self.iou.to_string(), "from 0 to 1");
        }
        if !(1..=100_000).contains(&self.max_detections) {
            return refuse("max_detections", self.max_detections.to_string(), "from 1 to 100000");
        }
        Ok(())
    }
}

/// Writes the suppression of decoded boxes: `[n, max_detections, 6]`, each row x1, y1, x2, y2 in pixels,
/// score, class; best first, zeros after the last object. Node names begin with `layer`.
pub(crate) fn write_nms(writer: &mut Writer, layer: &str, found: &Decoded, options: &ExportNms) -> Value {
    let layer = &format!("{layer}.nms");
    let name = |part: &str| format!("{layer}.{part}");
    let batch = found.boxes.dims()[0].clone();
    let anchors = found.boxes.dims()[2].clone();
    let line = [batch.clone(), 1.into(), anchors.clone()];
    let over_classes = vec![ints("axes", &[1]), int("keepdims", 1)];
    let best = writer.node(&name("score"), "ReduceMax", &[&found.scores], over_classes, &line);
    let over_classes = vec![int("axis", 1), int("keepdims", 1)];
    let class = writer.typed(&name("class"), "ArgMax", &[&found.scores], over_classes, (Element::I64, &line));
    let class = writer.cast(&name("class"), &class, Element::F32);
    let corners = corners(writer, layer, &found.boxes);

    let apart = writer.floats(&name("shift"), Element::F32, &[], &[CLASS_SHIFT]);
    let shift = writer.node(&name("shift"), "Mul", &[&class, &apart], Vec::new(), &line);
    let moved = writer.node(&name("shift"), "Add", &[&corners, &shift], Vec::new(), corners.dims());
    let moved = writer.swap(&name("shift"), &moved, 1, 2);
    let limit = writer.ints(&name("max_detections"), &[options.max_detections as i64]);
    let iou = writer.floats(&name("iou"), Element::F32, &[1], &[options.iou]);
    let confidence = writer.floats(&name("confidence"), Element::F32, &[1], &[options.confidence]);
    let chosen = Dim::named("chosen");
    let places = writer.typed(
        layer,
        "NonMaxSuppression",
        &[&moved, &best, &limit, &iou, &confidence],
        vec![int("center_point_box", 0)],
        (Element::I64, &[chosen.clone(), 3.into()]),
    );

    // Image, class 0 and anchor are an index into `best`: chosen scores keep their places, all others become
    // zero.
    let scores = writer.node(&name("mark"), "GatherND", &[&best, &places], Vec::new(), &[chosen]);
    let zero = writer.floats(&name("zero"), Element::F32, &[], &[0.0]);
    let nothing = writer.node(&name("mark"), "Mul", &[&best, &zero], Vec::new(), &line);
    let marked = writer.node(&name("mark"), "ScatterND", &[&nothing, &places, &scores], Vec::new(), &line);
    let dims = [batch, COLUMNS.into(), anchors];
    let table = [&corners, &best, &class];
    let table = writer.node(&name("table"), "Concat", &table, vec![int("axis", 1)], &dims);
    sorted(writer, layer, &marked, &table, &zero, options.max_detections)
}

/// Converts centre and size `[n, 4, anchors]` to corners.
fn corners(writer: &mut Writer, layer: &str, boxes: &Value) -> Value {
    let name = format!("{layer}.corners");
    let parts = writer.split(&name, boxes, 1, &[2, 2]);
    let half = writer.floats(&format!("{name}.half"), Element::F32, &[], &[0.5]);
    let centre = &parts[0];
    let size = &parts[1];
    let reach = writer.node(&name, "Mul", &[size, &half], Vec::new(), size.dims());
    let low = writer.node(&name, "Sub", &[centre, &reach], Vec::new(), size.dims());
    let high = writer.node(&name, "Add", &[centre, &reach], Vec::new(), size.dims());
    writer.node(&name, "Concat", &[&low, &high], vec![int("axis", 1)], boxes.dims())
}

/// The columns of `table` `[n, 6, anchors]` with the largest `marked` `[n, 1, anchors]`, as rows; zero where
/// `marked` is zero.
fn sorted(
    writer: &mut Writer,
    layer: &str,
    marked: &Value,
    table: &Value,
    zero: &Value,
    rows: usize,
) -> Value {
    let name = |part: &str| format!("{layer}.{part}");
    let mut marked = marked.clone();
    let mut table = table.clone();
    // A small image has fewer anchors than rows.
    if table.dims()[2].fixed().is_none_or(|anchors| anchors < rows) {
        let pads = writer.ints(&name("pads"), &[0, 0, 0, 0, 0, rows as i64]);
        for value in [&mut marked, &mut table] {
            let mut dims = value.dims().to_vec();
            dims[2] = match dims[2].fixed() {
                Some(anchors) => (anchors + rows).into(),
                None => Dim::named(format!("{}+{rows}", dims[2])),
            };
            *value = writer.node(&name("pad"), "Pad", &[value, &pads], Vec::new(), &dims);
        }
    }
    let batch = marked.dims()[0].clone();
    let line = vec![batch.clone(), 1.into(), rows.into()];
    let count = writer.ints(&name("rows"), &[rows as i64]);
    let sorting = vec![int("axis", 2), int("largest", 1), int("sorted", 1)];
    let outputs = vec![(Element::F32, line.clone()), (Element::I64, line.clone())];
    let top = writer.several(&name("sort"), "TopK", &[&marked, &count], sorting, outputs);
    let dims = [batch, COLUMNS.into(), rows.into()];
    let repeat = writer.ints(&name("columns"), &[1, COLUMNS as i64, 1]);
    let index = writer.node(&name("gather"), "Expand", &[&top[1], &repeat], Vec::new(), &dims);
    let columns = [&table, &index];
    let columns = writer.node(&name("gather"), "GatherElements", &columns, vec![int("axis", 2)], &dims);
    let found = (Element::Bool, line.as_slice());
    let found = writer.typed(&name("found"), "Greater", &[&top[0], zero], Vec::new(), found);
    let form = (Element::F32, dims.as_slice());
    let kept = writer.typed(&name("found"), "Where", &[&found, &columns, zero], Vec::new(), form);
    writer.swap(layer, &kept, 1, 2)
}
