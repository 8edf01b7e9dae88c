//! Tests of random networks: they are valid, reproducible by seed, and contain rare structures.

use std::collections::BTreeSet;

use bonsai_graph::{Graph, Op, Size};
use bonsai_testkit::{RandomGraphConfig, random_model};

#[test]
fn same_seed_same_model() {
    let config = RandomGraphConfig::default();
    let a = random_model(3, &config);
    let b = random_model(3, &config);
    let c = random_model(4, &config);
    assert_eq!((&a.checkpoint, a.h, a.w), (&b.checkpoint, b.h, b.w));
    assert_ne!(a.checkpoint, c.checkpoint);
}

#[test]
fn every_model_fits_its_image_and_stays_small() {
    let config = RandomGraphConfig::default();
    for seed in 0..500 {
        let model = random_model(seed, &config);
        let graph = model.spec().graph();
        let cost = graph
            .cost(Size { height: model.h, width: model.w })
            .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(cost.macs < 20_000_000, "seed {seed}: {cost:?}");
        let wide = graph.nodes().iter().map(bonsai_graph::Node::channels).max();
        assert!(wide < Some(200), "seed {seed}: {wide:?}");
        assert!(model.spec().head().strides.is_sorted());
    }
}

/// Every structure that a pass over the graph must handle occurs within a hundred seeds.
#[test]
fn rare_shapes_occur() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let model = random_model(seed, &RandomGraphConfig::default());
        if model.h % 2 == 1 || model.w % 2 == 1 {
            seen.insert("odd image");
        }
        seen.extend(features(model.spec().graph()));
    }
    let expected = [
        "add of three",
        "add of two",
        "batch norm read by convolution",
        "batch norm without convolution",
        "bias before batch norm",
        "concat of concat",
        "convolution read by convolution",
        "convolution read twice",
        "depthwise convolution",
        "depthwise convolution with stride",
        "depthwise convolution without batch norm",
        "groups of several channels",
        "input read by slice or concat",
        "kernel 1",
        "kernel 3",
        "kernel 5",
        "odd image",
        "odd width",
        "pooling of pooling",
        "pooling with stride",
        "same wire twice",
        "several outputs of one channel",
        "slice of concat",
        "stride 2",
        "uneven slice",
        "upsample read twice",
        "wire in two concats",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

fn features(graph: &Graph) -> Vec<&'static str> {
    let mut seen = Vec::new();
    let consumers = graph.consumers();
    for (id, node) in graph.iter() {
        let source = node.inputs().first().map(|i| graph.node(*i));
        let from = |keyword: &str| source.is_some_and(|s| s.op().keyword() == keyword);
        let read_by = |keyword: &str| {
            consumers[id.index()].iter().filter(|c| graph.node(**c).op().keyword() == keyword).count()
        };
        let mut note = |feature: &'static str, holds: bool| {
            if holds {
                seen.push(feature);
            }
        };
        match *node.op() {
            Op::Input { .. } => {
                note("input read by slice or concat", read_by("slice") + read_by("concat") > 0);
            }
            Op::Conv2d { out_channels, kernel, stride, bias, groups, .. } => {
                let ins = graph.in_channels(id);
                note("depthwise convolution", graph.is_depthwise(id));
                note("depthwise convolution with stride", graph.is_depthwise(id) && stride == 2);
                note(
                    "depthwise convolution without batch norm",
                    graph.is_depthwise(id) && read_by("batch_norm") == 0,
                );
                note("groups of several channels", groups > 1 && ins > groups && out_channels > groups);
                note("several outputs of one channel", groups > 1 && ins == groups && out_channels > ins);
                note("kernel 1", kernel == 1);
                note("kernel 3", kernel == 3);
                note("kernel 5", kernel == 5);
                note("stride 2", stride == 2);
                note("odd width", out_channels % 2 == 1);
                note("bias before batch norm", bias && read_by("batch_norm") > 0);
                note("convolution read twice", consumers[id.index()].len() > 1);
                note("convolution read by convolution", read_by("conv2d") > 0);
            }
            Op::BatchNorm { .. } => {
                note("batch norm without convolution", !from("conv2d"));
                note("batch norm read by convolution", read_by("conv2d") > 0);
            }
            Op::Silu => {}
            Op::Add => {
                note("add of two", node.inputs().len() == 2);
                note("add of three", node.inputs().len() == 3);
            }
            Op::Concat => {
                note("concat of concat", node.inputs().iter().any(|i| *graph.node(*i).op() == Op::Concat));
                let distinct: BTreeSet<_> = node.inputs().iter().collect();
                note("same wire twice", distinct.len() < node.inputs().len());
            }
            Op::Slice { len, .. } => {
                note("slice of concat", from("concat"));
                note("uneven slice", graph.in_channels(id) != 2 * len);
            }
            Op::MaxPool { stride, .. } => {
                note("pooling of pooling", from("max_pool"));
                note("pooling with stride", stride > 1);
            }
            Op::Upsample { .. } => note("upsample read twice", consumers[id.index()].len() > 1),
        }
        let concats: BTreeSet<_> =
            consumers[id.index()].iter().filter(|c| *graph.node(**c).op() == Op::Concat).collect();
        note("wire in two concats", concats.len() > 1);
    }
    seen
}
