//! Any text as a graph: an error, or a graph whose text form gives the same graph.
#![no_main]

use bonsai_graph::{Graph, Size};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(graph) = text.parse::<Graph>() else { return };
    assert_eq!(graph.to_string().parse(), Ok(graph.clone()));
    for (height, width) in [(0, 1), (1, 1), (33, 64), (640, 640), (usize::MAX, 2)] {
        let _ = graph.cost(Size { height, width });
    }
    assert!(graph.fold_batch_norm().graph.fold_batch_norm().folds.is_empty());
});
