//! Tests of `fold_batch_norm`: which batch norms are folded, and the resulting graph.

use bonsai_graph::Fold;

use crate::detector::detector;
use crate::graph;

/// Folds the graph `before` and compares the new graph and the (convolution, batch norm) pairs.
#[track_caller]
fn check(before: &str, after: &str, folds: &[(&str, &str)]) {
    let folded = graph(before).fold_batch_norm();
    assert_eq!(folded.graph, graph(after), "\n{}", folded.graph);
    let found: Vec<_> = folded.folds.iter().map(|f| (f.conv.as_str(), f.batch_norm.as_str())).collect();
    assert_eq!(found, folds);
}

const HEAD: &str = "x = input() channels=2\n";
const BARE: &str = "conv2d(x) out_channels=2 kernel=1 stride=1 padding=0 bias=false\n";
const BIASED: &str = "conv2d(x) out_channels=2 kernel=1 stride=1 padding=0 bias=true\n";
const NORM: &str = "eps=0.001 momentum=0.03\n";

#[test]
fn a_lone_reader_is_folded_and_the_convolution_gains_a_bias() {
    let silu = "c = silu(a)\noutputs = c";
    check(
        &format!("{HEAD}a = {BARE}b = batch_norm(a) {NORM}c = silu(b)\noutputs = c"),
        &format!("{HEAD}a = {BIASED}{silu}"),
        &[("a", "b")],
    );
}

#[test]
fn an_old_bias_and_the_eps_are_reported() {
    let text = format!("{HEAD}a = {BIASED}b = batch_norm(a) eps=0.5 momentum=0.03\noutputs = b");
    let fold = Fold { conv: "a".to_owned(), batch_norm: "b".to_owned(), eps: 0.5, had_bias: true };
    assert_eq!(graph(&text).fold_batch_norm().folds, [fold]);
}

#[test]
fn outputs_and_readers_move_to_the_convolution() {
    check(
        &format!(
            "{HEAD}a = {BARE}b = batch_norm(a) {NORM}c = add(b, x)\nd = concat(b, c, b)\noutputs = d, b, c"
        ),
        &format!("{HEAD}a = {BIASED}c = add(a, x)\nd = concat(a, c, a)\noutputs = d, a, c"),
        &[("a", "b")],
    );
}

#[test]
fn a_convolution_with_another_reader_stays() {
    for other in ["c = silu(a)\n", "c = batch_norm(a) eps=0.1 momentum=0.1\n"] {
        let text = format!("{HEAD}a = {BARE}b = batch_norm(a) {NORM}{other}d = add(b, c)\noutputs = d");
        check(&text, &text, &[]);
    }
}

#[test]
fn a_convolution_that_is_an_output_stays() {
    let text = format!("{HEAD}a = {BARE}b = batch_norm(a) {NORM}outputs = b, a");
    check(&text, &text, &[]);
}

#[test]
fn a_batch_norm_without_a_convolution_in_front_stays() {
    let text = format!("{HEAD}a = batch_norm(x) {NORM}outputs = a");
    check(&text, &text, &[]);
    // The second of two batch norms follows a batch norm, not a convolution.
    check(
        &format!("{HEAD}a = {BARE}b = batch_norm(a) {NORM}c = batch_norm(b) {NORM}outputs = c"),
        &format!("{HEAD}a = {BIASED}c = batch_norm(a) {NORM}outputs = c"),
        &[("a", "b")],
    );
}

#[test]
fn a_detector_loses_all_of_its_batch_norms() {
    let graph = detector().graph().clone();
    let norms = graph.nodes().iter().filter(|n| n.op().keyword() == "batch_norm").count();
    let folded = graph.fold_batch_norm();
    assert_eq!((norms, folded.folds.len()), (9, 9));
    assert_eq!(folded.graph.nodes().len(), graph.nodes().len() - 9);
    assert!(folded.folds.iter().all(|f| !f.had_bias));
    assert!(detector().with_graph(folded.graph).is_ok());
}
