//! Tests of every convolution and pooling shape against central differences of the `f64` reference forward.

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{Buffer, Mode};
use bonsai_graph::{Graph, GraphBuilder, Op};
use bonsai_testkit::{random_array, random_weights, reference_forward};

use crate::engines::Engine;

/// Step of the central differences. The reference computes in `f64`, so cancellation does not matter.
const STEP: f32 = 1.0 / 256.0;
/// The error of central differences of a smooth function is O(step^2); gradients here are of order 1 to 10.
const TOLERANCE: f64 = 5e-3;

fn loss(graph: &Graph, weights: &Weights, images: &Array, upstream: &Array) -> f64 {
    let outputs = reference_forward(graph, weights, images, true);
    outputs[0].data().iter().zip(upstream.data()).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum()
}

/// Compares the gradients at the input and of all parameters with central differences.
fn check(graph: &Graph, h: usize, w: usize) {
    for engine in Engine::all() {
        check_engine(engine, graph, h, w);
    }
}

fn check_engine(engine: Engine, graph: &Graph, h: usize, w: usize) {
    let weights = random_weights(3, graph);
    let channels = graph.node(graph.input()).channels();
    let images = random_array(5, &[2, channels, h, w]);
    let mut executor = engine.start(graph, &weights);
    executor.set_taps(&[graph.input()]);
    let outputs = executor.forward(Mode::Train, &images).unwrap();
    let upstream = random_array(7, outputs[0].shape());
    executor.backward(std::slice::from_ref(&upstream)).unwrap();

    let compare = |analytic: f32, plus: f64, minus: f64, what: String| {
        let numeric = (plus - minus) / f64::from(2.0 * STEP);
        let error = (f64::from(analytic) - numeric).abs();
        assert!(
            error < TOLERANCE * numeric.abs().max(1.0),
            "{engine:?}, {what}: {analytic} against {numeric}\n{graph}"
        );
    };
    let input_gradient = executor.input_gradient().unwrap();
    for i in (0..images.data().len()).step_by(images.data().len().div_ceil(40)) {
        let at = |delta| {
            let mut moved = images.clone();
            moved.data_mut()[i] += delta;
            loss(graph, &weights, &moved, &upstream)
        };
        compare(input_gradient.data()[i], at(STEP), at(-STEP), format!("input {i}"));
    }
    let gradients = executor.read(Buffer::Gradients).unwrap();
    for (name, gradient) in gradients.iter() {
        for i in (0..gradient.data().len()).step_by(gradient.data().len().div_ceil(20)) {
            let at = |delta| {
                let mut moved = weights.clone();
                moved.get_mut(name).unwrap().data_mut()[i] += delta;
                loss(graph, &moved, &images, &upstream)
            };
            compare(gradient.data()[i], at(STEP), at(-STEP), format!("{name} {i}"));
        }
    }
}

fn single(op: Op, channels: usize) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.push("x", Op::Input { channels }, &[]).unwrap();
    let y = b.push("y", op, &[x]).unwrap();
    b.finish(&[y]).unwrap()
}

#[test]
fn convolutions_of_every_stride_and_parity() {
    for (kernel, stride, padding) in [
        (1, 1, 0),
        (1, 2, 0),
        (2, 2, 0),
        (3, 1, 1),
        (3, 2, 1),
        (3, 2, 0),
        (3, 3, 1),
        (5, 1, 2),
        (5, 2, 2),
        (5, 3, 4),
    ] {
        for (h, w) in [(6, 6), (7, 6), (6, 7), (9, 7)] {
            check(
                &single(Op::Conv2d { out_channels: 3, kernel, stride, padding, bias: true, groups: 1 }, 2),
                h,
                w,
            );
        }
    }
}

/// Depthwise convolutions, groups of several channels, several outputs of one channel, and more inputs than
/// outputs.
#[test]
fn convolutions_in_groups() {
    for (channels, out_channels, groups) in [(3, 3, 3), (4, 6, 2), (2, 6, 2), (6, 2, 2), (17, 17, 17)] {
        for (kernel, stride, padding) in [(1, 1, 0), (3, 1, 1), (3, 2, 1), (5, 3, 4)] {
            let conv = Op::Conv2d { out_channels, kernel, stride, padding, bias: true, groups };
            check(&single(conv, channels), 7, 6);
        }
    }
}

/// The input of a depthwise convolution keeps its cuts: the second part of 13 + 4 channels starts at a cache
/// line.
#[test]
fn a_depthwise_convolution_between_slices() {
    let graph: Graph = "
        x = input() channels=17
        a = conv2d(x) out_channels=17 kernel=3 stride=1 padding=1 bias=true groups=17
        s = silu(a)
        first = slice(s) start=0 len=13
        second = slice(s) start=13 len=4
        b = conv2d(second) out_channels=4 kernel=3 stride=1 padding=1 bias=false groups=4
        c = conv2d(b) out_channels=8 kernel=1 stride=1 padding=0 bias=false groups=2
        n = batch_norm(b) eps=0.001 momentum=0.03
        y = concat(first, n, c)
        outputs = y"
        .parse()
        .unwrap();
    check(&graph, 3, 4);
}

#[test]
fn poolings_of_every_stride() {
    for (kernel, stride, padding) in [(2, 2, 0), (2, 2, 1), (3, 2, 1), (3, 3, 0), (5, 1, 2), (2, 3, 0)] {
        for (h, w) in [(6, 6), (7, 8), (9, 7)] {
            check(&single(Op::MaxPool { kernel, stride, padding }, 2), h, w);
        }
    }
}

#[test]
fn batch_norm_silu_and_upsample() {
    for op in [Op::batch_norm(), Op::Silu, Op::Upsample { scale: 2 }, Op::Upsample { scale: 3 }] {
        check(&single(op, 3), 5, 4);
    }
}

#[test]
fn overlapping_slices_of_a_wire_that_is_also_read_whole() {
    let graph: Graph = "
        x = input() channels=5
        a = slice(x) start=0 len=3
        b = slice(x) start=2 len=2
        c = slice(x) start=1 len=1
        twice = concat(a, b, c, a)
        sum = add(a, a, a)
        y = concat(twice, x, sum)
        outputs = y"
        .parse()
        .unwrap();
    check(&graph, 3, 4);
}
