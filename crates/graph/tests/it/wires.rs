//! Tests of building, looking up and mapping a graph.

use bonsai_graph::{Graph, GraphBuilder, GraphError, Op};

use crate::detector::detector;
use crate::{assert_names, graph};

#[test]
fn consumers_count_every_wire() {
    let graph = graph(
        "x = input() channels=2
         a = silu(x)
         b = add(a, a)
         c = concat(x, b, a)
         outputs = c",
    );
    let names: Vec<Vec<&str>> =
        graph.consumers().iter().map(|ids| ids.iter().map(|id| graph.node(*id).name()).collect()).collect();
    assert_eq!(names, [vec!["a", "c"], vec!["b", "b", "c"], vec!["c"], vec![]]);
}

#[test]
fn layers_are_found_by_name_and_position() {
    let graph = detector().graph().clone();
    for (id, node) in graph.iter() {
        assert_eq!(graph.find(node.name()), Some(id));
        assert!(node.inputs().iter().all(|i| *i < id), "`{}` is before a layer that it reads", node.name());
    }
    assert_eq!(graph.find("nowhere"), None);
    assert_eq!(graph.node(graph.input()).name(), "images");
    assert_eq!(graph.in_channels(graph.input()), 0);
    assert_eq!(graph.in_channels(graph.find("model.2.cv2.conv").unwrap()), 26);
    assert_eq!(graph.ids().count(), graph.nodes().len());
}

#[test]
fn mapping_to_itself_changes_nothing() {
    let graph = detector().graph().clone();
    assert_eq!(graph.map_ops(|_, node| *node.op()), Ok(graph));
}

#[test]
fn mapping_infers_what_follows() {
    let graph = detector().graph().clone();
    let narrower = graph.map_ops(|_, node| match *node.op() {
        Op::Slice { start: 0, .. } => Op::Slice { start: 0, len: 4 },
        op => op,
    });
    let narrower = narrower.unwrap();
    assert_eq!(narrower.in_channels(narrower.find("model.2.cv2.conv").unwrap()), 24);
}

#[test]
fn mapping_refuses_numbers_that_do_not_fit() {
    let graph = detector().graph().clone();
    let narrow = |name: &'static str| {
        graph.map_ops(|_, node| match *node.op() {
            Op::Conv2d { kernel, stride, padding, bias, groups, .. } if node.name() == name => {
                Op::Conv2d { out_channels: 9, kernel, stride, padding, bias, groups }
            }
            op => op,
        })
    };
    let add = narrow("model.2.m.0.cv2.conv").unwrap_err();
    assert_names(&add.to_string(), &["`model.2.m.0.add`", "`model.2.slice1` with 10", "with 9"]);
    let slice = narrow("model.2.cv1.conv").unwrap_err();
    assert_names(&slice.to_string(), &["`model.2.slice1`", "6..16", "`model.2.cv1.act`", "9"]);
}

#[test]
fn a_builder_refuses_foreign_ids() {
    let last = detector().graph().ids().next_back().unwrap();
    let mut b = GraphBuilder::new();
    let x = b.push("x", Op::Input { channels: 3 }, &[]).unwrap();
    let error = b.push("y", Op::Silu, &[last]).unwrap_err();
    assert_names(&error.to_string(), &["`y`", &format!("#{}", last.index())]);
    // A rejected layer leaves no trace, not even its name.
    assert!(b.push("y", Op::Silu, &[x]).is_ok());
    assert_names(&b.finish(&[last]).unwrap_err().to_string(), &["`outputs`", &format!("#{}", last.index())]);
}

#[test]
fn an_input_takes_no_wire() {
    let mut b = GraphBuilder::new();
    let x = b.push("x", Op::Input { channels: 3 }, &[]).unwrap();
    let error = b.push("y", Op::Input { channels: 3 }, &[x]).unwrap_err();
    assert!(matches!(error, GraphError::InputCount { got: 1, .. }), "{error:?}");
    let empty: Result<Graph, _> = GraphBuilder::new().finish(&[x]);
    assert!(matches!(empty, Err(GraphError::InputsOutputs { inputs: 0, outputs: 1 })));
}

#[test]
fn the_nearest_layer_on_which_two_depend() {
    let graph = graph(
        "x = input() channels=2
         a = silu(x)
         b = silu(a)
         c = silu(a)
         d = silu(c)
         e = add(b, d)
         outputs = e, d",
    );
    let id = |name: &str| graph.find(name).unwrap();
    let name = |a: &str, b: &str| graph.node(graph.common_ancestor(id(a), id(b)).unwrap()).name();
    assert_eq!(name("b", "d"), "a");
    assert_eq!(name("d", "b"), "a");
    assert_eq!(name("d", "c"), "c", "one may depend on the other");
    assert_eq!(name("e", "d"), "d");
    assert_eq!(name("x", "e"), "x");
}

#[test]
fn more_outputs_are_behind_the_others() {
    let detector = detector();
    let inputs = detector.head_inputs();
    let graph = detector.graph().with_more_outputs(&inputs).unwrap();
    let outputs = detector.graph().outputs();
    assert_eq!(graph.outputs()[..outputs.len()], *outputs);
    assert_eq!(graph.outputs()[outputs.len()..], inputs);
    assert_eq!(graph.nodes(), detector.graph().nodes());
    let small = self::graph("x = input() channels=2\na = silu(x)\noutputs = a");
    assert!(matches!(small.with_more_outputs(&inputs), Err(GraphError::UnknownInput { .. })));
}
