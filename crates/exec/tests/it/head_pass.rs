//! A step that leaves the head's outputs on the GPU against the same step with all outputs on the host. It runs on the GPU
//! that the environment variable `BONSAI_TEST_DEVICE` names.

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{Buffer, ComputePrecision, CudaExecutor, Executor, HeadGradient, HeadPass, Mode};
use bonsai_graph::{DetectHead, Graph};
use bonsai_testkit::{random_array, random_weights};

use crate::engines::{device, on_gpu};

const CLASSES: usize = 5;
const BINS: usize = 3;
const IMAGES: usize = 3;

/// Values of one launch against sums of the host in f64.
const TOLERANCE: f32 = 1e-5;

/// Two levels, and one output that is not the head's. Widths are no multiples of 16.
const NETWORK: &str = "
    images = input() channels=3
    a = conv2d(images) out_channels=7 kernel=3 stride=2 padding=1 bias=true
    b = conv2d(a) out_channels=9 kernel=3 stride=2 padding=1 bias=true
    extra = conv2d(a) out_channels=2 kernel=1 stride=1 padding=0 bias=true
    boxes1 = conv2d(a) out_channels=12 kernel=1 stride=1 padding=0 bias=true
    boxes2 = conv2d(b) out_channels=12 kernel=1 stride=1 padding=0 bias=true
    classes1 = conv2d(a) out_channels=5 kernel=1 stride=1 padding=0 bias=true
    classes2 = conv2d(b) out_channels=5 kernel=1 stride=1 padding=0 bias=true
    outputs = classes2, extra, boxes1, boxes2, classes1";

fn head() -> DetectHead {
    DetectHead {
        num_classes: CLASSES,
        reg_max: BINS,
        strides: vec![2, 4],
        box_outputs: vec![2, 3],
        cls_outputs: vec![4, 0],
    }
}

fn start() -> (CudaExecutor, Array) {
    let graph: Graph = NETWORK.parse().unwrap();
    let weights = random_weights(4, &graph);
    let executor = CudaExecutor::new(&graph, &weights, device(), ComputePrecision::F32).unwrap();
    (executor, random_array(5, &[IMAGES, 3, 8, 16]))
}

/// Cells of the levels of an image.
const CELLS: [usize; 2] = [4 * 8, 2 * 4];

/// The level of an anchor and its cell.
fn locate(anchor: usize) -> (usize, usize) {
    if anchor < CELLS[0] { (0, anchor) } else { (1, anchor - CELLS[0]) }
}

/// A value of an output `[n, channels, h, w]`.
fn value(output: &Array, image: usize, channel: usize, cell: usize) -> f32 {
    let &[_, channels, h, w] = output.shape() else { panic!("four dimensions") };
    output.data()[(image * channels + channel) * h * w + cell]
}

fn close(found: f32, expected: f32, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE * (1.0 + expected.abs()), "{what}: {found} and {expected}");
}

#[test]
fn the_summary_is_that_of_the_outputs() {
    if !on_gpu() {
        return;
    }
    let (mut executor, images) = start();
    let outputs = executor.forward(Mode::Train, &images).unwrap();
    let head = head();
    let columns = [[0, 4], [2, 0], [2, 1]];
    let summary = executor.forward_head(&images, &head, &columns).unwrap();
    let anchors: usize = CELLS.iter().sum();
    let mut softplus = 0.0;
    for image in 0..IMAGES {
        for anchor in 0..anchors {
            let (level, cell) = locate(anchor);
            for side in 0..4 {
                let logit =
                    |bin| f64::from(value(&outputs[head.box_outputs[level]], image, side * BINS + bin, cell));
                let sum: f64 = (0..BINS).map(|bin| logit(bin).exp()).sum();
                let expected: f64 = (0..BINS).map(|bin| bin as f64 * logit(bin).exp()).sum::<f64>() / sum;
                let found = summary.distances[(image * anchors + anchor) * 4 + side];
                close(found, expected as f32, &format!("side {side} of anchor {anchor} of image {image}"));
            }
            let classes = &outputs[head.cls_outputs[level]];
            softplus += (0..CLASSES)
                .map(|class| f64::from(value(classes, image, class, cell)).exp().ln_1p())
                .sum::<f64>();
        }
    }
    close(summary.softplus as f32, softplus as f32, "softplus");
    for (column, [image, class]) in columns.into_iter().enumerate() {
        for anchor in 0..anchors {
            let (level, cell) = locate(anchor);
            let expected = value(&outputs[head.cls_outputs[level]], image, class, cell);
            assert_eq!(summary.logits[column * anchors + anchor], expected);
        }
    }
    let picked = [[2, 39], [0, 0], [1, 31], [1, 32]];
    let logits = executor.box_logits(&picked).unwrap();
    for ([image, anchor], row) in picked.into_iter().zip(logits.chunks_exact(4 * BINS)) {
        let (level, cell) = locate(anchor);
        for (channel, found) in row.iter().enumerate() {
            assert_eq!(*found, value(&outputs[head.box_outputs[level]], image, channel, cell));
        }
    }
}

#[test]
fn the_gradient_is_that_of_the_filled_outputs() {
    if !on_gpu() {
        return;
    }
    let head = head();
    let anchors = [[2, 39], [0, 0], [1, 31], [1, 32]];
    let terms = [(4, -0.25), (0, 0.5), (1, -1.0), (2, 2.0)];
    let rows = random_array(6, &[anchors.len(), 4 * BINS]);
    let scale = 0.125;

    let (mut whole, images) = start();
    let mut gradients = whole.forward(Mode::Train, &images).unwrap();
    for (at, gradient) in gradients.iter_mut().enumerate() {
        let is_class = head.cls_outputs.contains(&at);
        for x in gradient.data_mut() {
            *x = if is_class { scale / (1.0 + (-*x).exp()) } else { 0.0 };
        }
    }
    for (([image, anchor], (class, term)), row) in
        anchors.into_iter().zip(terms).zip(rows.data().chunks_exact(4 * BINS))
    {
        let (level, cell) = locate(anchor);
        let cells = CELLS[level];
        gradients[head.cls_outputs[level]].data_mut()[(image * CLASSES + class) * cells + cell] += term;
        for (channel, value) in row.iter().enumerate() {
            gradients[head.box_outputs[level]].data_mut()[(image * 4 * BINS + channel) * cells + cell] =
                *value;
        }
    }
    whole.backward(&gradients).unwrap();

    let (mut split, images) = start();
    split.forward_head(&images, &head, &[]).unwrap();
    split
        .backward_head(&HeadGradient {
            class_scale: scale,
            anchors: &anchors,
            class_terms: &terms,
            box_logits: rows.data(),
        })
        .unwrap();
    let [expected, found]: [Weights; 2] = [whole, split].map(|e| e.read(Buffer::Gradients).unwrap());
    for (name, expected) in expected.iter() {
        for (i, (found, expected)) in found.get(name).unwrap().data().iter().zip(expected.data()).enumerate()
        {
            close(*found, *expected, &format!("{name}[{i}]"));
        }
    }
}

#[test]
fn misuse_is_refused() {
    if !on_gpu() {
        return;
    }
    let (mut executor, images) = start();
    let head = head();
    let gradient = |anchors, terms, rows| HeadGradient {
        class_scale: 1.0,
        anchors,
        class_terms: terms,
        box_logits: rows,
    };
    assert!(executor.box_logits(&[]).unwrap_err().to_string().contains("forward pass"));
    executor.forward(Mode::Eval, &images).unwrap();
    assert!(
        executor.backward_head(&gradient(&[], &[], &[])).unwrap_err().to_string().contains("forward pass")
    );
    let mut refused = |head: &DetectHead, columns: &[[usize; 2]]| {
        executor.forward_head(&images, head, columns).unwrap_err().to_string()
    };
    let message = refused(&head, &[[3, 0]]);
    assert_eq!(message, "image and class of a column: found 3 and 0, expected below 3 and 5");
    let message = refused(&DetectHead { box_outputs: vec![2, 9], ..head.clone() }, &[]);
    assert_eq!(message, "outputs of the network: found 5 outputs, expected output 9 of the head");
    let message = refused(&DetectHead { strides: vec![2, 8], ..head.clone() }, &[]);
    assert_eq!(message, "an output of the head: found [3, 12, 2, 4], expected [3, 12, 1, 2]");

    executor.forward_head(&images, &head, &[]).unwrap();
    let message = executor.box_logits(&[[0, 40]]).unwrap_err().to_string();
    assert_eq!(message, "image and number of an anchor: found 0 and 40, expected below 3 and 40");
    let mut refused = |g: HeadGradient<'_>| executor.backward_head(&g).unwrap_err().to_string();
    let message = refused(gradient(&[[0, 1]], &[], &[0.0; 12]));
    assert_eq!(message, "class terms of a gradient: found 0, expected 1 for 1 anchors");
    let message = refused(gradient(&[[0, 1]; 2], &[(1, 0.0); 2], &[0.0; 24]));
    assert_eq!(message, "anchors of a gradient: found [0, 1] twice, expected each anchor at most once");
    let message = refused(gradient(&[[0, 1]], &[(5, 0.0)], &[0.0; 12]));
    assert_eq!(message, "class of a term: found 5, expected below 5");
    executor.backward_head(&gradient(&[[0, 1]], &[(4, 0.0)], &[0.0; 12])).unwrap();
    assert!(executor.box_logits(&[]).is_err(), "backward consumes the values");
}
