//! Tests of `.pt` files written for Ultralytics: read back, they are the same network, or one of equal halves that
//! computes the same. `scripts/peers/check_ultralytics_file.py` holds such files against Ultralytics itself.

use bonsai_checkpoint::{Checkpoint, CheckpointError, PtError, Weights};
use bonsai_graph::{DetectHead, Graph, GraphBuilder, GraphError, ModelSpec, NodeId, Op};
use bonsai_testkit::{
    Tolerance, assert_arrays_close, imported, random_array, random_weights, reference_forward,
};
use proptest::prelude::*;

use crate::{assert_names, chain, deployed};

fn read_back(checkpoint: &Checkpoint) -> Checkpoint {
    Checkpoint::import_bytes(&checkpoint.to_ultralytics().unwrap().bytes).unwrap()
}

#[test]
fn a_network_of_equal_halves_is_read_back_as_it_was() {
    for name in ["old", "bare"] {
        let mut given = Checkpoint::import_bytes(&imported(name)).unwrap();
        given.metadata.insert("imgsz".to_owned(), "96".to_owned());
        let file = given.to_ultralytics().unwrap();
        assert_eq!(file.added_channels, 0, "{name}");
        let read = read_back(&given);
        assert_eq!(read.model, given.model, "{name}");
        assert!(read.weights == given.weights, "{name}");
        assert_eq!(read.metadata["imgsz"], "96");
        assert_eq!(file, given.to_ultralytics().unwrap(), "equal content gives equal bytes");
    }
}

#[test]
fn separate_halves_are_joined_and_evened() {
    let given = Checkpoint::import_bytes(&imported("pruned")).unwrap();
    let file = given.to_ultralytics().unwrap();
    assert!(file.added_channels > 0 && !file.can_be_rebuilt);
    let read = read_back(&given);
    assert!(read.model.graph().nodes().iter().all(|node| !node.name().contains("cv0")));
    assert_same_outputs(&given, &read, [64, 64]);
}

#[track_caller]
fn assert_same_outputs(given: &Checkpoint, read: &Checkpoint, [h, w]: [usize; 2]) {
    let images = random_array(7, &[1, 3, h, w]);
    let run = |c: &Checkpoint| reference_forward(c.model.graph(), &c.weights, &images, false);
    for (i, (new, old)) in run(read).iter().zip(&run(given)).enumerate() {
        assert_arrays_close(new, old, Tolerance::Tight, &format!("output {i}"));
    }
}

/// Widths of a C2f after pruning.
#[derive(Debug, Clone)]
struct Widths {
    first: usize,
    second: usize,
    /// Inner and outer width of each bottleneck; with a shortcut, the outer one is `second`.
    bottlenecks: Vec<[usize; 2]>,
    shortcut: bool,
    /// Each half has a convolution of its own.
    separate: bool,
    /// Convolutions have a bias and no batch norm.
    folded: bool,
}

fn arb_widths() -> impl Strategy<Value = Widths> {
    let bottlenecks = prop::collection::vec([1..5usize, 1..5usize], 1..4);
    (1..7usize, 1..7usize, bottlenecks, any::<[bool; 3]>()).prop_map(|(first, second, bottlenecks, flags)| {
        let [shortcut, separate, folded] = flags;
        Widths { first, second, bottlenecks, shortcut, separate, folded }
    })
}

struct Builder {
    graph: GraphBuilder,
    folded: bool,
}

impl Builder {
    fn conv(&mut self, name: &str, x: NodeId, outputs: usize, kernel: usize) -> Result<NodeId, GraphError> {
        let conv = Op::Conv2d {
            out_channels: outputs,
            kernel,
            stride: 1,
            padding: kernel / 2,
            bias: self.folded,
            groups: 1,
        };
        let mut x = self.graph.push(&format!("{name}.conv"), conv, &[x])?;
        if !self.folded {
            x = self.graph.push(&format!("{name}.bn"), Op::batch_norm(), &[x])?;
        }
        self.graph.push(&format!("{name}.act"), Op::Silu, &[x])
    }

    fn last(&mut self, name: &str, x: NodeId, outputs: usize) -> Result<NodeId, GraphError> {
        let conv =
            Op::Conv2d { out_channels: outputs, kernel: 1, stride: 1, padding: 0, bias: true, groups: 1 };
        self.graph.push(name, conv, &[x])
    }

    fn c2f(&mut self, x: NodeId, widths: &Widths) -> Result<NodeId, GraphError> {
        let &Widths { first, second, ref bottlenecks, shortcut, separate, .. } = widths;
        let (start, mut last) = if separate {
            (self.conv("model.1.cv0", x, first, 1)?, self.conv("model.1.cv1", x, second, 1)?)
        } else {
            let joint = self.conv("model.1.cv1", x, first + second, 1)?;
            let mut slice = |half: usize, start, len| {
                self.graph.push(&format!("model.1.split.{half}"), Op::Slice { start, len }, &[joint])
            };
            (slice(0, 0, first)?, slice(1, first, second)?)
        };
        let mut parts = vec![start, last];
        for (i, [inner, outer]) in bottlenecks.iter().enumerate() {
            let name = format!("model.1.m.{i}");
            let y = self.conv(&format!("{name}.cv1"), last, *inner, 3)?;
            let y = self.conv(&format!("{name}.cv2"), y, if shortcut { second } else { *outer }, 3)?;
            last = if shortcut { self.graph.push(&format!("{name}.add"), Op::Add, &[last, y])? } else { y };
            parts.push(last);
        }
        let joined = self.graph.push("model.1.concat", Op::Concat, &parts)?;
        self.conv("model.1.cv2", joined, 5, 1)
    }
}

/// A convolution, a C2f of these widths, and a head of one level.
fn network(widths: &Widths, seed: u64) -> Checkpoint {
    let mut b = Builder { graph: GraphBuilder::new(), folded: widths.folded };
    let mut build = || -> Result<Vec<NodeId>, GraphError> {
        let x = b.graph.push("images", Op::Input { channels: 3 }, &[])?;
        let x = b.conv("model.0", x, 4, 3)?;
        let x = b.c2f(x, widths)?;
        let mut outputs = Vec::new();
        for (branch, channels) in [("cv2", 8), ("cv3", 2)] {
            let y = b.conv(&format!("model.2.{branch}.0.0"), x, 3, 3)?;
            let y = b.conv(&format!("model.2.{branch}.0.1"), y, 3, 3)?;
            outputs.push(b.last(&format!("model.2.{branch}.0.2"), y, channels)?);
        }
        Ok(outputs)
    };
    let outputs = build().unwrap();
    let graph: Graph = b.graph.finish(&outputs).unwrap();
    let head = DetectHead {
        num_classes: 2,
        reg_max: 2,
        strides: vec![1],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let weights: Weights = random_weights(seed, &graph);
    let names = vec!["汽车".to_owned(), "it's a \"cat\"\\n".to_owned()];
    Checkpoint::new(ModelSpec::new(graph, head, names).unwrap(), weights).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn halves_of_any_widths_compute_the_same(widths in arb_widths(), seed in 0..99u64) {
        let given = network(&widths, seed);
        let file = given.to_ultralytics().unwrap();
        prop_assert_eq!(file.added_channels, widths.first.abs_diff(widths.second));
        let read = Checkpoint::import_bytes(&file.bytes).unwrap();
        prop_assert_eq!(read.model.class_names(), given.model.class_names());
        let graph = read.model.graph();
        let half = |i: u8| graph.node(graph.find(&format!("model.1.split.{i}")).unwrap()).channels();
        prop_assert_eq!([half(0), half(1)], [widths.first.max(widths.second); 2]);
        assert_same_outputs(&given, &read, [5, 4]);
    }
}

#[test]
fn what_is_no_module_of_yolov8_is_named() {
    let refused = |checkpoint: &Checkpoint, parts: &[&str]| {
        let error = checkpoint.to_ultralytics().expect_err("this must be refused");
        let CheckpointError::Pt(reason) = &error else { panic!("{error:?}") };
        assert!(matches!(**reason, PtError::NotUltralytics { .. }), "{error:?}");
        assert_names(&chain(&error), parts);
    };
    refused(&deployed(3), &["module of Ultralytics' YOLOv8"]);
    let widths = Widths {
        first: 2,
        second: 2,
        bottlenecks: vec![[2, 2]],
        shortcut: true,
        separate: false,
        folded: false,
    };
    let given = network(&widths, 0);
    // The shortcut adds the other half: a wire that no bottleneck has.
    let text = given
        .model
        .graph()
        .to_string()
        .replace("add(model.1.split.1, model.1.m.0.cv2.act)", "add(model.1.split.0, model.1.m.0.cv2.act)");
    let graph: Graph = text.parse().unwrap();
    assert_ne!(&graph, given.model.graph(), "{text}");
    let changed = Checkpoint::new(given.model.with_graph(graph).unwrap(), given.weights).unwrap();
    refused(&changed, &["model.1.m.0.add"]);
}
