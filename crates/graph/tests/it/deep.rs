//! Chains of as many layers as a graph may have: no function may recurse once per layer.

use std::fmt::Write as _;
use std::thread;

use bonsai_graph::{Graph, Size};

/// Runs the test on a stack that is too small for one call per layer.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 << 10).spawn(test).unwrap().join().unwrap();
}

#[test]
fn a_chain_of_65000_layers_is_read_written_measured_and_folded() {
    on_a_small_stack(|| {
        let mut text = "l0 = input() channels=2\n".to_owned();
        for layer in 1..=65_000 {
            let before = layer - 1;
            let op = match layer % 4 {
                1 => format!("conv2d(l{before}) out_channels=2 kernel=1 stride=1 padding=0 bias=false"),
                2 => format!("batch_norm(l{before}) eps=0.001 momentum=0.03"),
                3 => format!("silu(l{before})"),
                _ => format!("add(l{before}, l{})", layer - 2),
            };
            writeln!(text, "l{layer} = {op}").unwrap();
        }
        text.push_str("outputs = l65000");
        let graph: Graph = text.parse().unwrap();
        assert!(graph.to_string().parse::<Graph>().unwrap() == graph);
        let json = serde_json::to_string(&graph).unwrap();
        assert!(serde_json::from_str::<Graph>(&json).unwrap() == graph);
        let cost = graph.cost(Size::square(4)).unwrap();
        assert_eq!((cost.params, cost.macs), (16_250 * (4 + 4), 16_250 * 4 * 16));
        assert_eq!(graph.shapes(Size::square(4)).unwrap().len(), 65_001);
        assert_eq!(graph.fold_batch_norm().folds.len(), 16_250);
        drop(graph.clone());
    });
}

#[test]
fn the_largest_cost_is_counted_without_overflow() {
    // 4000 layers of nearly the largest accepted size.
    let mut text = "l0 = input() channels=65536\n".to_owned();
    for layer in 1..=4000 {
        let before = layer - 1;
        writeln!(
            text,
            "l{layer} = conv2d(l{before}) out_channels=65536 kernel=63 stride=1 padding=31 bias=true"
        )
        .unwrap();
    }
    text.push_str("outputs = l4000");
    let graph: Graph = text.parse().unwrap();
    let cost = graph.cost(Size::square(65_536)).unwrap();
    let weights = 65_536u64 * 65_536 * 63 * 63;
    assert_eq!((cost.params, cost.macs), (4000 * (weights + 65_536), u64::MAX));
}
