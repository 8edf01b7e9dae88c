//! Tests of the reference forward against numbers computed by hand.

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::Graph;
use bonsai_testkit::{Tolerance, assert_close, random_array, reference_forward, reference_wires};

/// Runs the graph `x = input; y = LAYER` on the given image and compares `y`.
fn check(layer: &str, image: &Array, weights: &[(&str, Array)], train: bool, expected: &[f32]) {
    let text = format!("x = input() channels={}\ny = {layer}\noutputs = y", image.shape()[1]);
    let graph: Graph = text.parse().unwrap();
    let weights: Weights = weights.iter().map(|(n, a)| ((*n).to_owned(), a.clone())).collect();
    let y = &reference_forward(&graph, &weights, image, train)[0];
    assert_close(y.data(), expected, Tolerance::Tight, layer);
}

fn image(c: usize, h: usize, w: usize, data: &[f32]) -> Array {
    Array::new(&[1, c, h, w], data.to_vec())
}

#[test]
fn convolution() {
    // Two input channels; the second kernel is zero except for its centre.
    let x = image(2, 2, 3, &[1., 2., 3., 4., 5., 6., 10., 20., 30., 40., 50., 60.]);
    let mut kernel = vec![1.0; 9];
    kernel.extend([0.0; 9]);
    kernel[13] = 0.5;
    let weights =
        [("y.weight", Array::new(&[1, 2, 3, 3], kernel)), ("y.bias", Array::new(&[1], vec![100.0]))];
    let all = "conv2d(x) out_channels=1 kernel=3 stride=1 padding=1 bias=true";
    check(all, &x, &weights, false, &[117., 131., 131., 132., 146., 146.]);
    let strided = "conv2d(x) out_channels=1 kernel=3 stride=2 padding=1 bias=true";
    check(strided, &x, &weights, false, &[117., 131.]);
}

#[test]
fn batch_norm_in_both_modes() {
    let x = image(1, 1, 4, &[1., 2., 3., 6.]);
    let one = |v: f32| Array::new(&[1], vec![v]);
    let weights = [
        ("y.weight", one(2.0)),
        ("y.bias", one(0.5)),
        ("y.running_mean", one(1.0)),
        ("y.running_var", one(3.0)),
    ];
    // Running statistics: (x - 1) / sqrt(3 + 1) * 2 + 0.5. Batch statistics: mean 3, biased variance 3.5,
    // plus eps 0.5 is 4.
    check("batch_norm(x) eps=1 momentum=0.03", &x, &weights, false, &[0.5, 1.5, 2.5, 5.5]);
    check("batch_norm(x) eps=0.5 momentum=0.03", &x, &weights, true, &[-1.5, -0.5, 0.5, 3.5]);
}

#[test]
fn layers_without_weights() {
    let x = image(1, 2, 2, &[-1., -2., -3., -4.]);
    let silu: Vec<f32> = x.data().iter().map(|v| v / (1.0 + (-v).exp())).collect();
    check("silu(x)", &x, &[], false, &silu);
    check("add(x, x, x)", &x, &[], false, &[-3., -6., -9., -12.]);
    // Padding is minus infinity, not zero: the border keeps its negative maxima.
    check("max_pool(x) kernel=3 stride=1 padding=1", &x, &[], false, &[-1.; 4]);
    check("max_pool(x) kernel=2 stride=2 padding=1", &x, &[], false, &[-1., -2., -3., -4.]);
    let large = [-1., -1., -2., -2., -1., -1., -2., -2., -3., -3., -4., -4., -3., -3., -4., -4.];
    check("upsample(x) scale=2", &x, &[], false, &large);
    let x = image(3, 1, 1, &[1., 2., 3.]);
    check("concat(x, x)", &x, &[], false, &[1., 2., 3., 1., 2., 3.]);
    check("slice(x) start=1 len=2", &x, &[], false, &[2., 3.]);
}

#[test]
fn images_of_a_batch_do_not_mix_in_evaluation() {
    let model = bonsai_testkit::random_model(11, &bonsai_testkit::RandomGraphConfig::default());
    let graph = model.spec().graph();
    let weights = &model.checkpoint.weights;
    let both = random_array(1, &[2, 3, model.h, model.w]);
    let second = both.select(0, &[1]);
    let all = reference_wires(graph, weights, &both, false);
    let one = reference_wires(graph, weights, &second, false);
    for ((all, one), node) in all.iter().zip(&one).zip(graph.nodes()) {
        assert_close(&all.data[one.data.len()..], &one.data, Tolerance::Exact, node.name());
    }
}
