//! [`bright_cells`]: a network whose results can be computed by hand.
//!
//! One convolution per output, 8 pixels wide with stride 8: a cell's score is its mean brightness, and the
//! biases determine its box. A white cell on black is therefore one object at a known position.

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_graph::{DetectHead, GraphBuilder, ModelSpec, Op};

/// Pixels per cell.
pub(crate) const STRIDE: usize = 8;
/// Number of bins per side of a box, for distances of 0 to 7 cells.
const REG_MAX: usize = 8;

/// Boxes extend `distances` cells to the left, top, right and bottom from their cell's centre. White cells
/// have the logit `white[class]`; black cells and padding are far below any threshold.
pub(crate) fn bright_cells(distances: [usize; 4], white: &[f32]) -> Checkpoint {
    let conv = |out_channels| Op::Conv2d {
        out_channels,
        kernel: STRIDE,
        stride: STRIDE,
        padding: 0,
        bias: true,
        groups: 1,
    };
    let mut b = GraphBuilder::new();
    let images = b.push("images", Op::Input { channels: 3 }, &[]).unwrap();
    let boxes = b.push("boxes", conv(4 * REG_MAX), &[images]).unwrap();
    let classes = b.push("classes", conv(white.len()), &[images]).unwrap();
    let head = DetectHead {
        num_classes: white.len(),
        reg_max: REG_MAX,
        strides: vec![STRIDE],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let names = (0..white.len()).map(|c| format!("class{c}")).collect();
    let model = ModelSpec::new(b.finish(&[boxes, classes]).unwrap(), head, names).unwrap();

    let mut box_bias = Array::zeros(&[4 * REG_MAX]);
    for (side, distance) in distances.into_iter().enumerate() {
        // 100 more than its neighbours, so that the other bins have no weight in f32.
        box_bias.data_mut()[side * REG_MAX + distance] = 100.0;
    }
    let inputs = 3 * STRIDE * STRIDE;
    let rows = white.iter().flat_map(|logit| vec![(logit + 40.0) / inputs as f32; inputs]).collect();
    let mut weights = Weights::new();
    weights.insert("boxes.weight", Array::zeros(&[4 * REG_MAX, 3, STRIDE, STRIDE]));
    weights.insert("boxes.bias", box_bias);
    weights.insert("classes.weight", Array::new(&[white.len(), 3, STRIDE, STRIDE], rows));
    weights.insert("classes.bias", Array::new(&[white.len()], vec![-40.0; white.len()]));
    Checkpoint::new(model, weights).unwrap()
}
