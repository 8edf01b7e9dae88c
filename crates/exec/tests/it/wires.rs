//! Tests of wires of the CPU engine that share memory, and wires that cannot, against candle, which copies.

use bonsai_graph::Graph;
use bonsai_testkit::{Tolerance, random_array, random_weights};

use crate::engines::Engine;
use crate::seen::Seen;

/// Compares a graph given as text with candle, with and without a tap on every layer.
fn check(text: &str) {
    let graph: Graph = text.parse().unwrap();
    let weights = random_weights(3, &graph);
    let images = random_array(5, &[2, graph.node(graph.input()).channels(), 6, 5]);
    let (first, others) = Engine::first_and_others();
    for taps in [vec![], vec![graph.input()], graph.ids().collect()] {
        let expected = Seen::new(&mut *first.start(&graph, &weights), &images, &taps);
        for engine in &others {
            let seen = Seen::new(&mut *engine.start(&graph, &weights), &images, &taps);
            seen.assert_close(&expected, Tolerance::Close, &format!("{engine:?}, {taps:?} of\n{graph}"));
        }
    }
}

const CONV: &str = "kernel=3 stride=1 padding=1 bias=false";

#[test]
fn one_wire_in_two_concats() {
    check(&format!(
        "x = input() channels=3
        a = conv2d(x) out_channels=13 {CONV}
        b = conv2d(a) out_channels=5 {CONV}
        first = concat(a, b)
        second = concat(b, a)
        c = conv2d(first) out_channels=4 {CONV}
        outputs = c, second"
    ));
}

#[test]
fn the_same_wire_twice() {
    check(&format!(
        "x = input() channels=3
        a = conv2d(x) out_channels=13 {CONV}
        twice = concat(a, a)
        doubled = add(a, a)
        b = conv2d(twice) out_channels=13 {CONV}
        y = add(doubled, b, b)
        outputs = y, twice, y"
    ));
}

#[test]
fn nested_concats_and_a_slice_across_their_seams() {
    check(&format!(
        "x = input() channels=3
        a = conv2d(x) out_channels=13 {CONV}
        b = conv2d(x) out_channels=27 {CONV}
        inner = concat(a, b)
        c = conv2d(inner) out_channels=7 {CONV}
        outer = concat(c, inner, x)
        s = slice(outer) start=5 len=20
        t = slice(s) start=1 len=15
        y = conv2d(t) out_channels=4 {CONV}
        outputs = y, s, outer"
    ));
}

#[test]
fn a_residual_into_a_concat_of_uneven_slices() {
    check(&format!(
        "x = input() channels=3
        a = conv2d(x) out_channels=40 {CONV}
        n = batch_norm(a) eps=0.001 momentum=0.03
        act = silu(n)
        s = slice(act) start=0 len=13
        t = slice(act) start=13 len=27
        b = conv2d(t) out_channels=27 {CONV}
        m = batch_norm(b) eps=0.001 momentum=0.03
        u = silu(m)
        r = add(t, u)
        c = conv2d(r) out_channels=27 {CONV}
        q = add(c, r)
        y = concat(s, t, r, q)
        z = conv2d(y) out_channels=5 {CONV}
        outputs = z"
    ));
}

#[test]
fn slices_swapped_overlapping_and_partly_read() {
    check(&format!(
        "x = input() channels=3
        a = conv2d(x) out_channels=20 {CONV}
        s = slice(a) start=0 len=13
        t = slice(a) start=7 len=13
        swapped = concat(t, s)
        lone = slice(a) start=2 len=3
        p = max_pool(lone) kernel=3 stride=1 padding=1
        y = conv2d(swapped) out_channels=5 {CONV}
        outputs = y, p"
    ));
}

#[test]
fn images_that_are_normalised_added_pooled_and_an_output() {
    check(&format!(
        "x = input() channels=5
        n = batch_norm(x) eps=0.001 momentum=0.1
        s = silu(x)
        p = max_pool(x) kernel=3 stride=1 padding=1
        y = add(n, s, p, x)
        z = silu(y)
        unread = conv2d(y) out_channels=3 {CONV}
        outputs = z, x"
    ));
}

#[test]
fn every_form_of_a_fused_layer() {
    check(
        "x = input() channels=3
        a = conv2d(x) out_channels=6 kernel=1 stride=1 padding=0 bias=true
        b = conv2d(a) out_channels=6 kernel=1 stride=1 padding=0 bias=true
        bare = add(b, a)
        c = conv2d(bare) out_channels=6 kernel=1 stride=1 padding=0 bias=true
        active = silu(c)
        d = conv2d(active) out_channels=6 kernel=3 stride=1 padding=1 bias=true
        normed = batch_norm(d) eps=0.001 momentum=0.03
        sum = add(active, normed)
        e = silu(sum)
        f = add(e, sum)
        g = batch_norm(f) eps=0.01 momentum=0.2
        h = add(g, f)
        up = upsample(h) scale=2
        y = max_pool(up) kernel=2 stride=2 padding=0
        outputs = y",
    );
}

#[test]
fn one_channel_and_networks_without_layers() {
    check("x = input() channels=1\ny = silu(x)\noutputs = y");
    check("x = input() channels=2\noutputs = x, x");
    check("x = input() channels=2\ny = concat(x)\noutputs = y");
    check(&format!("x = input() channels=1\ny = conv2d(x) out_channels=1 {CONV}\noutputs = y"));
}
