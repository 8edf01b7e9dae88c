//! [`Coupling`]: coupled and pinned channels of known and of random networks.

use std::collections::{BTreeMap, BTreeSet};

use bonsai_graph::{Graph, GraphBuilder, NodeId, Op};
use bonsai_prune::{Coupling, Member, Pin};
use bonsai_testkit::{RandomGraphConfig, random_model};
use bonsai_yolov8::{Scale, build};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::small_model::{conv, conv_bn, small_model};

fn yolov8(scale: Scale) -> Graph {
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    build(scale, &names).unwrap().graph().clone()
}

fn gammas(coupling: &Coupling, set: usize) -> Vec<Member> {
    let is_bn = |m: &&Member| matches!(coupling.graph().node(m.node).op(), Op::BatchNorm { .. });
    coupling.sets()[set].members.iter().filter(is_bn).copied().collect()
}

/// Known answer: 57 batch norms have 5,296 channels. Those of a residual stream share sets, all others are
/// alone (16 + 64 + 128 + 128 channels are added to a stream of 16 + 32 + 64 + 128).
#[test]
fn yolov8n_has_4960_prunable_sets() {
    let coupling = Coupling::from_graph(&yolov8(Scale::N));
    let counts: Vec<usize> = (0..coupling.sets().len()).map(|s| gammas(&coupling, s).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 5296);
    assert_eq!(counts.iter().filter(|c| **c > 0).count(), 4960);
    assert_eq!(counts.iter().filter(|c| **c > 1).count(), 240);
    assert_eq!(coupling.prunable().count(), 4960, "every set with a gamma may be removed");
    assert!(coupling.prunable().all(|s| counts[s] > 0));
}

/// Known answer: Torch-Pruning 1.6.1 finds 59 groups in a `YOLOv8s` whose C2f halves are separate
/// convolutions, if only the last convolutions of the head are excluded.
#[test]
fn yolov8s_has_59_groups() {
    let coupling = Coupling::from_graph(&yolov8(Scale::S));
    assert_eq!(coupling.groups().len(), 59);
    let in_groups: usize = coupling.groups().iter().map(Vec::len).sum();
    assert_eq!(in_groups, coupling.prunable().count());
}

#[test]
fn heads_and_image_are_pinned() {
    let graph = yolov8(Scale::N);
    let coupling = Coupling::from_graph(&graph);
    for output in graph.outputs() {
        for channel in 0..graph.node(*output).channels() {
            let set = coupling.set_of(Member { node: *output, channel });
            assert_eq!(coupling.sets()[set].pin, Some(Pin::Output(*output)));
        }
    }
    let image = coupling.set_of(Member { node: graph.input(), channel: 2 });
    assert_eq!(coupling.sets()[image].pin, Some(Pin::Input));
}

/// Every channel is in exactly one set, and sets and groups are ordered.
#[test]
fn sets_are_a_partition() {
    for seed in 0..50 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let graph = model.spec().graph();
        let coupling = Coupling::from_graph(graph);
        let mut seen = BTreeSet::new();
        for (number, set) in coupling.sets().iter().enumerate() {
            assert!(set.members.is_sorted() && !set.members.is_empty());
            for member in &set.members {
                assert_eq!(coupling.set_of(*member), number);
                assert!(seen.insert(*member), "{member:?} is in two sets");
            }
        }
        let channels: usize = graph.nodes().iter().map(bonsai_graph::Node::channels).sum();
        assert_eq!(seen.len(), channels);
        assert!(coupling.sets().is_sorted_by_key(|s| s.members[0]));
        let grouped: BTreeSet<usize> = coupling.groups().iter().flatten().copied().collect();
        assert_eq!(grouped.into_iter().collect::<Vec<_>>(), coupling.prunable().collect::<Vec<_>>());
    }
}

/// The same network with other layer names and another topological order couples the same channels.
#[test]
fn names_and_order_do_not_matter() {
    for seed in 0..50 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let graph = model.spec().graph();
        let (shuffled, new_id) = shuffle(graph, seed);
        let a = Coupling::from_graph(graph);
        let b = Coupling::from_graph(&shuffled);
        let renamed = |m: &Member| Member { node: new_id[&m.node], channel: m.channel };
        // The order decides which convolution a reason names first, but not the kind of reason.
        let kind = |pin: Option<Pin>| pin.map(|p| std::mem::discriminant(&p));
        let mapped: BTreeMap<BTreeSet<Member>, _> =
            a.sets().iter().map(|s| (s.members.iter().map(renamed).collect(), kind(s.pin))).collect();
        let expected: BTreeMap<BTreeSet<Member>, _> =
            b.sets().iter().map(|s| (s.members.iter().copied().collect(), kind(s.pin))).collect();
        assert!(mapped == expected, "seed {seed}");
        assert_eq!(a.groups().len(), b.groups().len());
    }
}

/// A random topological order with new names, and each old layer's new position.
fn shuffle(graph: &Graph, seed: u64) -> (Graph, BTreeMap<NodeId, NodeId>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut builder = GraphBuilder::new();
    let mut new_id = BTreeMap::new();
    let mut waiting: Vec<NodeId> = graph.ids().collect();
    while !waiting.is_empty() {
        let ready: Vec<usize> = (0..waiting.len())
            .filter(|i| graph.node(waiting[*i]).inputs().iter().all(|input| new_id.contains_key(input)))
            .collect();
        let id = waiting.remove(ready[rng.random_range(0..ready.len())]);
        let node = graph.node(id);
        let inputs: Vec<NodeId> = node.inputs().iter().map(|i| new_id[i]).collect();
        let name = format!("renamed-{}", waiting.len());
        new_id.insert(id, builder.push(&name, *node.op(), &inputs).unwrap());
    }
    let outputs: Vec<NodeId> = graph.outputs().iter().map(|o| new_id[o]).collect();
    (builder.finish(&outputs).unwrap(), new_id)
}

/// Couples a small network and returns the reason why channel 0 of `layer` must stay.
fn pin(layers: &str, layer: &str) -> Option<String> {
    let model = small_model(layers);
    let graph = model.model.graph();
    let coupling = Coupling::from_graph(graph);
    let set = coupling.set_of(Member { node: graph.find(layer).unwrap(), channel: 0 });
    coupling.sets()[set].pin.map(|p| p.describe(graph))
}

#[test]
fn only_what_becomes_zero_may_go() {
    let a = conv_bn("a", "x", 4);
    let act = "y = silu(a)\n";
    assert_eq!(pin(&(a.clone() + act), "a.conv"), None);
    let raw = "`classes` reads `raw`, which no batch norm brings to zero";
    let raw = |layer: &str| raw.replace("classes", layer);
    // A convolution without a batch norm after it.
    assert_eq!(pin(&(a.clone() + &conv("raw", "a", 4) + "y = silu(raw)\n"), "raw"), {
        Some("`boxes` reads `y`, which no batch norm brings to zero".to_owned())
    });
    // `raw` is read by a batch norm and by another convolution: zeroing sets only the first reader to zero.
    let bn = "y0 = batch_norm(raw) eps=0.001 momentum=0.03\n";
    let both = conv("raw", "x", 4) + bn + &conv_bn("side", "raw", 4) + "y = add(y0, side)\n";
    assert_eq!(pin(&both, "raw"), Some(raw("side.conv")));
    // Two batch norms after one convolution: both output zero.
    let two = conv("raw", "x", 4) + bn + "y1 = batch_norm(raw) eps=1 momentum=0\ny = add(y0, y1)\n";
    assert_eq!(pin(&two, "raw"), None);
    // The sum of a zeroed channel and an unnormalised one is not zero.
    let sum = a.clone() + &conv("raw", "x", 4) + "y = add(a, raw)\n";
    assert_eq!(pin(&sum, "a.conv"), Some("`boxes` reads `y`, which no batch norm brings to zero".to_owned()));
    // But a batch norm after that sum makes it zero.
    let norm = conv("p", "x", 4) + &conv("q", "x", 4) + "s = add(p, q)\ny = batch_norm(s) eps=1 momentum=0\n";
    assert_eq!(pin(&norm, "q"), None);
    // A channel that is added to the image.
    let image = conv_bn("a", "x", 3) + "y = add(a, x)\n";
    assert_eq!(pin(&image, "a.conv"), Some("it belongs to the image".to_owned()));
    // A channel that no layer reads.
    assert_eq!(pin(&(a + act + &conv("raw", "x", 4)), "raw"), Some("no batch norm belongs to it".to_owned()));
}
