//! Property tests over random graphs: both written forms round-trip, and folding keeps the outputs.

use bonsai_graph::{Graph, GraphBuilder, ModelSpec, NodeId, Op, ParamRole, Size};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::detector::detector;

/// A graph of random layers with random inputs. Layers that do not fit are left out, so every graph is valid.
fn arb_graph() -> impl Strategy<Value = Graph> {
    let layer = (0..10u8, any::<[usize; 3]>(), 1..7usize, any::<bool>());
    (1..6usize, vec(layer, 0..25), any::<[usize; 2]>()).prop_map(|(channels, layers, outputs)| {
        let mut b = GraphBuilder::new();
        let mut ids = vec![b.push("images", Op::Input { channels }, &[]).unwrap()];
        for (i, (kind, wires, number, flag)) in layers.into_iter().enumerate() {
            let [first, second, third] = wires.map(|w| ids[w % ids.len()]);
            let (op, inputs): (Op, &[NodeId]) = match kind {
                0 => (Op::Silu, &[first]),
                1 => (Op::Add, &[first, second]),
                2 => (Op::Concat, &[first, second, third]),
                3 => (Op::Slice { start: wires[1] % number, len: number }, &[first]),
                4 => (Op::MaxPool { kernel: number, stride: 1, padding: number / 2 }, &[first]),
                5 => (Op::Upsample { scale: number }, &[first]),
                6 => (Op::BatchNorm { eps: 1.0 / number as f32, momentum: 0.1 }, &[first]),
                _ => {
                    let stride = 1 + usize::from(flag);
                    // As many groups as channels, or fewer. The builder rejects groups that do not divide
                    // both channel counts.
                    let (out_channels, groups) = match kind {
                        7 => (b.channels(first), b.channels(first)),
                        8 => (2 * number, 1 + wires[1] % 3),
                        _ => (number, 1),
                    };
                    let conv = Op::Conv2d { out_channels, kernel: 3, stride, padding: 1, bias: flag, groups };
                    (conv, &[first])
                }
            };
            let name = format!("n{i}/{}", op.keyword());
            ids.extend(b.push(&name, op, inputs));
        }
        let outputs = outputs.map(|o| ids[o % ids.len()]);
        b.finish(&outputs).unwrap()
    })
}

proptest! {
    #[test]
    fn the_text_form_is_faithful(graph in arb_graph()) {
        let text = graph.to_string();
        prop_assert_eq!(text.parse::<Graph>(), Ok(graph));
    }

    #[test]
    fn the_json_form_is_faithful(graph in arb_graph()) {
        let json = serde_json::to_string(&graph).unwrap();
        prop_assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph);
    }

    #[test]
    fn shapes_never_panic(graph in arb_graph(), h in 0..40usize, w in any::<usize>()) {
        for (height, width) in [(h, h), (h, w), (w, h)] {
            if let Ok(shapes) = graph.shapes(Size { height, width }) {
                prop_assert_eq!(shapes.len(), graph.nodes().len());
                prop_assert!(shapes.iter().all(|s| !s.is_empty()));
            }
        }
    }

    #[test]
    fn folding_keeps_the_outputs(graph in arb_graph()) {
        let folded = graph.fold_batch_norm();
        let width = |g: &Graph| g.outputs().iter().map(|o| g.node(*o).channels()).collect::<Vec<_>>();
        prop_assert_eq!(width(&folded.graph), width(&graph));
        prop_assert_eq!(folded.graph.nodes().len() + folded.folds.len(), graph.nodes().len());
        // Of several batch norms in a row, one pass folds only the first; nothing else remains to be folded.
        for left in folded.graph.fold_batch_norm().folds {
            prop_assert!(folded.folds.iter().any(|f| f.conv == left.conv), "{} was not folded", left.batch_norm);
        }
        for fold in &folded.folds {
            let conv = folded.graph.find(&fold.conv).unwrap();
            let roles: Vec<_> = folded.graph.node_params(conv).iter().map(|p| p.role).collect();
            prop_assert_eq!(roles, [ParamRole::ConvWeight, ParamRole::ConvBias]);
        }
    }

    #[test]
    fn changed_text_never_panics(at in any::<prop::sample::Index>(), with in "\\PC{0,3}") {
        let text = detector().graph().to_string();
        let at = at.index(text.len());
        let _ = format!("{}{with}{}", &text[..at], &text[at + 1..]).parse::<Graph>();
    }

    #[test]
    fn changed_json_never_panics(at in any::<prop::sample::Index>(), with in "\\PC{0,3}") {
        let json = serde_json::to_string(&detector()).unwrap();
        let at = at.index(json.len());
        let _ = serde_json::from_str::<ModelSpec>(&format!("{}{with}{}", &json[..at], &json[at + 1..]));
    }
}
